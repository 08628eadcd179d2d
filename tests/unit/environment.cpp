// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::default_environment;
using cibmtr_auth::environment;
using cibmtr_auth::external_test_environment;
using cibmtr_auth::production_environment;
using cibmtr_auth::test_environment;

bool are_equal(environment const& a, environment const& b) {
  return a.name == b.name && a.password_token_url == b.password_token_url &&
         a.client_credentials_token_url == b.client_credentials_token_url && a.api_url == b.api_url;
}

std::string host(std::string const& text) { return cibmtr_auth::detail::parse_url(text, "URL").host; }

}  // namespace

TEST_CASE("the environments are CIBMTR's, to the letter, because the ids of authorization servers are case-sensitive") {
  CHECK(are_equal(test_environment(), {"test", "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token",
                                       "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token",
                                       "https://int-api.nmdp.org/cibmtr-fhir-backend/v1"}));
  CHECK(are_equal(external_test_environment(),
                  {"external-test", "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token",
                   "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token",
                   "https://dev-api.nmdp.org/cibmtr-fhir-backend-exttest/v1"}));
  CHECK(are_equal(production_environment(), {"production", "https://okta.nmdp.org/oauth2/aus3ck6q30qmOdpMb1t7/v1/token",
                                             "https://okta.nmdp.org/oauth2/aus1ad6az5tJZ53Bh1t8/v1/token",
                                             "https://api.nmdp.org/cibmtr-fhir-backend/v1"}));
}

TEST_CASE("the default environment is test, so that a forgotten switch cannot reach production") {
  CHECK(are_equal(default_environment(), test_environment()));
  CHECK_FALSE(are_equal(default_environment(), production_environment()));
}

TEST_CASE("every URL of an environment is safe for a secret and has no slash at the end") {
  for (environment const& where :
       {test_environment(), external_test_environment(), production_environment(), default_environment()}) {
    for (std::string const& text : {where.password_token_url, where.client_credentials_token_url, where.api_url}) {
      CAPTURE(text);
      auto const parts = cibmtr_auth::detail::parse_secure_url(text, "URL");
      CHECK(parts.scheme == "https");
      CHECK(parts.port == 443);
      CHECK("https://" + parts.host + parts.target == text);
      CHECK(text.back() != '/');
    }
  }
}

TEST_CASE("production shares neither a host nor an authorization server with the test environments") {
  environment const production = production_environment();
  CHECK(host(production.password_token_url) == "okta.nmdp.org");
  CHECK(host(production.client_credentials_token_url) == "okta.nmdp.org");
  CHECK(host(production.api_url) == "api.nmdp.org");
  for (environment const& where : {test_environment(), external_test_environment()}) {
    CHECK(host(where.password_token_url) == "oktapreview.nmdp.org");
    CHECK(host(where.client_credentials_token_url) == "oktapreview.nmdp.org");
    CHECK(host(where.api_url) != host(production.api_url));
  }
}

TEST_CASE("another environment is a struct to fill in, and its texts may be computed") {
  std::string const root = "https://token.center.example";
  environment own;
  own.name = "own";
  own.password_token_url = root + "/token";
  CHECK(own.password_token_url == "https://token.center.example/token");
  CHECK(own.api_url.empty());
}
