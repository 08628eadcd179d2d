// SPDX-License-Identifier: MIT
// Ask rarely: thread-safe, expiry-aware, around any source.

#ifndef CIBMTR_AUTH_TOKEN_CACHE_HPP
#define CIBMTR_AUTH_TOKEN_CACHE_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/per_process.hpp>
#include <cibmtr_auth/renewal.hpp>
#include <cibmtr_auth/thread_tokens.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_source.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth {

/// What a cache has done and holds; never the token. Times are `boot_clock`'s, zero where there is nothing to tell.
struct token_cache_status {
  unsigned long long gets = 0;      ///< calls of `get()`
  unsigned long long hits = 0;      ///< of these, served at once from what was held
  unsigned long long joins = 0;     ///< of these, waited for another caller's request
  unsigned long long requests = 0;  ///< token requests sent
  unsigned long long failures = 0;  ///< of these, failed
  boot_clock::time_point obtained_at;
  boot_clock::time_point renews_at;
  boot_clock::time_point expires_at;
  std::string last_error;            ///< of the last renewal; empty when it succeeded
  char const* last_reason = "none";  ///< why the last renewal was started
};

/// Told after each renewal, by the thread that made it. Must not throw.
using token_observer = std::function<void(token_cache_status const&)>;

/// Keeps one token and asks the source for the next one before it ends. A handle: copies share one cache, and every
/// member function may be called from any thread. A forked child starts with an empty cache.
class token_cache {
 public:
  explicit token_cache(token_source source, clock_function now = boot_clock::now,
                       std::shared_ptr<token_store> store = std::make_shared<memory_store>(),
                       token_observer observer = nullptr)
      : shared_(std::make_shared<shared>(std::move(source), std::move(now), std::move(store), std::move(observer))) {}

  /// A living token. However many threads call, one of them asks, when there is none or when it is time to renew
  /// (`token::renew_at`). The others take the old token at once while it lives; else they wait for at most `patience`
  /// and share the outcome. After a failure the old token serves until its end; without one the failure is thrown, with the
  /// time of the next try in its text and in `retry_after()`, and nobody asks before that time.
  token get(std::chrono::milliseconds patience = std::chrono::hours(24)) const { return shared_->get(patience); }

  /// Drops `dead`, and only `dead`: a newer token stays. For a token that the API has refused before its end. False when
  /// there was nothing to drop, or when one was dropped in the last 30 seconds: an API that refuses every token gets no
  /// endless supply.
  bool invalidate(token const& dead) const { return shared_->invalidate(dead); }

  /// Goes on with other credentials: forgets the token, past refusals and what is under way.
  void reset(token_source source, std::shared_ptr<token_store> store = std::make_shared<memory_store>()) const {
    shared_->reset(std::move(source), std::move(store));
  }

  token_cache_status status() const { return shared_->status(); }

 private:
  struct request {
    bool is_done = false;
    token granted;
    std::exception_ptr failure;
  };

  struct state {
    std::mutex mutex;
    std::condition_variable done;
    token held;
    token refused;
    boot_clock::time_point renew_at;
    boot_clock::time_point may_drop_at;
    std::shared_ptr<request const> under_way;
    std::shared_ptr<renewal const> renews_with;  ///< null in a new process, which then takes the first
    std::exception_ptr last_failure;
    token_cache_status status;
    detail::thread_tokens copies;
    std::atomic<unsigned long long> edition{detail::thread_tokens::next_number()};  ///< of `held` and `renew_at`
  };

  class shared {
   public:
    shared(token_source source, clock_function now, std::shared_ptr<token_store> store, token_observer observer)
        : now_(std::move(now)),
          first_(std::make_shared<renewal>(std::move(source), std::move(store), now_)),
          observer_(std::move(observer)) {}

    token get(std::chrono::milliseconds patience) {
      state& mine = state_.get();
      detail::thread_token* const copy = mine.copies.here();
      boot_clock::time_point const now = now_();
      if (copy && copy->edition == mine.edition.load(std::memory_order_acquire) && now < copy->renew_at) {
        copy->count_hit();
        return copy->held;
      }
      std::unique_lock<std::mutex> lock(mine.mutex);
      bool const is_alive = now < mine.held.expires_at();
      ++mine.status.gets;
      if (is_alive && (now < mine.renew_at || mine.under_way)) {
        ++mine.status.hits;
        if (copy) {
          copy->held = mine.held.detached();
          copy->renew_at = mine.renew_at;
          copy->edition = mine.edition;
        }
        return mine.held;
      }
      return mine.under_way ? join(mine, lock, patience) : renew(mine, lock, is_alive);
    }

    bool invalidate(token const& dead) {
      state& mine = state_.get();
      std::lock_guard<std::mutex> const lock(mine.mutex);
      boot_clock::time_point const now = now_();
      if (mine.held.empty() || mine.held.value() != dead.value() || now < mine.may_drop_at) {
        return false;
      }
      mine.refused = mine.held;
      mine.held = token();
      mine.edition = detail::thread_tokens::next_number();
      mine.may_drop_at = now + std::chrono::seconds(30);
      return true;
    }

    void reset(token_source source, std::shared_ptr<token_store> store) {
      state& mine = state_.get();
      auto renews_with = std::make_shared<renewal>(std::move(source), std::move(store), now_);
      std::lock_guard<std::mutex> const lock(mine.mutex);
      mine.renews_with = std::move(renews_with);
      mine.held = token();
      mine.edition = detail::thread_tokens::next_number();
      mine.refused = token();
      mine.may_drop_at = boot_clock::time_point();
      mine.under_way.reset();
    }

    token_cache_status status() {
      state& mine = state_.get();
      std::lock_guard<std::mutex> const lock(mine.mutex);
      token_cache_status result = mine.status;
      result.gets += mine.copies.hits();
      result.hits += mine.copies.hits();
      result.obtained_at = mine.held.obtained_at();
      result.renews_at = mine.held.empty() ? boot_clock::time_point() : mine.renew_at;
      result.expires_at = mine.held.expires_at();
      result.last_error = text_of(mine.last_failure);
      return result;
    }

   private:
    static token join(state& mine, std::unique_lock<std::mutex>& lock, std::chrono::milliseconds patience) {
      ++mine.status.joins;
      std::shared_ptr<request const> const awaited = mine.under_way;
      if (!mine.done.wait_for(lock, patience, [&awaited] { return awaited->is_done; })) {
        throw error(error_kind::timed_out, "another caller's token request is not done yet: call again");
      }
      return granted_or_throw(*awaited);
    }

    /// No lock is held while the source is on the network.
    token renew(state& mine, std::unique_lock<std::mutex>& lock, bool is_alive) {
      if (!mine.renews_with) {
        mine.renews_with = first_;
      }
      auto const renews_with = mine.renews_with;
      auto const current = std::make_shared<request>();
      token const refused = mine.refused;
      mine.status.last_reason = is_alive          ? "about to expire"
                                : refused.empty() ? "no living token"
                                                  : "refused by the API";
      mine.under_way = current;
      lock.unlock();
      renewal_outcome const outcome = run(*renews_with, refused);
      lock.lock();
      current->granted = outcome.granted;
      current->failure = outcome.granted.empty() ? outcome.failure : nullptr;
      current->is_done = true;
      mine.status.requests += outcome.was_asked ? 1 : 0;
      mine.status.failures += outcome.was_asked && outcome.failure ? 1 : 0;
      mine.last_failure = outcome.failure;
      if (mine.renews_with == renews_with) {  // else it was reset meanwhile, and this is nobody's token
        take(mine, outcome);
      }
      mine.done.notify_all();
      lock.unlock();
      if (observer_) {
        observer_(status());
      }
      return granted_or_throw(*current);
    }

    /// Whatever happens, the callers that wait must hear of it.
    static renewal_outcome run(renewal const& renews_with, token const& refused) {
      try {
        return renews_with.run(refused);
      } catch (...) {
        renewal_outcome failed;
        failed.failure = std::current_exception();
        return failed;
      }
    }

    void take(state& mine, renewal_outcome const& outcome) const {
      if (!outcome.granted.empty()) {
        mine.held = outcome.granted;
        mine.refused = token();
      }
      mine.renew_at = (std::max)(outcome.look_again_at, now_() + std::chrono::milliseconds(1));
      mine.edition = detail::thread_tokens::next_number();
      mine.under_way.reset();
    }

    static std::string text_of(std::exception_ptr const& failure) {
      try {
        if (failure) {
          std::rethrow_exception(failure);
        }
      } catch (std::exception const& thrown) {
        return thrown.what();
      } catch (...) {
        return "the transport failed in a way of its own";
      }
      return std::string();
    }

    static token granted_or_throw(request const& answer) {
      if (answer.failure) {
        std::rethrow_exception(answer.failure);
      }
      return answer.granted;
    }

    clock_function const now_;
    std::shared_ptr<renewal const> const first_;
    token_observer const observer_;
    detail::per_process<state> state_;
  };

  std::shared_ptr<shared> shared_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_CACHE_HPP
