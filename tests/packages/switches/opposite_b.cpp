// SPDX-License-Identifier: MIT
// One program with opposite_a.cpp, which chooses test.

#define CIBMTR_AUTH_PRODUCTION 1

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;

TEST_CASE("a file that chooses production uses production, whatever another file chooses") {
  std::string url;
  token_cache_options options;
  options.transport = [&url](http_request const& request) {
    url = request.url;
    return http_response(200, R"({"access_token":"of-production","token_type":"Bearer","expires_in":3600})");
  };
  token_cache const tokens = make_token_cache(default_environment(), tests::some_credentials(), options);
  CHECK(tokens.get().value() == "of-production");
  CHECK(url == production_environment().password_token_url);
  CHECK(default_environment().name == "production");
}
