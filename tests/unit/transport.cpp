// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <string>

#include <doctest/doctest.h>

using cibmtr_auth::http_request;
using cibmtr_auth::http_response;
using cibmtr_auth::https_options;

TEST_CASE("a header is the first field of that name, in any case, without the spaces around its value") {
  http_response const response(200, "body", {{"Date", "now"}, {"retry-AFTER", " \t60 s "}, {"Retry-After", "90"}});
  CHECK(response.header("Retry-After") == "60 s");
  CHECK(response.header("RETRY-AFTER") == "60 s");
  CHECK(response.header("Date") == "now");
  CHECK(response.header("Retry") == "");
  CHECK(response.header("") == "");
  CHECK(http_response().header("Date") == "");
}

TEST_CASE("a response has its parts in the order status, body, headers") {
  http_response const response(404, "nothing", {{"A", "1"}});
  CHECK(response.status == 404);
  CHECK(response.body == "nothing");
  CHECK(response.headers.size() == 1);
  CHECK(http_response().status == 0);
}

TEST_CASE("a request without a body or headers needs only a method and a URL") {
  http_request const request("GET", "https://api.example/metadata");
  CHECK(request.method == "GET");
  CHECK(request.url == "https://api.example/metadata");
  CHECK(request.headers.empty());
  CHECK(request.body.empty());
  CHECK_FALSE(request.before_sending);
}

TEST_CASE("an exchange takes at most 30 seconds, of which 10 to connect, and a body has at most 16 MiB by default") {
  https_options const options;
  CHECK((options.timeout == std::chrono::seconds(30)));
  CHECK((options.connect_timeout == std::chrono::seconds(10)));
  CHECK(options.max_response_size == 16 * 1024 * 1024);
  CHECK(options.proxy.empty());
  CHECK_FALSE(options.is_cancelled);
}
