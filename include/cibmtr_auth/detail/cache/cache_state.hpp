// SPDX-License-Identifier: MIT
// The state machine behind every copy of a token_cache.

#ifndef CIBMTR_AUTH_SHARED_CACHE_HPP
#define CIBMTR_AUTH_SHARED_CACHE_HPP

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/held_token.hpp>
#include <cibmtr_auth/per_process.hpp>
#include <cibmtr_auth/renewal.hpp>
#include <cibmtr_auth/thread_tokens.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_cache_status.hpp>
#include <cibmtr_auth/token_source.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth {
namespace detail {

/// What it promises is written at `token_cache`.
class shared_cache {
 public:
  shared_cache(token_source source, clock_function now, std::shared_ptr<token_store> store, token_observer observer)
      : now_(std::move(now)),
        observer_(std::move(observer)),
        renews_with_(shared_renewal(new renewal(std::move(source), std::move(store), now_))) {}

  token get(std::chrono::milliseconds patience) {
    state& mine = state_.get();
    thread_token* const copy = mine.copies.here();
    boot_clock::time_point const now = now_();
    return copy && copy->serves(mine.held.edition(), now) ? copy->hit() : get_shared(mine, copy, now, patience);
  }

  bool invalidate(token const& dead) {
    state& mine = state_.get();
    std::lock_guard<std::mutex> const lock(mine.mutex);
    return mine.held.refuse(dead, now_());
  }

  void reset(token_source source, std::shared_ptr<token_store> store) {
    state& mine = state_.get();
    shared_renewal renews_with(new renewal(std::move(source), std::move(store), now_));
    std::lock_guard<std::mutex> const lock(mine.mutex);
    renews_with = renews_with_.set(renews_with);  // what it was is destroyed without the lock
    mine.held.forget();
    mine.last_failure = nullptr;
    if (mine.under_way) {
      mine.under_way->abandon();
      mine.under_way.reset();
      mine.done.notify_all();
    }
  }

  token_cache_status status() {
    state& mine = state_.get();
    std::lock_guard<std::mutex> const lock(mine.mutex);
    token_cache_status result = mine.status;
    unsigned long long const without_lock = mine.copies.hits();
    result.gets += without_lock;
    result.hits += without_lock;
    result.obtained_at = mine.held.get().obtained_at();
    result.renew_at = mine.held.renew_at();
    result.expires_at = mine.held.get().expires_at();
    result.last_error = text_of(mine.last_failure);
    return result;
  }

 private:
  using shared_renewal = std::shared_ptr<renewal const>;

  struct request {
    bool is_done = false;
    bool is_abandoned = false;  ///< by an impatient caller or a reset, which is not the others' outcome
    std::thread::id const asker = std::this_thread::get_id();
    token granted;
    std::exception_ptr failure;

    void abandon() { is_done = is_abandoned = true; }
    token result() const {
      if (failure) {
        std::rethrow_exception(failure);
      }
      return granted;
    }
  };

  struct state {
    std::mutex mutex;  ///< over all that follows
    std::condition_variable done;
    held_token held;
    std::shared_ptr<request> under_way;
    std::exception_ptr last_failure;
    token_cache_status status;
    thread_tokens copies;

    bool serves(boot_clock::time_point now) const { return held.is_fresh(now) || (under_way && held.is_alive(now)); }
  };

  token get_shared(state& mine, thread_token* copy, boot_clock::time_point now, std::chrono::milliseconds patience) {
    std::unique_lock<std::mutex> lock(mine.mutex);
    ++mine.status.gets;
    if (copy) {
      mine.held.copy_to(*copy, now);
    }
    if (mine.serves(now)) {
      ++mine.status.hits;
      return mine.held.get();
    }
    return mine.under_way ? join(mine, lock, patience) : renew(mine, lock, patience);
  }

  token join(state& mine, std::unique_lock<std::mutex>& lock, std::chrono::milliseconds patience) {
    using std::chrono::steady_clock;
    std::chrono::milliseconds const longest = std::chrono::hours(24);
    steady_clock::time_point const end_of_patience =
        steady_clock::now() + (std::max)(std::chrono::milliseconds::zero(), (std::min)(patience, longest));
    ++mine.status.joins;
    while (mine.under_way && !mine.serves(now_())) {
      std::shared_ptr<request const> const awaited = mine.under_way;
      require(awaited->asker != std::this_thread::get_id(), "token source", "must not ask its own cache");
      if (!mine.done.wait_until(lock, end_of_patience, [&awaited] { return awaited->is_done; })) {
        throw error(error_kind::timed_out, "another caller's token request is not done yet: call again");
      }
      if (!awaited->is_abandoned) {
        return awaited->result();
      }
    }
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(end_of_patience - steady_clock::now());
    return mine.serves(now_()) ? mine.held.get() : renew(mine, lock, left);
  }

  /// No lock is held while the source is on the network.
  token renew(state& mine, std::unique_lock<std::mutex>& lock, std::chrono::milliseconds patience) {
    shared_renewal const renews_with = renews_with_.get();
    std::shared_ptr<request> const current(new request);
    token const refused = mine.held.refused();
    bool const is_alive = mine.held.is_alive(now_());
    mine.status.last_reason = is_alive ? "about to expire" : refused.empty() ? "no living token" : "refused by the API";
    mine.under_way = current;
    lock.unlock();
    renewal_outcome const outcome = renews_with->run(refused, is_alive ? std::chrono::milliseconds(0) : patience);
    lock.lock();
    bool const is_current = renews_with_.get() == renews_with;  // else it was reset, and this is nobody's token
    if (is_current) {
      mine.held.take(outcome, refused, now_());
      mine.under_way.reset();
      mine.last_failure = outcome.has_left_early ? mine.last_failure : outcome.failure;
    }
    bool const is_alive_still = is_current && mine.held.is_alive(now_());
    current->granted = !outcome.failure ? outcome.granted : is_alive_still ? mine.held.get() : token();
    current->failure = current->granted.empty() ? outcome.failure : nullptr;
    current->is_abandoned = !is_current || (outcome.has_left_early && current->failure);
    current->is_done = true;
    mine.status.requests += outcome.was_asked ? 1 : 0;
    mine.status.failures += outcome.was_asked && outcome.failure ? 1 : 0;
    mine.done.notify_all();
    lock.unlock();
    if (observer_ && (outcome.was_asked || !outcome.failure)) {
      tell();
    }
    return current->result();
  }

  void tell() {
    try {
      observer_(status());
    } catch (...) {  // the token is not the observer's to lose
    }
  }

  clock_function const now_;
  token_observer const observer_;
  inherited<shared_renewal> renews_with_;  ///< read and set with the mutex of `state_` held
  per_process<state> state_;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_SHARED_CACHE_HPP
