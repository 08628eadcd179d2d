// SPDX-License-Identifier: MIT

#ifndef CIBMTR_AUTH_TOKEN_URL
#error "CIBMTR_AUTH_TOKEN_URL did not arrive"
#endif

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

using namespace cibmtr_auth;

TEST_CASE("a token URL of one's own serves both grants and changes nothing else") {
  CHECK(std::string(default_environment.password_token_url) == CIBMTR_AUTH_TOKEN_URL);
  CHECK(std::string(default_environment.client_credentials_token_url) == CIBMTR_AUTH_TOKEN_URL);
  CHECK(std::string(default_environment.name) == test_environment.name);
  CHECK(std::string(default_environment.api_url) == test_environment.api_url);
}
