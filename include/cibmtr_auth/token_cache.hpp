// SPDX-License-Identifier: MIT
// Ask rarely: thread-safe, expiry-aware, around any source.

#ifndef CIBMTR_AUTH_TOKEN_CACHE_HPP
#define CIBMTR_AUTH_TOKEN_CACHE_HPP

#include <chrono>
#include <memory>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/shared_cache.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_cache_status.hpp>
#include <cibmtr_auth/token_source.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth {

/// Keeps one token and asks the source for the next one before it ends. A handle: copies share one cache, and every
/// member function may be called from any thread. A forked child starts with an empty cache.
class token_cache {
 public:
  /// Around any source, by any clock; without a `store` it is this process's own; `observer` is told after each renewal. Asks for
  /// nothing yet.
  explicit token_cache(token_source source, clock_function now = boot_clock::now,
                       std::shared_ptr<token_store> store = nullptr, token_observer observer = nullptr)
      : shared_(new detail::shared_cache(std::move(source), std::move(now), std::move(store), std::move(observer))) {}

  /// A living token. However many threads call, one of them asks, when there is none or when it is time to renew
  /// (`token::renew_at`). The others take the old token at once while it lives; else they wait for at most `patience`
  /// and share the outcome. Where another process asks, its outcome is waited for likewise; a caller who leaves then fails
  /// nobody else. After a failure the old token serves until its end; without one the failure is thrown, with the
  /// time of the next try in its text and in `retry_after()`, and nobody asks before that time.
  token get(std::chrono::milliseconds patience = std::chrono::hours(24)) const { return shared_->get(patience); }

  /// Drops `dead`, and only `dead`: a newer token stays. For a token that the API has refused before its end. False when
  /// there was nothing to drop, or when one was dropped in the last 30 seconds: an API that refuses every token gets no
  /// endless supply.
  bool invalidate(token const& dead) const { return shared_->invalidate(dead); }

  /// Goes on with other credentials: forgets the token, past refusals and what is under way.
  void reset(token_source source, std::shared_ptr<token_store> store = nullptr) const {
    shared_->reset(std::move(source), std::move(store));
  }

  /// What has happened so far, for a log or a health check; never the token. May be called as often as one likes.
  token_cache_status status() const { return shared_->status(); }

 private:
  std::shared_ptr<detail::shared_cache> shared_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_CACHE_HPP
