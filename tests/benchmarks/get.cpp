// SPDX-License-Identifier: MIT
// What get() and the header cost while the token is fresh. The yardstick is a clock read, which no cache can do without.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <mutex>
#include <string>

namespace auth = cibmtr_auth;

namespace {

auth::token_cache const& cache() {
  static auth::token_cache const tokens = [] {
    auth::token_cache_options options;
    options.transport = [](auth::http_request const& request) {
      request.before_sending();
      return auth::http_response(
          200, "{\"token_type\":\"Bearer\",\"expires_in\":86400,\"access_token\":\"" + std::string(1024, 'x') + "\"}");
    };
    return auth::make_token_cache(auth::test_environment(), {"id", "secret", "scope", "user", "password"}, options);
  }();
  return tokens;
}

/// What one would write first.
class locked_pointer {
 public:
  std::shared_ptr<std::string const> get() {
    std::lock_guard<std::mutex> const lock(mutex_);
    return auth::boot_clock::now() < expires_at_ ? header_ : nullptr;
  }

 private:
  std::mutex mutex_;
  auth::boot_clock::time_point const expires_at_ = auth::boot_clock::now() + std::chrono::hours(24);
  std::shared_ptr<std::string const> const header_ =
      std::make_shared<std::string const>("Bearer " + std::string(1024, 'x'));
};

void clock_read(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(auth::boot_clock::now());
  }
}

void cibmtr_auth_get_and_header(benchmark::State& state) {
  auth::token_cache const tokens = cache();
  for (auto _ : state) {
    auth::token const token = tokens.get();
    benchmark::DoNotOptimize(token.authorization().data());
  }
}

void locked_pointer_and_header(benchmark::State& state) {
  static locked_pointer tokens;
  for (auto _ : state) {
    std::shared_ptr<std::string const> const header = tokens.get();
    benchmark::DoNotOptimize(header->data());
  }
}

/// Some 10 µs of what a program does between two calls, without touching memory that others use.
void work() {
  unsigned long long bits = 1;
  for (int i = 0; i < 8000; ++i) {
    bits = bits * 6364136223846793005U + 1442695040888963407U;
    benchmark::DoNotOptimize(bits);
  }
}

void work_alone(benchmark::State& state) {
  for (auto _ : state) {
    work();
  }
}

void work_and_get_and_header(benchmark::State& state) {
  auth::token_cache const tokens = cache();
  for (auto _ : state) {
    work();
    auth::token const token = tokens.get();
    benchmark::DoNotOptimize(token.authorization().data());
  }
}

BENCHMARK(clock_read)->Threads(1)->Threads(8);
BENCHMARK(cibmtr_auth_get_and_header)->Threads(1)->Threads(8);
BENCHMARK(locked_pointer_and_header)->Threads(1)->Threads(8);
BENCHMARK(work_alone)->Threads(8);
BENCHMARK(work_and_get_and_header)->Threads(8);

}  // namespace

BENCHMARK_MAIN();
