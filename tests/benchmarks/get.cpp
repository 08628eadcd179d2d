// SPDX-License-Identifier: MIT
// What a call costs while the token is fresh. The yardstick is a bare clock read, without which nobody can tell.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <mutex>
#include <string>

using cibmtr_auth::boot_clock;
using cibmtr_auth::secret;
using cibmtr_auth::token;

namespace {

token fresh_token() {
  boot_clock::time_point const now = boot_clock::now();
  return token(secret(std::string(1024, 'x')), "scope", now, now + std::chrono::hours(24));
}

/// What one would write first.
class locked_pointer {
 public:
  std::shared_ptr<token const> get() {
    std::lock_guard<std::mutex> const lock(mutex_);
    return boot_clock::now() < held_->renew_at() ? held_ : nullptr;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<token const> held_ = std::make_shared<token const>(fresh_token());
};

/// What one would write second.
class atomic_pointer {
 public:
  std::shared_ptr<token const> get() {
    std::shared_ptr<token const> const held = std::atomic_load(&held_);
    return boot_clock::now() < held->renew_at() ? held : nullptr;
  }

 private:
  std::shared_ptr<token const> held_ = std::make_shared<token const>(fresh_token());
};

/// One for all threads.
template <typename T>
T& shared() {
  static T all;
  return all;
}

void clock_read(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(boot_clock::now());
  }
}

void cibmtr_auth_get_and_header(benchmark::State& state) {
  static cibmtr_auth::token_cache const tokens(fresh_token);
  for (auto _ : state) {
    token const held = tokens.get();
    benchmark::DoNotOptimize(held.authorization().data());
  }
}

template <typename Cache>
void pointer_and_header(benchmark::State& state) {
  Cache& tokens = shared<Cache>();
  for (auto _ : state) {
    std::shared_ptr<token const> const held = tokens.get();
    benchmark::DoNotOptimize(held->authorization().data());
  }
}

BENCHMARK(clock_read)->Threads(1)->Threads(8);
BENCHMARK(cibmtr_auth_get_and_header)->Threads(1)->Threads(8);
BENCHMARK_TEMPLATE(pointer_and_header, locked_pointer)->Threads(1)->Threads(8);
BENCHMARK_TEMPLATE(pointer_and_header, atomic_pointer)->Threads(1)->Threads(8);

}  // namespace

BENCHMARK_MAIN();
