// SPDX-License-Identifier: MIT
// A shared library with hidden visibility that uses ours inside: built twice, for either environment.

#include "hidden_library.hpp"

namespace NAME {

std::string environment() { return cibmtr_auth::default_environment().name; }

void refuse() { cibmtr_auth::make_token_cache(cibmtr_auth::test_environment(), {"", "", ""}); }

cibmtr_auth::token_cache& tokens() {
  static cibmtr_auth::token_cache cache = cache_of(environment());
  return cache;
}

std::string token_of(cibmtr_auth::token_cache const& cache) { return cache.get().value(); }

}  // namespace NAME
