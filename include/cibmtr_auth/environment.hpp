// SPDX-License-Identifier: MIT
// CIBMTR's environments: where tokens are requested and where the API is.

#ifndef CIBMTR_AUTH_ENVIRONMENT_HPP
#define CIBMTR_AUTH_ENVIRONMENT_HPP

#include <string>

#include <cibmtr_auth/config.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// Credentials of one environment are rejected by the others. Each grant has its own authorization server; only the URL
/// that the grant needs must be set. For another environment fill in a struct of your own.
/// Source: CIBMTR Reporting Implementation Guide, "Endpoints" and "Access Credentials" (v0.1.6 and v0.1.12).
struct environment {
  std::string name;                          ///< for display
  std::string password_token_url;            ///< for the `password` grant
  std::string client_credentials_token_url;  ///< for the `client_credentials` grant
  std::string api_url;                       ///< root of the Direct FHIR API, without a trailing slash
};

/// CIBMTR's published test environment, with non-production data.
inline environment test_environment() {
  return {"test", "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token",
          "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token",
          "https://int-api.nmdp.org/cibmtr-fhir-backend/v1"};
}

/// For developing a client. The same token servers as `test_environment()`.
inline environment external_test_environment() {
  environment external = test_environment();
  external.name = "external-test";
  external.api_url = "https://dev-api.nmdp.org/cibmtr-fhir-backend-exttest/v1";
  return external;
}

/// Production: real patients.
inline environment production_environment() {
  return {"production", "https://okta.nmdp.org/oauth2/aus3ck6q30qmOdpMb1t7/v1/token",
          "https://okta.nmdp.org/oauth2/aus1ad6az5tJZ53Bh1t8/v1/token", "https://api.nmdp.org/cibmtr-fhir-backend/v1"};
}

namespace detail {

/// `base`, with the URLs that are not null replaced.
inline environment with_urls(environment base, char const* token_url, char const* api_url) {
  if (token_url) {
    base.password_token_url = base.client_credentials_token_url = token_url;
  }
  if (api_url) {
    base.api_url = api_url;
  }
  return base;
}

}  // namespace detail

/// The environment that the compile-time switches of this source file select. Internal linkage, because the switches
/// may differ between files: call it in source files, not in inline functions of headers.
static inline environment default_environment() {
  return detail::with_urls(CIBMTR_AUTH_PRODUCTION ? production_environment() : test_environment(),
                           CIBMTR_AUTH_TOKEN_URL, CIBMTR_AUTH_API_URL);
}

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_ENVIRONMENT_HPP
