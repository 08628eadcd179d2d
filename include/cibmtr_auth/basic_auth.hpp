// SPDX-License-Identifier: MIT
// The client's `Basic ...` value.

#ifndef CIBMTR_AUTH_BASIC_AUTH_HPP
#define CIBMTR_AUTH_BASIC_AUTH_HPP

#include <string>
#include <utility>

#include <cibmtr_auth/base64.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/form.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {

/// How client id and secret stand inside the Basic value. The bytes differ only for characters that Okta never
/// generates but an administrator may choose.
enum class basic_encoding {
  plain,        ///< as they are (RFC 7617): what CIBMTR and Okta document
  form_encoded  ///< each form-encoded first, to the letter of RFC 6749, section 2.3.1
};

/// `Basic ` and the base64 of `client_id:client_secret`. Throws `configuration` for a colon in a plain client id, at
/// which the server would split in the wrong place (RFC 7617, section 2).
inline secret basic_auth(std::string const& client_id, secret const& client_secret,
                         basic_encoding encoding = basic_encoding::plain) {
  bool const is_plain = encoding == basic_encoding::plain;
  if (is_plain && client_id.find(':') != std::string::npos) {
    throw error(error_kind::configuration,
                "client_id holds a colon, which plain Basic cannot carry: use basic_encoding::form_encoded if the "
                "server expects it");
  }
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
  value += "Basic ";
  value += encoded.reveal();
  return secret(std::move(value));
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BASIC_AUTH_HPP
