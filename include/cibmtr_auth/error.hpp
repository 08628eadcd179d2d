// SPDX-License-Identifier: MIT
// The one exception: what kind, HTTP status, OAuth code, when to ask again.

#ifndef CIBMTR_AUTH_ERROR_HPP
#define CIBMTR_AUTH_ERROR_HPP

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include <cibmtr_auth/config.hpp>

namespace cibmtr_auth {

/// Few and stable; each has one remedy, which the message spells out.
enum class error_kind {
  configuration,  ///< fix the call: nothing was sent
  rejected,       ///< the server refuses these credentials: fix them; asking again may lock the account
  rate_limited,   ///< wait `retry_after()`
  unavailable,    ///< the server is in trouble: later
  network,        ///< the server or the proxy cannot be reached
  tls,            ///< the server cannot be trusted
  timed_out,      ///< no answer within the timeout
  malformed       ///< an answer, but not a token answer
};

/// The kind's name as it stands in `error_kind`.
inline char const* to_string(error_kind kind) noexcept {
  switch (kind) {
    case error_kind::configuration: return "configuration";
    case error_kind::rejected: return "rejected";
    case error_kind::rate_limited: return "rate_limited";
    case error_kind::unavailable: return "unavailable";
    case error_kind::network: return "network";
    case error_kind::tls: return "tls";
    case error_kind::timed_out: return "timed_out";
    case error_kind::malformed: break;
  }
  return "malformed";
}

/// The only exception the library throws of its own. Its message says what was wrong, where, and what to
/// do, and never holds a credential or a token.
class CIBMTR_AUTH_DETAIL_SHARED error : public std::runtime_error {
 public:
  /// For transports and stores of your own: one of kind `network`, `tls` or `timed_out` needs no more than the first two. `message`
  /// must hold no secret.
  error(error_kind kind, std::string const& message, int http_status = 0, std::string oauth_error = std::string(),
        std::chrono::seconds retry_after = std::chrono::seconds::zero())
      : std::runtime_error(message),
        kind_(kind),
        http_status_(http_status),
        oauth_error_(std::move(oauth_error)),
        retry_after_(retry_after) {}

  /// What sort of trouble it is, and so what to do.
  error_kind kind() const noexcept { return kind_; }
  /// The answer's status code (RFC 9110, section 15), 0 when there was no answer.
  int http_status() const noexcept { return http_status_; }
  /// The `error` code of RFC 6749, section 5.2, or Okta's `errorCode`; empty when there was none.
  std::string const& oauth_error() const noexcept { return oauth_error_; }
  /// How long the server wants not to be asked; zero when it did not say.
  std::chrono::seconds retry_after() const noexcept { return retry_after_; }

 private:
  error_kind kind_;
  int http_status_;
  std::string oauth_error_;
  std::chrono::seconds retry_after_;
};

namespace detail {

inline void require(bool is_met, std::string const& subject, std::string const& problem) {
  if (!is_met) {
    throw error(error_kind::configuration, subject + " " + problem);
  }
}

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_ERROR_HPP
