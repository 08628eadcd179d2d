// SPDX-License-Identifier: MIT
// How many token requests a herd makes that comes all at once.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;

namespace {

constexpr int herd_size = 64;

/// Takes its time, as servers do.
token answer(bool is_failing) {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (is_failing) {
    throw error(error_kind::unavailable, "the server is down.");
  }
  boot_clock::time_point const now = boot_clock::now();
  return token("token", "", now, now + std::chrono::minutes(30));
}

void threads(char const* name, bool is_failing) {
  std::atomic<int> requests{0};
  token_cache const tokens([&] {
    ++requests;
    return answer(is_failing);
  });
  std::promise<void> starting_gun;
  std::shared_future<void> const start = starting_gun.get_future().share();
  std::vector<std::thread> herd;
  for (int i = 0; i < herd_size; ++i) {
    herd.emplace_back([&tokens, start] {
      start.wait();
      try {
        tokens.get();
      } catch (error const&) {
      }
    });
  }
  auto const started_at = std::chrono::steady_clock::now();
  starting_gun.set_value();
  for (std::thread& one : herd) {
    one.join();
  }
  std::chrono::duration<double, std::milli> const taken = std::chrono::steady_clock::now() - started_at;
  std::printf("%s/cibmtr_auth,%d,%.1f\n", name, requests.load(), taken.count());
}

/// One of many processes that share a folder. Each request adds a byte to `requests` in it.
void process(std::string const& folder) {
  auto const ask = [&folder] {
    int const file = open((folder + "/requests").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    static_cast<void>(write(file, ".", 1) == 1);
    close(file);
    return answer(false);
  };
  fingerprint const whose(test_environment, tests::some_credentials());
  token_cache(ask, boot_clock::now, std::make_shared<token_file>(folder + "/cache", whose)).get();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) {
    process(argv[1]);
  } else {
    threads("empty", false);
    threads("failing", true);
  }
}
