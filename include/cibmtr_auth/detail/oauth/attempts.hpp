// SPDX-License-Identifier: MIT
// The table of attempts: what each outcome of a token request is called, and when the next request may be sent.

#ifndef CIBMTR_AUTH_DETAIL_OAUTH_ATTEMPTS_HPP
#define CIBMTR_AUTH_DETAIL_OAUTH_ATTEMPTS_HPP

#include <algorithm>
#include <cstddef>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// The rows of the table in docs/design.md, in its order. Records hold the numbers.
enum class attempt_row {
  not_sent = 1,           ///< a failure before the credentials were sent
  transient,              ///< 429, 408, 5xx but 504, `temporarily_unavailable`
  gateway,                ///< another 4xx without a known error code
  no_verdict,             ///< the credentials were sent and no verdict came back
  rejected_without_code,  ///< 400, 401 or 403 without a known error code
  rejected,               ///< a known error code
  proxy_login_rejected    ///< the proxy rejects the login that it was sent
};

/// A response without a token.
class CIBMTR_AUTH_DETAIL_EXCEPTION token_error : public error {
 public:
  token_error(attempt_row row, error const& failure) : error(failure), row_(row) {}
  attempt_row row() const noexcept { return row_; }

 private:
  attempt_row row_;
};

/// What a transport throws if the proxy rejects its login. `login_hash`, never 0, distinguishes logins without
/// revealing them.
class CIBMTR_AUTH_DETAIL_EXCEPTION proxy_login_rejected : public error {
 public:
  proxy_login_rejected(std::string const& message, int http_status, unsigned login_hash)
      : error(error_kind::network, message, http_status, std::string(), std::chrono::seconds(0), false),
        login_hash_(login_hash) {}
  unsigned login_hash() const noexcept { return login_hash_; }

 private:
  unsigned login_hash_;
};

/// Error codes that say something about the credentials or the request: RFC 6749, section 5.2; OpenID Connect; RFC
/// 9449; Okta's own, such as `E0000007`. Other words come from gateways.
inline bool is_known_code(std::string const& code) {
  for (char const* known :
       {"invalid_client", "invalid_grant", "access_denied", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "invalid_request", "consent_required", "mfa_required", "invalid_dpop_proof", "use_dpop_nonce",
        "server_error", "temporarily_unavailable"}) {
    if (code == known) {
      return true;
    }
  }
  return code.size() == 8 && code[0] == 'E' && code.find_first_not_of("0123456789", 1) == std::string::npos;
}

struct response_verdict {
  attempt_row row;
  error_kind kind;
};

/// What a response without a token means; `code` is empty unless it is known. The first line that fits decides. Without
/// an account (the client_credentials grant) a rejection that names no code may well be a gateway's.
/// Source: Okta, "OAuth 2.0 and OpenID Connect API" and "Rate limits"; RFC 6749, section 5.2.
inline response_verdict classify(int status, std::string const& code, bool has_account) {
  bool const is_4xx = status >= 400 && status <= 499;
  if (status == 429) {
    return {attempt_row::transient, error_kind::rate_limited};
  }
  if (status == 408 || (status >= 500 && status <= 599 && status != 504) || code == "temporarily_unavailable") {
    return {attempt_row::transient, error_kind::unavailable};
  }
  if (!code.empty() && (is_4xx || (status >= 200 && status <= 299))) {
    return {attempt_row::rejected, error_kind::rejected};
  }
  if (status == 400 || status == 401 || status == 403) {
    return {attempt_row::rejected_without_code, has_account ? error_kind::rejected : error_kind::unavailable};
  }
  if (is_4xx) {
    return {attempt_row::gateway, error_kind::unavailable};
  }
  return {attempt_row::no_verdict, status == 504 ? error_kind::unavailable : error_kind::invalid_response};
}

/// What earlier failures leave behind for the next one.
struct attempt_history {
  int rung = 0;                            ///< on the ladder, since the last token or since the credentials changed
  std::chrono::milliseconds fast_wait{0};  ///< zero unless the last outcome was fast
};

struct attempt_rule {
  bool is_on_ladder;
  int first_rung;  ///< the lowest that an outcome on the ladder leads to
  bool is_shared;  ///< with all who use the same store
};

/// Without an account there is nothing to lock, so that an outcome without a verdict is retried fast.
inline attempt_rule rule_of(attempt_row row, bool has_account) {
  switch (row) {
    case attempt_row::not_sent: return {false, 0, false};
    case attempt_row::transient:
    case attempt_row::gateway: return {false, 0, true};
    case attempt_row::no_verdict:
    case attempt_row::rejected_without_code: return {has_account, 1, true};
    case attempt_row::rejected: return {true, 4, true};
    case attempt_row::proxy_login_rejected: break;
  }
  return {true, 1, true};
}

/// The first rung is 1. Four attempts in the first 18 minutes and nine in 15 hours stay below the ten wrong passwords
/// at which Okta's sample policy locks an account.
inline std::chrono::seconds ladder_wait(int rung) {
  static int const seconds[] = {5, 30, 180, 900, 1800, 3600, 7200, 14400, 28800, 57600, 86400};
  constexpr int rungs = sizeof seconds / sizeof *seconds;
  return std::chrono::seconds(seconds[(std::min)((std::max)(rung, 1), rungs) - 1]);
}

struct next_attempt {
  attempt_history history;
  boot_clock::duration wait;  ///< on the ladder from the moment the credentials were sent, else from now
};

/// `jitter` from 0 to 1 spreads processes that failed together. `retry_after` is what the server asked for, honoured up
/// to an hour.
inline next_attempt after_failure(attempt_rule const& rule, attempt_history const& before,
                                  std::chrono::seconds retry_after, double jitter) {
  using std::chrono::duration;
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  next_attempt next{before, boot_clock::duration::zero()};
  if (rule.is_on_ladder) {
    next.history.rung = (std::max)(before.rung + 1, rule.first_rung);
    next.history.fast_wait = milliseconds(0);
    next.wait = ladder_wait(next.history.rung);
    return next;
  }
  next.history.fast_wait = before.fast_wait == milliseconds(0)
                               ? milliseconds(1000)
                               : (std::min<milliseconds>)(2 * before.fast_wait, std::chrono::minutes(5));
  auto const spread = duration<double>(next.history.fast_wait) * (0.5 + jitter / 2);
  auto const allowed = duration<double>((std::min<std::chrono::seconds>)(retry_after, std::chrono::hours(1)));
  next.wait = duration_cast<boot_clock::duration>((std::max)(spread, allowed * (1 + jitter / 10)));
  return next;
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_OAUTH_ATTEMPTS_HPP
