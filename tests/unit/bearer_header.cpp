// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/refusal.hpp"
#include "support/token_server.hpp"

using namespace cibmtr_auth;
using tests::token_server;

namespace {

std::string const api_root = "https://int-api.nmdp.org/cibmtr-fhir-backend/v1";

/// An API with given statuses, and a token server.
struct fake_api {
  token_server server{};
  std::vector<int> statuses{};
  std::vector<std::string> presented{};

  int call(token const& bearer) {
    presented.push_back(bearer_header(bearer).second);
    return statuses.at(presented.size() - 1);
  }
  int run() {
    token_cache const tokens = server.cache();
    return call_with_token(tokens, [this](token const& bearer) { return call(bearer); });
  }
};

/// What an API receives, and its statuses: 200 after the last.
struct recording_api {
  token_server server{};
  std::vector<int> statuses{};
  std::vector<http_request> received{};

  transport sender() {
    return [this](http_request const& request) {
      received.push_back(request);
      return http_response(received.size() <= statuses.size() ? statuses[received.size() - 1] : 200, "body");
    };
  }
  std::string header(std::size_t request, std::string const& name) const {
    std::string all;
    for (auto const& field : received.at(request).headers) {
      all += detail::iequals(field.first, name) ? field.second.reveal() + ";" : "";
    }
    return all;
  }
};

/// The message with which a URL is refused; nothing may be sent then.
std::string refusal_of(std::string const& url, std::string const& api_url = api_root) {
  recording_api api;
  environment where = test_environment();
  where.api_url = api_url;
  transport const call =
      authorized(make_token_cache(where, tests::some_credentials(), api.server.options()), api.sender());
  std::string const message = tests::refusal([&] { call(http_request("GET", url)); });
  CHECK(api.received.size() == (message.empty() ? 1 : 0));
  return message;
}

struct member_result {
  int status;
};
enum class status_code { unauthorized = 401, ok = 200 };
struct enum_result {
  status_code status;
};

/// As httplib::Result.
class pointer_result {
 public:
  explicit pointer_result(int status) : response_(status != 0 ? new member_result{status} : nullptr) {}
  explicit operator bool() const { return response_ != nullptr; }
  member_result const* operator->() const {
    if (!response_) {
      throw std::logic_error("there is no response");
    }
    return response_.get();
  }

 private:
  std::unique_ptr<member_result> response_;
};

}  // namespace

TEST_CASE("bearer_header is the Authorization field of RFC 6750") {
  token const bearer = detail::token_access::make("abc", "", {}, {});
  CHECK((bearer_header(bearer) == std::pair<std::string, std::string>("Authorization", "Bearer abc")));
}

TEST_CASE("bearer_header refuses an empty token") {
  CHECK(tests::refusal([] { bearer_header(token()); }).find("token") != std::string::npos);
}

TEST_CASE("an API call is made once unless its status is 401") {
  for (int status : {200, 201, 204, 400, 403, 404, 429, 500, 503, 0}) {
    CAPTURE(status);
    fake_api api;
    api.statuses = {status};
    CHECK(api.run() == status);
    CHECK(api.presented.size() == 1);
    CHECK(api.server.requests == 1);
  }
}

TEST_CASE("a 401 renews the token once and repeats the call once") {
  fake_api api;
  api.statuses = {401, 200};
  CHECK(api.run() == 200);
  CHECK((api.presented == std::vector<std::string>{"Bearer token-1", "Bearer token-2"}));
  CHECK(api.server.requests == 2);
}

TEST_CASE("a second 401 is returned to the caller as it is") {
  fake_api api;
  api.statuses = {401, 401};
  CHECK(api.run() == 401);
  CHECK(api.presented.size() == 2);
  CHECK(api.server.requests == 2);
}

TEST_CASE("a 403 never renews") {
  fake_api api;
  api.statuses = {403};
  CHECK(api.run() == 403);
  CHECK(api.server.requests == 1);
}

TEST_CASE("a call is not repeated if the server grants the same token again") {
  fake_api api;
  api.server.respond = [&api] { return api.server.granted(7); };
  api.statuses = {401};
  CHECK(api.run() == 401);
  CHECK(api.presented.size() == 1);
  CHECK(api.server.requests == 2);
}

TEST_CASE("callers that have the same rejected token cause one renewal") {
  token_server server;
  token_cache const tokens = server.cache();
  token const dead = tokens.get();
  std::atomic<int> successes{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 100; ++caller) {
    callers.emplace_back([&] {
      tokens.invalidate(dead);
      successes +=
          call_with_token(tokens,
                          [&dead](token const& bearer) { return bearer.value() == dead.value() ? 401 : 200; }) == 200
              ? 1
              : 0;
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(successes == 100);
  CHECK(server.requests == 2);
}

TEST_CASE("call_with_token throws what get() throws, without calling, and then what the call throws") {
  token_server server;
  server.respond_with(tests::unavailable());
  token_cache const tokens = server.cache();
  int calls = 0;
  CHECK(tests::error_of([&] { call_with_token(tokens, [&calls](token const&) { return ++calls; }); }).kind() ==
        error_kind::unavailable);
  CHECK(calls == 0);
  server.grant();
  server.clock.advance(std::chrono::seconds(1));
  CHECK_THROWS_AS(call_with_token(tokens, [](token const&) -> int { throw std::domain_error("mine"); }),
                  std::domain_error);
  CHECK(tokens.try_get().value() == "token-2");
}

TEST_CASE("a call that was not repeated because no other token can be had throws what get() throws") {
  fake_api api;
  api.server.respond = [&api] { return api.server.requests == 1 ? api.server.granted(1) : tests::unavailable(); };
  api.statuses = {401};
  error const failure = tests::error_of([&api] { api.run(); });
  CHECK(failure.kind() == error_kind::unavailable);
  CHECK_FALSE(failure.was_sent());
  CHECK(api.presented.size() == 1);
}

TEST_CASE("the status may be an integer, .status, ->status, or what a function of the caller gives") {
  token_server server;
  token_cache const tokens = server.cache();
  auto next_status = [](int& calls) { return ++calls % 2 == 1 ? 401 : 200; };
  int calls = 0;
  CHECK(call_with_token(tokens, [&](token const&) { return next_status(calls); }) == 200);
  server.clock.advance(std::chrono::seconds(31));
  CHECK(call_with_token(tokens, [&](token const&) { return static_cast<long>(next_status(calls)); }) == 200);
  server.clock.advance(std::chrono::seconds(31));
  CHECK(call_with_token(tokens, [&](token const&) { return member_result{next_status(calls)}; }).status == 200);
  server.clock.advance(std::chrono::seconds(31));
  CHECK((call_with_token(tokens, [&](token const&) {
           return enum_result{static_cast<status_code>(next_status(calls))};
         }).status == status_code::ok));
  server.clock.advance(std::chrono::seconds(31));
  CHECK(call_with_token(tokens, [&](token const&) { return http_response(next_status(calls), ""); }).status == 200);
  server.clock.advance(std::chrono::seconds(31));
  CHECK(call_with_token(tokens, [&](token const&) { return pointer_result(next_status(calls)); })->status == 200);
  server.clock.advance(std::chrono::seconds(31));
  CHECK(call_with_token(tokens, [&](token const&) {
          return std::unique_ptr<member_result>(new member_result{next_status(calls)});
        })->status == 200);
  server.clock.advance(std::chrono::seconds(31));
  CHECK(call_with_token(
            tokens, [&](token const&) { return std::to_string(next_status(calls)); },
            [](std::string const& result) { return std::stoi(result); }) == "200");
  CHECK(calls == 16);
}

TEST_CASE("a result that converts to false has status 0, and the call is not repeated") {
  token_server server;
  token_cache const tokens = server.cache();
  int calls = 0;
  CHECK_FALSE(call_with_token(tokens, [&calls](token const&) {
    ++calls;
    return pointer_result(0);
  }));
  CHECK(calls == 1);
  CHECK(server.requests == 1);
}

TEST_CASE("call_with_token takes functions, std::function and functors that change") {
  struct counter {
    int calls;
    int operator()(token const&) { return ++calls == 1 ? 401 : 200; }
  };
  token_server server;
  token_cache const tokens = server.cache();
  counter count{0};
  CHECK(call_with_token(tokens, count) == 200);
  CHECK(count.calls == 2);
  std::function<int(token)> const by_value = [](token const&) { return 204; };
  CHECK(call_with_token(tokens, by_value) == 204);
  int (*const plain)(token const&) = [](token const&) { return 404; };
  CHECK(call_with_token(tokens, plain) == 404);
}

TEST_CASE("an authorized transport adds the token to each request and changes nothing else") {
  recording_api api;
  transport const call = authorized(api.server.cache(), api.sender());
  http_request const request("PUT", api_root + "/CRID?a=b", {{"Accept", "application/json"}}, "body");
  CHECK(call(request).status == 200);
  REQUIRE(api.received.size() == 1);
  CHECK(api.header(0, "Authorization") == "Bearer token-1;");
  CHECK(api.header(0, "Accept") == "application/json;");
  CHECK(api.received[0].headers.size() == 2);
  CHECK(api.received[0].method == "PUT");
  CHECK(api.received[0].url == request.url);
  CHECK((api.received[0].body.reveal() == "body"));
  CHECK(call(request).body == "body");
  CHECK(api.server.requests == 1);
}

TEST_CASE("an authorized transport replaces the Authorization headers that are there, in any case") {
  recording_api api;
  transport const call = authorized(api.server.cache(), api.sender());
  call(http_request("GET", api_root, {{"authorization", "Basic x"}, {"X-Other", "1"}, {"AUTHORIZATION", "Bearer y"}}));
  CHECK(api.header(0, "Authorization") == "Bearer token-1;");
  CHECK(api.header(0, "X-Other") == "1;");
}

TEST_CASE("an authorized transport repeats a request once with another token after a 401, whatever the method") {
  for (char const* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    CAPTURE(method);
    recording_api api;
    api.statuses = {401, 401, 401};
    transport const call = authorized(api.server.cache(), api.sender());
    CHECK(call(http_request(method, api_root, {}, "body")).status == 401);
    REQUIRE(api.received.size() == 2);
    CHECK(api.header(0, "Authorization") == "Bearer token-1;");
    CHECK(api.header(1, "Authorization") == "Bearer token-2;");
    CHECK((api.received[1].body.reveal() == "body"));
    CHECK(api.server.requests == 2);
  }
}

TEST_CASE("an authorized transport repeats nothing after another status") {
  for (int status : {200, 400, 403, 404, 407, 429, 500, 503}) {
    recording_api api;
    api.statuses = {status};
    CHECK(authorized(api.server.cache(), api.sender())(http_request("POST", api_root)).status == status);
    CHECK(api.received.size() == 1);
  }
}

TEST_CASE("an authorized transport passes on what its transport throws") {
  token_server server;
  transport const call = authorized(server.cache(), [](http_request const&) -> http_response { throw 42; });
  CHECK_THROWS_AS(call(http_request("GET", api_root)), int);
}

TEST_CASE("an authorized transport throws what get() throws, and sends nothing") {
  recording_api api;
  api.server.respond_with(tests::rejected());
  transport const call = authorized(api.server.cache(), api.sender());
  error const failure = tests::error_of([&] { call(http_request("GET", api_root)); });
  CHECK(failure.kind() == error_kind::rejected);
  CHECK_FALSE(failure.was_sent());
  CHECK(api.received.empty());
}

TEST_CASE("a token follows no URL to another host, port or scheme") {
  for (std::string const url :
       {"https://evil.example/cibmtr-fhir-backend/v1/r4", "https://int-api.nmdp.org.evil.example/", "https://nmdp.org/",
        "https://int-api.nmdp.org:8443/cibmtr-fhir-backend/v1", "https://int-api.nmdp.org:80/",
        "http://int-api.nmdp.org/cibmtr-fhir-backend/v1", "https://int-api.nmdp.org./", "https://api.nmdp.org/",
        "https://int-api.nmdp.orgx/", "https://xint-api.nmdp.org/", "https://127.0.0.1/", "http://localhost/",
        "https://[::1]/"}) {
    CAPTURE(url);
    CHECK(refusal_of(url) != "");
  }
  CHECK(refusal_of("https://evil.example/").find("https://int-api.nmdp.org") != std::string::npos);
}

TEST_CASE("a token follows no URL that only looks as if it were the API's") {
  for (std::string const url : {"https://int-api.nmdp.org@evil.example/",
                                "https://int-api.nmdp.org:443@evil.example/",
                                "https://user:password@int-api.nmdp.org/",
                                "https://int-api.nmdp.org\\@evil/",
                                "https://evil.example\\int-api.nmdp.org/",
                                "https://evil.example#@int-api.nmdp.org/",
                                "https://evil.example/https://int-api.nmdp.org/",
                                "https://evil.example?https://int-api.nmdp.org",
                                "https://int-api.nmdp.org%2eevil.example/",
                                "https://int-api.nmdp.org%00.evil.example/",
                                "https://int-api.nmdp.org\t.evil.example/",
                                "https://int-api.nmdp.org\r\n.evil.example/",
                                "https://int\xE2\x88\x92"
                                "api.nmdp.org/",
                                "https://int-api.nmdp.org:443:443/",
                                "https://int-api.nmdp.org:/",
                                "https://int-api.nmdp.org:065979/",
                                "https:/int-api.nmdp.org/",
                                "https:int-api.nmdp.org/",
                                "//int-api.nmdp.org/",
                                "/r4/Observation",
                                "",
                                "int-api.nmdp.org",
                                "ftp://int-api.nmdp.org/",
                                " https://int-api.nmdp.org/"}) {
    CAPTURE(url);
    CHECK(refusal_of(url) != "");
  }
}

TEST_CASE("an error about a URL does not repeat it: it may contain a password") {
  CHECK(refusal_of("https://user:pa55w0rd@evil.example/").find("pa55w0rd") == std::string::npos);
  CHECK(refusal_of("https://evil.example/?key=pa55w0rd").find("pa55w0rd") == std::string::npos);
}

TEST_CASE("the API's origin may be spelt in any way that RFC 6454 takes for the same") {
  for (std::string const url : {"https://int-api.nmdp.org", "https://int-api.nmdp.org/other/path?query",
                                "HTTPS://INT-API.nmdp.ORG/cibmtr-fhir-backend/v1", "https://int-api.nmdp.org:443/",
                                "https://int-api.nmdp.org?query", "https://int-api.nmdp.org/a@b:c"}) {
    CAPTURE(url);
    CHECK(refusal_of(url) == "");
  }
  CHECK(refusal_of("http://localhost:8080/x", "http://localhost:8080/v1") == "");
  CHECK(refusal_of("http://localhost:8081/x", "http://localhost:8080/v1") != "");
  CHECK(refusal_of("http://127.0.0.1:8080/x", "http://localhost:8080/v1") != "");
  CHECK(refusal_of("https://[2001:db8::1]/x", "https://[2001:DB8::1]:443/v1") == "");
  CHECK(refusal_of("https://[2001:db8::2]/x", "https://[2001:db8::1]/v1") != "");
}

TEST_CASE("a URL of another origin is refused before a token is requested") {
  recording_api api;
  transport const call = authorized(api.server.cache(), api.sender());
  error const failure = tests::error_of([&] { call(http_request("GET", "https://evil.example/")); });
  CHECK(failure.kind() == error_kind::configuration);
  CHECK_FALSE(failure.was_sent());
  CHECK(api.server.requests == 0);
}

TEST_CASE("authorized needs an API URL and a transport") {
  token_server server;
  environment where = test_environment();
  where.api_url.clear();
  token_cache const tokens = make_token_cache(where, tests::some_credentials(), server.options());
  transport const send = [](http_request const&) { return http_response(200, ""); };
  CHECK(tests::refusal([&] { authorized(tokens, send); }).find("API URL") != std::string::npos);
  where.api_url = "http://int-api.nmdp.org";
  CHECK(tests::refusal([&] {
          authorized(make_token_cache(where, tests::some_credentials(), server.options()), send);
        }).find("https://") != std::string::npos);
  CHECK(tests::refusal([&] { authorized(server.cache(), transport()); }).find("transport") != std::string::npos);
}

TEST_CASE("authorized without a transport uses the cache's own") {
  token_server server;
  token_cache_options options = server.options();
  std::vector<std::string> urls;
  auto const send = options.transport;
  options.transport = [&urls, send](http_request const& request) {
    urls.push_back(request.url);
    return request.method == "GET" ? http_response(204, "") : send(request);
  };
  token_cache const tokens = make_token_cache(test_environment(), tests::some_credentials(), options);
  CHECK(authorized(tokens)(http_request("GET", api_root)).status == 204);
  CHECK((urls == std::vector<std::string>{test_environment().password_token_url, api_root}));
}

TEST_CASE("an authorized transport keeps its cache alive and may be used by several threads") {
  token_server server;
  std::atomic<int> calls{0};
  transport call;
  {
    token_cache const tokens = server.cache();
    call = authorized(tokens, [&calls](http_request const& request) {
      ++calls;
      bool const is_first = request.headers.back().second.reveal() == "Bearer token-1";
      return http_response(is_first ? 401 : 200, "");
    });
  }
  std::atomic<int> successes{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] { successes += call(http_request("GET", api_root)).status == 200 ? 1 : 0; });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(successes == 8);
  CHECK(server.requests == 2);
  CHECK(calls <= 16);
}
