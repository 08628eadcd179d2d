// SPDX-License-Identifier: MIT
// What was granted and until when; a cheap copy of one shared, wiped value.

#ifndef CIBMTR_AUTH_TOKEN_HPP
#define CIBMTR_AUTH_TOKEN_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <new>
#include <string>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {
namespace detail {

/// RFC 6750, section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
inline bool is_b64token(std::string const& text) {
  static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
  std::size_t const padding = (std::min)(text.find_first_not_of(alphabet), text.size());
  return padding > 0 && text.find_first_not_of('=', padding) == std::string::npos;
}

/// 25 minutes into a life of 30, as CIBMTR advises, and sane for 5 minutes and for a day. Spread by the token's own
/// bytes, which are as good as random.
inline boot_clock::duration renewal_margin(std::string const& value, boot_clock::duration life) {
  auto const margin = (std::min<boot_clock::duration>)(std::chrono::minutes(5), life / 6);
  return margin + margin / 10 * static_cast<int>(std::hash<std::string>()(value) % 1000) / 1000;
}

class token_supply;

}  // namespace detail

/// A bearer token. Its copies share one value, which is wiped with the last of them; all of them may be read
/// from any thread.
class token {
 public:
  /// No token: every value is empty.
  token() : grant_(none()) { grant_->add_owners(1); }
  /// Copied, never moved from, so that there is always a value to read. Costs no allocation.
  token(token const& other) noexcept : grant_(other.grant_) { grant_->add_owners(1); }
  /// The same.
  token& operator=(token const& other) noexcept {
    token copy(other);
    std::swap(grant_, copy.grant_);
    return *this;
  }
  ~token() { grant_->remove_owners(1); }

  /// Throws `malformed` unless `value` is a b64token, so that nothing else can ever get into a header.
  token(secret const& value, std::string scope, boot_clock::time_point obtained_at, boot_clock::time_point expires_at)
      : grant_(nullptr) {
    if (!detail::is_b64token(value.reveal())) {
      throw error(error_kind::malformed,
                  "the access token holds a character that no bearer token has: it was not used");
    }
    std::string authorization;
    authorization.reserve(7 + value.reveal().size());
    authorization += "Bearer ";
    authorization += value.reveal();
    grant_ = new grant(value, secret(std::move(authorization)), std::move(scope), obtained_at, expires_at);
  }

  /// Whether there is no token.
  bool empty() const noexcept { return value().empty(); }
  /// The token itself, as the server wrote it. A secret: a copy of it is the caller's to wipe.
  std::string const& value() const noexcept { return grant_->value.reveal(); }
  /// `Bearer ` and the value (RFC 6750, section 2.1).
  std::string const& authorization() const noexcept { return grant_->authorization.reveal(); }
  /// What the server granted, which may be less than what was asked for.
  std::string const& scope() const noexcept { return grant_->scope; }
  /// Just before the request was sent: the life counts from here.
  boot_clock::time_point obtained_at() const noexcept { return grant_->obtained_at; }
  /// When the server stops taking it.
  boot_clock::time_point expires_at() const noexcept { return grant_->expires_at; }
  /// When to ask for the next one: `min(5 min, life / 6)` before the end, and up to a tenth of that earlier, by chance
  /// but always the same for one token, so that a fleet started together does not renew together.
  boot_clock::time_point renew_at() const noexcept { return grant_->renew_at; }

  friend std::ostream& operator<<(std::ostream&, token const&) = delete;

 private:
  friend class detail::token_supply;

  struct grant {
    grant() = default;
    grant(secret its_value, secret its_authorization, std::string its_scope, boot_clock::time_point obtained,
          boot_clock::time_point expires)
        : value(std::move(its_value)),
          authorization(std::move(its_authorization)),
          scope(std::move(its_scope)),
          obtained_at(obtained),
          expires_at(expires),
          renew_at(expires - detail::renewal_margin(value.reveal(), expires - obtained)) {}

    void add_owners(long number) const noexcept { owners.fetch_add(number, std::memory_order_relaxed); }
    void remove_owners(long number) const noexcept {
      if (owners.fetch_sub(number, std::memory_order_acq_rel) == number) {
        delete this;
      }
    }

    secret value;
    secret authorization;
    std::string scope;
    boot_clock::time_point obtained_at;
    boot_clock::time_point expires_at;
    boot_clock::time_point renew_at;
    mutable std::atomic<long> owners{1};
  };

  explicit token(grant const* shared) noexcept : grant_(shared) {}  ///< already counted

  /// Never destroyed, so that tokens may be when the program ends. Not guarded while it is made: a forked child would wait for a
  /// parent's thread.
  static grant const* none() {
    static std::atomic<grant const*> empty{nullptr};
    grant const* found = empty.load(std::memory_order_acquire);
    if (!found) {
      grant const* const made = new grant();
      if (empty.compare_exchange_strong(found, made)) {
        return made;
      }
      delete made;
    }
    return found;
  }

  grant const* grant_;
};

namespace detail {

/// Copies of one token for one thread. They share a value that no other thread copies, and are counted in advance, many at a
/// time: each count costs a sixth of a clock read, and many times that where threads contend for it.
class token_supply {
 public:
  token_supply() = default;
  token_supply(token_supply const&) = delete;
  token_supply& operator=(token_supply const&) = delete;
  ~token_supply() { clear(); }

  /// False when there is no memory for it.
  bool fill(token const& with) noexcept {
    clear();
    try {
      copied_ = token(new token::grant(with.grant_->value, with.grant_->authorization, with.grant_->scope,
                                       with.grant_->obtained_at, with.grant_->expires_at));
      return true;
    } catch (std::bad_alloc const&) {
      return false;
    }
  }
  void clear() noexcept {
    copied_.grant_->remove_owners(counted_);
    counted_ = 0;
    copied_ = token();
  }
  token next() noexcept {
    if (counted_ == 0) {
      copied_.grant_->add_owners(1000);
      counted_ = 1000;
    }
    --counted_;
    return token(copied_.grant_);
  }

 private:
  token copied_;
  long counted_ = 0;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_HPP
