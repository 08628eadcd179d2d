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

using namespace cibmtr_auth;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// A thousand times as fast as the world: a pause of a second passes in a millisecond.
boot_clock::time_point fast_now() {
  static boot_clock::time_point const start = boot_clock::now();
  return boot_clock::time_point(std::chrono::hours(1)) + (boot_clock::now() - start) * 1000;
}

/// A cache, who uses it, and what it must not do.
class scene {
 public:
  explicit scene(unsigned seed)
      : seed_(seed), tokens_(new token_cache(source(0), fast_now, std::make_shared<memory_store>(), observer())) {}

  /// One who keeps its own copy of the cache until it is told to end, or for so many turns.
  using role = std::function<void(token_cache&, std::mt19937&)>;
  void start(role const& turn, int turns = 0) {
    unsigned const own_seed = seed_ + static_cast<unsigned>(threads_.size());
    threads_.emplace_back(
        [this, own_seed, turn, turns](token_cache mine) {
          std::mt19937 random(own_seed);
          for (int i = 0; !is_ending_ && (turns == 0 || i < turns); ++i) {
            turn(mine, random);
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

  /// Gets a token that may be used, or hears why there is none.
  token get(token_cache const& tokens, milliseconds patience) {
    ++gets;
    bool const may_leave = patience < seconds(60);
    int const reset_before = generation_;
    try {
      token const held = tokens.get(patience);
      int const its_generation = std::atoi(held.value().c_str());
      expect(its_generation >= reset_before, "a token of before a reset");
      expect(its_generation <= started_generation_, "a token of no source");
      return held;
    } catch (error const& failure) {
      error_kind const kind = failure.kind();
      bool const is_known =
          kind == error_kind::unavailable || kind == error_kind::rejected || kind == error_kind::network;
      expect(is_known || (kind == error_kind::timed_out && may_leave), "an error that nobody gave");
      expect(!is_known || failure.retry_after() > seconds(0), "an error that does not say when to try again");
    } catch (int) {  // what the source throws of its own
    }
    return token();
  }

  /// By one thread only.
  void reset(token_cache const& tokens) {
    int const next = ++started_generation_;
    tokens.reset(source(next));
    generation_ = next;
  }

  std::atomic<unsigned long long> gets{0}, requests{0}, failures{0}, heard{0};
  std::atomic<char const*> problem{""};

  void expect(bool is_so, char const* otherwise) {
    if (!is_so) {
      problem = otherwise;
    }
  }

 private:
  /// Slow at times, failing at times; its tokens begin with its number.
  token_source source(int number) {
    auto const calls = std::make_shared<std::atomic<unsigned>>(0);
    return [this, number, calls] {
      unsigned const call = ++*calls;
      std::string const which = std::to_string(seed_) + "." + std::to_string(number) + "." + std::to_string(call);
      unsigned const chance = static_cast<unsigned>(std::hash<std::string>()(which) % 20);
      boot_clock::time_point const sent_at = fast_now();
      ++requests;
      if (chance < 10) {
        std::this_thread::sleep_for(milliseconds(chance % 4));  // a server's time
      }
      failures += chance < 6 ? 1 : 0;
      switch (chance) {
        case 0:
        case 1:
        case 2:
        case 3: throw error(error_kind::unavailable, "down.");
        case 4: throw error(error_kind::rejected, "no.");
        case 5: throw 42;
        default: break;
      }
      return token(std::to_string(number) + "." + std::to_string(call), "", sent_at, sent_at + seconds(5 + chance));
    };
  }
  token_observer observer() {
    return [this](token_cache_status const& told) {
      ++heard;
      expect(told.hits + told.joins <= told.gets, "more hits and joins than gets");
    };
  }

  unsigned const seed_;
  std::atomic<bool> is_ending_{false};
  std::atomic<int> generation_{0}, started_generation_{0};
  std::unique_ptr<token_cache> tokens_;
  std::vector<std::thread> threads_;
};

void live(scene& s, milliseconds length) {
  using random = std::mt19937;
  auto const get = [&s](token_cache& tokens, random&) { s.get(tokens, std::chrono::hours(24)); };
  s.start(get);
  s.start(get);
  s.start([&s](token_cache& tokens, random& chance) { s.get(tokens, milliseconds(chance() % 2)); });
  s.start([&s](token_cache& tokens, random& chance) {
    token const held = s.get(tokens, std::chrono::hours(24));
    // The cache counts 30 seconds from the refusal, the store from when the replacement was granted: between the two it comes back.
    bool const may_come_back = fast_now() < held.obtained_at() + seconds(30);
    if (tokens.invalidate(held)) {
      token const next = s.get(tokens, milliseconds(chance() % 3));
      s.expect(next.empty() || next.value() != held.value() || may_come_back, "a refused token");
    }
  });
  s.start([&s](token_cache& tokens, random& chance) {
    std::this_thread::sleep_for(milliseconds(chance() % 20));
    s.reset(tokens);
    s.get(tokens, std::chrono::hours(24));
  });
  s.start([&s](token_cache& tokens, random&) {
    token_cache_status const told = tokens.status();
    s.expect(told.failures <= told.requests, "more failures than requests");
    s.expect(told.hits + told.joins <= told.gets, "more hits and joins than gets");
    std::this_thread::yield();
  });
  s.start([&s](token_cache& tokens, random& chance) {
    token_cache const other = tokens;
    tokens = other;
    std::thread([&s, other] { s.get(other, std::chrono::hours(24)); }).join();
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
  unsigned long long gets = 0, requests = 0;
  CAPTURE(seed);
  for (unsigned round = 0; steady_clock::now() < end; ++round) {
    CAPTURE(round);
    scene s(seed + round * 100);
    if (round % 2 == 0) {
      live(s, milliseconds(100));
      s.end();
      token_cache_status const told = s.tokens()->status();
      CHECK(told.hits + told.joins <= told.gets);
      CHECK(s.heard >= told.requests);
      CHECK(told.gets >= s.gets);  // a background_renewer has got some too
      CHECK(told.requests == s.requests);
      CHECK(told.failures >= s.failures);  // a token may have ended on its way
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
