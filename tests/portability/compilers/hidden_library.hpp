// SPDX-License-Identifier: MIT

#ifndef CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP
#define CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP

#define CIBMTR_AUTH_HTTPS 0

#include <cibmtr_auth.hpp>
#include <string>

/// A cache whose tokens have that name.
inline cibmtr_auth::token_cache cache_of(std::string const& name) {
  return cibmtr_auth::token_cache([name] {
    auto const now = cibmtr_auth::boot_clock::now();
    return cibmtr_auth::token(name, "", now, now + std::chrono::minutes(30));
  });
}

#pragma GCC visibility push(default)
namespace first {
std::string environment();
void refuse();  ///< throws cibmtr_auth::error
cibmtr_auth::token_cache& tokens();
std::string token();  ///< the value of a token of these, got inside the library
}  // namespace first
namespace second {
std::string environment();
void refuse();
cibmtr_auth::token_cache& tokens();
std::string token();
}  // namespace second
extern "C" bool gets_a_token(cibmtr_auth::token_cache const& tokens);
#pragma GCC visibility pop

#endif  // CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP
