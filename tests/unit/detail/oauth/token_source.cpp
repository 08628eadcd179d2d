// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <stdexcept>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using tests::answer;
using tests::some_credentials;

namespace {

std::string const grant = "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":60}";

}  // namespace

TEST_CASE("a source sends one token request for each call") {
  int requests = 0;
  token_source const ask =
      make_token_source(test_environment, some_credentials(), [&requests](http_request const& sent) {
        ++requests;
        CHECK(sent.method == "POST");
        CHECK(sent.url == test_environment.password_token_url);
        return answer(200, grant);
      });
  CHECK(requests == 0);
  CHECK(ask().value() == "abc");
  CHECK(ask().value() == "abc");
  CHECK(requests == 2);
}

TEST_CASE("a slow answer does not lengthen a life") {
  tests::fake_clock clock;
  boot_clock::time_point const start = clock();
  token_source const ask = make_token_source(
      test_environment, some_credentials(),
      [&clock](http_request const&) {
        clock.advance(std::chrono::seconds(20));
        return answer(200, grant);
      },
      basic_encoding::plain, clock);
  CHECK(ask().expires_at() == start + std::chrono::seconds(60));
}

TEST_CASE("an answer without a token names the server that gave it") {
  for (http_response const& response :
       {answer(200, "<html>"), answer(302, ""), answer(400, "{\"error\":\"invalid_grant\"}")}) {
    token_source const ask = make_token_source(production_environment, some_credentials(),
                                               [&response](http_request const&) { return response; });
    std::string const host = parse_url(production_environment.password_token_url, "token URL").host;
    CHECK_THROWS_WITH_AS(ask(), doctest::Contains(("the token server " + host + " answered").c_str()), error);
  }
}

TEST_CASE("credentials that cannot be right are refused before anything is sent") {
  credentials wrong = some_credentials();
  wrong.client_secret = "";
  bool sent = false;
  CHECK_THROWS_AS(make_token_source(test_environment, wrong,
                                    [&sent](http_request const&) {
                                      sent = true;
                                      return answer(200, grant);
                                    }),
                  error);
  CHECK_FALSE(sent);
}

TEST_CASE("a transport that is no function is refused at once") {
  CHECK_THROWS_WITH_AS(make_token_source(test_environment, some_credentials(), transport()),
                       doctest::Contains("transport"), error);
}

TEST_CASE("what a transport throws passes through unchanged") {
  token_source const ask =
      make_token_source(test_environment, some_credentials(),
                        [](http_request const&) -> http_response { throw std::logic_error("of the host"); });
  CHECK_THROWS_AS(ask(), std::logic_error);
}
