// SPDX-License-Identifier: MIT

#ifndef CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP
#define CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP

#define CIBMTR_AUTH_HTTPS 0

#include <cibmtr_auth.hpp>
#include <string>

/// A cache whose tokens have that value.
inline cibmtr_auth::token_cache cache_of(std::string const& value) {
  cibmtr_auth::token_cache_options options;
  options.transport = [value](cibmtr_auth::http_request const&) {
    return cibmtr_auth::http_response(200,
                                      R"({"access_token":")" + value + R"(","token_type":"Bearer","expires_in":1800})");
  };
  return cibmtr_auth::make_token_cache(cibmtr_auth::test_environment(), {"id", "secret", "scope"}, options);
}

#pragma GCC visibility push(default)
namespace first {
std::string environment();
void refuse();  ///< throws cibmtr_auth::error
cibmtr_auth::token_cache& tokens();
std::string token_of(cibmtr_auth::token_cache const& tokens);  ///< requested inside the library
}  // namespace first
namespace second {
std::string environment();
void refuse();
cibmtr_auth::token_cache& tokens();
std::string token_of(cibmtr_auth::token_cache const& tokens);
}  // namespace second
#pragma GCC visibility pop

#endif  // CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP
