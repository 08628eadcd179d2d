// SPDX-License-Identifier: MIT
// One token by this library; with an argument, that many renewals in the living process and their median time.

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  char const* const url = std::getenv("TOKEN_URL");
  cibmtr_auth::environment const here = {"sandbox", url, url, ""};
  auto const source =
      cibmtr_auth::make_token_source(here, cibmtr_auth::credentials_from_env(), cibmtr_auth::https_transport());
  if (cibmtr_auth::token_cache(source).get().empty()) {
    return 1;
  }
  std::vector<double> times;
  for (int i = 0; argc > 1 && i < std::atoi(argv[1]); ++i) {
    auto const start = std::chrono::steady_clock::now();
    source();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  if (!times.empty()) {
    std::sort(times.begin(), times.end());
    std::printf("%.2f\n", times[times.size() / 2]);
  }
}
