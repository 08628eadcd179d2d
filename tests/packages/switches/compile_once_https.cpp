// SPDX-License-Identifier: MIT
// The only file of the program with the bundled transport.

#define CIBMTR_AUTH_HTTPS 1

#include "compile_once.hpp"

#if defined(CPPHTTPLIB_HTTPLIB_H) || defined(CPPHTTPLIB_VERSION)
#error "the bundled transport includes cpp-httplib"
#endif

using namespace cibmtr_auth;

token_cache tokens_over_https(environment const& where, credentials const& user) {
  token_cache_options options;
  options.https.proxy = "none";
  return make_token_cache(where, user, options);
}

token token_seen_with_https(token_cache const& tokens) { return tokens.get(); }
