// SPDX-License-Identifier: MIT
// One token by this library; with an argument, that many more in the living process and their median time.

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace auth = cibmtr_auth;

int main(int argc, char** argv) {
  std::string const url = std::getenv("TOKEN_URL");
  auth::environment const sandbox = {"sandbox", url, url, ""};
  auth::credentials const user = auth::credentials_from_env();
  auth::token_cache_options options;
  options.transport = auth::https_transport();
  if (auth::make_token_cache(sandbox, user, options).get().empty()) {
    return 1;
  }
  std::vector<double> times;
  for (int i = 0; argc > 1 && i < std::atoi(argv[1]); ++i) {
    auto const start = std::chrono::steady_clock::now();
    auth::request_token(sandbox, user, options);
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  if (!times.empty()) {
    std::sort(times.begin(), times.end());
    std::printf("%.2f\n", times[times.size() / 2]);
  }
}
