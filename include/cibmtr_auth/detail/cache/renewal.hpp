// SPDX-License-Identifier: MIT
// One renewal: agree with the other processes on who sends the request, send it, and share the result.

#ifndef CIBMTR_AUTH_DETAIL_CACHE_RENEWAL_HPP
#define CIBMTR_AUTH_DETAIL_CACHE_RENEWAL_HPP

#include <exception>
#include <new>
#include <thread>

#include <cibmtr_auth/detail/oauth/token_response.hpp>
#include <cibmtr_auth/detail/sharing/fingerprint.hpp>
#include <cibmtr_auth/detail/sharing/record.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

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

/// The proxy login of a transport that is not ours: it is not known.
constexpr unsigned unknown_proxy_login = 0x10000;

/// What every renewal of a cache uses.
struct renewal_tools {
  transport send;
  std::shared_ptr<token_store> store;  ///< null for none
  clock_function clock;                ///< empty: `boot_clock`
  std::chrono::milliseconds timeout;
  std::function<bool()> is_cancelled;
  unsigned proxy_login = unknown_proxy_login;  ///< a hash of the login in use; 0 for none
  std::shared_ptr<error const> unknown_failure =
      std::make_shared<error const>(error_kind::network, "the transport threw an exception");  ///< if memory is short

  boot_clock::time_point now() const { return clock ? clock() : boot_clock::now(); }
  /// With a fake clock records hold fake Unix times, so that a test never mixes real and fake time.
  clock_reading read_clock() const {
    boot_clock::time_point const reading = now();
    auto const unix_time =
        clock ? reading.time_since_epoch() : boot_clock::duration(std::chrono::system_clock::now().time_since_epoch());
    return {reading, std::chrono::duration_cast<std::chrono::milliseconds>(unix_time).count()};
  }
};

/// Thrown by `before_sending`, through the transport, if another process was faster. Nothing has been sent.
struct CIBMTR_AUTH_DETAIL_EXCEPTION record_has_changed {};

/// A number from 0 to 1 that differs from one nanosecond to the next.
inline double jitter(boot_clock::time_point now) {
  std::uint64_t const bits = mix(static_cast<std::uint64_t>(now.time_since_epoch().count()) + 0x9E3779B97F4A7C15U);
  return static_cast<double>(bits >> 32U) / 4294967296.0;
}

/// `what()` of the exception that is being handled.
inline std::string describe_exception() {
  try {
    throw;
  } catch (std::exception const& thrown) {
    return thrown.what();
  } catch (...) {
    return "an exception that is not a std::exception";
  }
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
  return error(failure.kind(), message, failure.http_status(), failure.oauth_error(),
               next_attempt_at == boot_clock::time_point() ? failure.retry_after() : wait, false);
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
  bool was_attempted = false;
  bool was_sent = false;
  bool was_stored = false;  ///< the store took a change
  std::string sharing_problem;
  boot_clock::time_point look_again_at;  ///< until then another renewal would have the same result

  bool is_earlier_failure() const { return !was_attempted && failure && failure == latest.failure; }
};

class renewal {
 public:
  renewal(renewal_tools const& tools, account const& of, renewal_input const& input)
      : tools_(tools), account_(of), input_(input) {
    result_.latest = input.latest;
  }
  renewal(renewal const&) = delete;
  renewal& operator=(renewal const&) = delete;

  /// Waits for other processes for at most the time-out. Throws only what the program's clock and `is_cancelled` throw,
  /// and std::bad_alloc before anything was sent.
  renewal_result run() {
    using std::chrono::steady_clock;
    steady_clock::time_point const end = steady_clock::now() + tools_.timeout;
    while (!advance()) {
      bool const is_cancelled = tools_.is_cancelled && tools_.is_cancelled();
      if (is_cancelled || steady_clock::now() >= end) {
        result_.failure = std::make_shared<error const>(not_sent(
            error_kind::timed_out, is_cancelled ? "cancelled while another process was requesting the token"
                                                : "another process is still requesting the token: call again"));
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return std::move(result_);
  }

  /// Looks at the record once, and makes the request if it is allowed now. False if another process is requesting.
  bool advance() {
    load();
    boot_clock::time_point const now = tools_.now();
    token const usable = usable_token(now);
    bool const is_due = input_.is_due && usable.value() == input_.latest.cached.value();
    if (is_fresh(usable, now) && !is_due && !input_.for_one_token) {
      latest_.clear_failure();
      latest_.local_rung = 0;
      return finish_with(usable, token_access::data(usable)->renew_at);
    }
    token const fallback = input_.for_one_token ? token() : usable;
    bool const is_for_us = latest_.row != attempt_row::proxy_login_rejected ||
                           latest_.proxy_login == tools_.proxy_login || tools_.proxy_login == unknown_proxy_login;
    if (latest_.is_backing_off(now) && is_for_us) {
      result_.failure = latest_.failure;
      return finish_with(fallback, end_of_backoff(now));
    }
    if (latest_.has_lease) {
      latest_.cached = fallback;
      return !fallback.empty() && finish_with(fallback, now + std::chrono::seconds(1));
    }
    return attempt(fallback);
  }

  /// Removes the wait from the record, but not the rung. False without a backoff, and within 15 minutes of the last
  /// time.
  bool end_backoff() {
    load();
    boot_clock::time_point const now = tools_.now();
    auto end_wait = [now](record& r, bool) {
      bool const was_just_ended =
          r.retried_at != boot_clock::time_point() && now < r.retried_at + std::chrono::minutes(15);
      if (was_just_ended || !r.is_backing_off(now)) {
        return false;
      }
      r.next_attempt_at = r.retried_at = now;
      return true;
    };
    bool const is_stored = is_store_usable_ && !latest_.is_local;
    return is_stored ? change_stored(end_wait) == change::stored : end_wait(latest_, true);
  }

  renewal_result const& result() const { return result_; }

 private:
  enum class change { stored, dropped, failed };

  bool finish_with(token const& usable, boot_clock::time_point look_again_at) {
    bool const is_new = usable.value() != input_.latest.cached.value() && !result_.failure;
    result_.obtained = is_new ? usable : token();
    latest_.cached = usable;
    result_.look_again_at = look_again_at;
    return true;
  }

  /// A backoff is checked again every second, because others may have ended it.
  boot_clock::time_point end_of_backoff(boot_clock::time_point now) const {
    return tools_.store ? (std::min)(latest_.next_attempt_at, now + std::chrono::seconds(1)) : latest_.next_attempt_at;
  }

  /// The stored token, or else the one of this process, unless the API has refused it or it has expired.
  token usable_token(boot_clock::time_point now) const {
    for (record const* const r : {static_cast<record const*>(&latest_), &input_.latest}) {
      bool const is_refused = r->cached.value() == input_.refused.value() && !r->is_recent_replacement(now);
      if (is_alive(r->cached, now) && !is_refused) {
        return r->cached;
      }
    }
    return token();
  }

  /// Loads what is in the store. A backoff that only this process knows is added if it ends later. A store that cannot be
  /// read ends neither a backoff nor a lease.
  void load() {
    record const known = latest_;
    is_store_usable_ = tools_.store && use_store([&] {
                         secret const before = text_;
                         boot_clock::time_point const now = read_store();
                         refused_replaces_ = text_.reveal() == before.reveal() ? refused_replaces_ : 0;
                         latest_.add_local(known, now);
                       });
    if (!is_store_usable_) {
      latest_ = known;
      latest_.settle_lease(tools_.now(), account_.has_password());
    } else if (refused_replaces_ == 3) {
      is_store_usable_ = false;
      result_.sharing_problem = "the store rejected three changes although nobody else had made one";
    }
  }

  boot_clock::time_point read_store() {
    text_ = tools_.store->load(account_.key);
    clock_reading const clock = tools_.read_clock();
    latest_ = read_record(text_.reveal(), clock, tools_.clock);
    if (latest_.is_from_future) {
      use_store([&] { replace(latest_); });  // written again, once, with this machine's date
    }
    latest_.settle_lease(clock.now, account_.has_password());
    return clock.now;
  }

  /// Kept for longer than the longest backoff: if the rung were forgotten, the ladder would start again.
  bool replace(record const& changed) {
    clock_reading const clock = tools_.read_clock();
    secret const text = write_record(changed, clock);
    boot_clock::time_point const expires_at =
        changed.cached.empty() ? clock.now : token_access::data(changed.cached)->expires_at;
    bool const is_replaced =
        tools_.store->replace(account_.key, text_, text, round_up(expires_at - clock.now) + std::chrono::hours(72));
    if (is_replaced) {
      text_ = text;
      latest_ = changed;
      result_.was_stored = true;
    }
    return is_replaced;
  }

  /// False if the store failed; the reason is then reported. Lack of memory must not lose a result.
  template <typename Use>
  bool use_store(Use use) noexcept {
    try {
      result_.sharing_problem.clear();
      use();
      return true;
    } catch (...) {
      try {
        result_.sharing_problem = describe_exception();
      } catch (...) {
      }
      return false;
    }
  }

  /// Stores the record changed by `apply(record&, is_expected)`, without the lease that this renewal took. If another
  /// process was faster, `apply` is called again with the record that is stored by then, and may return false to change
  /// nothing. `is_expected` is true if no other process was faster, or if our lease is still in the record.
  template <typename Apply>
  change change_stored(Apply apply) noexcept {
    change outcome = change::failed;
    use_store([&] {
      for (int tries = 0; tries < 10 && outcome == change::failed; ++tries) {
        if (tries > 0) {
          read_store();
        }
        record changed = latest_;
        bool const has_our_lease = changed.has_lease && changed.id == lease_id_ && !lease_id_.empty();
        changed.has_lease = changed.has_lease && !has_our_lease;
        if (!apply(changed, tries == 0 || has_our_lease)) {
          outcome = change::dropped;
        } else if (replace(changed)) {
          outcome = change::stored;
        }
      }
      if (outcome == change::failed) {
        result_.sharing_problem = "the store rejected ten changes in a row";
      }
    });
    return outcome;
  }

  /// Announces the request to all who share the store. False if the store fails: then it is sent without a lease.
  bool take_lease(boot_clock::time_point now) {
    record leased = latest_;
    leased.clear_failure();
    leased.has_lease = true;
    leased.lease_started_at = now;
    leased.lease_ends_at = now + tools_.timeout;
    if (!input_.refused.empty() && leased.cached.value() == input_.refused.value()) {
      leased.cached = token();
    }
    bool is_replaced = false;
    bool const is_stored = use_store([&] {
      leased.id = lease_id_ = random_id();
      is_replaced = replace(leased);
    });
    if (!is_stored) {
      return false;
    }
    if (!is_replaced) {
      ++refused_replaces_;
      throw record_has_changed();
    }
    return true;
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
    unsigned proxy_login = 0;
    token received;
    std::shared_ptr<error const> failure;
    try {
      http_response response = tools_.send(request);
      received = read_token_response(std::move(response), account_.owner, sent_at, account_.server, tools_.clock);
      if (!is_alive(received, tools_.now())) {
        throw error(error_kind::invalid_response, account_.server + " takes longer to respond than its tokens last",
                    200);
      }
    } catch (record_has_changed const&) {
      latest_.cached = fallback;
      return false;
    } catch (token_error const& thrown) {
      row = thrown.row();
      failure = copy_of(thrown);
    } catch (proxy_login_rejected const& thrown) {
      row = attempt_row::proxy_login_rejected;
      proxy_login = thrown.login_hash();
      failure = copy_of(thrown);
    } catch (error const& thrown) {
      row = thrown.was_sent() ? attempt_row::no_verdict : attempt_row::not_sent;
      failure = copy_of(thrown);
    } catch (...) {
      failure = tools_.unknown_failure;
      try {
        failure = std::make_shared<error const>(error_kind::network,
                                                "the transport threw an exception: " + describe_exception());
      } catch (std::bad_alloc const&) {
      }
    }
    result_.was_attempted = true;
    result_.was_sent = row != attempt_row::not_sent && row != attempt_row::proxy_login_rejected;
    result_.failure = failure;
    bool const may_share = has_lease || (is_store_usable_ && !was_called);
    boot_clock::time_point const now = tools_.now();
    if (failure) {
      share_failure(row, proxy_login, sent_at, may_share);
      finish_with(is_alive(fallback, now) ? fallback : token(), end_of_backoff(now));
    } else {
      share_token(received, may_share);
      finish_with(received, token_access::data(received)->renew_at);
    }
    return true;
  }

  /// Lack of memory must not hide that an attempt failed.
  std::shared_ptr<error const> copy_of(error const& failure) const noexcept {
    try {
      return std::make_shared<error const>(failure);
    } catch (std::bad_alloc const&) {
      return tools_.unknown_failure;
    }
  }

  void share_token(token const& received, bool may_share) {
    boot_clock::time_point const now = tools_.now();
    auto add_token = [&](record& r, bool) {
      r.history = attempt_history();
      r.local_rung = 0;
      r.clear_failure();
      bool const is_later = !is_alive(r.cached, now) || r.cached.value() == input_.refused.value() ||
                            token_access::data(r.cached)->expires_at < token_access::data(received)->expires_at;
      if (is_later && !input_.for_one_token) {
        r.cached = received;
        r.replaced_at = input_.refused.empty() ? boot_clock::time_point() : now;
      }
      return true;
    };
    if (!may_share || change_stored(add_token) != change::stored) {
      latest_.has_lease = false;
      add_token(latest_, true);
    }
  }

  void share_failure(attempt_row row, unsigned proxy_login, boot_clock::time_point sent_at, bool may_share) {
    boot_clock::time_point const now = tools_.now();
    attempt_rule const rule = rule_of(row, account_.has_password());
    auto add_failure = [&](record& r) {
      next_attempt const next = after_failure(rule, r.history, result_.failure->retry_after(), jitter(now));
      r.history = next.history;
      r.failure = result_.failure;
      r.row = row;
      r.proxy_login = proxy_login;
      r.next_attempt_at = (std::max)(now, (rule.is_on_ladder ? sent_at : now) + next.wait);
      r.is_local = false;
    };
    bool const had_lease = latest_.has_lease;
    bool const has_lease_ended = had_lease && now >= latest_.lease_ends_at;
    change shared = change::failed;
    if (may_share && (rule.is_shared || had_lease)) {
      shared = change_stored([&](record& r, bool is_expected) {
        if (!is_expected && (has_lease_ended || !rule.is_shared)) {
          return false;  // somebody else has counted the ended lease, or removed it
        }
        record const others = r;
        if (rule.is_shared) {
          add_failure(r);  // if somebody else's lease is running, only the rung is written
          r.local_rung = 0;
        }
        // A backoff for everybody must not become shorter, nor become one only for users of this proxy login.
        bool const is_theirs_for_all = others.is_backing_off(now) && others.row != attempt_row::proxy_login_rejected;
        return is_expected || !is_theirs_for_all ||
               (row != attempt_row::proxy_login_rejected && r.next_attempt_at >= others.next_attempt_at);
      });
    }
    if (!rule.is_shared || shared == change::failed) {
      latest_.has_lease = false;
      add_failure(latest_);
      latest_.is_local = tools_.store != nullptr;
      latest_.local_rung = row == attempt_row::not_sent ? latest_.local_rung : latest_.history.rung;
    }
  }

  renewal_tools const& tools_;
  account const& account_;
  renewal_input const& input_;
  renewal_result result_;
  record& latest_ = result_.latest;
  secret text_;           ///< what the store held when it was last read or written
  std::string lease_id_;  ///< empty without a lease
  bool is_store_usable_ = false;
  int refused_replaces_ = 0;  ///< in a row, although the record did not change
};

/// A new token, or the failure with the time of the next attempt. Without a store the time is only what the server
/// asked for, because nothing else enforces one.
inline token request_one_token(renewal_tools const& tools, account const& of) {
  renewal_input input;
  input.for_one_token = true;
  renewal_result const result = renewal(tools, of, input).run();
  if (result.obtained.empty()) {
    boot_clock::time_point const next = tools.store ? result.latest.next_attempt_at : boot_clock::time_point();
    throw with_next_attempt(*result.failure, next, tools.read_clock(), result.is_earlier_failure());
  }
  return result.obtained;
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_CACHE_RENEWAL_HPP
