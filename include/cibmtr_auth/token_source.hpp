// SPDX-License-Identifier: MIT
// Ask once: a callable that gives a token or throws `error`.

#ifndef CIBMTR_AUTH_TOKEN_SOURCE_HPP
#define CIBMTR_AUTH_TOKEN_SOURCE_HPP

#include <functional>
#include <string>

#include <cibmtr_auth/basic_auth.hpp>
#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/environment.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_request.hpp>
#include <cibmtr_auth/token_response.hpp>
#include <cibmtr_auth/transport.hpp>
#include <cibmtr_auth/url.hpp>

namespace cibmtr_auth {

/// Gives a new token each time it is called, or throws. Whatever keeps, shares or repeats is a source around a source.
using token_source = std::function<token()>;

/// A source that sends one token request for each call. Throws `configuration` at once, before any call, for credentials
/// or a URL that cannot be right. What `send` throws passes through.
inline token_source make_token_source(environment const& where, credentials const& who, transport const& send,
                                      basic_encoding encoding = basic_encoding::plain,
                                      clock_function const& now = boot_clock::now) {
  detail::require(send != nullptr, "transport", "is empty: give a function");
  http_request const request = make_token_request(where, who, encoding);
  std::string const server = "the token server " + parse_secure_url(request.url, "token URL").authority();
  return [request, who, send, now, server] {
    boot_clock::time_point const sent_at = now();
    return read_token_response(send(request), who, sent_at, server);
  };
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_SOURCE_HPP
