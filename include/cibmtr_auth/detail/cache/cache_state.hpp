// SPDX-License-Identifier: MIT
// The state behind every copy of a token_cache.

#ifndef CIBMTR_AUTH_DETAIL_CACHE_CACHE_STATE_HPP
#define CIBMTR_AUTH_DETAIL_CACHE_CACHE_STATE_HPP

#include <condition_variable>
#include <mutex>

#include <cibmtr_auth/detail/cache/per_process.hpp>
#include <cibmtr_auth/detail/cache/renewal.hpp>
#include <cibmtr_auth/token_cache.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// One token, one mutex, one request in flight; docs/design.md has the diagram. The mutex is never locked during
/// network I/O, nor while a store, observer, transport or clock of the program runs.
class cache_state : public cache_interface {
 public:
  cache_state(environment where, credentials const& of, token_cache_options const& options, renewal_tools tools)
      : where_(std::move(where)),
        encoding_(options.encoding),
        observer_(options.observer),
        tools_(std::move(tools)),
        account_(new account_ptr(std::make_shared<account const>(where_, of, encoding_))) {}
  ~cache_state() override { delete account_.load(); }

  token get() override { return get(true); }
  void renew_if_due() override { get(false); }

  token try_get() override {
    boot_clock::time_point const now = tools_.now();
    state& s = state_.get();
    std::lock_guard<std::mutex> const lock(s.mutex);
    return is_alive(s.latest.cached, now) ? s.latest.cached : token();
  }

  bool invalidate(token const& refused) override {
    boot_clock::time_point const now = tools_.now();
    state& s = state_.get();
    std::lock_guard<std::mutex> const lock(s.mutex);
    if (refused.empty() || s.latest.cached.value() != refused.value()) {
      return !refused.empty();
    }
    if (s.latest.is_recent_replacement(now)) {
      return false;
    }
    s.refused = std::move(s.latest.cached);
    s.look_again_at = boot_clock::time_point();
    return true;
  }

  bool set_credentials(credentials const& next) override {
    auto const made = std::make_shared<account const>(where_, next, encoding_);
    std::unique_ptr<account_ptr> replacement(new account_ptr(made));
    state& s = state_.get();
    std::lock_guard<std::mutex> const lock(s.mutex);
    credentials const& current = (*account_.load())->owner;
    if (are_equal(current, next)) {
      return false;
    }
    bool const keeps_token = current.client_id == next.client_id && current.username == next.username &&
                             current.scope == next.scope && token_url(where_, current) == token_url(where_, next);
    record fresh;
    if (keeps_token) {
      fresh.cached = s.latest.cached;
      fresh.replaced_at = s.latest.replaced_at;
    }
    s.latest = fresh;
    s.refused = keeps_token ? s.refused : token();
    s.is_due = keeps_token;
    s.look_again_at = boot_clock::time_point();
    s.last_error = nullptr;
    s.in_flight = nullptr;  // a request in flight finishes under the old key
    s.done.notify_all();
    replacement.reset(account_.exchange(replacement.release()));
    return true;
  }

  bool retry_now() override {
    state& s = state_.get();
    std::unique_lock<std::mutex> lock(s.mutex);
    account_ptr const used = *account_.load();
    renewal_input const input = s.input();
    lock.unlock();
    renewal ending(tools_, *used, input);
    bool const has_ended = ending.end_backoff();
    lock.lock();
    if (has_ended && *account_.load() == used) {
      s.latest.next_attempt_at = boot_clock::time_point();
      s.latest.retried_at = ending.result().latest.retried_at;
      s.look_again_at = boot_clock::time_point();
    }
    return has_ended;
  }

  token_cache_status status() override {
    boot_clock::time_point const now = tools_.now();
    state& s = state_.get();
    std::lock_guard<std::mutex> const lock(s.mutex);
    token_cache_status result = s.counters;
    result.has_token = is_alive(s.latest.cached, now);
    if (result.has_token) {
      token_data const& data = *token_access::data(s.latest.cached);
      result.expires_in = round_up(data.expires_at - now);
      result.renews_in = s.is_due ? std::chrono::seconds(0) : round_up(data.renew_at - now);
    }
    result.retry_in = s.latest.failure ? round_up(s.latest.next_attempt_at - now) : std::chrono::seconds(0);
    result.last_error = s.last_error;
    return result;
  }

  std::string const& api_url() const noexcept override { return where_.api_url; }
  transport const& api_transport() const noexcept override { return tools_.send; }

 private:
  using account_ptr = std::shared_ptr<account const>;

  /// A renewal that is running, and its result for those who wait.
  struct flight {
    std::thread::id const requester = std::this_thread::get_id();
    bool is_done = false;
    token obtained;
    std::exception_ptr failure;

    token result() const {
      if (obtained.empty() && failure) {
        std::rethrow_exception(failure);
      }
      return obtained;
    }
  };

  struct state {
    std::mutex mutex;
    std::condition_variable done;          ///< a flight is done or abandoned
    record latest;                         ///< the cached token, and the backoff
    token refused;                         ///< by the API, until there is another one
    bool is_due = false;                   ///< renew whatever the token's age
    boot_clock::time_point look_again_at;  ///< until then a renewal would change nothing
    std::shared_ptr<flight> in_flight;
    std::shared_ptr<error const> last_error;
    token_cache_status counters;  ///< the other members are computed by `status()`

    bool serves(boot_clock::time_point now) const {
      bool const waits_for_renewal = in_flight || now < look_again_at;
      return waits_for_renewal ? is_alive(latest.cached, now) : !is_due && is_fresh(latest.cached, now);
    }
    renewal_input input() const {
      renewal_input made;
      made.latest = latest;
      made.refused = refused;
      made.is_due = is_due;
      return made;
    }
  };

  token get(bool is_counted) {
    boot_clock::time_point now = tools_.now();
    state& s = state_.get();
    std::unique_lock<std::mutex> lock(s.mutex);
    s.counters.gets += is_counted ? 1 : 0;
    bool has_waited = false;
    while (!s.serves(now)) {
      std::shared_ptr<flight> const awaited = s.in_flight;
      token found;
      if (!awaited) {
        found = now < s.look_again_at && s.latest.is_backing_off(now) ? fail(s, lock) : renew(s, lock);
      } else {
        require(awaited->requester != std::this_thread::get_id(), "the transport, store, clock or observer",
                "must not call get() of the cache that is calling it");
        s.counters.waits += is_counted && !has_waited ? 1 : 0;
        has_waited = true;
        s.done.wait(lock, [&] { return awaited->is_done || s.in_flight != awaited; });
        found = awaited->is_done ? awaited->result() : token();
        lock.unlock();
      }
      if (!found.empty()) {
        return found;
      }
      now = tools_.now();  // the credentials were replaced meanwhile, or the API rejected the token that was found
      lock.lock();
    }
    s.counters.hits += is_counted && !has_waited ? 1 : 0;
    return s.latest.cached;
  }

  /// Throws the failure that caused the backoff.
  token fail(state& s, std::unique_lock<std::mutex>& lock) {
    record const latest = s.latest;
    lock.unlock();
    throw with_next_attempt(*latest.failure, latest.next_attempt_at, tools_.read_clock(), true);
  }

  token renew(state& s, std::unique_lock<std::mutex>& lock) {
    auto const current = std::make_shared<flight>();
    account_ptr const used = *account_.load();
    renewal_input const input = s.input();
    s.in_flight = current;
    lock.unlock();

    renewal_result result;
    bool is_finished = false;
    try {
      result = renewal(tools_, *used, input).run();
      is_finished = true;
      clock_reading const clock = tools_.read_clock();
      current->obtained = result.latest.cached;
      if (result.failure) {
        current->failure = std::make_exception_ptr(
            with_next_attempt(*result.failure, result.latest.next_attempt_at, clock, result.is_earlier_failure()));
      }
    } catch (...) {
      current->failure = std::current_exception();  // the program's clock, or short memory
    }

    lock.lock();
    s.counters.requests += result.was_sent ? 1 : 0;
    s.counters.failures += result.was_attempted && result.failure ? 1 : 0;
    std::vector<token_event> events;
    if (s.in_flight == current) {
      s.in_flight = nullptr;
      if (is_finished) {
        commit(s, result, input, *current, events);
      }
    }
    current->is_done = true;
    s.done.notify_all();
    lock.unlock();
    notify_observer(events);
    return current->result();
  }

  /// Takes over what a renewal found. Only the strings at the end can fail for lack of memory.
  void commit(state& s, renewal_result& result, renewal_input const& input, flight& current,
              std::vector<token_event>& events) const noexcept {
    bool const is_granted = result.was_attempted && !result.failure;
    // The API may meanwhile have rejected the token that the renewal found.
    bool const is_refused = !is_granted && !s.refused.empty() && s.refused.value() != input.refused.value() &&
                            s.refused.value() == result.latest.cached.value();
    if (result.was_attempted || !result.obtained.empty() || result.is_earlier_failure()) {
      s.last_error = result.failure;
    }
    s.latest = std::move(result.latest);
    s.look_again_at = result.look_again_at;
    if (is_refused) {
      s.latest.cached = current.obtained = token();
      s.look_again_at = boot_clock::time_point();
    } else if (is_granted || !result.obtained.empty()) {
      s.refused = token();
      s.is_due = false;
    }
    bool const had_problem = !s.counters.sharing_problem.empty();
    bool const has_shared = result.was_stored || (!result.was_attempted && !result.obtained.empty());
    try {
      // A store that can be read again may still reject changes.
      if (!had_problem || has_shared || !result.sharing_problem.empty()) {
        s.counters.sharing_problem = result.sharing_problem;
      }
      s.counters.is_shared = tools_.store && s.counters.sharing_problem.empty();
      if (observer_) {
        events = events_of(result, had_problem, !s.counters.sharing_problem.empty());
      }
    } catch (std::bad_alloc const&) {
    }
  }

  static std::vector<token_event> events_of(renewal_result const& result, bool had_problem, bool has_problem) {
    std::vector<token_event> events;
    auto add = [&events](token_event_kind kind, std::string const& message) {
      token_event event;
      event.kind = kind;
      event.message = message;
      events.push_back(event);
    };
    if (has_problem && !had_problem) {
      add(token_event_kind::sharing_failed, "the token is not shared: " + result.sharing_problem);
    } else if (had_problem && !has_problem) {
      add(token_event_kind::sharing_restored, "the token is shared again");
    }
    if (result.was_attempted && result.failure) {
      add(token_event_kind::failed, to_string(result.failure->kind()) + ": " + result.failure->what());
    } else if (result.was_attempted) {
      add(token_event_kind::renewed, "a token was requested");
    } else if (!result.obtained.empty()) {
      add(token_event_kind::loaded, "a token was loaded that another process had requested");
    }
    return events;
  }

  void notify_observer(std::vector<token_event>& events) {
    for (token_event& event : events) {
      try {
        event.status = status();
        observer_(event);
      } catch (...) {
        // A failing observer must not cost anybody the token.
      }
    }
  }

  environment const where_;
  basic_encoding const encoding_;
  std::function<void(token_event const&)> const observer_;
  renewal_tools const tools_;
  per_process<state> state_;
  /// Changed only while the mutex is locked. An atomic pointer, because a forked child reads it without its parent's
  /// mutex.
  std::atomic<account_ptr*> account_;  // the last member: nothing that throws may follow its `new`
};

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_CACHE_CACHE_STATE_HPP
