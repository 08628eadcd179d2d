// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

using namespace cibmtr_auth;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// A server and a clock that threads share. Waiting for a request is waiting for the renewer's own thread.
class scene {
 public:
  token_cache cache() {
    return token_cache([this] { return grant(); },
                       [this] { return boot_clock::time_point(milliseconds(now_ms_.load())); });
  }
  void advance(milliseconds by) { now_ms_ += by.count(); }
  void fail(bool does_fail) { is_failing_ = does_fail; }
  void hold(bool does_hold) {
    std::lock_guard<std::mutex> const lock(mutex_);
    is_holding_ = does_hold;
    changed_.notify_all();
  }
  /// False when there are fewer after 10 seconds.
  bool requests_reach(int number) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, seconds(10), [&] { return requests_ >= number; });
  }
  int requests() {
    std::lock_guard<std::mutex> const lock(mutex_);
    return requests_;
  }

 private:
  token grant() {
    boot_clock::time_point const now{milliseconds(now_ms_.load())};
    std::unique_lock<std::mutex> lock(mutex_);
    ++requests_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_holding_; });
    if (is_failing_) {
      throw error(error_kind::unavailable, "down.");
    }
    return token("token-" + std::to_string(requests_), "", now, now + minutes(30));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<long long> now_ms_{3600 * 1000};
  std::atomic<bool> is_failing_{false};
  int requests_ = 0;
  bool is_holding_ = false;
};

/// Until the renewer has taken the answer, which is a moment after the request. False after 10 seconds.
template <typename Condition>
bool comes_true(Condition condition) {
  for (auto const end = steady_clock::now() + seconds(10); !condition();) {
    if (steady_clock::now() > end) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("a background renewer fetches the first token before anybody calls") {
  scene server;
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  CHECK(server.requests_reach(1));
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests() == 1);
}

TEST_CASE("a background renewer renews before the end, within a second, and outlives failures") {
  scene server;
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  REQUIRE(comes_true([&] { return tokens.status().requests == 1; }));
  server.fail(true);
  server.advance(minutes(26));
  auto const start = steady_clock::now();
  CHECK(server.requests_reach(2));
  CHECK(steady_clock::now() - start < milliseconds(4000));
  CHECK(comes_true([&] { return tokens.status().failures == 1; }));
  CHECK(tokens.status().gets >= 2);
  server.fail(false);
  server.advance(seconds(30));
  CHECK(server.requests_reach(3));
  CHECK(comes_true([&] { return tokens.status().requests == 3; }));
  CHECK(tokens.get().value() == "token-3");
  CHECK(tokens.status().last_error.empty());
}

TEST_CASE("a background renewer makes no request while it is not time to renew") {
  scene server;
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  CHECK(comes_true([&] { return tokens.status().gets >= 2; }));  // it has looked again, a second later
  CHECK(server.requests() == 1);
}

TEST_CASE("while a background renewer asks, callers get the living token at once") {
  scene server;
  token_cache const tokens = server.cache();
  tokens.get();
  server.hold(true);
  server.advance(minutes(26));
  {
    background_renewer const renewer(tokens);
    CHECK(server.requests_reach(2));
    CHECK(tokens.get().value() == "token-1");  // would wait for ever if it waited for the renewer
    server.hold(false);
  }
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("a background renewer outlives failures that leave no token at all") {
  scene server;
  server.fail(true);
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  REQUIRE(comes_true([&] { return tokens.status().failures == 1; }));
  server.fail(false);
  server.advance(seconds(30));
  CHECK(server.requests_reach(2));
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("a background renewer ends at once when it is dropped while it rests") {
  scene server;
  token_cache const tokens = server.cache();
  auto const start = steady_clock::now();
  for (unsigned long long i = 1; i <= 20; ++i) {
    background_renewer const renewer(tokens);
    REQUIRE(comes_true([&] { return tokens.status().gets >= i; }));
    for (int turn = 0; turn < 100; ++turn) {  // for it to lie down
      std::this_thread::yield();
    }
  }
  CHECK(steady_clock::now() - start < seconds(15));  // 20 seconds if each rested to its end
}

TEST_CASE("a background renewer that is dropped during a request ends after it") {
  scene server;
  token_cache const tokens = server.cache();
  server.hold(true);
  std::unique_ptr<background_renewer> renewer(new background_renewer(tokens));
  REQUIRE(server.requests_reach(1));
  std::atomic<bool> is_dropped{false};
  std::thread dropping([&] {
    renewer.reset();
    is_dropped = true;
  });
  CHECK_FALSE(is_dropped);
  server.hold(false);
  dropping.join();
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests() == 1);
}

TEST_CASE("a background renewer keeps its cache alive") {
  scene server;
  std::unique_ptr<token_cache> tokens(new token_cache(server.cache()));
  background_renewer const renewer(*tokens);
  tokens.reset();
  CHECK(server.requests_reach(1));
}
