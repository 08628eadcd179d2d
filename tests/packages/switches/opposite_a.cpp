// SPDX-License-Identifier: MIT
// One program with opposite_b.cpp, which chooses production.

#define CIBMTR_AUTH_TEST 1

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;

TEST_CASE("a file that chooses test asks test, whatever another file chooses") {
  std::string asked;
  token_cache const tokens = make_token_cache(tests::some_credentials(), [&asked](http_request const& request) {
    asked = request.url;
    return tests::answer(200, R"({"access_token":"of-test","token_type":"Bearer","expires_in":3600})");
  });
  CHECK(tokens.get().value() == "of-test");
  CHECK(asked == test_environment.password_token_url);
  CHECK(default_environment.name == std::string("test"));
}
