// SPDX-License-Identifier: MIT
// What an answer without a token means, and what to do about it.

#ifndef CIBMTR_AUTH_REFUSAL_HPP
#define CIBMTR_AUTH_REFUSAL_HPP

#include <algorithm>
#include <cstddef>
#include <string>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/base64.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/form.hpp>
#include <cibmtr_auth/json_object.hpp>
#include <cibmtr_auth/retry_after.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/transport.hpp>
#include <cibmtr_auth/url.hpp>

namespace cibmtr_auth {
namespace detail {

/// By status and code alone, since Okta rewords its descriptions; the first line that fits wins. A 4xx without a
/// code is a gateway's, not Okta's, and says nothing about the credentials.
/// Source: Okta, "OAuth 2.0 and OpenID Connect API" and "Rate limits"; RFC 6749, section 5.2.
inline error_kind classify(int status, std::string const& code) {
  if (status == 429) {
    return error_kind::rate_limited;
  }
  if (code == "temporarily_unavailable" || status == 408 || (status >= 500 && status <= 599)) {
    return error_kind::unavailable;
  }
  if (status == 407) {
    return error_kind::network;
  }
  bool const is_refusal = status == 200 || (status >= 400 && status <= 499);
  return is_refusal && !code.empty() ? error_kind::rejected : error_kind::malformed;
}

inline char const* rejection_remedy(std::string const& code) {
  if (code == "invalid_client") {
    return "The client id or the client secret is wrong, or belongs to another environment.";
  }
  if (code == "invalid_grant") {
    return "The username or password is wrong, the password has expired or the account is locked; every further try "
           "counts towards the lock, so ask CIBMTR before the next one.";
  }
  if (code == "invalid_scope") {
    return "These credentials may not ask for that scope.";
  }
  if (code == "unauthorized_client" || code == "unsupported_grant_type") {
    return "These credentials are for another grant (with a username it is password, without one client_credentials) "
           "or for another token URL.";
  }
  if (code == "E0000007") {
    return "The token URL names an authorization server that does not exist (upper and lower case matter).";
  }
  return "The server does not accept these credentials as they are set up: check them with CIBMTR.";
}

inline char const* remedy(error_kind kind, int status, std::string const& code) {
  switch (kind) {
    case error_kind::rejected: return rejection_remedy(code);
    case error_kind::rate_limited: return "Too many tokens were asked for: wait, and keep the ones you get.";
    case error_kind::unavailable: return "The server is in trouble: try again later.";
    case error_kind::network: return "The proxy wants credentials: put them into the proxy's URL.";
    case error_kind::configuration:
    case error_kind::tls:
    case error_kind::timed_out:
    case error_kind::malformed: break;
  }
  return status >= 300 && status <= 399
             ? "Redirects are not followed, they would send the password on: correct the token URL."
             : "That is not a token server's answer: check the token URL and what stands in between.";
}

/// Whether eight characters in a row of `hidden`, or all when it is shorter, stand in `text`, in upper or lower case.
inline bool repeats(std::string const& text, std::string const& hidden) {
  secret const lower_text = to_lower(text);
  secret const lower_hidden = to_lower(hidden);
  std::size_t const length = (std::min)(hidden.size(), std::size_t{8});
  for (std::size_t i = 0; length > 0 && i + length <= hidden.size(); ++i) {
    if (lower_text.reveal().find(lower_hidden.reveal().data() + i, 0, length) != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// Whether server text repeats a part of what was sent in confidence: as it is, form- or percent-encoded in whatever way, or
/// in base64. Text that quotes a request's parts is not looked at more closely.
inline bool repeats_a_secret(std::string const& text, credentials const& sent) {
  for (char const* part : {"Basic ", "password=", "client_secret="}) {
    if (text.find(part) != std::string::npos) {
      return true;
    }
  }
  std::string with_blanks = text;
  std::replace(with_blanks.begin(), with_blanks.end(), '+', ' ');
  secret const readings[] = {text, percent_decode(text), percent_decode(with_blanks)};
  secret const client = sent.client_id + ":" + sent.client_secret.reveal();
  secret const encoded_client =
      form_encode_text(sent.client_id) + ":" + secret(form_encode_text(sent.client_secret.reveal())).reveal();
  secret const forms[] = {sent.client_secret,
                          sent.password,
                          form_encode_text(sent.client_secret.reveal()),
                          form_encode_text(sent.password.reveal()),
                          base64_encode(sent.client_secret.reveal()),
                          base64_encode(sent.password.reveal()),
                          base64_encode(client.reveal()),
                          base64_encode(encoded_client.reveal())};
  for (secret const& form : forms) {
    for (secret const& reading : readings) {
      if (repeats(reading.reveal(), form.reveal())) {
        return true;
      }
    }
  }
  return false;
}

/// The first of two members that is a string with something in it.
inline std::string first_text(json_object const& body, char const* name, char const* other_name) {
  std::string const* const text = body.find_string(name);
  std::string const* const found = text && !text->empty() ? text : body.find_string(other_name);
  return found ? *found : std::string();
}

/// `invalid_client`, `E0000007`: what OAuth and Okta write. A gateway's `Not Found` is none, and says nothing about credentials.
inline std::string only_a_code(std::string const& text) {
  bool const is_word = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
  bool const is_number =
      text.size() == 8 && text[0] == 'E' && text.find_first_not_of("0123456789", 1) == std::string::npos;
  return is_word || is_number ? text : std::string();
}

/// As it is when it is fit for a log (printable ASCII, short, no secret), else empty.
inline std::string loggable(std::string const& text, credentials const& sent) {
  bool const is_fit = text.size() <= 200 && is_printable_ascii(text) && !repeats_a_secret(text, sent);
  return is_fit ? text : std::string();
}

/// The error that an answer without a token stands for. `body` is empty when the answer's was not a JSON object.
/// Of Okta's three shapes it takes `error`, else `errorCode`; `error_description`, else `errorSummary`.
inline error read_refusal(http_response const& response, json_object const& body, credentials const& sent,
                          std::string const& server) {
  std::string const sent_code = only_a_code(first_text(body, "error", "errorCode"));
  std::string const code = loggable(sent_code, sent);
  std::string const description = loggable(first_text(body, "error_description", "errorSummary"), sent);
  error_kind const kind = classify(response.status, sent_code);
  bool const may_say_when = kind == error_kind::rate_limited || kind == error_kind::unavailable;
  std::chrono::seconds const wait = may_say_when ? read_retry_after(response) : std::chrono::seconds::zero();

  std::string message = server + " answered HTTP " + std::to_string(response.status);
  message += code.empty() ? "" : ", " + code;
  message += description.empty() ? "" : " (" + description + ")";
  message += std::string(". ") + remedy(kind, response.status, code);
  return error(kind, message, response.status, code, wait);
}

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_REFUSAL_HPP
