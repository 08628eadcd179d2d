// SPDX-License-Identifier: MIT

#if !defined(CIBMTR_AUTH_PRODUCTION) || CIBMTR_AUTH_PRODUCTION != 1 || defined(CIBMTR_AUTH_TEST)
#error "CIBMTR_AUTH_PRODUCTION=1 did not arrive, or not alone"
#endif

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

using namespace cibmtr_auth;

TEST_CASE("a build that states production gets production") {
  CHECK(default_environment().name == production_environment().name);
  CHECK(default_environment().password_token_url == production_environment().password_token_url);
  CHECK(default_environment().client_credentials_token_url == production_environment().client_credentials_token_url);
  CHECK(default_environment().api_url == production_environment().api_url);
}
