// SPDX-License-Identifier: MIT
// Everything at once, for ThreadSanitizer and helgrind. CIBMTR_AUTH_STRESS_SECONDS sets for how long.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/token_server.hpp"

using namespace cibmtr_auth;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// A thousand times as fast as the world: a backoff of a second passes in a millisecond.
boot_clock::time_point fast_now() {
  static boot_clock::time_point const start = boot_clock::now();
  return boot_clock::time_point(std::chrono::hours(1)) + (boot_clock::now() - start) * 1000;
}

/// A cache, who uses it, and what it must not do.
class scene {
 public:
  explicit scene(unsigned seed) : seed_(seed) {
    token_cache_options options;
    options.clock = fast_now;
    options.store = std::make_shared<tests::memory_store>();
    options.transport = [this](http_request const& request) { return respond(request); };
    options.observer = [this](token_event const& event) { observe(event); };
    tokens_.reset(new token_cache(make_token_cache(test_environment(), account(0), options)));
  }

  /// One who keeps a copy of the cache until the scene ends, or for so many turns.
  using role = std::function<void(token_cache&, std::mt19937&)>;
  void start(role const& turn, int turns = 0) {
    unsigned const its_seed = seed_ + static_cast<unsigned>(threads_.size());
    threads_.emplace_back(
        [this, its_seed, turn, turns](token_cache copy) {
          std::mt19937 random(its_seed);
          for (int i = 0; !is_ending_ && (turns == 0 || i < turns); ++i) {
            turn(copy, random);
          }
        },
        *tokens_);
  }
  /// The last of the threads to end takes the cache with it.
  void drop() { tokens_.reset(); }
  void end() {
    is_ending_ = true;
    for (std::thread& one : threads_) {
      one.join();
    }
  }
  token_cache const* tokens() const { return tokens_.get(); }

  /// A token that may be used, or an empty one if get() says why there is none.
  token get(token_cache const& tokens) {
    ++gets;
    int const client_before = client_;
    try {
      token const found = tokens.get();
      int const its_client = std::atoi(found.value().c_str());
      expect(its_client >= client_before, "a token of a client that was replaced");
      expect(its_client <= next_client_, "a token of no client");
      return found;
    } catch (error const& failure) {
      error_kind const kind = failure.kind();
      bool const is_known = kind == error_kind::unavailable || kind == error_kind::rejected ||
                            kind == error_kind::network || kind == error_kind::timed_out ||
                            kind == error_kind::invalid_response;  // on a busy machine: the token had expired
      expect(is_known, "an error that nobody gave");
      expect(!failure.was_sent(), "an error that says that the call was sent");
    }
    return token();
  }

  /// By one thread only. Every other time only the password changes, so that the old token is kept.
  void set_credentials(token_cache const& tokens) {
    int const number = ++credentials_;
    next_client_ = number / 2;
    expect(tokens.set_credentials(account(number)), "other credentials that are the same");
    expect(!tokens.set_credentials(account(number)), "the same credentials that are others");
    client_ = number / 2;
  }

  std::atomic<std::uint64_t> gets{0}, requests{0}, failures{0}, outcomes{0};
  std::atomic<char const*> problem{""};

  void expect(bool is_so, char const* otherwise) {
    if (!is_so) {
      problem = otherwise;
    }
  }

 private:
  static credentials account(int number) {
    credentials made = tests::some_credentials();
    made.client_id = std::to_string(number / 2);
    made.password = "password-" + std::to_string(number);
    return made;
  }
  /// Slow at times, failing at times; its tokens begin with the number of the client.
  http_response respond(http_request const& request) {
    request.before_sending();
    std::string const body = request.body.reveal();
    int const number = std::atoi(body.substr(body.find("password-") + 9).c_str());
    auto const call = ++requests;
    std::string const which = std::to_string(number / 2) + "." + std::to_string(call);
    std::size_t const chance = std::hash<std::string>()(std::to_string(seed_) + which) % 20;
    if (chance < 10) {
      std::this_thread::sleep_for(milliseconds(chance % 4));  // a server's time
    }
    failures += chance < 6 ? 1 : 0;
    switch (chance) {
      case 0:
      case 1: return tests::unavailable();
      case 2:
      case 3: throw tests::no_response();
      case 4: return tests::rejected();
      case 5: throw 42;
      default: return tests::grant_of(which, seconds(5 + chance));
    }
  }
  void observe(token_event const& event) {
    bool const is_outcome = event.kind == token_event_kind::renewed || event.kind == token_event_kind::failed;
    outcomes += is_outcome ? 1 : 0;
    expect(event.status.hits + event.status.waits <= event.status.gets, "more hits and waits than gets");
    expect(event.kind != token_event_kind::sharing_failed, "a store that fails");
  }

  unsigned const seed_;
  std::atomic<bool> is_ending_{false};
  std::atomic<int> client_{0}, next_client_{0}, credentials_{0};
  std::unique_ptr<token_cache> tokens_;
  std::vector<std::thread> threads_;
};

void live(scene& s, milliseconds length) {
  using random = std::mt19937;
  auto const get = [&s](token_cache& tokens, random&) { s.get(tokens); };
  s.start(get);
  s.start(get);
  s.start([&s](token_cache& tokens, random&) {
    token const found = s.get(tokens);
    if (!found.empty() && tokens.invalidate(found)) {
      token next = s.get(tokens);
      if (next.value() == found.value() && tokens.invalidate(next)) {
        next = s.get(tokens);  // records hold whole ms: in the last one of the 30 s a token may come back once
      }
      s.expect(next.empty() || next.value() != found.value(), "a refused token");
    }
  });
  s.start([&s](token_cache& tokens, random& chance) {
    std::this_thread::sleep_for(milliseconds(chance() % 20));
    s.set_credentials(tokens);
    s.get(tokens);
  });
  s.start([](token_cache& tokens, random& chance) {
    std::this_thread::sleep_for(milliseconds(chance() % 5));
    tokens.retry_now();
  });
  s.start([&s](token_cache& tokens, random&) {
    token_cache_status const status = tokens.status();
    s.expect(status.hits + status.waits <= status.gets, "more hits and waits than gets");
    tokens.try_get();
    std::this_thread::yield();
  });
  s.start([&s](token_cache& tokens, random& chance) {
    token_cache const other = tokens;
    tokens = other;
    std::thread([&s, other] { s.get(other); }).join();
    background_renewer const renewer(other);
    std::this_thread::sleep_for(milliseconds(chance() % 3));
  });
  s.start(get, 100);  // ends early
  std::this_thread::sleep_for(length);
}

}  // namespace

TEST_CASE("whatever threads do at once, each get ends as promised and the counts add up") {
  char const* const given = std::getenv("CIBMTR_AUTH_STRESS_SECONDS");
  auto const end = steady_clock::now() + seconds(given ? std::atoi(given) : 1);
  unsigned const seed = std::random_device()();
  std::uint64_t gets = 0, requests = 0;
  CAPTURE(seed);
  for (unsigned round = 0; steady_clock::now() < end; ++round) {
    CAPTURE(round);
    scene s(seed + round * 100);
    if (round % 2 == 0) {
      live(s, milliseconds(100));
      s.end();
      token_cache_status const status = s.tokens()->status();
      CHECK(status.hits + status.waits <= status.gets);
      CHECK(status.gets == s.gets);  // without those of background_renewer
      CHECK(status.requests == s.requests);
      CHECK(status.failures >= s.failures);  // a token may have expired on its way
      CHECK(s.outcomes <= status.requests);  // requests with replaced credentials are not reported
    } else {
      live(s, milliseconds(50));
      s.drop();
      s.end();
    }
    CHECK(std::string(s.problem.load()) == "");
    gets += s.gets;
    requests += s.requests;
  }
  CHECK(requests > 0);
  MESSAGE(gets << " gets, " << requests << " requests");
}
