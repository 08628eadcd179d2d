// SPDX-License-Identifier: MIT

#define CIBMTR_AUTH_HTTPS 1
#include "tokens.hpp"

cibmtr_auth::token_cache const& tokens() {
  static cibmtr_auth::token_cache const cache =
      cibmtr_auth::make_token_cache(cibmtr_auth::default_environment(), cibmtr_auth::credentials_from_env());
  return cache;
}

cibmtr_auth::transport const& api() {
  static cibmtr_auth::transport const calls = cibmtr_auth::authorized(tokens());
  return calls;
}
