// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using namespace cibmtr_auth;

namespace {

/// An API whose answers are given, and a source that numbers its tokens.
struct stand_in {
  std::vector<int> statuses;
  std::vector<std::string> presented;
  int requests = 0;

  token ask() {
    boot_clock::time_point const now = boot_clock::now();
    return token("token-" + std::to_string(++requests), "", now, now + std::chrono::minutes(30));
  }
  int call(token const& held) {
    presented.push_back(bearer_header(held).second);
    return statuses.at(presented.size() - 1);
  }
  int run() {
    token_cache const tokens([this] { return ask(); });
    return call_with_token(tokens, [this](token const& held) { return call(held); });
  }
};

}  // namespace

TEST_CASE("bearer_header is the Authorization field of RFC 6750") {
  token const held("abc", "", {}, {});
  CHECK(bearer_header(held) == std::pair<std::string, std::string>("Authorization", "Bearer abc"));
}

TEST_CASE("an API call is made once when it is answered") {
  for (int status : {200, 201, 204, 400, 403, 404, 429, 500, 503, 0}) {
    CAPTURE(status);
    stand_in api;
    api.statuses = {status};
    CHECK(api.run() == status);
    CHECK(api.presented.size() == 1);
    CHECK(api.requests == 1);
  }
}

TEST_CASE("a 401 renews the token once and repeats the call once") {
  stand_in api;
  api.statuses = {401, 200};
  CHECK(api.run() == 200);
  CHECK(api.presented == std::vector<std::string>{"Bearer token-1", "Bearer token-2"});
  CHECK(api.requests == 2);
}

TEST_CASE("a second 401 is given to the caller as it is") {
  stand_in api;
  api.statuses = {401, 401};
  CHECK(api.run() == 401);
  CHECK(api.presented.size() == 2);
  CHECK(api.requests == 2);
}

TEST_CASE("a 403 never renews") {
  stand_in api;
  api.statuses = {403};
  CHECK(api.run() == 403);
  CHECK(api.requests == 1);
}

TEST_CASE("callers that hold the same dead token cause one renewal") {
  std::atomic<int> requests{0};
  token_cache const tokens([&requests] {
    boot_clock::time_point const now = boot_clock::now();
    return token("token-" + std::to_string(++requests), "", now, now + std::chrono::minutes(30));
  });
  token const dead = tokens.get();
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 100; ++caller) {
    callers.emplace_back([&] {
      tokens.invalidate(dead);
      answered += call_with_token(
                      tokens, [&dead](token const& held) { return held.value() == dead.value() ? 401 : 200; }) == 200
                      ? 1
                      : 0;
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(answered == 100);
  CHECK(requests == 2);
}
