// SPDX-License-Identifier: MIT
// The exception that the library throws.

#ifndef CIBMTR_AUTH_ERROR_HPP
#define CIBMTR_AUTH_ERROR_HPP

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <cibmtr_auth/config.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// The kinds of errors. They are few and stable; each has one remedy, which the message spells out.
enum class error_kind {
  configuration,    ///< fix the call or the settings: nothing was sent
  rejected,         ///< the server rejects these credentials: fix them; every further attempt may count towards a lock
  rate_limited,     ///< too many token requests: wait for `retry_after()`
  unavailable,      ///< the server, or a gateway in front of it, is not working: try later
  network,          ///< the server or the proxy cannot be reached, or the connection was lost
  tls,              ///< the server cannot be trusted, or does not trust this client
  timed_out,        ///< no response within the time-out, or the exchange was cancelled
  invalid_response  ///< a response that no token server sends
};

/// The name of the enumerator: `"rejected"`.
inline std::string to_string(error_kind kind) {
  switch (kind) {
    case error_kind::configuration: return "configuration";
    case error_kind::rejected: return "rejected";
    case error_kind::rate_limited: return "rate_limited";
    case error_kind::unavailable: return "unavailable";
    case error_kind::network: return "network";
    case error_kind::tls: return "tls";
    case error_kind::timed_out: return "timed_out";
    case error_kind::invalid_response: break;
  }
  return "invalid_response";
}

/// The only exception that the library throws itself. The message says what was wrong, where, and what to do, and never
/// contains a credential or a token. Copying cannot throw.
class CIBMTR_AUTH_DETAIL_EXCEPTION error : public std::runtime_error {
 public:
  /// For your own transports and stores: pass the kind and the message, and `was_sent` as false if nothing was sent.
  /// `message` must not contain a secret.
  error(error_kind kind, std::string const& message, int http_status = 0, std::string oauth_error = {},
        std::chrono::seconds retry_after = std::chrono::seconds(0), bool was_sent = true)
      : std::runtime_error(message),
        kind_(kind),
        http_status_(http_status),
        was_sent_(was_sent),
        oauth_error_(std::make_shared<std::string const>(std::move(oauth_error))),
        retry_after_(retry_after) {}
  error(error const&) = default;             // no move constructor: a moved-from error still has its code
  error& operator=(error const&) = default;  // likewise

  error_kind kind() const noexcept { return kind_; }
  /// Whether the same call can succeed later without anybody changing anything.
  bool is_transient() const noexcept {
    return kind_ == error_kind::rate_limited || kind_ == error_kind::unavailable || kind_ == error_kind::network ||
           kind_ == error_kind::timed_out;
  }
  /// The response's status code (RFC 9110, section 15); 0 without a response.
  int http_status() const noexcept { return http_status_; }
  /// The `error` code of RFC 6749, section 5.2, or Okta's `errorCode`; empty if there was none.
  std::string const& oauth_error() const noexcept { return *oauth_error_; }
  /// How long the server asked to wait; from `get()`, what is left of the backoff. Rounded up to seconds; zero if
  /// unknown.
  std::chrono::seconds retry_after() const noexcept { return retry_after_; }
  /// Whether your request may have been processed. False for everything that `get()` throws: your call was not made.
  bool was_sent() const noexcept { return was_sent_; }

 private:
  error_kind kind_;
  int http_status_;
  bool was_sent_;
  std::shared_ptr<std::string const> oauth_error_;  // shared, because copying a string can throw
  std::chrono::seconds retry_after_;
};

namespace detail {

/// An error that happened before anything was sent.
inline error not_sent(error_kind kind, std::string const& message) {
  return error(kind, message, 0, std::string(), std::chrono::seconds(0), false);
}

/// Throws `configuration` with the message "`subject` `problem`" unless `is_met`.
inline void require(bool is_met, std::string const& subject, std::string const& problem) {
  if (!is_met) {
    throw not_sent(error_kind::configuration, subject + " " + problem);
  }
}

}  // namespace detail
}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_ERROR_HPP
