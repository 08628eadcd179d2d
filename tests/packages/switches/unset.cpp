// SPDX-License-Identifier: MIT

#if defined(CIBMTR_AUTH_PRODUCTION) || defined(CIBMTR_AUTH_TEST) || defined(CIBMTR_AUTH_TOKEN_URL) || \
    defined(CIBMTR_AUTH_API_URL)
#error "this program is about no switch at all, but there is one"
#endif

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

using namespace cibmtr_auth;

TEST_CASE("a forgotten switch cannot reach production") {
  CHECK(default_environment().name == test_environment().name);
  CHECK(default_environment().password_token_url == test_environment().password_token_url);
  CHECK(default_environment().client_credentials_token_url == test_environment().client_credentials_token_url);
  CHECK(default_environment().api_url == test_environment().api_url);
}
