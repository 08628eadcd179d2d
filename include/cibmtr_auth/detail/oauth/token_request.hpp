// SPDX-License-Identifier: MIT
// Credentials become an HTTP request.

#ifndef CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_REQUEST_HPP
#define CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_REQUEST_HPP

#include <cibmtr_auth/base64.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/detail/encoding/url.hpp>
#include <cibmtr_auth/environment.hpp>
#include <cibmtr_auth/form.hpp>
#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// `Basic ` and the base64 of `client_id:client_secret` (RFC 7617, section 2; RFC 6749, section 2.3.1). A plain client
/// id must not contain a colon, at which the server would split it.
inline secret basic_auth(std::string const& client_id, secret const& client_secret, basic_encoding encoding) {
  bool const is_plain = encoding == basic_encoding::plain;
  secret const encoded_secret = is_plain ? client_secret : secret(form_encode_text(client_secret.reveal()));
  std::string pair;
  pair.reserve(3 * client_id.size() + 1 + encoded_secret.reveal().size());
  pair += is_plain ? client_id : form_encode_text(client_id);
  pair += ':';
  pair += encoded_secret.reveal();

  secret const user_pass(std::move(pair));
  secret const encoded = base64_encode(user_pass.reveal());
  std::string value;
  value.reserve(6 + encoded.reveal().size());
  value.append("Basic ").append(encoded.reveal());
  return secret(std::move(value));
}

/// The token URL that the grant needs.
inline std::string const& token_url(environment const& where, credentials const& sender) {
  return uses_password_grant(sender) ? where.password_token_url : where.client_credentials_token_url;
}

/// CIBMTR's documented request: a POST with the client in a Basic header and the grant in a form body. No `Origin`, for
/// which Okta demands PKCE, and no second client authentication, which it rejects. Throws `configuration`, naming the
/// field, for anything that can only be rejected.
/// Source: RFC 6749, sections 4.3.2 and 4.4.2; IG, "Access Credentials".
inline http_request make_token_request(environment const& where, credentials const& sender, basic_encoding encoding) {
  sender.validate();
  bool const has_account = uses_password_grant(sender);
  require(
      encoding == basic_encoding::form_encoded || sender.client_id.find(':') == std::string::npos, "client_id",
      "contains a colon, which plain Basic cannot carry: use basic_encoding::form_encoded if the server expects it");
  parse_secure_url(token_url(where, sender), has_account ? "password_token_url" : "client_credentials_token_url");

  form_fields fields(has_account ? 4 : 2);
  fields[0] = {"grant_type", has_account ? "password" : "client_credentials"};
  fields[1] = {"scope", sender.scope};
  if (has_account) {
    fields[2] = {"username", sender.username};
    fields[3].first = "password";
    fields[3].second = sender.password.reveal();  // in place, because a temporary would not be wiped
  }
  secret body = form_encode(fields);
  for (auto& field : fields) {
    wipe(field.second);
  }

  return http_request("POST", token_url(where, sender),
                      {{"Authorization", basic_auth(sender.client_id, sender.client_secret, encoding)},
                       {"Accept", "application/json"},
                       {"Accept-Encoding", "identity"},
                       {"Content-Type", "application/x-www-form-urlencoded"},
                       {"User-Agent", "cibmtr_auth/" CIBMTR_AUTH_VERSION}},
                      std::move(body));
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_REQUEST_HPP
