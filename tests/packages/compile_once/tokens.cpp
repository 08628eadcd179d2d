// SPDX-License-Identifier: MIT

#define CIBMTR_AUTH_HTTPS 1
#include "tokens.hpp"

cibmtr_auth::token_cache& tokens() {
  static cibmtr_auth::token_cache all = cibmtr_auth::make_token_cache(cibmtr_auth::credentials_from_env());
  return all;
}

cibmtr_auth::transport const& https() {
  static cibmtr_auth::transport const all = cibmtr_auth::https_transport();
  return all;
}
