// SPDX-License-Identifier: MIT
// What every file of this program includes. Only tokens.cpp compiles OpenSSL's headers.

#ifndef TOKENS_HPP
#define TOKENS_HPP

#ifndef CIBMTR_AUTH_HTTPS
#define CIBMTR_AUTH_HTTPS 0
#endif
#include <cibmtr_auth.hpp>

cibmtr_auth::token_cache const& tokens();
cibmtr_auth::transport const& api();

#endif  // TOKENS_HPP
