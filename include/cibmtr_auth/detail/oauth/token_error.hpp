// SPDX-License-Identifier: MIT
// What a response without a token means, and what to do about it.

#ifndef CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_ERROR_HPP
#define CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_ERROR_HPP

#include <cibmtr_auth/detail/oauth/attempts.hpp>
#include <cibmtr_auth/detail/oauth/retry_after.hpp>
#include <cibmtr_auth/detail/oauth/token_request.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// Whether server text contains a secret, as it is or as a request encodes it.
inline bool contains_secret(std::string const& text, credentials const& sent) {
  secret const plain = basic_auth(sent.client_id, sent.client_secret, basic_encoding::plain);
  secret const encoded = basic_auth(sent.client_id, sent.client_secret, basic_encoding::form_encoded);
  secret const forms[] = {sent.client_secret,
                          sent.password,
                          form_encode_text(sent.client_secret.reveal()),
                          form_encode_text(sent.password.reveal()),
                          base64_encode(sent.client_secret.reveal()),
                          base64_encode(sent.password.reveal()),
                          plain.reveal().substr(6),  // without "Basic "
                          encoded.reveal().substr(6)};
  for (secret const& form : forms) {
    std::size_t const size = form.reveal().find_last_not_of('=') + 1;  // base64 may have lost its padding
    if (size > 0 && text.find(form.reveal().data(), 0, size) != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// The text if it is fit for a log, else empty.
inline std::string loggable(std::string const& text, credentials const& sent) {
  bool const is_fit = text.size() <= 200 && is_printable_ascii(text) && !contains_secret(text, sent);
  return is_fit ? text : std::string();
}

/// Scheme and host of the `Location` of a redirect, because its query may contain anything; empty if there is none.
inline std::string redirect_origin(http_response const& response, credentials const& sent) {
  try {
    std::string const location = response.header("Location");
    return loggable(parse_url(location.substr(0, location.find('#')), "Location").origin(), sent);
  } catch (error const&) {
    return std::string();
  }
}

inline std::string rejection_remedy(std::string const& code) {
  if (code == "invalid_client") {
    return "The client id or the client secret is wrong, or belongs to another environment.";
  }
  if (code == "invalid_grant") {
    return "The username or password is wrong, the password has expired or the account is locked. Every further "
           "attempt "
           "counts towards the lock: ask CIBMTR before the next one.";
  }
  if (code == "invalid_scope") {
    return "These credentials are not allowed to request that scope.";
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

inline std::string remedy(attempt_row row, http_response const& response, std::string const& code,
                          credentials const& sent) {
  switch (row) {
    case attempt_row::rejected: return rejection_remedy(code);
    case attempt_row::transient:
      return response.status == 429 ? "Too many token requests: wait, and reuse each token until it expires."
             : response.status == 511
                 ? "The network wants you to sign in first (captive portal): open a browser on this machine."
                 : "The server is temporarily unavailable: try again later.";
    case attempt_row::gateway:
      return response.status == 407
                 ? "The proxy wants a login: put user and password into the proxy's URL."
                 : "That is a gateway's response: try again later, and check the token URL if this persists.";
    case attempt_row::rejected_without_code:
      for (char const* nginx_says : {"No required SSL certificate was sent", "The SSL certificate error"}) {
        if (response.body.find(nginx_says) != std::string::npos) {
          return "The server wants a valid client certificate: set client_certificate_file and client_key_file.";
        }
      }
      return uses_password_grant(sent)
                 ? "The server, or a gateway in front of it, does not say why. The attempt may have counted towards a "
                   "lock of the account: check username, password and token URL."
                 : "A gateway in front of the server may have rejected the request: try again later, and check client "
                   "id, client secret and token URL if this persists.";
    case attempt_row::not_sent:
    case attempt_row::no_verdict:
    case attempt_row::proxy_login_rejected: break;
  }
  if (response.status >= 300 && response.status <= 399) {
    std::string const target = redirect_origin(response, sent);
    return "A redirect" + (target.empty() ? target : " to " + target) +
           " is not followed, because that would send the credentials on: correct the token URL, or sign in first if "
           "that is the login page of your network.";
  }
  return response.status == 504
             ? "A gateway got no response from the server in time: try again later."
             : "That is not a token server's response: check the token URL, and what is between this machine and the "
               "server (a proxy, a captive portal).";
}

/// The error that a response without a token stands for. `problem` says why a response with status 200 has none. Of
/// Okta's three shapes it takes `error`, else `errorCode`; `error_description`, else `errorSummary`. Never decides by a
/// description, because Okta rewords them.
inline token_error parse_token_error(http_response const& response, json_object const& body, credentials const& sent,
                                     std::string const& server, std::string const& problem = {}) {
  std::string code;
  std::string const* words = nullptr;  // not copied before they are known to contain no secret
  for (char const* name : {"errorCode", "error"}) {
    std::string const* const text = body.string_member(name);
    code = text && is_known_code(*text) ? *text : code;
  }
  for (char const* name : {"errorSummary", "error_description"}) {
    std::string const* const text = body.string_member(name);
    words = text && !text->empty() ? text : words;
  }
  std::string const description = words ? loggable(*words, sent) : std::string();
  std::string const coding = loggable(response.header("Content-Encoding"), sent);
  bool const is_unreadable = *body.problem() != '\0' && !coding.empty() && !iequals(coding, "identity");
  response_verdict const verdict = classify(response.status, code, uses_password_grant(sent));
  bool const may_say_when = verdict.kind == error_kind::rate_limited || verdict.kind == error_kind::unavailable;

  std::string message = server + " returned HTTP " + std::to_string(response.status);
  message += code.empty() ? "" : ", " + code;
  message += description.empty() ? "" : " (" + description + ")";
  message += problem.empty() ? "" : ", but the body " + problem;
  message += ". ";
  message += is_unreadable ? "The body cannot be read: its content coding is " + coding +
                                 ", although the request asked for none. "
                           : "";
  message += remedy(verdict.row, response, code, sent);
  return token_error(verdict.row, error(verdict.kind, message, response.status, code,
                                        may_say_when ? read_retry_after(response) : std::chrono::seconds(0)));
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_ERROR_HPP
