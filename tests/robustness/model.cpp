// SPDX-License-Identifier: MIT
// Random sequences of events, for two caches over one store and for a model of what is promised.
// CIBMTR_AUTH_MODEL_SEED repeats a run, CIBMTR_AUTH_MODEL_SEQUENCES sets its length.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/token_server.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using time_point = boot_clock::time_point;

namespace {

time_point const never{};

time_point expiry(token const& t) { return detail::token_access::data(t)->expires_at; }
time_point renewal_time(token const& t) { return t.empty() ? never : detail::token_access::data(t)->renew_at; }
bool is_alive(token const& t, time_point now) { return !t.empty() && now < expiry(t); }
seconds rounded_up(nanoseconds duration) {
  return std::chrono::duration_cast<seconds>((std::max)(duration, nanoseconds(0)) + seconds(1) - nanoseconds(1));
}
/// As a record holds times.
time_point in_whole_ms(time_point time) {
  return time_point(std::chrono::duration_cast<milliseconds>(time.time_since_epoch()));
}

/// What a token server, or the way to it, may do with a request.
enum class behaviour {
  grants,
  cannot_be_reached,
  breaks_before_sending,  ///< after it was announced
  proxy_rejects_login,
  is_unavailable,
  limits_rate,
  gateway_responds,
  does_not_respond,
  redirects,
  times_out_behind_gateway,
  throws_something,
  rejects_without_code,
  rejects
};
constexpr std::size_t behaviours = 13;

/// A row of the table of attempts.
struct promise {
  char const* name;
  error_kind kind;
  int first_rung;  ///< 0 for fast
  bool is_shared;
  bool was_sent;
};

promise promise_of(behaviour b, bool has_account) {
  int const first = has_account ? 1 : 0;
  switch (b) {
    case behaviour::cannot_be_reached: return {"cannot be reached", error_kind::network, 0, false, false};
    case behaviour::breaks_before_sending: return {"breaks before sending", error_kind::tls, 0, false, false};
    case behaviour::proxy_rejects_login: return {"proxy rejects login", error_kind::network, 1, true, false};
    case behaviour::is_unavailable: return {"is unavailable", error_kind::unavailable, 0, true, true};
    case behaviour::limits_rate: return {"limits the rate", error_kind::rate_limited, 0, true, true};
    case behaviour::gateway_responds: return {"gateway responds", error_kind::unavailable, 0, true, true};
    case behaviour::does_not_respond: return {"does not respond", error_kind::timed_out, first, true, true};
    case behaviour::redirects: return {"redirects", error_kind::invalid_response, first, true, true};
    case behaviour::times_out_behind_gateway: return {"gateway times out", error_kind::unavailable, first, true, true};
    case behaviour::throws_something: return {"throws an int", error_kind::network, first, true, true};
    case behaviour::rejects_without_code:
      return {"rejects without a code", has_account ? error_kind::rejected : error_kind::unavailable, first, true,
              true};
    case behaviour::rejects: return {"rejects", error_kind::rejected, 4, true, true};
    case behaviour::grants: break;
  }
  return {"grants", error_kind::invalid_response, first, true, true};  // if the token has expired when it arrives
}

/// What a record or a process knows.
struct memory {
  token cached;
  time_point replaced_at;
  time_point retried_at;
  int rung = 0;
  int local_rung = 0;
  seconds fast_wait{0};
  bool has_failure = false;
  bool is_local = false;
  error_kind kind = error_kind::network;
  time_point next;

  bool is_backing_off(time_point now) const { return has_failure && now < next; }
  bool is_recent_replacement(time_point now) const { return replaced_at != never && now < replaced_at + seconds(30); }
  bool may_serve(std::string const& refused, time_point now) const {
    return is_alive(cached, now) && (cached.value() != refused || is_recent_replacement(now));
  }
  void clear_failure() {
    has_failure = is_local = false;
    next = never;
  }
};

/// Of a `get()`: either a token or a kind of failure; and the events.
struct outcome {
  token found;
  error_kind kind = error_kind::configuration;
  seconds retry_after{0};
  std::string events;

  bool operator==(outcome const& other) const {
    bool const is_same_failure = kind == other.kind && retry_after == other.retry_after;
    return found.value() == other.found.value() && events == other.events && (!found.empty() || is_same_failure);
  }
  std::string text() const {
    std::string const result =
        found.empty() ? to_string(kind) + " for " + std::to_string(retry_after.count()) + " s" : found.value();
    return result + " [" + events + "]";
  }
};

/// What one process remembers, and a crash wipes out.
struct process {
  std::size_t account = 0;
  memory known;
  std::string refused;  ///< by the API
  bool is_due = false;  ///< because the credentials changed
  time_point looks_again_at;
  bool has_error = false;
  error_kind last_kind = error_kind::network;
  bool has_problem = false;
  std::uint64_t gets = 0, hits = 0, requests = 0, failures = 0;
};

enum class store_state { works, cannot_be_read, cannot_be_written };

/// One `get()` that looks at the store.
struct look {
  memory seen;
  token usable;
  std::string refused;  ///< when it began
  token cached;         ///< when it began
  bool is_readable = false;
  bool was_stored = false;
  bool has_problem = false;
};

/// The promises of DESIGN.md and of the comments in the headers, for processes that take turns.
struct reference {
  bool has_account = true;
  time_point now;
  store_state store = store_state::works;
  memory records[2];

  // What the store knows, and what only this process knows.
  memory seen_by(process const& p, bool& is_readable) const {
    is_readable = store != store_state::cannot_be_read;
    if (!is_readable) {
      return p.known;
    }
    memory seen = records[p.account];
    seen.local_rung = p.known.local_rung;
    seen.rung = (std::max)(seen.rung, seen.local_rung);
    seen.retried_at = (std::max)(seen.retried_at, p.known.retried_at);
    if (p.known.is_local) {
      seen.fast_wait = (std::max)(seen.fast_wait, p.known.fast_wait);
      if (p.known.is_backing_off(now) && p.known.next > seen.next) {
        seen.has_failure = seen.is_local = true;
        seen.kind = p.known.kind;
        seen.next = p.known.next;
      }
    }
    return seen;
  }
  void write(std::size_t account, memory const& changed) {
    memory& record = records[account];
    record = changed;
    record.next = in_whole_ms(changed.next);
    record.is_local = false;
    record.local_rung = 0;
    if (!is_alive(record.cached, now)) {
      record.cached = token();
      record.replaced_at = never;
    }
  }

  bool serves_at_once(process const& p) const {
    bool const rests = now < p.looks_again_at;
    return rests ? is_alive(p.known.cached, now)
                 : !p.is_due && is_alive(p.known.cached, now) && now < renewal_time(p.known.cached);
  }
  bool fails_at_once(process const& p) const {
    return !serves_at_once(p) && now < p.looks_again_at && p.known.is_backing_off(now);
  }
  look look_at_store(process const& p) const {
    look l;
    l.seen = seen_by(p, l.is_readable);
    l.has_problem = !l.is_readable;
    l.refused = p.refused;
    l.cached = p.known.cached;
    l.usable = l.seen.may_serve(p.refused, now)    ? l.seen.cached
               : p.known.may_serve(p.refused, now) ? p.known.cached
                                                   : token();
    return l;
  }
  bool needs_no_renewal(process const& p, look const& l) const {
    bool const is_due = p.is_due && l.usable.value() == l.cached.value();
    return is_alive(l.usable, now) && now < renewal_time(l.usable) && !is_due;
  }
  bool sends(process const& p) const {
    if (serves_at_once(p) || fails_at_once(p)) {
      return false;
    }
    look const l = look_at_store(p);
    return !needs_no_renewal(p, l) && !l.seen.is_backing_off(now);
  }
  time_point end_of_backoff(memory const& m) const { return (std::min)(m.next, now + seconds(1)); }

  outcome result_of(process const& p, error_kind kind) const {
    outcome o;
    o.found = p.known.cached;
    o.kind = kind;
    o.retry_after = rounded_up(p.known.next - now);
    return o;
  }
  static void add(std::string& events, char const* name) {
    events += events.empty() ? "" : " ";
    events += name;
  }
  /// `what` is what happened to the token; null for nothing.
  void report(process& p, look const& l, char const* what, bool is_loaded, std::string& events) const {
    bool const before = p.has_problem;
    if (!before || l.was_stored || is_loaded || l.has_problem) {
      p.has_problem = l.has_problem;
    }
    if (p.has_problem != before) {
      add(events, p.has_problem ? "sharing_failed" : "sharing_restored");
    }
    if (what) {
      add(events, what);
    }
  }

  /// A `get()` that sends nothing.
  outcome get(process& p) const {
    if (serves_at_once(p) || fails_at_once(p)) {
      p.hits += serves_at_once(p) ? 1 : 0;
      outcome o = result_of(p, p.known.kind);
      o.found = serves_at_once(p) ? o.found : token();
      return o;
    }
    look l = look_at_store(p);
    bool const is_fresh = needs_no_renewal(p, l);
    bool const is_loaded = is_fresh && l.usable.value() != l.cached.value();
    if (is_fresh) {
      l.seen.clear_failure();
      l.seen.local_rung = 0;
    }
    l.seen.cached = l.usable;
    p.known = l.seen;
    p.looks_again_at = is_fresh ? renewal_time(l.usable) : end_of_backoff(l.seen);
    if (is_loaded) {
      p.refused.clear();
      p.is_due = false;
      p.has_error = false;
    } else if (!is_fresh) {
      p.has_error = true;
      p.last_kind = l.seen.kind;
    }
    outcome o = result_of(p, l.seen.kind);
    report(p, l, is_loaded ? "loaded" : nullptr, is_loaded, o.events);
    return o;
  }

  /// The request is announced: the record loses its failure and a refused token.
  void announce(process const& p, look& l) {
    if (!l.is_readable) {
      return;
    }
    if (store == store_state::cannot_be_written) {
      l.has_problem = true;
      l.is_readable = false;
      return;
    }
    l.seen.clear_failure();
    if (l.seen.cached.value() == l.refused) {
      l.seen.cached = token();
    }
    write(p.account, l.seen);
    l.was_stored = true;
  }

  outcome granted(process& p, look& l, token const& received) {
    memory& m = l.seen;
    m.rung = m.local_rung = 0;
    m.fast_wait = seconds(0);
    m.clear_failure();
    if (!is_alive(m.cached, now) || m.cached.value() == l.refused || expiry(m.cached) < expiry(received)) {
      m.cached = received;
      m.replaced_at = l.refused.empty() ? never : now;
    }
    if (l.is_readable) {
      write(p.account, m);
    }
    m.cached = received;
    p.known = m;
    p.looks_again_at = renewal_time(received);
    p.refused.clear();
    p.is_due = false;
    p.has_error = false;
    outcome o = result_of(p, error_kind::configuration);
    report(p, l, "renewed", false, o.events);
    return o;
  }

  outcome failed(process& p, look& l, promise const& row, bool was_announced, time_point sent_at, seconds asked_for) {
    memory& m = l.seen;
    time_point next;
    if (row.first_rung > 0) {
      static int const ladder[] = {5, 30, 180, 900, 1800, 3600, 7200, 14400, 28800, 57600, 86400};
      m.rung = (std::max)(m.rung + 1, row.first_rung);
      m.fast_wait = seconds(0);
      next = (std::max)(now, sent_at + seconds(ladder[(std::min)(m.rung, 11) - 1]));
    } else {
      m.fast_wait = m.fast_wait == seconds(0) ? seconds(1) : (std::min<seconds>)(2 * m.fast_wait, minutes(5));
      double const chance = detail::jitter(now);
      double const spread = static_cast<double>(m.fast_wait.count()) * (0.5 + chance / 2);
      double const allowed = static_cast<double>((std::min<seconds>)(asked_for, hours(1)).count()) * (1 + chance / 10);
      next = now + std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>((std::max)(spread, allowed)));
    }
    m.has_failure = true;
    m.kind = row.kind;
    m.next = next;
    bool const is_shared = row.is_shared && l.is_readable && was_announced;
    m.is_local = !is_shared;
    if (is_shared) {
      m.local_rung = 0;
      write(p.account, m);
    } else if (row.is_shared) {
      m.local_rung = m.rung;
    }
    m.cached = is_alive(l.usable, now) ? l.usable : token();
    bool const is_refused_meanwhile = !p.refused.empty() && p.refused != l.refused && p.refused == m.cached.value();
    if (is_refused_meanwhile) {
      m.cached = token();
    }
    p.known = m;
    p.looks_again_at = is_refused_meanwhile ? never : end_of_backoff(m);
    p.has_error = true;
    p.last_kind = row.kind;
    outcome o = result_of(p, row.kind);
    report(p, l, "failed", false, o.events);
    return o;
  }

  bool invalidate(process& p, token const& dead) const {
    if (dead.empty() || p.known.cached.value() != dead.value()) {
      return !dead.empty();
    }
    if (p.known.is_recent_replacement(now)) {
      return false;
    }
    p.refused = dead.value();
    p.known.cached = token();
    p.looks_again_at = never;
    return true;
  }

  bool set_credentials(process& p, std::size_t account) const {
    if (account == p.account) {
      return false;
    }
    memory fresh;
    fresh.cached = p.known.cached;
    fresh.replaced_at = p.known.replaced_at;
    p.account = account;
    p.known = fresh;
    p.is_due = true;
    p.looks_again_at = never;
    p.has_error = false;
    return true;
  }

  bool retry_now(process& p) {
    bool is_readable = false;
    memory seen = seen_by(p, is_readable);
    bool const was_just_ended = seen.retried_at != never && now < seen.retried_at + minutes(15);
    bool const is_stored = is_readable && !seen.is_local;
    if (was_just_ended || !seen.is_backing_off(now) || (is_stored && store != store_state::works)) {
      return false;
    }
    if (is_stored) {
      seen.next = seen.retried_at = now;
      write(p.account, seen);
    }
    p.known.next = never;
    p.known.retried_at = now;
    p.looks_again_at = never;
    return true;
  }
};

/// A server that does what chance says, and its clock.
struct moody_server {
  tests::fake_clock clock;
  behaviour does = behaviour::grants;
  seconds lifetime{1800};
  seconds asks_for{0};
  milliseconds takes{0};
  std::function<void()> meanwhile;
  int attempts = 0;
  time_point sent_at;

  http_response operator()(http_request const& request) {
    ++attempts;
    sent_at = clock();
    if (does == behaviour::cannot_be_reached) {
      be_slow();
      throw tests::unreachable();
    }
    if (does == behaviour::proxy_rejects_login) {
      be_slow();
      throw detail::proxy_login_rejected("no", 407, 1);
    }
    request.before_sending();
    be_slow();
    std::vector<std::pair<std::string, std::string>> headers;
    if (asks_for > seconds(0)) {
      headers.emplace_back("Retry-After", std::to_string(asks_for.count()));
    }
    switch (does) {
      case behaviour::breaks_before_sending: throw error(error_kind::tls, "no", 0, "", seconds(0), false);
      case behaviour::is_unavailable: return http_response(503, "<html>", headers);
      case behaviour::limits_rate: return http_response(429, R"({"error":"invalid_grant"})", headers);
      case behaviour::gateway_responds: return http_response(404, R"({"error":"not_found"})", headers);
      case behaviour::does_not_respond: throw tests::no_response();
      case behaviour::redirects: return http_response(302, "", headers);
      case behaviour::times_out_behind_gateway: return http_response(504, "", headers);
      case behaviour::throws_something: throw 42;
      case behaviour::rejects_without_code: return http_response(403, "", headers);
      case behaviour::rejects: return http_response(400, R"({"error":"invalid_grant"})", headers);
      default: return tests::grant_of("token-" + std::to_string(attempts), lifetime);
    }
  }
  void be_slow() {
    if (meanwhile) {
      meanwhile();
    }
    clock.advance(takes);
  }
};

enum class event {
  time_passes,
  get,
  get_while_refused,
  server_changes,
  api_refuses,
  credentials_change,
  backoff_is_ended,
  crash,
  store_changes
};

struct step {
  event what;
  std::uint32_t chance;
};

/// `count` choices out of a number, each time other ones.
std::size_t pick(std::uint32_t& chance, std::size_t count) {
  std::size_t const picked = chance % count;
  chance = static_cast<std::uint32_t>(chance / count);
  return picked;
}

/// Two processes, their model, and a server.
class world {
 public:
  explicit world(bool has_account) {
    model_.has_account = has_account;
    store_->before_load = [this] {
      if (model_.store == store_state::cannot_be_read) {
        throw std::runtime_error("cannot be read");
      }
    };
    store_->before_replace = [this] {
      if (model_.store == store_state::cannot_be_written) {
        throw std::runtime_error("cannot be written");
      }
    };
    start(0, 0);
    start(1, 0);
  }

  /// What was not as promised; empty if all was. What happened is written to `log`, if there is one.
  std::string live_through(step const& s, std::string* log) {
    std::uint32_t chance = s.chance;
    std::size_t const which = pick(chance, 2);
    log_ = log;
    note([&] { return "\n  process " + std::to_string(which) + ": "; });
    model_.now = server_.clock();
    std::string const problem = run(s.what, which, chance);
    return problem.empty() ? check_status(which) : problem;
  }

 private:
  credentials account(std::size_t number) const {
    credentials made = tests::some_credentials();
    made.client_secret = "secret-" + std::to_string(number);
    if (!model_.has_account) {
      made.username.clear();
      made.password = secret();
    }
    return made;
  }
  void start(std::size_t which, std::size_t account_number) {
    token_cache_options options;
    options.store = store_;
    options.clock = server_.clock;
    options.transport = [this](http_request const& request) { return server_(request); };
    options.observer = [this](token_event const& reported) {
      reference::add(events_, to_string(reported.kind).c_str());
    };
    caches_[which].reset(new token_cache(make_token_cache(test_environment(), account(account_number), options)));
    processes_[which] = process();
    processes_[which].account = account_number;
  }

  std::string run(event what, std::size_t which, std::uint32_t chance) {
    process& p = processes_[which];
    token_cache const& tokens = *caches_[which];
    switch (what) {
      case event::time_passes: return pass_time(p, chance);
      case event::get: return get(p, tokens, false);
      case event::get_while_refused: return get(p, tokens, true);
      case event::server_changes: return change_server(chance);
      case event::api_refuses: {
        token const dead = pick(chance, 4) > 0 ? p.known.cached : granted_last_;
        bool const is_useful = tokens.invalidate(dead);
        note([&] { return "invalidate(" + dead.value() + "): " + (is_useful ? "true" : "false"); });
        return is_useful == model_.invalidate(p, dead) ? "" : "the model says otherwise";
      }
      case event::credentials_change: {
        std::size_t const next = pick(chance, 4) > 0 ? 1 - p.account : p.account;
        bool const is_changed = tokens.set_credentials(account(next));
        note([&] { return "set_credentials(" + std::to_string(next) + "): " + (is_changed ? "true" : "false"); });
        return is_changed == model_.set_credentials(p, next) ? "" : "the model says otherwise";
      }
      case event::backoff_is_ended: {
        bool const is_ended = tokens.retry_now();
        note([&] { return std::string("retry_now(): ") + (is_ended ? "true" : "false"); });
        return is_ended == model_.retry_now(p) ? "" : "the model says otherwise";
      }
      case event::crash:
        note([] { return "crashes and starts again"; });
        start(which, p.account);
        return "";
      case event::store_changes: break;
    }
    return change_store(chance);
  }

  std::string change_store(std::uint32_t chance) {
    switch (pick(chance, 6)) {
      case 0:
        note([] { return "the store loses its records"; });
        store_->clear();
        model_.records[0] = model_.records[1] = memory();
        return "";
      case 1: model_.store = store_state::cannot_be_read; break;
      case 2: model_.store = store_state::cannot_be_written; break;
      default: model_.store = store_state::works; break;
    }
    note([this] {
      return model_.store == store_state::works            ? "the store works"
             : model_.store == store_state::cannot_be_read ? "the store cannot be read"
                                                           : "the store cannot be written";
    });
    return "";
  }

  /// To a moment at which something is to happen, or to one just before or after it; or by any time. In whole ms.
  std::string pass_time(process const& p, std::uint32_t chance) {
    memory const& record = model_.records[p.account];
    time_point const turning[] = {p.looks_again_at,
                                  renewal_time(p.known.cached),
                                  p.known.cached.empty() ? never : expiry(p.known.cached),
                                  p.known.replaced_at + seconds(30),
                                  p.known.next,
                                  record.next,
                                  renewal_time(record.cached),
                                  record.retried_at + minutes(15),
                                  p.known.retried_at + minutes(15)};
    nanoseconds const steps[] = {milliseconds(3), seconds(1), seconds(20), minutes(7), minutes(70), minutes(1500)};
    nanoseconds by = steps[pick(chance, 6)];
    if (pick(chance, 4) > 0) {
      time_point const until =
          in_whole_ms(turning[pick(chance, 9)]) + milliseconds(static_cast<int>(pick(chance, 3)) - 1);
      by = until - model_.now;
    }
    by = (std::max)(by, nanoseconds(0));
    server_.clock.advance(by);
    model_.now = server_.clock();
    note([by] { return std::to_string(std::chrono::duration_cast<milliseconds>(by).count()) + " ms pass"; });
    return "";
  }

  std::string change_server(std::uint32_t chance) {
    seconds const lifetimes[] = {seconds(1), seconds(5), seconds(60), seconds(300), seconds(1800), seconds(86400)};
    seconds const waits[] = {seconds(0), seconds(0), seconds(7), seconds(400), seconds(3600), seconds(9999)};
    milliseconds const delays[] = {milliseconds(0), milliseconds(0), milliseconds(900), milliseconds(40000)};
    bool const is_granting = pick(chance, 2) == 0;
    server_.does = is_granting ? behaviour::grants : static_cast<behaviour>(1 + pick(chance, behaviours - 1));
    server_.lifetime = lifetimes[pick(chance, 6)];
    server_.asks_for = waits[pick(chance, 6)];
    server_.takes = delays[pick(chance, 4)];
    note([this] {
      return "in " + std::to_string(server_.takes.count()) + " ms the server " +
             promise_of(server_.does, model_.has_account).name + " (lifetime " +
             std::to_string(server_.lifetime.count()) + " s, Retry-After " + std::to_string(server_.asks_for.count()) +
             " s)";
    });
    return "";
  }

  std::string get(process& p, token_cache const& tokens, bool is_refused_meanwhile) {
    bool const sends = model_.sends(p);
    look seen = sends ? model_.look_at_store(p) : look();
    int const attempts_before = server_.attempts;
    if (is_refused_meanwhile) {
      server_.meanwhile = [&] {
        token const cached = p.known.cached;
        tokens.invalidate(cached);
        model_.invalidate(p, cached);
      };
    }
    events_.clear();
    outcome real = call(tokens);
    real.events = events_;
    server_.meanwhile = nullptr;
    bool const has_sent = server_.attempts > attempts_before;
    note([&] {
      return std::string("get") + (has_sent ? ", attempt" : "") +
             (has_sent && is_refused_meanwhile ? ", the API refuses its token meanwhile" : "") + ": " + real.text();
    });
    if (has_sent != sends || server_.attempts > attempts_before + 1) {
      return sends ? "the model attempts a request" : "the model attempts none";
    }
    ++p.gets;
    outcome const expected = sends ? attempt(p, seen, real) : model_.get(p);
    if (!real.found.empty() && !is_alive(real.found, model_.now)) {
      return "that token has expired; the model says " + expected.text();
    }
    if (!(real == expected)) {
      return "the model says " + expected.text();
    }
    bool const is_new = expected.events.find("renewed") != std::string::npos;
    return is_new ? check_margin(real.found) : "";
  }

  static outcome call(token_cache const& tokens) {
    outcome o;
    try {
      o.found = tokens.get();
    } catch (error const& failure) {
      o.kind = failure.kind();
      o.retry_after = failure.retry_after();
    }
    return o;
  }

  outcome attempt(process& p, look& seen, outcome const& real) {
    behaviour const does = server_.does;
    promise const row = promise_of(does, model_.has_account);
    bool const was_announced = does != behaviour::cannot_be_reached && does != behaviour::proxy_rejects_login;
    if (was_announced) {
      model_.now = server_.sent_at;
      model_.announce(p, seen);
    }
    model_.now = server_.clock();
    p.requests += row.was_sent ? 1 : 0;
    if (does == behaviour::grants && model_.now < server_.sent_at + server_.lifetime) {
      granted_last_ = real.found;
      return model_.granted(p, seen, real.found);
    }
    ++p.failures;
    bool const may_say_when = row.kind == error_kind::unavailable || row.kind == error_kind::rate_limited;
    seconds const asked_for = may_say_when ? server_.asks_for : seconds(0);
    if (!was_announced && row.is_shared && seen.is_readable) {  // the proxy's rejection needs no announcement
      seen.is_readable = model_.store == store_state::works;
      seen.has_problem = !seen.is_readable;
      seen.was_stored = seen.is_readable;
    }
    outcome const expected = model_.failed(p, seen, row, was_announced || row.is_shared, server_.sent_at, asked_for);
    return expected;
  }

  /// Chance may choose when a new token is due for renewal, within bounds.
  std::string check_margin(token const& t) const {
    nanoseconds const margin = expiry(t) - renewal_time(t);
    nanoseconds const least =
        (std::min<nanoseconds>)(minutes(5), server_.lifetime / 6.0 > seconds(0) ? nanoseconds(server_.lifetime) / 6
                                                                                : nanoseconds(0));
    bool const is_named_right = t.value() == "token-" + std::to_string(server_.attempts);
    bool const is_right = margin >= least && margin <= least + least / 10 && is_named_right &&
                          expiry(t) == server_.sent_at + server_.lifetime;
    return is_right ? "" : "it is another token, or due for renewal too early or too late";
  }

  std::string check_status(std::size_t which) const {
    process const& p = processes_[which];
    token_cache_status const status = caches_[which]->status();
    bool const has_token = is_alive(p.known.cached, model_.now);
    if (status.has_token != has_token ||
        caches_[which]->try_get().value() != (has_token ? p.known.cached.value() : "")) {
      return "status() or try_get() has another token than the model";
    }
    seconds const retry_in = p.known.has_failure ? rounded_up(p.known.next - model_.now) : seconds(0);
    if (status.retry_in != retry_in) {
      return "status().retry_in is " + std::to_string(status.retry_in.count()) + " s; the model says " +
             std::to_string(retry_in.count()) + " s";
    }
    if ((status.last_error != nullptr) != p.has_error || (p.has_error && status.last_error->kind() != p.last_kind)) {
      return "status().last_error is another than the model's";
    }
    if (status.sharing_problem.empty() == p.has_problem) {
      return "status().sharing_problem is \"" + status.sharing_problem + '"';
    }
    bool const counts_right = status.gets == p.gets && status.hits == p.hits && status.waits == 0 &&
                              status.requests == p.requests && status.failures == p.failures;
    return counts_right ? "" : "status() counts otherwise";
  }

  template <typename Text>
  void note(Text text) const {
    if (log_) {
      *log_ += text();
    }
  }

  moody_server server_;
  std::shared_ptr<tests::memory_store> store_ = std::make_shared<tests::memory_store>();
  std::unique_ptr<token_cache> caches_[2];
  process processes_[2];
  reference model_;
  token granted_last_;
  std::string events_;
  std::string* log_ = nullptr;
};

/// At which step it fails, and why; `why` is empty if it does not.
std::size_t play(bool has_account, std::vector<step> const& steps, std::string& why, std::string* log) {
  world all(has_account);
  std::size_t i = 0;
  for (why.clear(); i < steps.size() && why.empty(); ++i) {
    why = all.live_through(steps[i], log);
  }
  return i;
}

/// The same failure, or another, in as few steps as leaving out one at a time leads to.
std::string shortest(bool has_account, std::vector<step> steps) {
  std::string why;
  steps.resize(play(has_account, steps, why, nullptr));
  for (bool is_shorter = true; is_shorter;) {
    is_shorter = false;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::vector<step> fewer = steps;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      std::size_t const length = play(has_account, fewer, why, nullptr);
      if (!why.empty()) {
        fewer.resize(length);
        steps = fewer;
        is_shorter = true;
        break;
      }
    }
  }
  std::string log = has_account ? "\n  with an account" : "\n  without an account";
  play(has_account, steps, why, &log);
  return log + "\n  but: " + why;
}

std::uint64_t number_from_env(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("whatever happens in whatever order, the cache does what is promised") {
  std::uint64_t const seed = number_from_env("CIBMTR_AUTH_MODEL_SEED", std::random_device()());
  std::uint64_t const sequences = number_from_env("CIBMTR_AUTH_MODEL_SEQUENCES", 100000);
  MESSAGE("CIBMTR_AUTH_MODEL_SEED=" << seed << ", " << sequences << " sequences");
  struct weight {
    event what;
    std::size_t times;
  };
  std::vector<event> events;
  for (weight const& w :
       {weight{event::time_passes, 12}, weight{event::get, 16}, weight{event::get_while_refused, 2},
        weight{event::server_changes, 4}, weight{event::api_refuses, 2}, weight{event::credentials_change, 1},
        weight{event::backoff_is_ended, 1}, weight{event::crash, 1}, weight{event::store_changes, 1}}) {
    events.insert(events.end(), w.times, w.what);
  }
  std::mt19937_64 random(seed);
  std::vector<step> steps(25);
  std::string why;
  bool has_account = true;
  for (std::uint64_t i = 0; i < sequences && why.empty(); ++i) {
    for (step& s : steps) {
      std::uint64_t const bits = random();
      s.what = events[static_cast<std::size_t>(bits % events.size())];
      s.chance = static_cast<std::uint32_t>(bits >> 32U);
    }
    has_account = i % 4 != 0;
    play(has_account, steps, why, nullptr);
  }
  if (!why.empty()) {
    FAIL("CIBMTR_AUTH_MODEL_SEED=" << seed << " fails:" << shortest(has_account, steps));
  }
}
