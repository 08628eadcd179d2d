// SPDX-License-Identifier: MIT
// One renewal: agree with the other processes on who sends the request, send it, and share the result.

#ifndef CIBMTR_AUTH_DETAIL_CACHE_RENEWAL_HPP
#define CIBMTR_AUTH_DETAIL_CACHE_RENEWAL_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/detail/encoding/url.hpp>
#include <cibmtr_auth/detail/oauth/attempts.hpp>
#include <cibmtr_auth/detail/oauth/token_request.hpp>
#include <cibmtr_auth/detail/oauth/token_response.hpp>
#include <cibmtr_auth/detail/sharing/fingerprint.hpp>
#include <cibmtr_auth/detail/sharing/record.hpp>
#include <cibmtr_auth/environment.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_store.hpp>
#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth {
inline namespace v1_0 {
namespace detail {

/// One set of credentials, and what follows from it.
struct account {
  account(environment const& where, credentials const& of, basic_encoding encoding)
      : owner(of),
        request(make_token_request(where, of, encoding)),
        server("the token server " + parse_secure_url(request.url, "token URL").authority()),
        key(record_key(where, of)) {}

  bool has_password() const { return uses_password_grant(owner); }

  credentials owner;
  http_request request;
  std::string server;  ///< for messages
  std::string key;     ///< of the shared record
};

/// What every renewal of a cache uses.
struct renewal_tools {
  transport send;
  std::shared_ptr<token_store> store;  ///< null for none
  clock_function now;
  bool is_fake_clock = false;
  std::chrono::milliseconds timeout;
  std::function<bool()> is_cancelled;
  unsigned proxy_login = 0;  ///< a hash of the login in use; 0 for none
  std::shared_ptr<error const> unknown_failure =
      std::make_shared<error const>(error_kind::network, "the transport threw an exception");  ///< if memory is short

  /// With a fake clock records hold fake Unix times, so that a test never mixes real and fake time.
  clock_reading read_clock() const {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    boot_clock::time_point const reading = now();
    auto const unix_time = std::chrono::system_clock::now().time_since_epoch();
    return {reading, is_fake_clock ? duration_cast<milliseconds>(reading.time_since_epoch()).count()
                                   : duration_cast<milliseconds>(unix_time).count()};
  }
};

/// Thrown out of `before_sending`, through the transport, if another process was faster. Nothing has been sent then.
struct CIBMTR_AUTH_DETAIL_EXCEPTION record_has_changed {};

/// `what()` of any exception, for messages.
inline std::string describe(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& thrown) {
    return thrown.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

/// From 0 to 1, another one at every nanosecond.
inline double jitter(boot_clock::time_point now) {
  std::uint64_t const bits = mix(static_cast<std::uint64_t>(now.time_since_epoch().count()) + 0x9E3779B97F4A7C15U);
  return static_cast<double>(bits >> 11U) / static_cast<double>(std::uint64_t{1} << 53U);
}

inline std::chrono::seconds round_up(boot_clock::duration duration) {
  auto const rounded = std::chrono::duration_cast<std::chrono::seconds>(duration + std::chrono::nanoseconds(999999999));
  return (std::max)(rounded, std::chrono::seconds(0));
}

/// `2026-11-24T14:05:09Z`.
inline std::string utc_time(std::int64_t unix_seconds) {
  auto const time = static_cast<std::time_t>(unix_seconds);
  std::tm parts = {};
#ifdef _WIN32
  gmtime_s(&parts, &time);
#else
  gmtime_r(&time, &parts);
#endif
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

/// `failure` as callers of `get()` see it: their own calls were not sent, and it says when the next attempt is allowed.
inline error with_next_attempt(error const& failure, boot_clock::time_point next_attempt_at, clock_reading const& clock,
                               bool is_earlier) {
  std::chrono::seconds const wait = round_up(next_attempt_at - clock.now);
  std::string message = is_earlier ? "no token was requested, because an earlier attempt failed: " : "";
  message += failure.what();
  if (wait > std::chrono::seconds(0)) {
    message += message.empty() || message.back() == '.' ? "" : ".";
    message += " Next attempt not before " + utc_time((clock.unix_ms + 999) / 1000 + wait.count()) + ".";
  }
  return error(failure.kind(), message, failure.http_status(), failure.oauth_error(), wait, false);
}

/// A lease that ended without a result: its process was killed or stopped, or finishes late. The request may have been
/// sent, so it counts as one that no verdict came back for.
inline void settle_lease(record& r, boot_clock::time_point now, bool has_password) {
  if (!r.has_lease || now < r.lease_ends_at) {
    return;
  }
  attempt_rule const rule = rule_of(attempt_row::no_verdict, has_password);
  next_attempt const next = after_failure(rule, r.history, std::chrono::seconds(0), 1);
  r.has_lease = false;
  r.history = next.history;
  r.row = attempt_row::no_verdict;
  r.failure = std::make_shared<error const>(
      error_kind::timed_out,
      "an earlier token request ended without a result: its process was stopped or took too long");
  r.next_attempt_at =
      rule.is_on_ladder ? (std::max)(r.lease_ends_at, r.lease_started_at + next.wait) : r.lease_ends_at + next.wait;
}

/// What a renewal starts from.
struct renewal_input {
  record latest;               ///< what this process knows
  token refused;               ///< by the API; empty for none
  bool is_due = false;         ///< whatever the age of the cached token
  bool for_one_token = false;  ///< `request_token`: use no token but a new one, and store none
};

struct renewal_result {
  record latest;
  token obtained;                        ///< requested or loaded; empty if neither
  std::shared_ptr<error const> failure;  ///< why there is no new token; null if there is one, or no need for one
  bool is_earlier = false;               ///< the failure is an earlier attempt's
  bool was_attempted = false;
  bool was_sent = false;
  bool is_shared = false;
  std::string sharing_problem;
  boot_clock::time_point look_again_at;  ///< until then another renewal would come to the same
};

class renewal {
 public:
  renewal(renewal_tools const& tools, account const& of, renewal_input const& input)
      : tools_(tools), account_(of), input_(input) {
    result_.latest = input.latest;
  }
  renewal(renewal const&) = delete;
  renewal& operator=(renewal const&) = delete;

  /// Throws only what the clock throws, and std::bad_alloc. Waits for other processes for at most the time-out.
  renewal_result run() {
    using std::chrono::steady_clock;
    steady_clock::time_point const end = steady_clock::now() + tools_.timeout;
    while (!advance()) {
      bool const is_cancelled = tools_.is_cancelled && tools_.is_cancelled();
      if (is_cancelled || steady_clock::now() >= end) {
        result_.failure = std::make_shared<error const>(not_sent(
            error_kind::timed_out, is_cancelled ? "cancelled while another process was requesting the token"
                                                : "another process is still requesting the token: call again"));
        result_.look_again_at = tools_.now();
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return std::move(result_);
  }

  /// One look at the record, and the request if it is allowed now. False if another process is requesting.
  bool advance() {
    load();
    clock_reading const clock = tools_.read_clock();
    record& latest = result_.latest;
    token const usable = usable_token(clock.now);
    if (is_fresh(usable, clock.now) && !input_.for_one_token &&
        !(input_.is_due && usable.value() == input_.latest.cached.value())) {
      latest.clear_failure();
      return finish_with(usable, token_access::data(usable)->renew_at);
    }
    token const fallback = input_.for_one_token ? token() : usable;
    if (stored_.is_leased(clock.now)) {
      return !fallback.empty() && finish_with(fallback, clock.now + std::chrono::seconds(1));
    }
    bool const is_for_us = latest.row != attempt_row::proxy_login_rejected || latest.proxy_login == tools_.proxy_login;
    if (latest.is_backing_off(clock.now) && is_for_us) {
      result_.failure = latest.failure;
      result_.is_earlier = true;
      latest.cached = fallback;
      result_.look_again_at = look_again_at(clock.now);
      return true;
    }
    return attempt(fallback);
  }

  /// Removes the wait from the record, but not the rung. False without a backoff, and within 15 minutes of the last time.
  bool end_backoff() {
    load();
    boot_clock::time_point const now = tools_.now();
    auto end_wait = [now](record& r, bool) {
      bool const was_just_ended =
          r.retried_at != boot_clock::time_point() && now < r.retried_at + std::chrono::minutes(15);
      if (was_just_ended || !r.is_backing_off(now)) {
        return false;
      }
      r.next_attempt_at = now;
      r.retried_at = now;
      return true;
    };
    bool const is_shared = is_store_usable_ && stored_.is_backing_off(now);
    return is_shared ? change_stored(end_wait) == change::stored : end_wait(result_.latest, true);
  }

  renewal_result const& result() const { return result_; }

 private:
  bool finish_with(token const& usable, boot_clock::time_point look_again_at) {
    result_.obtained = usable.value() == input_.latest.cached.value() ? token() : usable;
    result_.latest.cached = usable;
    result_.look_again_at = look_again_at;
    return true;
  }

  /// A backoff is looked at again every second, because others may have ended it.
  boot_clock::time_point look_again_at(boot_clock::time_point now) const {
    boot_clock::time_point const next = result_.latest.next_attempt_at;
    return tools_.store ? (std::min)(next, now + std::chrono::seconds(1)) : next;
  }

  /// Reads the record: `stored_` is what the store holds, `result_.latest` that and what only this process knows.
  void load() {
    stored_ = record();
    is_store_usable_ = false;
    if (!tools_.store) {
      stored_ = result_.latest;
      return;
    }
    try {
      stored_text_ = tools_.store->load(account_.key);
      clock_reading const clock = tools_.read_clock();
      stored_ = read_record(stored_text_.reveal(), clock, tools_.now);
      is_store_usable_ = refused_replaces_ < 3;
      report_sharing(is_store_usable_ ? "" : "the store refused three changes although nobody else had made one");
      if (stored_.is_from_future) {
        replace(stored_);  // once, so that it has this machine's date
      }
      settle_lease(stored_, clock.now, account_.has_password());
      if (stored_.is_leased(clock.now)) {
        refused_replaces_ = 0;
      }
      merge(clock.now);
    } catch (...) {
      report_exception();
    }
  }

  /// Adds to `stored_` the backoff that only this process knows.
  void merge(boot_clock::time_point now) {
    record const known = result_.latest;
    record& latest = result_.latest;
    latest = stored_;
    if (known.is_local && known.is_backing_off(now) && known.next_attempt_at > latest.next_attempt_at) {
      latest.failure = known.failure;
      latest.row = known.row;
      latest.proxy_login = known.proxy_login;
      latest.next_attempt_at = known.next_attempt_at;
      latest.is_local = true;
      latest.history.rung = known.row == attempt_row::not_sent ? stored_.history.rung
                                                               : (std::max)(stored_.history.rung, known.history.rung);
    }
    latest.history.fast_wait =
        (std::max)(stored_.history.fast_wait, known.is_local ? known.history.fast_wait : std::chrono::milliseconds(0));
  }

  /// The stored token, or else the one of this process, unless the API has refused it or it has expired.
  token usable_token(boot_clock::time_point now) const {
    for (record const* const r : {&stored_, &input_.latest}) {
      bool const is_refused = r->cached.value() == input_.refused.value() && !r->is_recent_replacement(now);
      if (is_alive(r->cached, now) && !is_refused) {
        return r->cached;
      }
    }
    return token();
  }

  /// Connects, takes the lease, sends, and shares what came of it. False if another process took the lease first.
  bool attempt(token const& fallback) {
    http_request request = account_.request;
    boot_clock::time_point sent_at = tools_.now();
    bool was_called = false;
    bool has_lease = false;
    request.before_sending = [&] {
      sent_at = tools_.now();
      has_lease = is_store_usable_ && take_lease(sent_at);
      was_called = true;
    };

    attempt_row row = attempt_row::no_verdict;
    std::shared_ptr<error const> failure;
    unsigned proxy_login = 0;
    token granted;
    try {
      granted = read_token_response(tools_.send(request), account_.owner, sent_at, account_.server, tools_.now);
      if (!is_alive(granted, tools_.now())) {
        throw token_error(attempt_row::no_verdict,
                          error(error_kind::invalid_response,
                                account_.server + " takes longer to respond than its tokens live", 200));
      }
    } catch (record_has_changed const&) {
      return false;
    } catch (token_error const& thrown) {
      row = thrown.row();
      failure = std::make_shared<error const>(thrown);
    } catch (proxy_login_rejected const& thrown) {
      row = attempt_row::proxy_login_rejected;
      proxy_login = thrown.login_hash();
      failure = std::make_shared<error const>(thrown);
    } catch (error const& thrown) {
      row = thrown.was_sent() ? attempt_row::no_verdict : attempt_row::not_sent;
      failure = std::make_shared<error const>(thrown);
    } catch (...) {
      failure = tools_.unknown_failure;
      try {
        failure = std::make_shared<error const>(
            error_kind::network, "the transport threw an exception: " + describe(std::current_exception()));
      } catch (std::bad_alloc const&) {
      }
    }
    result_.was_attempted = true;
    result_.was_sent = row != attempt_row::not_sent && row != attempt_row::proxy_login_rejected;
    result_.failure = failure;
    result_.obtained = granted;
    bool const may_share = has_lease || (is_store_usable_ && !was_called);
    if (granted.empty()) {
      share_failure(failure, row, proxy_login, sent_at, may_share);
      result_.latest.cached = is_alive(fallback, tools_.now()) ? fallback : token();
      result_.look_again_at = look_again_at(tools_.now());
    } else {
      share_token(granted, may_share);
      result_.look_again_at = token_access::data(granted)->renew_at;
    }
    return true;
  }

  /// Announces the request to all who share the store. Throws `record_has_changed` if somebody else was faster. False if
  /// the store fails: then the request is sent without a lease.
  bool take_lease(boot_clock::time_point now) {
    record leased = stored_;
    leased.clear_failure();
    leased.history = result_.latest.history;
    leased.has_lease = true;
    leased.lease_started_at = now;
    leased.lease_ends_at = now + tools_.timeout;
    if (!input_.refused.empty() && leased.cached.value() == input_.refused.value()) {
      leased.cached = token();
    }
    bool is_replaced = false;
    try {
      is_replaced = replace(leased);
    } catch (...) {
      report_exception();
      return false;
    }
    if (!is_replaced) {
      ++refused_replaces_;
      throw record_has_changed();
    }
    return true;
  }

  void share_token(token const& granted, bool may_share) {
    boot_clock::time_point const now = tools_.now();
    auto add_token = [&](record& r, bool) {
      r.history = attempt_history();
      r.clear_failure();
      bool const is_later = !is_alive(r.cached, now) || r.cached.value() == input_.refused.value() ||
                            token_access::data(r.cached)->expires_at < token_access::data(granted)->expires_at;
      if (is_later && !input_.for_one_token) {
        r.cached = granted;
        r.replaced_at = input_.refused.empty() ? boot_clock::time_point() : now;
      }
      return true;
    };
    if (!may_share || change_stored(add_token) != change::stored) {
      result_.latest.has_lease = false;
      add_token(result_.latest, true);
    }
    result_.latest.cached = granted;
  }

  void share_failure(std::shared_ptr<error const> const& failure, attempt_row row, unsigned proxy_login,
                     boot_clock::time_point sent_at, bool may_share) {
    boot_clock::time_point const now = tools_.now();
    attempt_rule const rule = rule_of(row, account_.has_password());
    auto add_failure = [&](record& r) {
      next_attempt const next = after_failure(rule, r.history, failure->retry_after(), jitter(now));
      r.history = next.history;
      r.failure = failure;
      r.row = row;
      r.proxy_login = proxy_login;
      r.next_attempt_at = (std::max)(now, (rule.is_on_ladder ? sent_at : now) + next.wait);
      r.is_local = false;
    };
    bool const had_lease = stored_.has_lease;
    bool const has_lease_ended = had_lease && now >= stored_.lease_ends_at;
    attempt_history const before = result_.latest.history;
    change shared = change::failed;
    if (may_share && (rule.is_shared || had_lease)) {
      shared = change_stored([&](record& r, bool is_first) {
        if (!is_first && (has_lease_ended || !rule.is_shared)) {
          return false;  // somebody else has counted the ended lease, or removed it
        }
        if (rule.is_shared) {
          add_failure(r);  // while somebody else's lease is running, only the rung is written
        }
        return true;
      });
    }
    bool const is_settled = rule.is_shared && shared != change::failed;
    if (!is_settled) {
      result_.latest.has_lease = false;
      result_.latest.history = before;
      add_failure(result_.latest);
      result_.latest.is_local = tools_.store != nullptr;
    }
  }

  enum class change { stored, dropped, failed };

  /// Stores the record changed by `apply(record&, is_first)`, without the lease that this renewal took. If somebody else
  /// was faster, `apply` is called again with what is stored then, and may return false to change nothing.
  /// `result_.latest` becomes what is stored.
  template <typename Apply>
  change change_stored(Apply apply) noexcept {
    try {
      for (int tries = 0; tries < 10; ++tries) {
        record changed = stored_;
        changed.has_lease = changed.has_lease && tries > 0;
        if (!apply(changed, tries == 0)) {
          result_.latest = stored_;
          return change::dropped;
        }
        if (replace(changed)) {
          result_.latest = changed;
          return change::stored;
        }
        stored_text_ = tools_.store->load(account_.key);
        clock_reading const clock = tools_.read_clock();
        stored_ = read_record(stored_text_.reveal(), clock, tools_.now);
        settle_lease(stored_, clock.now, account_.has_password());
      }
      report_sharing("the store refused ten changes in a row");
    } catch (...) {
      report_exception();
    }
    return change::failed;
  }

  /// Kept for longer than the longest backoff: if the rung were forgotten, the ladder would start again.
  bool replace(record const& changed) {
    using std::chrono::hours;
    clock_reading const clock = tools_.read_clock();
    secret const text = write_record(changed, clock);
    std::chrono::seconds const life = is_alive(changed.cached, clock.now)
                                          ? round_up(token_access::data(changed.cached)->expires_at - clock.now)
                                          : std::chrono::seconds(0);
    bool const is_replaced = tools_.store->replace(account_.key, stored_text_, text, life + hours(72));
    if (is_replaced) {
      stored_text_ = text;
      stored_ = changed;
    }
    return is_replaced;
  }

  void report_sharing(std::string const& problem) {
    result_.is_shared = problem.empty();
    result_.sharing_problem = problem;
  }
  /// The exception that is being handled. Memory may be short, but a result must not be lost for that.
  void report_exception() noexcept {
    result_.is_shared = false;
    try {
      report_sharing(describe(std::current_exception()));
    } catch (...) {
    }
  }

  renewal_tools const& tools_;
  account const& account_;
  renewal_input const& input_;
  renewal_result result_;
  secret stored_text_;
  record stored_;
  bool is_store_usable_ = false;
  int refused_replaces_ = 0;
};

/// A new token, or the failure with the time of the next attempt if there is a store to enforce it.
inline token request_one_token(renewal_tools const& tools, account const& of) {
  renewal_input input;
  input.for_one_token = true;
  renewal_result const result = renewal(tools, of, input).run();
  if (result.obtained.empty()) {
    boot_clock::time_point const next = tools.store ? result.latest.next_attempt_at : boot_clock::time_point();
    throw with_next_attempt(*result.failure, next, tools.read_clock(), result.is_earlier);
  }
  return result.obtained;
}

}  // namespace detail
}  // namespace v1_0
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_DETAIL_CACHE_RENEWAL_HPP
