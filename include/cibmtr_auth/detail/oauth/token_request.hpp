// SPDX-License-Identifier: MIT
// Credentials become an HTTP request.

#ifndef CIBMTR_AUTH_TOKEN_REQUEST_HPP
#define CIBMTR_AUTH_TOKEN_REQUEST_HPP

#include <string>
#include <utility>

#include <cibmtr_auth/basic_auth.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/environment.hpp>
#include <cibmtr_auth/form.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/transport.hpp>
#include <cibmtr_auth/url.hpp>

namespace cibmtr_auth {

/// The one request of CIBMTR's guide: a POST with the client in a Basic header and the grant in a form body. No
/// other header, since Okta takes `Origin` for a browser and refuses a second client authentication. Throws `configuration`,
/// naming the field, for anything that could only be answered with a refusal.
/// Source: RFC 6749, sections 4.3.2 and 4.4.2; IG, "Access Credentials".
inline http_request make_token_request(environment const& where, credentials const& who,
                                       basic_encoding encoding = basic_encoding::plain) {
  check(who);
  bool const with_password = who.uses_password_grant();
  char const* const chosen_url = with_password ? where.password_token_url : where.client_credentials_token_url;
  std::string const token_url = chosen_url ? chosen_url : "";
  parse_secure_url(token_url, "token URL");

  form_fields fields(with_password ? 4 : 2);
  fields[0] = {"grant_type", with_password ? "password" : "client_credentials"};
  fields[1] = {"scope", who.scope};
  if (with_password) {
    fields[2] = {"username", who.username};
    fields[3].first = "password";
    fields[3].second = who.password.reveal();  // in place: a temporary would not be wiped
  }
  secret body = form_encode(fields);
  for (auto& field : fields) {
    wipe(field.second);
  }

  return http_request{"POST",
                      token_url,
                      {{"Authorization", basic_auth(who.client_id, who.client_secret, encoding)},
                       {"Accept", "application/json"},
                       {"Content-Type", "application/x-www-form-urlencoded"},
                       {"User-Agent", "cibmtr_auth/" CIBMTR_AUTH_VERSION}},
                      std::move(body)};
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_REQUEST_HPP
