// SPDX-License-Identifier: MIT
// What a cache knows, in memory and as the text that processes share.

#ifndef CIBMTR_AUTH_DETAIL_SHARING_RECORD_HPP
#define CIBMTR_AUTH_DETAIL_SHARING_RECORD_HPP

#include <cmath>
#include <ctime>
#include <random>

#include <cibmtr_auth/detail/encoding/json_object.hpp>
#include <cibmtr_auth/detail/oauth/attempts.hpp>
#include <cibmtr_auth/token.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// The same moment by this process's clock and in Unix time, which all who share a record can read.
struct clock_reading {
  boot_clock::time_point now;
  std::int64_t unix_ms;
};

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

/// The token until it expires, the ladder's rung, and either the last failure or a lease. Times are those of this
/// process's clock; the epoch stands for "never".
struct record {
  std::string id;  ///< of the last lease, 128 random bits: distinguishes leases, and records that are equal otherwise
  token cached;
  boot_clock::time_point replaced_at;  ///< when `cached` replaced a token that the API rejected
  attempt_history history;
  boot_clock::time_point retried_at;  ///< the last `retry_now`

  std::shared_ptr<error const> failure;  ///< null for none
  attempt_row row = attempt_row::not_sent;
  boot_clock::time_point next_attempt_at;
  unsigned proxy_login = 0;  ///< which one was rejected, for the row `proxy_login_rejected`
  bool is_local = false;     ///< the failure is not in the store, but only in this process
  int local_rung = 0;        ///< counted while the store failed

  bool has_lease = false;
  boot_clock::time_point lease_started_at;
  boot_clock::time_point lease_ends_at;

  bool is_from_future = false;  ///< written by a clock that is far ahead of this one

  void clear_failure() {
    failure = nullptr;
    next_attempt_at = boot_clock::time_point();
    is_local = false;
  }
  bool is_backing_off(boot_clock::time_point now) const { return failure && now < next_attempt_at; }
  /// For 30 s a replacement is not itself replaced: an API that rejects every token must not cause endless requests.
  bool is_recent_replacement(boot_clock::time_point now) const {
    return replaced_at != boot_clock::time_point() && now < replaced_at + std::chrono::seconds(30);
  }

  /// A lease that ended without a result: its process was killed or stopped, or finishes late. The request may have
  /// been sent, so it counts as `no_verdict`.
  void settle_lease(boot_clock::time_point now, bool has_password) {
    if (!has_lease || now < lease_ends_at) {
      return;
    }
    attempt_rule const rule = rule_of(attempt_row::no_verdict, has_password);
    next_attempt const next = after_failure(rule, history, std::chrono::seconds(0), 1);
    has_lease = false;
    history = next.history;
    row = attempt_row::no_verdict;
    failure = std::make_shared<error const>(not_sent(
        error_kind::timed_out, "an earlier token request ended without a result: its process was stopped, or hangs"));
    next_attempt_at =
        rule.is_on_ladder ? (std::max)(lease_ends_at, lease_started_at + next.wait) : lease_ends_at + next.wait;
  }

  /// Adds what only `known` has, because the store failed or nothing was sent: the rung, and the backoff if it ends
  /// later.
  void add_local(record const& known, boot_clock::time_point now) {
    local_rung = known.local_rung;
    history.rung = (std::max)(history.rung, local_rung);
    retried_at = (std::max)(retried_at, known.retried_at);
    if (!known.is_local) {
      return;
    }
    history.fast_wait = (std::max)(history.fast_wait, known.history.fast_wait);
    bool const awaits_lease = has_lease && known.row == attempt_row::not_sent;
    if (!awaits_lease && known.is_backing_off(now) && known.next_attempt_at > next_attempt_at) {
      failure = known.failure;
      row = known.row;
      proxy_login = known.proxy_login;
      next_attempt_at = known.next_attempt_at;
      is_local = true;
    }
  }
};

inline std::string json_quote(std::string const& text) { return picojson::value(text).serialize(); }

inline std::string random_id() {
  std::random_device source;
  std::string id;
  while (id.size() < 32) {
    std::random_device::result_type bits = source();
    for (int digit = 0; digit < 8; ++digit) {
      id += "0123456789abcdef"[bits % 16];
      bits /= 16;
    }
  }
  return id;
}

/// The text of a record, as one JSON object. Every time is a Unix time in ms. A time that others wait for or trust is
/// stored with the duration that was left when the record was written. The token is the only secret in it.
inline secret write_record(record const& r, clock_reading const& clock) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  std::string text = "{\"id\":" + json_quote(r.id.empty() ? random_id() : r.id);
  auto add = [&text](char const* name, std::string const& value) {
    text.append(",\"").append(name).append("\":").append(value);
  };
  auto left = [&clock](boot_clock::time_point time) { return duration_cast<milliseconds>(time - clock.now).count(); };
  auto add_time = [&](char const* name, boot_clock::time_point time) {
    if (time != boot_clock::time_point()) {
      add(name, std::to_string(clock.unix_ms + left(time)));
    }
  };
  auto add_left = [&](char const* name, boot_clock::time_point time) {
    add(name, std::to_string((std::max<long long>)(0, left(time))));
  };
  add("written_at", std::to_string(clock.unix_ms));
  add("rung", std::to_string(r.history.rung));
  add("fast_wait", std::to_string(r.history.fast_wait.count()));
  add_time("retried_at", r.retried_at);
  if (r.has_lease) {
    add_time("lease_started_at", r.lease_started_at);
    add_time("lease_ends_at", r.lease_ends_at);
    add_left("lease_ends_in", r.lease_ends_at);
  } else if (r.failure) {
    add("row", std::to_string(static_cast<int>(r.row)));
    add("proxy_login", std::to_string(r.proxy_login));
    add_time("next_attempt_at", r.next_attempt_at);
    add_left("next_attempt_in", r.next_attempt_at);
    add("kind", json_quote(to_string(r.failure->kind())));
    add("http_status", std::to_string(r.failure->http_status()));
    add("oauth_error", json_quote(r.failure->oauth_error().substr(0, 200)));
    add("message", json_quote(std::string(r.failure->what()).substr(0, 4000)));
  }
  if (is_alive(r.cached, clock.now)) {
    token_data const& data = *token_access::data(r.cached);
    add("lifetime", std::to_string(duration_cast<milliseconds>(data.expires_at - data.obtained_at).count()));
    add_time("expires_at", data.expires_at);
    add_left("expires_in", data.expires_at);
    add_time("replaced_at", r.replaced_at);
    add("scope", json_quote(data.scope));
    text.reserve(text.size() + data.value.reveal().size() + 32);  // growing later would leave a copy of the token
    text.append(",\"access_token\":\"").append(data.value.reveal()).append("\"");
  }
  text += "}\n";
  return secret(std::move(text));
}

/// Reads the members of a record's text, each limited to a value that does no harm, whatever was written there.
class record_reader {
 public:
  record_reader(json_object const& object, clock_reading const& clock) : object_(object), clock_(clock) {}

  bool has(char const* name) const { return object_.find(name) != nullptr; }
  std::string text(char const* name) const {
    std::string const* const found = object_.string_member(name);
    return found ? *found : std::string();
  }
  /// From 0 to `max`.
  std::int64_t number(char const* name, std::int64_t max) const {
    json_member const* const member = object_.find(name);
    double const value = member && member->type == json_type::number ? member->number : 0;
    return value >= 1 ? static_cast<std::int64_t>((std::min)(value, static_cast<double>(max))) : 0;
  }
  /// How far a time is in the future; negative if it is past.
  std::int64_t ms_until(char const* name) const { return number(name, max_unix_ms) - clock_.unix_ms; }
  /// A time in the past: "never" if it is missing, now if it seems to be in the future.
  boot_clock::time_point past_time(char const* name) const {
    return has(name) ? clock_.now + std::chrono::milliseconds((std::min)(std::int64_t{0}, ms_until(name)))
                     : boot_clock::time_point();
  }
  /// A time to wait for or to trust: no further ahead than the duration beside it, and that at most `max` ms.
  boot_clock::time_point future_time(char const* at, char const* in, std::int64_t max) const {
    return clock_.now + std::chrono::milliseconds((std::min)(ms_until(at), number(in, max)));
  }

 private:
  static constexpr std::int64_t max_unix_ms = 253402300799999;  // the end of the year 9999

  json_object const& object_;
  clock_reading const& clock_;
};

/// An empty record for a text that is not a record. A reader never waits longer and never trusts a token longer than
/// the duration that was written, counted by its own clock. A record from the future loses its token: its age cannot be
/// known.
inline record read_record(std::string const& text, clock_reading const& clock, clock_function const& clock_of_tokens) {
  constexpr std::int64_t day_ms = 86400 * 1000;
  constexpr std::int64_t five_minutes_ms = 5 * 60 * 1000;
  record r;
  json_object object;
  if (!object.read(text)) {
    return r;
  }
  record_reader const from(object, clock);
  r.is_from_future = from.ms_until("written_at") > five_minutes_ms;
  r.id = from.text("id");
  r.history.rung = static_cast<int>(from.number("rung", 1000));
  r.history.fast_wait = std::chrono::milliseconds(from.number("fast_wait", five_minutes_ms));
  r.retried_at = from.past_time("retried_at");

  secret const value = from.text("access_token");
  if (!r.is_from_future && is_b64token(value.reveal())) {
    boot_clock::time_point const expires_at = from.future_time("expires_at", "expires_in", 366 * day_ms);
    std::chrono::milliseconds const lifetime(from.number("lifetime", 366 * day_ms));
    r.cached = token_access::make(value, from.text("scope"), expires_at - lifetime, expires_at, clock_of_tokens);
    r.replaced_at = from.past_time("replaced_at");
  }

  r.has_lease = from.has("lease_ends_at");
  if (r.has_lease) {
    r.lease_ends_at = from.future_time("lease_ends_at", "lease_ends_in", 2 * day_ms);
    r.lease_started_at = (std::min)(from.past_time("lease_started_at"), r.lease_ends_at);
  }
  std::string const kind = from.text("kind");
  for (error_kind known :
       {error_kind::configuration, error_kind::rejected, error_kind::rate_limited, error_kind::unavailable,
        error_kind::network, error_kind::tls, error_kind::timed_out, error_kind::invalid_response}) {
    if (kind == to_string(known)) {
      r.failure =
          std::make_shared<error const>(known, from.text("message"), static_cast<int>(from.number("http_status", 999)),
                                        from.text("oauth_error"), std::chrono::seconds(0), false);
      r.row = static_cast<attempt_row>((std::max)(std::int64_t{1}, from.number("row", 7)));
      r.proxy_login = static_cast<unsigned>(from.number("proxy_login", 0xFFFF));
      r.next_attempt_at = from.future_time("next_attempt_at", "next_attempt_in", 2 * day_ms);
    }
  }
  return r;
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_SHARING_RECORD_HPP
