// SPDX-License-Identifier: MIT
// Ask rarely: thread-safe, expiry-aware, around any source.

#ifndef CIBMTR_AUTH_TOKEN_CACHE_HPP
#define CIBMTR_AUTH_TOKEN_CACHE_HPP

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_source.hpp>

namespace cibmtr_auth {

/// Keeps one token and asks the source for the next one before it ends. A handle: copies share one cache, and every
/// member function may be called from any thread.
class token_cache {
 public:
  explicit token_cache(token_source source, clock_function now = boot_clock::now)
      : shared_(std::make_shared<shared>(std::move(source), std::move(now))) {}

  /// A living token. Asks the source when there is none, or when `min(5 min, life / 6)` or less of it is left; however many
  /// threads call meanwhile, one of them asks. The others take the old token at once while it lives, else they wait
  /// and share the outcome. When a renewal fails the old token serves until its end, and the next try comes
  /// 30 seconds later. Throws what the source threw when there is no living token.
  token get() const { return shared_->get(); }

  /// Drops `dead`, and only `dead`: a newer token stays. For a token the API has refused before its end. True when
  /// there was something to drop.
  bool invalidate(token const& dead) const { return shared_->invalidate(dead); }

 private:
  struct outcome {
    bool is_known = false;
    token granted;
    std::exception_ptr failure;
  };

  class shared {
   public:
    shared(token_source source, clock_function now) : source_(std::move(source)), now_(std::move(now)) {}

    token get() {
      std::unique_lock<std::mutex> lock(mutex_);
      boot_clock::time_point const now = now_();
      bool const is_alive = now < token_.expires_at();
      if (is_alive && (now < renew_at_ || asking_)) {
        return token_;
      }
      if (asking_) {
        std::shared_ptr<outcome const> const awaited = asking_;
        answered_.wait(lock, [&awaited] { return awaited->is_known; });
        return granted_or_throw(*awaited);
      }
      return ask(lock);
    }

    bool invalidate(token const& dead) {
      std::lock_guard<std::mutex> const lock(mutex_);
      if (token_.empty() || token_.value() != dead.value()) {
        return false;
      }
      token_ = token();
      return true;
    }

   private:
    /// The lock is not held while the source is on the network.
    token ask(std::unique_lock<std::mutex>& lock) {
      auto const mine = std::make_shared<outcome>();
      asking_ = mine;
      lock.unlock();
      try {
        mine->granted = source_();
      } catch (...) {
        mine->failure = std::current_exception();
      }
      lock.lock();
      keep(*mine);
      mine->is_known = true;
      asking_.reset();
      answered_.notify_all();
      return granted_or_throw(*mine);
    }

    void keep(outcome& answer) {
      boot_clock::time_point const now = now_();
      if (!answer.failure) {
        token_ = answer.granted;
        auto const life = token_.expires_at() - token_.obtained_at();
        renew_at_ = token_.expires_at() - (std::min<boot_clock::duration>)(std::chrono::minutes(5), life / 6);
      } else if (now < token_.expires_at()) {
        answer.granted = token_;
        answer.failure = nullptr;
        renew_at_ = now + std::chrono::seconds(30);
      }
    }

    static token granted_or_throw(outcome const& answer) {
      if (answer.failure) {
        std::rethrow_exception(answer.failure);
      }
      return answer.granted;
    }

    token_source const source_;
    clock_function const now_;
    std::mutex mutex_;
    std::condition_variable answered_;
    token token_;
    boot_clock::time_point renew_at_;
    std::shared_ptr<outcome const> asking_;
  };

  std::shared_ptr<shared> shared_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_CACHE_HPP
