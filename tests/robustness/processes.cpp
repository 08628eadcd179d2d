// SPDX-License-Identifier: MIT
// Many processes and one token: agreed on in a folder, killed and stopped at any moment. Forked children: fork.cpp.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifndef _WIN32

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
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
using tests::some_credentials;

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
  /// False if it takes longer than 10 seconds.
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

http_response granted(std::string const& value, seconds lifetime = minutes(30)) {
  return {200, R"({"token_type":"Bearer","access_token":")" + value + R"(","expires_in":)" +
                   std::to_string(lifetime.count()) + "}"};
}

http_response rejected() { return {400, R"({"error":"invalid_grant"})"}; }

/// The real time, so much later.
std::function<boot_clock::time_point()> later(std::chrono::nanoseconds by) {
  return [by] { return boot_clock::now() + by; };
}

/// A cache of one process: `respond` is called after the credentials were sent.
token_cache make_cache(std::string const& directory, std::function<http_response()> const& respond,
                       token_cache_options options = {}, credentials const& account = some_credentials()) {
  options.cache_directory = directory;
  options.transport = [respond](http_request const& request) {
    request.before_sending();
    return respond();
  };
  return make_token_cache(test_environment(), account, options);
}

token_cache_options with_timeout(milliseconds timeout, std::function<boot_clock::time_point()> const& clock = {}) {
  token_cache_options options;
  options.https.timeout = timeout;
  options.clock = clock;
  return options;
}

/// Starts so many processes that do the same at the same moment.
template <typename Work>
std::vector<pid_t> start_together(int processes, Work work) {
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
  return children;
}

int successes_of(std::vector<pid_t> const& children) {
  int successes = 0;
  for (pid_t child : children) {
    successes += tests::status_of(child) == 0 ? 1 : 0;
  }
  return successes;
}

template <typename Work>
int successes_of(int processes, Work work) {
  return successes_of(start_together(processes, work));
}

/// 0 if the cache gives `value`, and soon.
int gets_soon(token_cache const& tokens, std::string const& value) {
  auto const start = steady_clock::now();
  if (tokens.get().value() != value) {
    return 1;
  }
  return steady_clock::now() - start < seconds(10) ? 0 : 2;
}

/// The kind of the failure of get(), as an exit status; 100 for a token.
int kind_of_failure(token_cache const& tokens) {
  try {
    tokens.get();
    return 100;
  } catch (error const& failure) {
    return static_cast<int>(failure.kind());
  }
}

}  // namespace

TEST_CASE("32 processes started together make one request and get one token") {
  tests::folder const place;
  tally const requests(place / "requests");
  CHECK(successes_of(32, [&] {
          token_cache const tokens = make_cache(place / "cache", [&] {
            requests.add();
            std::this_thread::sleep_for(milliseconds(100));  // the server's time
            return granted("token-" + std::to_string(requests.count()));
          });
          return tokens.get().value() == "token-1" && tokens.get().value() == "token-1" ? 0 : 1;
        }) == 32);
  CHECK(requests.count() == 1);
}

TEST_CASE(
    "32 processes started together with a wrong password make one request, and all learn when the next is allowed") {
  tests::folder const place;
  tally const requests(place / "requests");
  CHECK(successes_of(32, [&] {
          token_cache const tokens = make_cache(place / "cache", [&] {
            requests.add();
            std::this_thread::sleep_for(milliseconds(100));
            return http_response(401, R"({"error":"invalid_client"})");
          });
          for (int call = 0; call < 3; ++call) {
            try {
              tokens.get();
              return 1;
            } catch (error const& failure) {
              bool const is_whole = failure.kind() == error_kind::rejected && failure.http_status() == 401 &&
                                    failure.oauth_error() == "invalid_client" &&
                                    std::string(failure.what()).find("Next attempt not before 20") != std::string::npos;
              if (!is_whole || failure.retry_after() > minutes(15) || failure.retry_after() < minutes(14)) {
                return 2;
              }
            }
          }
          return 0;
        }) == 32);
  CHECK(requests.count() == 1);
}

TEST_CASE("a process that starts later sends nothing while the token lives or the backoff lasts") {
  for (bool is_rejected : {false, true}) {
    CAPTURE(is_rejected);
    tests::folder const place;
    tally const requests(place / "requests");
    for (int process = 0; process < 11; ++process) {
      CHECK(tests::in_child([&] {
              return kind_of_failure(make_cache(place / "cache", [&] {
                requests.add();
                return is_rejected ? rejected() : granted("shared");
              }));
            }) == (is_rejected ? static_cast<int>(error_kind::rejected) : 100));
    }
    CHECK(requests.count() == 1);
  }
}

TEST_CASE("a job that runs every minute for an hour with a wrong password sends it three times") {
  tests::folder const place;
  tests::fake_clock clock;
  int requests = 0;
  auto const run = [&](credentials const& account, std::function<http_response()> const& respond) {
    return make_cache(place / "cache", respond, with_timeout(seconds(30), clock), account).get();
  };
  for (int minute = 0; minute < 60; ++minute) {
    try {
      run(some_credentials(), [&requests] {
        ++requests;
        return rejected();
      });
      FAIL("a wrong password got a token");
    } catch (error const& failure) {
      CHECK(failure.kind() == error_kind::rejected);
      CHECK(failure.retry_after() > seconds(0));
      CHECK(std::string(failure.what()).find("Next attempt not before ") != std::string::npos);
    }
    clock.advance(minutes(1));
  }
  CHECK(requests == 3);

  credentials changed = some_credentials();
  changed.password = "the new one";
  CHECK(run(changed, [] { return granted("new"); }).value() == "new");
}

TEST_CASE("two accounts share a folder, but neither token nor backoff") {
  tests::folder const place;
  credentials other = some_credentials();
  other.client_id = "another";
  CHECK(make_cache(place / "cache", [] { return granted("one"); }).get().value() == "one");
  CHECK(make_cache(
            place / "cache", [] { return granted("other"); }, {}, other)
            .get()
            .value() == "other");
  CHECK(make_cache(place / "cache", rejected).get().value() == "one");
}

TEST_CASE("an old password that is still in use somewhere takes neither token nor backoff from the new one") {
  tests::folder const place;
  credentials old = some_credentials();
  old.password = "old password";
  int requests = 0;
  for (int i = 0; i < 5; ++i) {
    CHECK(kind_of_failure(make_cache(
              place / "cache",
              [&] {
                ++requests;
                return rejected();
              },
              {}, old)) == static_cast<int>(error_kind::rejected));
    CHECK(make_cache(place / "cache",
                     [&] {
                       ++requests;
                       return granted("new");
                     })
              .get()
              .value() == "new");
  }
  CHECK(requests == 2);
}

TEST_CASE("two caches in one process make one request, however their folder is written") {
  for (bool is_rejected : {false, true}) {
    CAPTURE(is_rejected);
    tests::folder const place;
    REQUIRE(symlink(place.path().c_str(), (place / "link").c_str()) == 0);
    std::atomic<int> requests{0};
    std::atomic<int> as_expected{0};
    std::vector<std::thread> threads;
    for (char const* spelling : {"cache", "cache/", "cache/.", "link/cache", "./cache//"}) {
      threads.emplace_back([&, spelling] {
        token_cache const tokens = make_cache(place / spelling, [&] {
          ++requests;
          std::this_thread::sleep_for(milliseconds(100));
          return is_rejected ? rejected() : granted("shared");
        });
        as_expected += kind_of_failure(tokens) == (is_rejected ? static_cast<int>(error_kind::rejected) : 100) ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(requests == 1);
    CHECK(as_expected == 5);
  }
}

TEST_CASE("if a token is due for renewal, one process renews it and the others go on with it at once") {
  tests::folder const place;
  tally const requests(place / "requests");
  tally const done(place / "done");
  CHECK(make_cache(
            place / "cache", [] { return granted("old"); }, with_timeout(seconds(30), later(seconds(0))))
            .get()
            .value() == "old");
  auto const clock = later(minutes(28));
  CHECK(successes_of(8, [&] {
          token_cache const tokens = make_cache(
              place / "cache",
              [&] {
                requests.add();
                return granted(done.reaches(7) ? "new" : "never");  // if one of the others waited for this
              },
              with_timeout(seconds(30), clock));
          std::string const value = tokens.get().value();
          done.add();
          return value == "old" || value == "new" ? 0 : 1;
        }) == 8);
  CHECK(requests.count() == 1);
  CHECK(make_cache(place / "cache", rejected, with_timeout(seconds(30), clock)).get().value() == "new");
}

TEST_CASE("jobs that cannot connect, hang while connecting or are killed there block nobody") {
  tests::folder const place;
  tally const connecting(place / "connecting");
  token_cache_options options;
  options.cache_directory = place / "cache";
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    children.push_back(tests::start_child([&] {
      options.transport = [&](http_request const&) -> http_response {
        connecting.add();
        while (i % 2 == 0) {
          pause();
        }
        throw detail::not_sent(error_kind::tls, "the certificate is not trusted");
      };
      return kind_of_failure(make_token_cache(test_environment(), some_credentials(), options));
    }));
  }
  REQUIRE(connecting.reaches(6));
  kill(children[0], SIGKILL);
  token_cache const tokens = make_cache(place / "cache", [] { return granted("token"); });
  CHECK(gets_soon(tokens, "token") == 0);
  for (std::size_t i = 0; i < children.size(); ++i) {
    kill(children[i], i % 2 == 0 ? SIGKILL : 0);
    CHECK(tests::status_of(children[i]) == (i % 2 == 0 ? 128 + SIGKILL : static_cast<int>(error_kind::tls)));
  }
}

TEST_CASE("processes send nothing while another one's lease runs, though it was killed or stopped, and then one does") {
  for (int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    tests::folder const place;
    tally const requests(place / "requests");
    pid_t const hanging = tests::start_child([&] {
      make_cache(
          place / "cache",
          [&]() -> http_response {
            requests.add();
            for (;;) {
              pause();
            }
          },
          with_timeout(seconds(2)))
          .get();
      return 0;
    });
    REQUIRE(requests.reaches(1));
    REQUIRE(kill(hanging, signal) == 0);
    auto const run = [&](std::chrono::nanoseconds by) {
      return successes_of(8, [&] {
        token_cache const tokens = make_cache(
            place / "cache",
            [&] {
              requests.add();
              return granted("next");
            },
            with_timeout(seconds(30), later(by)));
        int const result = kind_of_failure(tokens);
        return result == (by == seconds(0) ? static_cast<int>(error_kind::timed_out) : 100) ? 0 : 1;
      });
    };
    // The lease ends after 2 s, the first rung of the ladder after 5 s.
    CHECK(run(seconds(0)) == 8);
    CHECK(requests.count() == 1);
    CHECK(run(seconds(6)) == 8);
    CHECK(requests.count() == 2);
    kill(hanging, SIGKILL);
    tests::status_of(hanging);
  }
}

TEST_CASE("ten runs that are killed while they wait for the response send at most two requests in the first 30 s") {
  tests::folder const place;
  tally const requests(place / "requests");
  for (int run = 0; run < 10; ++run) {
    tally const started(place / "started");
    pid_t const child = tests::start_child([&] {
      started.add();
      return kind_of_failure(make_cache(
          place / "cache",
          [&]() -> http_response {
            requests.add();
            for (;;) {
              pause();
            }
          },
          with_timeout(seconds(1), later(seconds(3 * run)))));
    });
    started.reaches(1);
    std::this_thread::sleep_for(milliseconds(run == 0 ? 300 : 100));
    kill(child, SIGKILL);
    tests::status_of(child);
  }
  CHECK(requests.count() >= 1);
  CHECK(requests.count() <= 2);
}

TEST_CASE("a process that is killed at any moment leaves a folder that works") {
  unsigned const seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  tests::folder const place;
  tally const requests(place / "requests");
  std::string const long_token(20000, 'x');  // so that writing takes a while
  for (int round = 0; round < 100; ++round) {
    CAPTURE(round);
    token_cache_options options = with_timeout(seconds(30), later(hours(round)));
    options.cache_directory = place / "cache";
    options.transport = [&](http_request const& request) {
      request.before_sending();
      requests.add();
      return granted(long_token);
    };
    int const before = requests.count();
    pid_t const renewing = tests::start_child([&]() -> int {
      for (;;) {  // each writes two records
        request_token(test_environment(), some_credentials(), options);
      }
    });
    if (round % 2 == 0) {
      requests.reaches(before + 1);  // else it may be killed while it starts
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    REQUIRE(kill(renewing, SIGKILL) == 0);
    REQUIRE(tests::status_of(renewing) == 128 + SIGKILL);
    options.clock = later(hours(round) + minutes(2));  // after the lease that it may have left
    token_cache const tokens = make_token_cache(test_environment(), some_credentials(), options);
    REQUIRE(gets_soon(tokens, long_token) == 0);
    REQUIRE(tokens.status().is_shared);
    REQUIRE(tokens.status().sharing_problem.empty());
  }
}

TEST_CASE("each reason for not sharing is in the status and in an event, and costs no token") {
  tests::folder const place;
  auto const check = [&](std::string const& directory, std::string const& problem) {
    CAPTURE(directory);
    std::vector<std::string> events;
    token_cache_options options;
    options.observer = [&events](token_event const& event) {
      events.push_back(to_string(event.kind) + ": " + event.message);
    };
    token_cache const tokens = make_cache(
        directory, [] { return granted("alone"); }, options);
    CHECK(tokens.get().value() == "alone");
    CHECK_FALSE(tokens.status().is_shared);
    CHECK(tokens.status().sharing_problem == problem);
    REQUIRE_FALSE(events.empty());
    CHECK(events[0] == "sharing_failed: the token is not shared: " + problem);
  };
  detail::make_directory(place / "open");
  REQUIRE(chmod((place / "open").c_str(), 0755) == 0);
  check(place / "open", place / "open" + ": has mode 0755: chmod 700");
  REQUIRE(symlink("open", (place / "link").c_str()) == 0);
  check(place / "link", place / "link" + ": is a symbolic link");
  tests::write_text(place / "file", "");
  check(place / "file", place / "file" + ": is not a directory");
  std::string const lock = detail::record_key(test_environment(), some_credentials()) + ".lock";
  detail::make_directory(place / "cache/" + lock);
  check(place / "cache", place / "cache" + ": lock file " + lock + " cannot be opened: Is a directory");
}

TEST_CASE("a folder that is removed at run time is made again and shared again") {
  tests::folder const place;
  int requests = 0;
  auto const run = [&] {
    token_cache const tokens =
        make_cache(place / "cache", [&] { return granted("token-" + std::to_string(++requests)); });
    std::string value = tokens.get().value();
    CHECK(tokens.status().is_shared);
    return value;
  };
  CHECK(run() == "token-1");
  tests::remove_all(place / "cache");
  CHECK(run() == "token-2");
  CHECK(run() == "token-2");
}

#endif
