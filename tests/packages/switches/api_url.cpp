// SPDX-License-Identifier: MIT

#ifndef CIBMTR_AUTH_API_URL
#error "CIBMTR_AUTH_API_URL did not arrive"
#endif

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

using namespace cibmtr_auth;

TEST_CASE("CIBMTR_AUTH_API_URL replaces the API root and nothing else") {
  CHECK(default_environment().api_url == CIBMTR_AUTH_API_URL);
  CHECK(default_environment().name == test_environment().name);
  CHECK(default_environment().password_token_url == test_environment().password_token_url);
  CHECK(default_environment().client_credentials_token_url == test_environment().client_credentials_token_url);
}
