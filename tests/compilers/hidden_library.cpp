// SPDX-License-Identifier: MIT
// A shared library with hidden visibility that uses ours inside: built twice, for either environment.

#define CIBMTR_AUTH_HTTPS 0

#include "hidden_library.hpp"

#include <cibmtr_auth.hpp>
#include <string>

namespace NAME {

std::string environment() {
  return cibmtr_auth::default_environment.name;
}

void refuse() {
  cibmtr_auth::make_token_cache({"", "", "", "", ""},
                                [](cibmtr_auth::http_request const&) { return cibmtr_auth::http_response(); });
}

}  // namespace NAME
