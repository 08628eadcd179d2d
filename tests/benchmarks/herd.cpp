// SPDX-License-Identifier: MIT
// How many token requests a herd of callers makes that start at the same time.

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

/// Takes 50 ms, as servers do.
http_response respond(http_request const& request, bool is_failing) {
  request.before_sending();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return is_failing ? http_response(503, "")
                    : http_response(200, R"({"access_token":"abc","token_type":"Bearer","expires_in":1800})");
}

void threads(char const* name, bool is_failing) {
  std::atomic<int> requests{0};
  token_cache_options options;
  options.transport = [&](http_request const& request) {
    ++requests;
    return respond(request, is_failing);
  };
  token_cache const tokens = make_token_cache(test_environment(), tests::some_credentials(), options);
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
  token_cache_options options;
  options.cache_directory = folder + "/cache";
  options.transport = [&folder](http_request const& request) {
    int const file = open((folder + "/requests").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    static_cast<void>(write(file, ".", 1) == 1);
    close(file);
    return respond(request, false);
  };
  make_token_cache(test_environment(), tests::some_credentials(), options).get();
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
