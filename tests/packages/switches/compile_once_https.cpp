// SPDX-License-Identifier: MIT
// The one file of the program with the bundled transport.

#define CIBMTR_AUTH_HTTPS 1

#include "compile_once.hpp"

using namespace cibmtr_auth;

token_cache tokens_over_https(environment const& where, credentials const& who) {
  token_cache_options options;
  options.https.proxy = "none";
  return make_token_cache(where, who, options);
}

token token_seen_with_https(token_cache const& tokens) {
  return tokens.get();
}
