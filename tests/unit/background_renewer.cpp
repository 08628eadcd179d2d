// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifndef _WIN32
#include <signal.h>
#endif

#include "support/folder.hpp"
#include "support/token_server.hpp"

using namespace cibmtr_auth;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// A server whose responses can be held back. Waiting for a request is waiting for the renewer's own thread.
class scene {
 public:
  scene() {
    server_.while_requested = [this] { be_requested(); };
  }
  token_cache cache(token_cache_options options = {}) {
    options.clock = [this] {
      renewer_clock_calls_ += std::this_thread::get_id() == main_ ? 0 : 1;
      return server_.clock();
    };
    return server_.cache(options);
  }
  void advance(milliseconds by) { server_.clock.advance(by); }
  void fail(bool does_fail) { is_failing_ = does_fail; }
  void hold(bool does_hold) {
    std::lock_guard<std::mutex> const lock(mutex_);
    is_holding_ = does_hold;
    changed_.notify_all();
  }
  /// False if there are fewer after 10 seconds.
  bool requests_reach(int number) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, seconds(10), [&] { return requests_ >= number; });
  }
  int requests() {
    std::lock_guard<std::mutex> const lock(mutex_);
    return requests_;
  }
  /// By the renewer's thread, which reads the clock each time it looks.
  unsigned clock_calls() const { return renewer_clock_calls_; }

 private:
  void be_requested() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++requests_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_holding_; });
    if (is_failing_) {
      throw error(error_kind::unavailable, "down.", 503, "", seconds(0), false);
    }
  }

  tests::token_server server_;
  std::thread::id const main_ = std::this_thread::get_id();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<unsigned> renewer_clock_calls_{0};
  std::atomic<bool> is_failing_{false};
  int requests_ = 0;
  bool is_holding_ = false;
};

/// Until the renewer has read the response, which is a moment after the request. False after 10 seconds.
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

TEST_CASE("a background renewer requests the first token before anybody calls") {
  scene server;
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  CHECK(server.requests_reach(1));
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests() == 1);
}

TEST_CASE("a background renewer renews before the token expires, within a second, and survives failures") {
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
  CHECK(tokens.get().value() == "token-1");
  server.fail(false);
  server.advance(seconds(30));
  CHECK(server.requests_reach(3));
  CHECK(comes_true([&] { return tokens.status().requests == 2; }));
  CHECK(tokens.get().value() == "token-3");
  CHECK_FALSE(tokens.status().last_error);
}

TEST_CASE("a background renewer makes no request while no renewal is due") {
  scene server;
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  REQUIRE(comes_true([&] { return tokens.status().requests == 1; }));
  unsigned const before = server.clock_calls();
  CHECK(comes_true([&] { return server.clock_calls() > before; }));  // it has looked again, a second later
  CHECK(server.requests() == 1);
}

TEST_CASE("what a background renewer does is not counted as calls by the program") {
  scene server;
  token_cache const tokens = server.cache();
  background_renewer const renewer(tokens);
  REQUIRE(comes_true([&] { return tokens.status().requests == 1; }));
  unsigned const before = server.clock_calls();
  REQUIRE(comes_true([&] { return server.clock_calls() > before; }));
  token_cache_status const status = tokens.status();
  CHECK(status.gets == 0);
  CHECK(status.hits == 0);
  CHECK(status.waits == 0);
  CHECK(status.requests == 1);
}

TEST_CASE("while a background renewer requests a token, callers get the living one at once") {
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

TEST_CASE("a background renewer survives failures that leave no token at all") {
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

TEST_CASE("the failures of a background renewer show in status and events") {
  scene server;
  server.fail(true);
  std::atomic<int> failures{0};
  token_cache_options options;
  options.observer = [&failures](token_event const& event) {
    failures += event.kind == token_event_kind::failed ? 1 : 0;
  };
  token_cache const tokens = server.cache(options);
  background_renewer const renewer(tokens);
  REQUIRE(comes_true([&] { return failures == 1; }));
  REQUIRE(tokens.status().last_error);
  CHECK(tokens.status().last_error->kind() == error_kind::unavailable);
}

TEST_CASE("a background renewer survives a clock that throws") {
  tests::token_server server;
  std::atomic<int> calls{0};
  token_cache_options options;
  options.clock = [&]() -> boot_clock::time_point {
    return ++calls == 1 ? throw std::runtime_error("no clock") : server.clock();
  };
  background_renewer const renewer(server.cache(options));
  CHECK(comes_true([&] { return server.requests == 1; }));
}

TEST_CASE("a background renewer ends at once if it is dropped while it sleeps") {
  scene server;
  token_cache const tokens = server.cache();
  auto const start = steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    unsigned const before = server.clock_calls();
    background_renewer const renewer(tokens);
    REQUIRE(comes_true([&] { return server.clock_calls() > before; }));
    for (int turn = 0; turn < 100; ++turn) {  // for it to fall asleep
      std::this_thread::yield();
    }
  }
  CHECK(steady_clock::now() - start < seconds(15));  // 20 seconds if each slept to the end
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

#ifndef _WIN32
TEST_CASE("the thread of a background renewer blocks all asynchronous signals, and the caller's mask stays") {
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  std::vector<int> open;
  tests::token_server server;
  server.while_requested = [&open] {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    for (int const number : {SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP,
                             SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU}) {
      if (sigismember(&mask, number) != 1) {
        open.push_back(number);
      }
    }
  };
  token_cache const tokens = server.cache();
  {
    background_renewer const renewer(tokens);
    REQUIRE(comes_true([&] { return server.requests == 1; }));
  }
  CHECK(open.empty());
  sigset_t after;
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  for (int const number : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE}) {
    CHECK(sigismember(&after, number) == sigismember(&before, number));
  }
}

TEST_CASE("a program that blocks a signal after starting a background renewer can wait for it") {
  CHECK(tests::in_child([] {
          tests::token_server server;
          background_renewer const renewer(server.cache());
          sigset_t only_term;
          sigemptyset(&only_term);
          sigaddset(&only_term, SIGTERM);
          pthread_sigmask(SIG_BLOCK, &only_term, nullptr);
          kill(getpid(), SIGTERM);  // would end the child if the renewer's thread took it
          int number = 0;
          return sigwait(&only_term, &number) == 0 && number == SIGTERM ? 0 : 1;
        }) == 0);
}
#endif
