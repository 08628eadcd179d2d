// SPDX-License-Identifier: MIT
// Children that are forked while threads of their parent use a cache.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifndef _WIN32

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/folder.hpp"
#include "support/token_server.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::steady_clock;
using tests::gate;
using tests::some_credentials;
using tests::token_server;

namespace {

/// Grants `of-the-parent` or `of-the-child`.
struct server_of_both : token_server {
  pid_t const parent = getpid();
  server_of_both() {
    respond = [this] { return tests::grant_of(is_parent() ? "of-the-parent" : "of-the-child"); };
  }
  bool is_parent() const { return getpid() == parent; }
};

credentials with_password(std::string const& password) {
  credentials changed = some_credentials();
  changed.password = password;
  return changed;
}

/// 0 if the cache gives `value` soon: a lock that no thread holds would be waited for for ever.
int gets_soon(token_cache const& tokens, std::string const& value) {
  auto const start = steady_clock::now();
  if (tokens.get().value() != value) {
    return 1;
  }
  return steady_clock::now() - start < seconds(20) ? 0 : 2;
}

}  // namespace

TEST_CASE("a forked child starts with an empty cache, without token, backoff and counts") {
  server_of_both server;
  token_cache const tokens = server.cache();
  CHECK(tokens.get().value() == "of-the-parent");
  CHECK(tests::in_child([&] {
          token_cache_status const status = tokens.status();
          return tokens.try_get().empty() && !status.has_token && status.gets == 0 && status.requests == 0 ? 0 : 1;
        }) == 0);
  server.clock.advance(hours(1));
  server.respond_with(tests::rejected());
  CHECK_THROWS_AS(tokens.get(), error);
  CHECK(tests::in_child([&] {
          server.respond_with(tests::grant_of("of-the-child"));
          return !tokens.status().last_error && !tokens.retry_now() ? gets_soon(tokens, "of-the-child") : 1;
        }) == 0);
}

TEST_CASE("a forked child never waits for the request of a thread that it does not have") {
  server_of_both server;
  gate responses;
  server.while_requested = [&] {
    if (server.is_parent()) {
      responses.pass();
    }
  };
  token_cache const tokens = server.cache();
  std::thread requester([&tokens] { tokens.get(); });
  responses.wait_until_reached();
  for (int child = 0; child < 100; ++child) {
    REQUIRE(tests::in_child([&tokens] { return gets_soon(tokens, "of-the-child"); }) == 0);
  }
  responses.open();
  requester.join();
  CHECK(tokens.get().value() == "of-the-parent");
}

// Not under sanitizers, whose own allocators may deadlock then (fixed in LLVM 18 and 19, pull requests 75290 and 96600).
TEST_CASE("a child that is forked while its parent destroys a cache ends" * doctest::skip(tests::is_sanitized)) {
  server_of_both server;
  server.respond = [] { return tests::grant_of(std::string(50 * 1000, 'a')); };  // which takes a while to wipe
  for (int round = 0; round < 40; ++round) {
    std::unique_ptr<token_cache> tokens(new token_cache(server.cache()));
    tokens->get();
    std::atomic<bool> is_time{false};
    std::thread dropping([&] {
      while (!is_time) {
      }
      tokens.reset();
    });
    is_time = true;
    std::this_thread::sleep_for(std::chrono::microseconds(5 * round));
    pid_t const child = tests::start_child([]() -> int { std::exit(0); });
    dropping.join();
    REQUIRE(tests::status_of(child) == 0);
  }
}

TEST_CASE("a child that is forked while threads use every member of the cache never deadlocks" *
          doctest::skip(tests::is_sanitized)) {
  server_of_both server;
  token_cache_options options;
  options.observer = [](token_event const&) {};
  token_cache const tokens = server.cache(options);
  std::atomic<bool> is_done{false};
  std::vector<std::thread> hammers;
  for (int i = 0; i < 2; ++i) {
    hammers.emplace_back([&] {
      while (!is_done) {
        tokens.invalidate(tokens.get());
        tokens.status();
        tokens.try_get();
        tokens.retry_now();
      }
    });
  }
  hammers.emplace_back([&] {
    for (int i = 0; !is_done; ++i) {
      tokens.set_credentials(with_password(std::to_string(i)));  // so that a renewal is always due
    }
  });
  for (int child = 0; child < 150; ++child) {
    CAPTURE(child);
    REQUIRE(tests::in_child([&tokens] {
              int const status = gets_soon(tokens, "of-the-child");
              tokens.status();
              tokens.retry_now();
              bool const is_changed = tokens.set_credentials(with_password("of the child"));
              return is_changed && !tokens.set_credentials(with_password("of the child")) ? status : 3;
            }) == 0);
  }
  is_done = true;
  for (std::thread& hammer : hammers) {
    hammer.join();
  }
}

TEST_CASE("a forked child drops the parent's cache without touching what the parent's threads wait on") {
  server_of_both server;
  gate responses;
  server.while_requested = [&] {
    if (server.is_parent()) {
      responses.pass();
    }
  };
  std::unique_ptr<token_cache> tokens(new token_cache(server.cache()));
  std::thread requester([&] { tokens->get(); });
  responses.wait_until_reached();
  std::thread waiter([&] { tokens->get(); });
  while (tokens->status().waits == 0) {
    std::this_thread::yield();
  }
  for (bool uses_it_first : {false, true}) {
    CAPTURE(uses_it_first);
    CHECK(tests::in_child([&] {
            if (uses_it_first) {
              tokens->get();
            }
            tokens.reset();
            return 0;
          }) == 0);
  }
  responses.open();
  requester.join();
  waiter.join();
}

TEST_CASE("a forked child has the latest credentials, and so has a child of it") {
  server_of_both server;
  server.keeps_last = true;
  auto sends = [&server](token_cache const& tokens, std::string const& password) {
    tokens.get();
    return server.last.body.reveal().find("password=" + password) != std::string::npos;
  };
  token_cache const tokens = server.cache();
  tokens.set_credentials(with_password("second"));
  tokens.set_credentials(with_password("third"));
  CHECK(tests::in_child([&] {
          if (tokens.set_credentials(with_password("third")) || !sends(tokens, "third")) {
            return 1;
          }
          tokens.set_credentials(with_password("fourth"));
          return tests::in_child([&] { return sends(tokens, "fourth") ? 0 : 2; });
        }) == 0);
  CHECK(sends(tokens, "third"));
}

TEST_CASE("a child that is forked during set_credentials has the credentials before or after" *
          doctest::skip(tests::is_sanitized)) {
  server_of_both server;
  server.keeps_last = true;
  token_cache const tokens = server.cache();
  std::atomic<int> started{0};
  std::atomic<int> finished{0};
  std::atomic<bool> is_done{false};
  tokens.set_credentials(with_password("0"));
  std::thread changing([&] {
    while (!is_done) {
      int const number = ++started;
      tokens.set_credentials(with_password(std::to_string(number)));
      finished = number;
    }
  });
  for (int child = 0; child < 150; ++child) {
    CAPTURE(child);
    int const before = finished;
    REQUIRE(tests::in_child([&] {
              tokens.get();
              std::string const& body = server.last.body.reveal();
              int const number = std::atoi(body.substr(body.find("password=", 30) + 9).c_str());
              return before <= number && number <= started ? 0 : 1;
            }) == 0);
  }
  is_done = true;
  changing.join();
}

TEST_CASE("a forked child takes the parent's token from the folder that they share") {
  tests::folder const place;
  server_of_both server;
  token_cache_options options;
  options.cache_directory = place / "cache";
  token_cache const tokens = server.cache(options);
  CHECK(tokens.get().value() == "of-the-parent");
  CHECK(tests::in_child([&] { return server.requests == 1 ? gets_soon(tokens, "of-the-parent") : 3; }) == 0);
}

TEST_CASE("the parent's request counts in a forked child like that of any process") {
  tests::folder const place;
  server_of_both server;
  gate responses;
  server.while_requested = [&] {
    if (server.is_parent()) {
      responses.pass();
    }
  };
  token_cache_options options;
  options.cache_directory = place / "cache";
  options.https.timeout = milliseconds(200);
  token_cache const tokens = server.cache(options);
  std::thread requester([&tokens] { tokens.get(); });
  responses.wait_until_reached();
  CHECK(tests::in_child([&] {
          try {
            tokens.get();
            return 1;
          } catch (error const& failure) {
            return failure.kind() == error_kind::timed_out && server.requests == 1 ? 0 : 2;
          }
        }) == 0);
  pid_t const waiting = tests::start_child([&]() -> int {
    for (;;) {
      try {
        return tokens.get().value() == "of-the-parent" ? 0 : 1;
      } catch (error const& failure) {
        if (failure.kind() != error_kind::timed_out) {
          return 2;
        }
      }
    }
  });
  responses.open();
  requester.join();
  CHECK(tests::status_of(waiting) == 0);
}

TEST_CASE("a forked child may end with its parent's background renewer, and make another") {
  server_of_both server;
  std::unique_ptr<background_renewer> renewer(new background_renewer(server.cache()));
  CHECK(tests::in_child([&renewer] {
          renewer.reset();
          return 0;
        }) == 0);
  renewer.reset();
  token_cache const tokens = server.cache();
  CHECK(tests::in_child([&] {
          background_renewer const others(tokens);
          while (tokens.try_get().value() != "of-the-child") {
            std::this_thread::yield();
          }
          return 0;
        }) == 0);
}

#endif
