// SPDX-License-Identifier: MIT
// Worker threads that make API calls and share one token.
// Usage: many_threads TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE THREADS CALLS_OF_EACH

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
    std::fputs("usage: many_threads TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE THREADS CALLS_OF_EACH\n", stderr);
    return 2;
  }
  auth::environment const here = {"sandbox", argv[1], argv[1], argv[2]};
  auth::token_cache_options options;
  options.https.ca_file = argv[3];
  auth::token_cache const tokens = auth::make_token_cache(here, auth::credentials_from_file(argv[4]), options);
  auth::transport const https = auth::https_transport(options.https);
  std::string const url = std::string(here.api_url) + "/r4/Patient";
  int const calls = std::atoi(argv[6]);

  std::atomic<int> answered{0};
  std::atomic<int> failed{0};
  auto const work = [&] {
    for (int call = 0; call < calls; ++call) {
      try {
        int const status = auth::call_with_token(tokens, [&](auth::token const& token) {
          return https({"GET", url, {auth::bearer_header(token)}, ""}).status;
        });
        ++(status == 200 ? answered : failed);
      } catch (auth::error const& failure) {  // what leaves a thread's function would end the program
        ++failed;
        std::fprintf(stderr, "many_threads: %s: %s\n", auth::to_string(failure.kind()), failure.what());
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
  std::printf("%zu threads: %d calls answered, %d failed, token requests: %llu\n", workers.size(), answered.load(),
              failed.load(), tokens.status().requests);
  return failed == 0 ? 0 : 1;
} catch (auth::error const& failure) {
  std::fprintf(stderr, "many_threads: %s: %s\n", auth::to_string(failure.kind()), failure.what());
  return 1;
}
