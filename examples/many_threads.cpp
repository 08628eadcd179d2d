// SPDX-License-Identifier: MIT
// Worker threads that make API calls and share one token.
// Usage: many_threads TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE THREADS CALLS_PER_THREAD

#include <atomic>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace auth = cibmtr_auth;

int main(int argc, char** argv) try {
  if (argc != 7) {
    std::fputs("usage: many_threads TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE THREADS CALLS_PER_THREAD\n", stderr);
    return 2;
  }
  auth::environment const sandbox = {"sandbox", argv[1], argv[1], argv[2]};
  auth::token_cache_options options;
  options.https.ca_file = argv[3];
  auth::token_cache const tokens = auth::make_token_cache(sandbox, auth::credentials_from_file(argv[4]), options);
  auth::transport const api = auth::authorized(tokens);
  int const calls = std::atoi(argv[6]);

  std::atomic<int> succeeded{0};
  std::atomic<int> failed{0};
  auto const work = [&] {
    for (int call = 0; call < calls; ++call) {
      try {
        ++(api({"GET", sandbox.api_url + "/r4/Patient"}).status == 200 ? succeeded : failed);
      } catch (auth::error const& failure) {  // an exception that leaves a thread's function ends the program
        ++failed;
        std::fprintf(stderr, "many_threads: %s\n", failure.what());
      }
    }
  };
  std::vector<std::thread> workers(static_cast<std::size_t>(std::atoi(argv[5])));
  for (std::thread& worker : workers) {
    worker = std::thread(work);
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  std::printf("%zu threads: %d calls succeeded, %d failed, token requests: %llu\n", workers.size(), succeeded.load(),
              failed.load(), static_cast<unsigned long long>(tokens.status().requests));
  return failed == 0 ? 0 : 1;
} catch (auth::error const& failure) {
  std::fprintf(stderr, "many_threads: %s\n", failure.what());
  return 1;
}
