// SPDX-License-Identifier: MIT
// Many processes and one token: agreed on in a folder, forked in the midst of a request, killed at any moment.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifndef _WIN32

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fake_server.hpp"
#include "support/folder.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// Counts what all processes do, a byte each.
class tally {
 public:
  explicit tally(std::string path) : path_(std::move(path)) { tests::write_text(path_, ""); }

  void add() const {
    int const file = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    static_cast<void>(write(file, ".", 1) == 1);
    close(file);
  }
  int count() const {
    struct stat found;
    return stat(path_.c_str(), &found) == 0 ? static_cast<int>(found.st_size) : -1;
  }
  /// False when it takes longer than 10 seconds.
  bool reaches(int number) const {
    for (int i = 0; count() < number; ++i) {
      if (i == 2000) {
        return false;
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
  }

 private:
  std::string path_;
};

fingerprint ours() {
  return fingerprint(test_environment, tests::some_credentials());
}

std::shared_ptr<token_file> store_in(tests::folder const& place, clock_function const& now = boot_clock::now) {
  return std::make_shared<token_file>(place / "cache", ours(), now);
}

token granted(std::string const& value, seconds age, seconds life, std::string const& scope = "scope") {
  boot_clock::time_point const obtained = boot_clock::now() - age;
  return token(value, scope, obtained, obtained + life);
}

/// Starts so many processes that do the same at the same moment. How many of them returned 0?
template <typename Work>
int successes_of(int processes, Work work) {
  int gate[2];
  REQUIRE(pipe(gate) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    children.push_back(tests::start_child([&] {
      close(gate[1]);
      char byte;
      static_cast<void>(read(gate[0], &byte, 1) == 0);  // until all have been started
      return work();
    }));
  }
  close(gate[0]);
  close(gate[1]);
  int successes = 0;
  for (pid_t child : children) {
    successes += tests::status_of(child) == 0 ? 1 : 0;
  }
  return successes;
}

/// Holds a thread of this process in its request until it is opened.
class gate {
 public:
  void open() {
    std::lock_guard<std::mutex> const lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    is_reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
  }
  void wait_until_reached() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return is_reached_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
  bool is_reached_ = false;
};

/// 0 when the cache gives `value`, and soon: who waits for a lock that nobody holds waits for a minute or for ever.
int gets_soon(token_cache const& tokens, std::string const& value) {
  auto const start = steady_clock::now();
  if (tokens.get().value() != value) {
    return 1;
  }
  return steady_clock::now() - start < seconds(5) ? 0 : 2;
}

}  // namespace

TEST_CASE("32 processes started together make one request and get one token") {
  tests::folder const place;
  tally const requests(place / "requests");
  CHECK(successes_of(32, [&] {
          token_cache const tokens(
              [&] {
                requests.add();
                std::this_thread::sleep_for(milliseconds(100));  // the server's time
                return granted("token-" + std::to_string(requests.count()), seconds(0), minutes(30));
              },
              boot_clock::now, store_in(place));
          return tokens.get().value() == "token-1" && tokens.get().value() == "token-1" ? 0 : 1;
        }) == 32);
  CHECK(requests.count() == 1);
}

TEST_CASE(
    "32 processes started together with a wrong password make one request, and all are told when the next is due") {
  tests::folder const place;
  tally const requests(place / "requests");
  CHECK(successes_of(32, [&] {
          token_cache const tokens(
              [&]() -> token {
                requests.add();
                std::this_thread::sleep_for(milliseconds(100));
                throw error(error_kind::rejected, "wrong password.", 401, "invalid_client");
              },
              boot_clock::now, store_in(place));
          for (int call = 0; call < 3; ++call) {
            try {
              tokens.get();
              return 1;
            } catch (error const& told) {
              bool const is_whole =
                  told.kind() == error_kind::rejected && told.http_status() == 401 &&
                  told.oauth_error() == "invalid_client" &&
                  std::string(told.what()).find("wrong password. Next try not before 20") != std::string::npos;
              if (!is_whole || told.retry_after() > minutes(15) || told.retry_after() < minutes(14)) {
                return 2;
              }
            }
          }
          return 0;
        }) == 32);
  CHECK(requests.count() == 1);
}

TEST_CASE("a process that starts later asks neither while the token lives nor while nobody may ask") {
  for (bool is_refused : {false, true}) {
    CAPTURE(is_refused);
    tests::folder const place;
    tally const requests(place / "requests");
    auto const run = [&]() -> int {
      token_cache const tokens(
          [&]() -> token {
            requests.add();
            if (is_refused) {
              throw error(error_kind::rejected, "wrong password.");
            }
            return granted("shared", seconds(0), minutes(30));
          },
          boot_clock::now, store_in(place));
      try {
        return tokens.get().value() == "shared" ? 0 : 1;
      } catch (error const&) {
        return 2;
      }
    };
    for (int process = 0; process < 3; ++process) {
      CHECK(tests::in_child(run) == (is_refused ? 2 : 0));
    }
    CHECK(requests.count() == 1);
  }
}

TEST_CASE("when a token is about to expire, one process renews it and the others go on with it at once") {
  tests::folder const place;
  tally const requests(place / "requests");
  tally const done(place / "done");
  // As on a machine that has run for an hour: this one may have been started after a token so old was granted.
  auto const now = [] { return boot_clock::now() + hours(1); };
  auto const granted_ago = [now](minutes age, std::string const& value) {
    return token(value, "scope", now() - age, now() - age + minutes(30));
  };
  token_record record;
  record.granted = granted_ago(minutes(29), "old");
  store_in(place, now)->save(record);
  CHECK(successes_of(8, [&] {
          token_cache const tokens(
              [&] {
                requests.add();
                // For ever, if one of the others waited for this.
                return granted_ago(minutes(0), done.reaches(7) ? "new" : "never");
              },
              now, store_in(place, now));
          std::string const value = tokens.get().value();
          done.add();
          return value == "old" || value == "new" ? 0 : 1;
        }) == 8);
  CHECK(requests.count() == 1);
  CHECK(store_in(place, now)->load().granted.value() == "new");
}

TEST_CASE("a renewer that is killed at any moment leaves a sound file and no lock") {
  unsigned const seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  tests::folder const place;
  tally const renewals(place / "renewals");
  std::string const scope(20000, 's');  // so that writing takes a while
  bool was_saved = false;
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    int const before = renewals.count();
    pid_t const renewer = tests::start_child([&]() -> int {
      for (;;) {  // about to expire when it comes, so each call asks and saves
        token_cache const tokens(
            [&] {
              renewals.add();
              return granted("killed", seconds(9), seconds(10), scope);
            },
            boot_clock::now, store_in(place));
        tokens.get();
      }
    });
    if (round % 2 == 0) {
      renewals.reaches(before + 1);  // else it is killed while it starts, too
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    REQUIRE(kill(renewer, SIGKILL) == 0);
    REQUIRE(tests::status_of(renewer) == 128 + SIGKILL);

    token const found = store_in(place)->load().granted;
    CHECK((found.empty() ? !was_saved : found.value() == "killed" && found.scope() == scope));
    was_saved = was_saved || !found.empty();
    REQUIRE(tests::in_child([&] {
              token_cache const tokens([&scope] { return granted("killed", seconds(9), seconds(10), scope); },
                                       boot_clock::now, store_in(place));
              return gets_soon(tokens, "killed");
            }) == 0);
  }
  CHECK(was_saved);
}

TEST_CASE("a process killed inside its request is not waited for") {
  tests::folder const place;
  tally const asked(place / "asked");
  pid_t const hanging = tests::start_child([&] {
    token_cache const tokens(
        [&]() -> token {
          asked.add();
          for (;;) {
            pause();
          }
        },
        boot_clock::now, store_in(place));
    tokens.get();
    return 0;
  });
  REQUIRE(asked.reaches(1));
  CHECK_FALSE(store_in(place)->try_lock());
  kill(hanging, SIGKILL);
  tests::status_of(hanging);
  token_cache const tokens([] { return granted("next", seconds(0), minutes(30)); }, boot_clock::now, store_in(place));
  CHECK(gets_soon(tokens, "next") == 0);
}

TEST_CASE("a forked child never waits for the request of a thread that it does not have") {
  pid_t const parent = getpid();
  gate answers;
  token_cache const tokens([&answers, parent] {
    if (getpid() == parent) {
      answers.pass();
    }
    return granted(getpid() == parent ? "of-the-parent" : "of-the-child", seconds(0), minutes(30));
  });
  std::thread asking([&tokens] { tokens.get(); });
  answers.wait_until_reached();
  for (int child = 0; child < 100; ++child) {
    REQUIRE(tests::in_child([&tokens] { return gets_soon(tokens, "of-the-child"); }) == 0);
  }
  answers.open();
  asking.join();
  CHECK(tokens.get().value() == "of-the-parent");
}

// Not under sanitizers, as below.
TEST_CASE(
    "a child that is forked while its parent drops a cache ends, and leaves the copies of the parent's threads alone" *
    doctest::skip(tests::is_sanitized)) {
  for (int round = 0; round < 40; ++round) {
    std::unique_ptr<token_cache> tokens(new token_cache([] {
      return granted(std::string(1000 * 1000, 'a'), seconds(0), minutes(30));  // which takes a while to wipe
    }));
    tokens->get();
    tokens->get();  // of this thread's own copy
    std::atomic<bool> is_time{false};
    std::thread dropping([&] {
      while (!is_time) {
      }
      tokens.reset();
    });
    is_time = true;
    std::this_thread::sleep_for(std::chrono::microseconds(50 * round));
    pid_t const child = tests::start_child([]() -> int { std::exit(0); });  // which ends this thread's copies
    dropping.join();
    REQUIRE(tests::status_of(child) == 0);
  }
}

// Not under sanitizers, whose own allocators may deadlock then (mended in LLVM 18 and 19, pull requests 75290 and 96600).
TEST_CASE("a child that is forked while threads hammer the cache never deadlocks" *
          doctest::skip(tests::is_sanitized)) {
  pid_t const parent = getpid();
  token_cache const tokens([parent] {
    // Those of the parent are about to expire when they come, so each call renews.
    return getpid() == parent ? granted("of-the-parent", minutes(29), minutes(30))
                              : granted("of-the-child", seconds(0), minutes(30));
  });
  std::atomic<bool> is_done{false};
  std::vector<std::thread> hammers;
  for (int i = 0; i < 2; ++i) {
    hammers.emplace_back([&] {
      while (!is_done) {
        tokens.invalidate(tokens.get());
        tokens.status();
      }
    });
  }
  for (int child = 0; child < 200; ++child) {
    CAPTURE(child);
    REQUIRE(tests::in_child([&tokens] {
              int const status = gets_soon(tokens, "of-the-child");
              tokens.status();
              return status;
            }) == 0);
  }
  is_done = true;
  for (std::thread& hammer : hammers) {
    hammer.join();
  }
}

TEST_CASE("a forked child drops the parent's cache without touching what the parent's threads wait on") {
  pid_t const parent = getpid();
  gate answers;
  auto tokens = std::unique_ptr<token_cache>(new token_cache([&answers, parent] {
    if (getpid() == parent) {
      answers.pass();
    }
    return granted("late", seconds(0), minutes(30));
  }));
  std::thread leader([&] { tokens->get(); });
  answers.wait_until_reached();
  std::thread follower([&] { tokens->get(); });
  while (tokens->status().joins == 0) {
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
  answers.open();
  leader.join();
  follower.join();
}

TEST_CASE("a forked child goes on with the credentials of the last reset, and so does a child of it") {
  auto const source = [](char const* value) { return [value] { return granted(value, seconds(0), minutes(30)); }; };
  token_cache const tokens(source("first"));
  tokens.reset(source("second"));
  tokens.reset(source("third"));
  CHECK(tests::in_child([&] {
          if (gets_soon(tokens, "third") != 0) {
            return 1;
          }
          tokens.reset(source("fourth"));
          return tests::in_child([&] { return gets_soon(tokens, "fourth"); });
        }) == 0);
  CHECK(tokens.get().value() == "third");
}

TEST_CASE("a child forked while a thread resets goes on with the credentials before or after" *
          doctest::skip(tests::is_sanitized)) {
  token_cache const tokens([] { return granted("0", seconds(0), minutes(30)); });
  std::atomic<int> started{0};
  std::atomic<int> finished{0};
  std::atomic<bool> is_done{false};
  std::thread resetting([&] {
    while (!is_done) {
      int const number = ++started;
      tokens.reset([number] { return granted(std::to_string(number), seconds(0), minutes(30)); });
      finished = number;
    }
  });
  for (int child = 0; child < 200; ++child) {
    CAPTURE(child);
    int const before = finished;
    REQUIRE(tests::in_child([&] {
              int const number = std::atoi(tokens.get().value().c_str());
              return before <= number && number <= started ? 0 : 1;
            }) == 0);
  }
  is_done = true;
  resetting.join();
}

TEST_CASE("a forked child takes the parent's token from the folder that they share") {
  tests::folder const place;
  tally const requests(place / "requests");
  token_cache const tokens(
      [&requests] {
        requests.add();
        return granted("shared", seconds(0), minutes(30));
      },
      boot_clock::now, store_in(place));
  CHECK(tokens.get().value() == "shared");
  CHECK(tests::in_child([&tokens] { return gets_soon(tokens, "shared"); }) == 0);
  CHECK(requests.count() == 1);
}

TEST_CASE("a lock that the parent holds is neither shared with a forked child nor dropped by its end") {
  tests::folder const place;
  auto const store = store_in(place);
  std::unique_ptr<token_store::lock> const lock = store->try_lock();
  REQUIRE(lock);
  CHECK(tests::in_child([&store] { return store->try_lock() ? 1 : 0; }) == 0);
  CHECK(tests::in_child([&store] { return store->try_lock() ? 1 : 0; }) == 0);
  CHECK_FALSE(store->try_lock());
}

TEST_CASE("a forked child may end with its parent's background renewer, and never waits for its thread") {
  auto now = [] { return boot_clock::now(); };
  std::unique_ptr<background_renewer> renewer(
      new background_renewer(token_cache([now] { return token("x", "", now(), now() + minutes(30)); })));
  CHECK(tests::in_child([&renewer] {
          alarm(10);  // ends the child when it waits
          renewer.reset();
          return 0;
        }) == 0);
}

#endif
