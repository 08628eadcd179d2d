// SPDX-License-Identifier: MIT
// A bearer token.

#ifndef CIBMTR_AUTH_TOKEN_HPP
#define CIBMTR_AUTH_TOKEN_HPP

#include <algorithm>
#include <functional>
#include <memory>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth { inline namespace v1_0 {
namespace detail {

/// RFC 6750, section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
inline bool is_b64token(std::string const& text) {
  static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
  std::size_t const padding = (std::min)(text.find_first_not_of(alphabet), text.size());
  return padding > 0 && text.find_first_not_of('=', padding) == std::string::npos;
}

/// How long before its expiry a token is due for renewal: after 25 minutes of 30, as CIBMTR advises. The jitter keeps
/// processes that were started together from renewing together. It is computed from the token, so that all who share
/// the token agree.
inline boot_clock::duration renewal_margin(std::string const& value, boot_clock::duration lifetime) {
  auto const margin = (std::min<boot_clock::duration>)(std::chrono::minutes(5), lifetime / 6);
  return margin + margin / 10 * static_cast<int>(std::hash<std::string>()(value) % 1000) / 1000;
}

using clock_function = std::function<boot_clock::time_point()>;

/// What the copies of a token share. `value` must be a b64token.
struct token_data {
  token_data(secret const& b64token, std::string granted_scope, boot_clock::time_point obtained,
             boot_clock::time_point expires, clock_function now)
      : value(b64token),
        scope(std::move(granted_scope)),
        obtained_at(obtained),
        expires_at(expires),
        renew_at(expires - renewal_margin(b64token.reveal(), expires - obtained)),
        clock(std::move(now)) {
    std::string text;
    text.reserve(7 + b64token.reveal().size());
    text.append("Bearer ").append(b64token.reveal());
    authorization = secret(std::move(text));
  }

  secret value;
  secret authorization;
  std::string scope;
  boot_clock::time_point obtained_at;  ///< just before the request was sent
  boot_clock::time_point expires_at;
  boot_clock::time_point renew_at;
  clock_function clock;  ///< empty: `boot_clock`

  boot_clock::time_point now() const { return clock ? clock() : boot_clock::now(); }
};

struct token_access;

/// Never destroyed, so that an empty token can be read while the program ends.
inline std::string const& empty_text() {
  static std::string const* const text = new std::string;
  return *text;
}

}  // namespace detail

/// A bearer token. Copies share one value, which is wiped when the last of them is destroyed, and may be used from
/// several threads. A moved-from token is empty. Streaming a token does not compile.
class token {
 public:
  token() noexcept = default;

  bool empty() const noexcept { return !data_; }
  /// The token as the server wrote it. A secret: the caller has to wipe copies of it.
  std::string const& value() const& noexcept { return data_ ? data_->value.reveal() : detail::empty_text(); }
  std::string value() && { return static_cast<token const&>(*this).value(); }
  /// `Bearer ` and the value (RFC 6750, section 2.1).
  std::string const& authorization() const& noexcept {
    return data_ ? data_->authorization.reveal() : detail::empty_text();
  }
  std::string authorization() && { return static_cast<token const&>(*this).authorization(); }
  /// The scope of this token, which may be less than what was requested.
  std::string const& scope() const& noexcept { return data_ ? data_->scope : detail::empty_text(); }
  std::string scope() && { return static_cast<token const&>(*this).scope(); }
  /// By the clock of the cache that the token came from; never negative, zero for an empty token.
  std::chrono::seconds expires_in() const {
    auto const left = data_ ? data_->expires_at - data_->now() : boot_clock::duration::zero();
    return (std::max)(std::chrono::duration_cast<std::chrono::seconds>(left), std::chrono::seconds(0));
  }

  friend std::ostream& operator<<(std::ostream&, token const&) = delete;

 private:
  friend struct detail::token_access;
  std::shared_ptr<detail::token_data const> data_;
};

namespace detail {

/// Makes tokens and reads their times, which are not public.
struct token_access {
  static token make(secret const& value, std::string scope, boot_clock::time_point obtained_at,
                    boot_clock::time_point expires_at, clock_function clock = nullptr) {
    token made;
    made.data_ = std::make_shared<token_data const>(value, std::move(scope), obtained_at, expires_at, std::move(clock));
    return made;
  }
  /// Null for an empty token.
  static token_data const* data(token const& of) noexcept { return of.data_.get(); }
};

inline bool is_alive(token const& one, boot_clock::time_point now) noexcept {
  return !one.empty() && now < token_access::data(one)->expires_at;
}
inline bool is_fresh(token const& one, boot_clock::time_point now) noexcept {
  return is_alive(one, now) && now < token_access::data(one)->renew_at;
}

}  // namespace detail
}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_TOKEN_HPP
