// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::environment;
using cibmtr_auth::production_environment;
using cibmtr_auth::test_environment;

constexpr bool same(char const* a, char const* b) {
  return *a == *b && (*a == '\0' || same(a + 1, b + 1));
}

constexpr bool same(environment const& a, environment const& b) {
  return same(a.name, b.name) && same(a.password_token_url, b.password_token_url) &&
         same(a.client_credentials_token_url, b.client_credentials_token_url) && same(a.api_url, b.api_url);
}

// The compiler itself reads them: they are constants, and letters matter (authorization-server ids are case-sensitive).
static_assert(same(test_environment,
                   environment{"test", "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token",
                               "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token",
                               "https://int-api.nmdp.org/cibmtr-fhir-backend/v1"}),
              "the test environment is CIBMTR's, to the letter");
static_assert(same(production_environment,
                   environment{"production", "https://okta.nmdp.org/oauth2/aus3ck6q30qmOdpMb1t7/v1/token",
                               "https://okta.nmdp.org/oauth2/aus1ad6az5tJZ53Bh1t8/v1/token",
                               "https://api.nmdp.org/cibmtr-fhir-backend/v1"}),
              "the production environment is CIBMTR's, to the letter");
static_assert(same(cibmtr_auth::default_environment, test_environment), "a forgotten switch cannot reach production");
static_assert(!same(production_environment, test_environment), "the comparison itself works");

}  // namespace

TEST_CASE("every URL of an environment is fit for a secret and has no slash at the end") {
  for (environment const& where : {test_environment, production_environment, cibmtr_auth::default_environment}) {
    for (std::string const text : {where.password_token_url, where.client_credentials_token_url, where.api_url}) {
      CAPTURE(text);
      auto const parts = cibmtr_auth::parse_secure_url(text, "URL");
      CHECK(parts.scheme == "https");
      CHECK(parts.port == 443);
      CHECK("https://" + parts.host + parts.target == text);
      CHECK(text.back() != '/');
    }
  }
}

TEST_CASE("production and test share neither a host nor an authorization server") {
  auto host = [](char const* text) { return cibmtr_auth::parse_url(text, "URL").host; };
  CHECK(host(test_environment.password_token_url) == "oktapreview.nmdp.org");
  CHECK(host(test_environment.client_credentials_token_url) == "oktapreview.nmdp.org");
  CHECK(host(production_environment.password_token_url) == "okta.nmdp.org");
  CHECK(host(production_environment.client_credentials_token_url) == "okta.nmdp.org");
  CHECK(host(test_environment.api_url) == "int-api.nmdp.org");
  CHECK(host(production_environment.api_url) == "api.nmdp.org");
}

TEST_CASE("an environment of one's own is a struct to fill in") {
  constexpr environment external_test = {"external test", test_environment.password_token_url,
                                         test_environment.client_credentials_token_url,
                                         "https://dev-api.nmdp.org/cibmtr-fhir-backend-exttest/v1"};
  static_assert(same(external_test.api_url, "https://dev-api.nmdp.org/cibmtr-fhir-backend-exttest/v1"),
                "it may be a constant too");
  CHECK(external_test.name == std::string("external test"));
}
