// SPDX-License-Identifier: MIT
// What a program offers itself in order to compile OpenSSL and cpp-httplib in one file each.

#ifndef CIBMTR_AUTH_TESTS_COMPILE_ONCE_HPP
#define CIBMTR_AUTH_TESTS_COMPILE_ONCE_HPP

#include <cibmtr_auth.hpp>

cibmtr_auth::token_cache tokens_over_https(cibmtr_auth::environment const& where, cibmtr_auth::credentials const& user);

/// The token as the file with the bundled transport sees it.
cibmtr_auth::token token_seen_with_https(cibmtr_auth::token_cache const& tokens);

cibmtr_auth::transport over_httplib();

#endif  // CIBMTR_AUTH_TESTS_COMPILE_ONCE_HPP
