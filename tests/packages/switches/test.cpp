// SPDX-License-Identifier: MIT

#if !defined(CIBMTR_AUTH_TEST) || CIBMTR_AUTH_TEST != 1 || defined(CIBMTR_AUTH_PRODUCTION)
#error "CIBMTR_AUTH_TEST=1 did not arrive, or not alone"
#endif

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

using namespace cibmtr_auth;

TEST_CASE("a build that states test gets test") {
  CHECK(default_environment().name == test_environment().name);
  CHECK(default_environment().password_token_url == test_environment().password_token_url);
  CHECK(default_environment().client_credentials_token_url == test_environment().client_credentials_token_url);
  CHECK(default_environment().api_url == test_environment().api_url);
}
