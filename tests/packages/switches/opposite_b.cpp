// SPDX-License-Identifier: MIT
// One program with opposite_a.cpp, which chooses test.

#define CIBMTR_AUTH_PRODUCTION 1

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;

TEST_CASE("a file that chooses production asks production, whatever another file chooses") {
  std::string asked;
  token_cache const tokens = make_token_cache(tests::some_credentials(), [&asked](http_request const& request) {
    asked = request.url;
    return tests::answer(200, R"({"access_token":"of-production","token_type":"Bearer","expires_in":3600})");
  });
  CHECK(tokens.get().value() == "of-production");
  CHECK(asked == production_environment.password_token_url);
  CHECK(default_environment.name == std::string("production"));
}
