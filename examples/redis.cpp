// SPDX-License-Identifier: MIT
// Many machines, one token: requests it, or loads the one that another machine requested, through Redis.
// Usage: redis TOKEN_URL CA_FILE CREDENTIALS_FILE REDIS_HOST REDIS_PORT

#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "redis_store.hpp"

namespace auth = cibmtr_auth;

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: redis TOKEN_URL CA_FILE CREDENTIALS_FILE REDIS_HOST REDIS_PORT\n", stderr);
    return 2;
  }
  try {
    auth::token_cache_options options;
    options.https.ca_file = argv[2];
    options.store = std::make_shared<redis_store>(argv[4], std::atoi(argv[5]));
    options.observer = [](auth::token_event const& event) {
      if (event.kind == auth::token_event_kind::sharing_failed) {
        std::fprintf(stderr, "redis: %s\n", event.message.c_str());
      }
    };
    auth::environment const sandbox = {"sandbox", argv[1], argv[1], ""};
    auto const tokens = auth::make_token_cache(sandbox, auth::credentials_from_file(argv[3]), options);

    auth::token const token = tokens.get();
    std::printf("token %s, expires in %lld s\n", tokens.status().requests > 0 ? "requested" : "loaded",
                static_cast<long long>(token.expires_in().count()));
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "redis: %s\n", failure.what());
    return 1;
  }
}
