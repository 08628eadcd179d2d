// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// Grants a numbered token of a given life, or fails, and counts.
struct fake_source {
  tests::fake_clock clock;
  seconds life{1800};
  bool is_failing = false;
  int requests = 0;

  token operator()() {
    ++requests;
    if (is_failing) {
      throw error(error_kind::unavailable, "no token today");
    }
    return token("token-" + std::to_string(requests), "scope", clock(), clock() + life);
  }
};

token_cache cache_around(fake_source& source) {
  return token_cache(std::ref(source), source.clock);
}

/// Holds threads back until it is opened.
class gate {
 public:
  void open() {
    std::lock_guard<std::mutex> const lock(mutex_);
    is_open_ = true;
    opened_.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    opened_.wait(lock, [this] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

}  // namespace

TEST_CASE("a token is fetched once and reused while it is fresh") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  CHECK(source.requests == 0);
  CHECK(tokens.get().value() == "token-1");
  source.clock.advance(minutes(24));
  CHECK(tokens.get().value() == "token-1");
  CHECK(source.requests == 1);
}

TEST_CASE("a token is renewed min(5 min, life / 6) before its end") {
  struct row {
    seconds life;
    seconds margin;
  };
  for (row const& r : {row{minutes(30), minutes(5)}, row{minutes(5), seconds(50)}, row{seconds(86400), minutes(5)},
                       row{seconds(6), seconds(1)}}) {
    CAPTURE(r.life.count());
    fake_source source;
    source.life = r.life;
    token_cache const tokens = cache_around(source);
    tokens.get();
    source.clock.advance(r.life - r.margin - std::chrono::nanoseconds(1));
    tokens.get();
    CHECK(source.requests == 1);
    source.clock.advance(std::chrono::nanoseconds(1));
    CHECK(tokens.get().value() == "token-2");
    CHECK(source.requests == 2);
  }
}

TEST_CASE("the old token serves to its end when renewals fail, and not a moment longer") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  tokens.get();
  source.is_failing = true;
  source.clock.advance(minutes(25));
  CHECK(tokens.get().value() == "token-1");
  CHECK(source.requests == 2);
  source.clock.advance(minutes(5) - std::chrono::nanoseconds(1));
  CHECK(tokens.get().value() == "token-1");
  source.clock.advance(std::chrono::nanoseconds(1));
  CHECK_THROWS_AS(tokens.get(), error);
}

TEST_CASE("a failed renewal is tried again after 30 seconds, not at every call") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  tokens.get();
  source.is_failing = true;
  source.clock.advance(minutes(25));
  for (int second = 0; second < 120; ++second) {
    tokens.get();
    source.clock.advance(seconds(1));
  }
  CHECK(source.requests == 1 + 4);
  source.is_failing = false;
  CHECK(tokens.get().value() == "token-6");
}

TEST_CASE("an error reaches the caller when there is no living token") {
  fake_source source;
  source.is_failing = true;
  token_cache const tokens = cache_around(source);
  CHECK_THROWS_WITH_AS(tokens.get(), "no token today", error);
  source.is_failing = false;
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("invalidate drops that token only") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  token const first = tokens.get();
  CHECK(tokens.invalidate(first));
  CHECK_FALSE(tokens.invalidate(first));
  token const second = tokens.get();
  CHECK(second.value() == "token-2");
  CHECK_FALSE(tokens.invalidate(first));
  CHECK(tokens.get().value() == "token-2");
  CHECK(tokens.invalidate(token("token-2", "", {}, {})));
  CHECK_FALSE(tokens.invalidate(token()));
}

TEST_CASE("copies of a cache share one token") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  token_cache const copy = tokens;
  tokens.get();
  copy.get();
  CHECK(source.requests == 1);
}

TEST_CASE("many threads with an empty cache make one request") {
  std::atomic<int> requests{0};
  gate answers;
  token_cache const tokens([&] {
    ++requests;
    answers.pass();
    return token("shared", "", boot_clock::now(), boot_clock::now() + minutes(30));
  });
  std::atomic<int> served{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i) {
    callers.emplace_back([&] { served += tokens.get().value() == "shared"; });
  }
  answers.open();
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(requests == 1);
  CHECK(served == 32);
}

TEST_CASE("callers that wait for a request share its failure") {
  std::atomic<int> requests{0};
  std::atomic<int> arrived{0};
  gate fails;
  token_cache const tokens([&]() -> token {
    ++requests;
    fails.pass();
    throw error(error_kind::rejected, "wrong");
  });
  std::atomic<int> refused{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i) {
    callers.emplace_back([&] {
      ++arrived;
      try {
        tokens.get();
      } catch (error const& failure) {
        refused += failure.kind() == error_kind::rejected;
      }
    });
  }
  while (arrived < 32) {
    std::this_thread::yield();
  }
  fails.open();
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(refused == 32);
  CHECK(requests < 32);
}

TEST_CASE("while one caller renews, the others get the living token at once") {
  tests::fake_clock clock;
  gate asked;
  gate answers;
  int requests = 0;
  token_cache const tokens(
      [&] {
        if (++requests == 2) {
          asked.open();
          answers.pass();
        }
        return token("token-" + std::to_string(requests), "", clock(), clock() + minutes(30));
      },
      clock);
  tokens.get();
  clock.advance(minutes(26));
  std::string renewed;
  std::thread renewer([&] { renewed = tokens.get().value(); });
  asked.pass();
  CHECK(tokens.get().value() == "token-1");  // would wait for ever if it waited for the renewer
  answers.open();
  renewer.join();
  CHECK(renewed == "token-2");
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("a source that throws something of its own leaves the cache working") {
  int requests = 0;
  token_cache const tokens([&requests]() -> token {
    if (++requests == 1) {
      throw 42;
    }
    return token("later", "", boot_clock::now(), boot_clock::now() + minutes(30));
  });
  CHECK_THROWS_AS(tokens.get(), int);
  CHECK(tokens.get().value() == "later");
}
