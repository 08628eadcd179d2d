// SPDX-License-Identifier: MIT
// What a program offers itself to compile cpp-httplib and OpenSSL in one file only.

#ifndef CIBMTR_AUTH_TESTS_COMPILE_ONCE_HPP
#define CIBMTR_AUTH_TESTS_COMPILE_ONCE_HPP

#include <cibmtr_auth.hpp>

cibmtr_auth::token_cache tokens_over_https(cibmtr_auth::environment const& where, cibmtr_auth::credentials const& who);

/// The token as the file with the bundled transport sees it.
cibmtr_auth::token token_seen_with_https(cibmtr_auth::token_cache const& tokens);

#endif  // CIBMTR_AUTH_TESTS_COMPILE_ONCE_HPP
