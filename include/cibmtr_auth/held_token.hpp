// SPDX-License-Identifier: MIT
// The token that a cache holds: until when it serves, and which one is wanted instead.

#ifndef CIBMTR_AUTH_HELD_TOKEN_HPP
#define CIBMTR_AUTH_HELD_TOKEN_HPP

#include <algorithm>
#include <atomic>
#include <chrono>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/renewal.hpp>
#include <cibmtr_auth/thread_tokens.hpp>
#include <cibmtr_auth/token.hpp>

namespace cibmtr_auth {
namespace detail {

/// For one thread at a time, but for `edition()`, by which each thread's own copy knows whether it is still up to date.
class held_token {
 public:
  token const& get() const noexcept { return held_; }
  /// What the API refused, until there is another one.
  token const& refused() const noexcept { return refused_; }
  boot_clock::time_point renew_at() const noexcept { return held_.empty() ? boot_clock::time_point() : renew_at_; }
  unsigned long long edition() const noexcept { return edition_.load(std::memory_order_acquire); }

  bool is_alive(boot_clock::time_point now) const noexcept { return now < held_.expires_at(); }
  bool is_fresh(boot_clock::time_point now) const noexcept { return is_alive(now) && now < renew_at_; }

  /// What came of asking for another token than `unwanted`. Not the one that the API has refused since, but the one that it refused
  /// before when the server grants it again.
  void take(renewal_outcome const& outcome, token const& unwanted, boot_clock::time_point now) noexcept {
    bool const is_refused = outcome.granted.value() == refused_.value() && refused_.value() != unwanted.value();
    if (!outcome.granted.empty() && !is_refused) {
      held_ = outcome.granted;
      refused_ = token();
    }
    renew_at_ = (std::max)(outcome.look_again_at, now + std::chrono::milliseconds(1));
    change_edition();
  }

  /// False when it is another one, or too soon after the last time.
  bool refuse(token const& dead, boot_clock::time_point now) noexcept {
    if (held_.empty() || held_.value() != dead.value() || now < may_refuse_at_) {
      return false;
    }
    refused_ = held_;
    held_ = token();
    may_refuse_at_ = now + std::chrono::seconds(30);
    change_edition();
    return true;
  }

  void forget() noexcept {
    held_ = token();
    refused_ = token();
    may_refuse_at_ = boot_clock::time_point();
    change_edition();
  }

  /// While it is fresh, and there is memory for it; else the copy is given up.
  void copy_to(thread_token& copy, boot_clock::time_point now) const noexcept {
    copy.give_up();
    if (is_fresh(now) && copy.tokens.fill(held_)) {
      copy.renew_at = (std::min)(renew_at_, held_.expires_at());
      copy.edition = edition();
    }
  }

 private:
  void change_edition() noexcept { edition_.fetch_add(1, std::memory_order_release); }

  token held_;
  token refused_;
  boot_clock::time_point renew_at_;
  boot_clock::time_point may_refuse_at_;
  std::atomic<unsigned long long> edition_{1};
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_HELD_TOKEN_HPP
