// SPDX-License-Identifier: MIT
// Many machines, one token: gets it from whoever asked first, through Redis.
// Usage: redis TOKEN_URL CA_FILE CREDENTIALS_FILE REDIS_HOST REDIS_PORT

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "redis_store.hpp"

namespace auth = cibmtr_auth;

namespace {

void run(char const* token_url, char const* ca_file, char const* credentials_file, char const* redis_host,
         int redis_port) {
  auth::environment const here = {"sandbox", token_url, token_url, ""};
  auth::credentials const who = auth::credentials_from_file(credentials_file);
  auth::token_cache_options options;
  options.https.ca_file = ca_file;
  options.store = std::make_shared<redis_store>(redis_host, redis_port, auth::fingerprint(here, who));
  auth::token_cache const tokens = auth::make_token_cache(here, who, options);

  auth::token const token = tokens.get();
  double const left = std::chrono::duration<double>(token.expires_at() - auth::boot_clock::now()).count();
  std::printf("token %s, %.1f s left of it\n", tokens.status().requests > 0 ? "asked" : "shared", left);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: redis TOKEN_URL CA_FILE CREDENTIALS_FILE REDIS_HOST REDIS_PORT\n", stderr);
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3], argv[4], std::atoi(argv[5]));
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "redis: %s\n", failure.what());
    return 1;
  }
}
