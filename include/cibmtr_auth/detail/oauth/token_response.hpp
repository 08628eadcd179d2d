// SPDX-License-Identifier: MIT
// An HTTP response becomes a token or an error.

#ifndef CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_RESPONSE_HPP
#define CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_RESPONSE_HPP

#include <cibmtr_auth/detail/oauth/token_error.hpp>
#include <cibmtr_auth/token.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// A number of seconds from 1 to a year, fractions dropped, or a string of digits. Everything else (missing, null,
/// zero, negative, 1e400, a word) means five minutes: short and finite, whatever the server meant.
inline std::chrono::seconds lifetime_from(json_member const* expires_in) {
  double lifetime = 0;
  if (expires_in && expires_in->type == json_type::number) {
    lifetime = expires_in->number;
  } else if (expires_in && expires_in->type == json_type::string) {
    std::string const& digits = expires_in->text.reveal();
    lifetime = is_number(digits) && digits.size() <= 9 ? std::stod(digits) : 0;
  }
  constexpr double year = 365 * 86400;
  return lifetime >= 1 && lifetime <= year ? std::chrono::seconds(static_cast<long long>(lifetime))
                                           : std::chrono::minutes(5);
}

/// The token, or throws `token_error`. Strict about what makes a token (status 200, one JSON object, `access_token`,
/// `token_type` bearer in any case, no error); other members are ignored. The scope is the requested one if the
/// response has none that is well-formed and at most 4 KiB long. The lifetime counts from `sent_at`, just before the
/// request was sent. `server` is for messages. Wipes the body.
/// Source: RFC 6749, sections 3.3 and 5.1.
inline token read_token_response(http_response response, credentials const& sent, boot_clock::time_point sent_at,
                                 std::string const& server, clock_function const& clock) {
  struct wipe_at_end {
    std::string& text;
    ~wipe_at_end() { wipe(text); }
  } const guard{response.body};

  constexpr std::size_t max_body_size = 64 * 1024;
  constexpr std::size_t max_scope_size = 4 * 1024;
  json_object body;
  bool const is_too_long = response.body.size() > max_body_size;
  bool const is_object = !is_too_long && body.read(response.body);
  auto has_error = [&body](char const* name) {
    json_member const* const member = body.find(name);
    return member && member->type != json_type::null;
  };
  auto require_response = [&](bool is_met, char const* problem) {
    if (!is_met) {
      throw parse_token_error(response, is_object ? body : json_object(), sent, server, problem);
    }
  };

  require_response(response.status == 200, "");
  require_response(is_object, is_too_long ? "is longer than 64 KiB" : body.problem());
  require_response(!has_error("error") && !has_error("errorCode"), "");
  std::string const* const value = body.string_member("access_token");
  require_response(value != nullptr, "has no access_token");
  require_response(is_b64token(*value), "has an access_token with characters that a bearer token cannot have");
  std::string const* const type = body.string_member("token_type");
  require_response(type && iequals(*type, "Bearer"), "has no token_type bearer");

  std::string const* const scope = body.string_member("scope");
  bool const has_scope = scope && scope->size() <= max_scope_size && is_scope(*scope) && !contains_secret(*scope, sent);
  return token_access::make(*value, has_scope ? *scope : sent.scope, sent_at,
                            sent_at + lifetime_from(body.find("expires_in")), clock);
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_OAUTH_TOKEN_RESPONSE_HPP
