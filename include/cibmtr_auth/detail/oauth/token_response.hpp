// SPDX-License-Identifier: MIT
// An HTTP response becomes a token or an error.

#ifndef CIBMTR_AUTH_TOKEN_RESPONSE_HPP
#define CIBMTR_AUTH_TOKEN_RESPONSE_HPP

#include <chrono>
#include <cstddef>
#include <string>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/json_object.hpp>
#include <cibmtr_auth/refusal.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth {
namespace detail {

constexpr std::size_t longest_token_response = 64 * 1024;

/// A whole number of seconds from 1 to a year, fractions dropped, as a number or a string of digits. Everything else
/// (missing, null, zero, negative, 1e400, a word) means five minutes: short and finite, whatever the server meant.
inline std::chrono::seconds life_of(json_member const* expires_in) {
  double life = 0;
  if (expires_in && expires_in->is == json_member::type::number) {
    life = expires_in->number;
  } else if (expires_in && expires_in->is == json_member::type::string) {
    std::string const& digits = expires_in->text.reveal();
    bool const is_whole = digits.size() <= 9 && digits.find_first_not_of("0123456789") == std::string::npos;
    life = is_whole && !digits.empty() ? std::stod(digits) : 0;
  }
  constexpr double year = 365 * 86400;
  return life >= 1 && life <= year ? std::chrono::seconds(static_cast<long long>(life)) : std::chrono::minutes(5);
}

inline error malformed(std::string const& server, char const* problem) {
  return error(error_kind::malformed,
               server + " answered HTTP 200, but the body " + problem +
                   ". That is not a token server's answer: check the token URL and what stands in between.",
               200);
}

}  // namespace detail

/// The granted token, or throws what the answer stands for. Strict about what makes a token (status 200, one JSON object,
/// `access_token`, `token_type` bearer in any case); members it does not know are ignored. Without a well-formed
/// `scope` the scope is the one asked for. The life counts from `sent_at`, just before the request left; `server`
/// is who answered, for messages.
/// Source: RFC 6749, sections 3.3 and 5.1.
inline token read_token_response(http_response const& response, credentials const& asked,
                                 boot_clock::time_point sent_at, std::string const& server = "the token server") {
  bool const is_too_long = response.body.reveal().size() > detail::longest_token_response;
  detail::json_object body;
  bool const is_object = !is_too_long && body.read(response.body.reveal());
  if (response.status != 200) {
    throw detail::read_refusal(response, is_object ? body : detail::json_object(), asked, server);
  }
  if (!is_object) {
    throw detail::malformed(server, is_too_long ? "is longer than 64 KiB" : body.problem());
  }
  for (char const* name : {"error", "errorCode"}) {
    detail::json_member const* const code = body.find(name);
    if (code && code->is != detail::json_member::type::null) {
      throw detail::read_refusal(response, body, asked, server);
    }
  }

  std::string const* const value = body.find_string("access_token");
  if (!value) {
    throw detail::malformed(server, "has no access_token");
  }
  if (!detail::is_b64token(*value)) {
    throw detail::malformed(server, "has an access_token that no bearer token looks like");
  }
  std::string const* const type = body.find_string("token_type");
  if (!type || !detail::same_text(*type, "Bearer")) {
    throw detail::malformed(server, "names no token_type bearer");
  }
  std::string const* const scope = body.find_string("scope");
  bool const names_scope = scope && detail::is_scope(*scope) && !detail::repeats_a_secret(*scope, asked);
  return token(*value, names_scope ? *scope : asked.scope, sent_at, sent_at + detail::life_of(body.find("expires_in")));
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_RESPONSE_HPP
