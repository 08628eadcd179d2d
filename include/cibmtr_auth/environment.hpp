// SPDX-License-Identifier: MIT
// Where to ask: test, production, and the compiled-in default.

#ifndef CIBMTR_AUTH_ENVIRONMENT_HPP
#define CIBMTR_AUTH_ENVIRONMENT_HPP

#include <cibmtr_auth/config.hpp>

namespace cibmtr_auth {

/// One of CIBMTR's worlds; credentials of one are refused by the others. Each grant has its own
/// authorization server. For another world fill in a struct of your own; its text must outlive it.
/// Source: CIBMTR Reporting Implementation Guide, "Endpoints" and "Access Credentials" (v0.1.6 and v0.1.12).
struct environment {
  char const* name;                          ///< for people
  char const* password_token_url;            ///< where the `password` grant asks
  char const* client_credentials_token_url;  ///< where the `client_credentials` grant asks
  char const* api_url;                       ///< the Direct FHIR API's root, without a slash at the end
};

/// Non-production data; the published test environment.
constexpr environment test_environment = {
    "test",
    "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token",
    "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token",
    "https://int-api.nmdp.org/cibmtr-fhir-backend/v1",
};

/// Real patients.
constexpr environment production_environment = {
    "production",
    "https://okta.nmdp.org/oauth2/aus3ck6q30qmOdpMb1t7/v1/token",
    "https://okta.nmdp.org/oauth2/aus1ad6az5tJZ53Bh1t8/v1/token",
    "https://api.nmdp.org/cibmtr-fhir-backend/v1",
};

namespace detail {

constexpr environment chosen_environment(environment const& base, char const* token_url, char const* api_url) {
  return environment{base.name, token_url ? token_url : base.password_token_url,
                     token_url ? token_url : base.client_credentials_token_url, api_url ? api_url : base.api_url};
}

}  // namespace detail

/// What the compile-time switches ask for. A constant of this file alone (internal linkage), so two files of
/// one program may choose differently and both get what they asked for.
constexpr environment default_environment = detail::chosen_environment(
    CIBMTR_AUTH_PRODUCTION ? production_environment : test_environment, CIBMTR_AUTH_TOKEN_URL, CIBMTR_AUTH_API_URL);

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_ENVIRONMENT_HPP
