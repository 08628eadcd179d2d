// SPDX-License-Identifier: MIT
// A shared library with hidden visibility that uses ours inside: built twice, for either environment.

#include "hidden_library.hpp"

namespace NAME {

std::string environment() {
  return cibmtr_auth::default_environment.name;
}

void refuse() {
  cibmtr_auth::make_token_cache({"", "", "", "", ""},
                                [](cibmtr_auth::http_request const&) { return cibmtr_auth::http_response(); });
}

cibmtr_auth::token_cache& tokens() {
  static cibmtr_auth::token_cache all = cache_of(environment());
  return all;
}

std::string token() {
  return tokens().get().value();
}

}  // namespace NAME

bool gets_a_token(cibmtr_auth::token_cache const& tokens) {
  return !tokens.get().empty() && !tokens.get().empty();
}
