// SPDX-License-Identifier: MIT
// Random sequences of events, lived through by two caches on one store and by a model of what is promised.
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
#include <set>
#include <string>
#include <vector>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using time_point = boot_clock::time_point;

namespace {

/// Of one process: either a token or a kind of failure.
struct outcome {
  token granted;
  error_kind kind;
  seconds retry_after;

  bool operator==(outcome const& other) const {
    bool const is_same_failure = kind == other.kind && retry_after == other.retry_after;
    return granted.value() == other.granted.value() && (!granted.empty() || is_same_failure);
  }
};

std::string text_of(outcome const& o) {
  return o.granted.empty() ? to_string(o.kind) + (" for " + std::to_string(o.retry_after.count())) + " s"
                           : o.granted.value();
}

/// What one process remembers, and a crash wipes out.
struct process {
  struct pause {
    error_kind kind;
    int failures = 0;    ///< of this sort, in a row
    int rejections = 0;  ///< since the last grant
    time_point until;
    std::string token_then;  ///< what the store held at the failure
  };

  token held;
  std::set<std::string> refused;  ///< by the API
  bool wants_another = false;     ///< than the one refused last
  time_point rests_until;         ///< until when `held` serves unless it ends
  time_point may_drop_at;
  pause own;
  unsigned long long gets = 0, hits = 0, requests = 0, failures = 0;
};

/// The promises in the comments of token_cache, renewal and token, for processes that take turns.
struct reference {
  time_point now;
  token kept;                   ///< in the store, like `shared`
  bool is_replacement = false;  ///< `kept`, of a refused one
  process::pause shared;

  bool serves(process const& p, token const& t) const {
    bool const is_recent = is_replacement && t.value() == kept.value() && now < t.obtained_at() + seconds(30);
    return now < t.expires_at() && (is_recent || p.refused.count(t.value()) == 0);
  }
  bool rests(process const& p) const { return serves(p, p.held) && now < p.rests_until; }
  bool is_renewed(process const& p) const { return serves(p, kept) && now < kept.renew_at(); }
  process::pause const& last_pause(process const& p) const {
    bool const is_over = !kept.empty() && kept.value() != p.own.token_then;
    return is_over || p.own.until <= shared.until ? shared : p.own;
  }
  bool asks(process const& p) const { return !rests(p) && !is_renewed(p) && now >= last_pause(p).until; }

  /// Of a `get()` that asks nobody, or has asked in vain.
  outcome get(process& p, bool may_take_back = true) const {
    if (!rests(p)) {
      time_point const next = is_renewed(p) ? kept.renew_at() : last_pause(p).until;
      p.rests_until = (std::max)(next, now + milliseconds(1));  // never a hot loop
      if (serves(p, kept) && (may_take_back || p.refused.count(kept.value()) == 0)) {
        p.refused.erase(kept.value());
        p.wants_another = false;
        p.held = kept;
      }
    }
    auto const wait = std::chrono::duration_cast<seconds>(last_pause(p).until - now + seconds(1) - nanoseconds(1));
    return outcome{serves(p, p.held) ? p.held : token(), last_pause(p).kind, wait};
  }
  outcome granted(process& p, token const& t, bool instead_of_refused) {
    kept = p.held = t;
    is_replacement = instead_of_refused;
    p.wants_another = false;
    shared = p.own = process::pause();
    p.rests_until = (std::max)(t.renew_at(), now + milliseconds(1));
    return outcome{t, error_kind::malformed, seconds(0)};
  }
  outcome failed(process& p, process::pause const& before, error_kind kind, token_record const& saved,
                 bool instead_of_refused) {
    bool const is_rejected = kind == error_kind::rejected;
    bool const is_same = before.failures > 0 && before.kind != error_kind::rejected;
    p.own.kind = kind;
    p.own.rejections = before.rejections + (is_rejected ? 1 : 0);
    p.own.failures = is_rejected ? p.own.rejections : is_same ? before.failures + 1 : 1;
    p.own.until = saved.next_try_at;
    p.own.token_then = kept.value();
    shared = p.own;
    kept = saved.granted;
    return get(p, instead_of_refused);
  }
  bool invalidate(process& p, token const& dead) const {
    if (p.held.empty() || p.held.value() != dead.value() || now < p.may_drop_at) {
      return false;
    }
    p.refused.insert(p.held.value());
    p.held = token();
    p.wants_another = true;
    p.may_drop_at = now + seconds(30);
    return true;
  }
};

/// What a token server does when it is asked.
struct fake_server {
  tests::fake_clock clock;
  bool is_granting = true;
  seconds life{1800};
  error_kind failing_with = error_kind::unavailable;
  seconds retry_after{0};
  milliseconds takes{0};
  std::function<void()> meanwhile;
  int calls = 0;
  token last;

  token ask() {
    ++calls;
    time_point const sent_at = clock();
    if (meanwhile) {
      meanwhile();
    }
    clock.advance(takes);
    if (!is_granting) {
      throw error(failing_with, "no token today.", 0, "", retry_after);
    }
    last = token("token-" + std::to_string(calls), "", sent_at, sent_at + life);
    return last;
  }
};

/// A memory_store that shows what it keeps.
struct open_store : token_store {
  token_record record;
  std::unique_ptr<lock> try_lock() override { return std::unique_ptr<lock>(new lock); }
  token_record load() override { return record; }
  void save(token_record const& saved) override { record = saved; }
};

enum class event { time_passes, get, get_while_refused, server_changes, api_refuses, reset, crash, store_forgets };

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
  world() {
    for (auto& tokens : caches_) {
      tokens.reset(new token_cache([this] { return server_.ask(); }, server_.clock, store_));
    }
  }

  /// What was not as promised; empty when all was. What happened is written to `log`, if there is one.
  std::string live_through(step const& s, std::string* log) {
    std::uint32_t chance = s.chance;
    std::size_t const which = pick(chance, 2);
    log_ = log;
    tell([&] { return "\n  process " + std::to_string(which) + ": "; });
    model_.now = server_.clock();
    return run(s.what, which, chance);
  }
  std::string check_counts() const {
    bool is_right = true;
    for (std::size_t i = 0; i < 2; ++i) {
      process const& p = processes_[i];
      token_cache_status const told = caches_[i]->status();
      is_right = is_right && told.gets == p.gets && told.hits == p.hits && told.joins == 0 &&
                 told.requests == p.requests && told.failures == p.failures;
    }
    return is_right ? "" : "status() counts otherwise";
  }

 private:
  std::string run(event what, std::size_t which, std::uint32_t chance) {
    process& p = processes_[which];
    switch (what) {
      case event::time_passes: return pass_time(p, chance);
      case event::get: return get(p, *caches_[which], false);
      case event::get_while_refused: return get(p, *caches_[which], true);
      case event::server_changes: return change_server(chance);
      case event::api_refuses: return refuse(p, *caches_[which], pick(chance, 4) > 0 ? p.held : server_.last);
      case event::store_forgets:
        tell([] { return "the store loses its record"; });
        store_->record = token_record();
        model_.kept = token();
        model_.is_replacement = false;
        model_.shared = process::pause();
        return "";
      case event::crash:
        tell([] { return "crashes and starts anew"; });
        caches_[which].reset(new token_cache([this] { return server_.ask(); }, server_.clock, store_));
        p = process();
        return "";
      case event::reset: break;
    }
    return reset();
  }

  /// To a moment at which something is to happen, or to one just before or after it; or by any time.
  std::string pass_time(process const& p, std::uint32_t chance) {
    time_point const turning[] = {p.rests_until,       p.held.renew_at(),      p.held.expires_at(), p.may_drop_at,
                                  model_.shared.until, model_.kept.renew_at(), p.own.until};
    nanoseconds const steps[] = {milliseconds(3), seconds(1), seconds(20), minutes(7), minutes(70), minutes(1500)};
    nanoseconds by = steps[pick(chance, 6)];
    if (pick(chance, 4) > 0) {
      nanoseconds const until = turning[pick(chance, 7)] - model_.now;
      by = until + nanoseconds(static_cast<int>(pick(chance, 3)) - 1);
    }
    by = (std::max)(by, nanoseconds(0));
    server_.clock.advance(by);
    tell([by] { return std::to_string(by.count()) + " ns pass"; });
    return "";
  }

  std::string change_server(std::uint32_t chance) {
    seconds const lives[] = {seconds(1), seconds(5), seconds(60), seconds(300), seconds(1800), seconds(86400)};
    error_kind const kinds[] = {error_kind::unavailable, error_kind::rate_limited, error_kind::rejected,
                                error_kind::configuration};
    seconds const waits[] = {seconds(0), seconds(0), seconds(7), seconds(400), seconds(3600)};
    milliseconds const delays[] = {milliseconds(0), milliseconds(0), milliseconds(900), milliseconds(30000)};
    server_.is_granting = pick(chance, 2) == 0;
    server_.life = lives[pick(chance, 6)];
    server_.failing_with = kinds[pick(chance, 4)];
    server_.retry_after = waits[pick(chance, 5)];
    bool const is_sent = server_.is_granting || server_.failing_with != error_kind::configuration;
    server_.takes = is_sent ? delays[pick(chance, 4)] : milliseconds(0);
    tell([this] {
      outcome const failure = {token(), server_.failing_with, server_.retry_after};
      return "in " + std::to_string(server_.takes.count()) + " ms the server " +
             (server_.is_granting ? "grants " + std::to_string(server_.life.count()) + " s"
                                  : "fails: " + text_of(failure));
    });
    return "";
  }

  std::string refuse(process& p, token_cache const& tokens, token const& dead) {
    bool const was_dropped = tokens.invalidate(dead);
    tell([&] { return "invalidate(" + dead.value() + (was_dropped ? "): dropped" : "): not dropped"); });
    return was_dropped == model_.invalidate(p, dead) ? "" : "the model says otherwise";
  }

  /// The credentials change, for both.
  std::string reset() {
    tell([] { return "both are reset"; });
    store_ = std::make_shared<open_store>();
    for (std::size_t i = 0; i < 2; ++i) {
      process fresh;
      fresh.gets = processes_[i].gets;
      fresh.hits = processes_[i].hits;
      fresh.requests = processes_[i].requests;
      fresh.failures = processes_[i].failures;
      processes_[i] = fresh;
      caches_[i]->reset([this] { return server_.ask(); }, store_);
    }
    model_.kept = token();
    model_.is_replacement = false;
    model_.shared = process::pause();
    return "";
  }

  std::string get(process& p, token_cache const& tokens, bool is_refused_meanwhile) {
    bool const asks = model_.asks(p);
    bool const rests = model_.rests(p);
    process::pause const before = model_.last_pause(p);
    bool const is_forced = p.wants_another;
    int const calls_before = server_.calls;
    if (is_refused_meanwhile) {
      server_.meanwhile = [&] {
        tokens.invalidate(p.held);
        model_.invalidate(p, token(p.held));
      };
    }
    outcome const real = ask(tokens);
    server_.meanwhile = nullptr;
    bool const has_asked = server_.calls > calls_before;
    tell([&] {
      return std::string("get") + (has_asked ? ", asks" : "") +
             (has_asked && is_refused_meanwhile ? ", the API refuses its token meanwhile" : "") + ": " + text_of(real);
    });
    if (has_asked != asks) {
      return asks ? "the model asks" : "the model does not ask";
    }
    model_.now = server_.clock();
    bool const is_granted = asks && server_.is_granting && model_.now < server_.last.expires_at();
    outcome const expected = is_granted ? model_.granted(p, server_.last, is_forced)
                             : asks     ? failure(p, before, is_forced)
                                        : model_.get(p);
    bool const is_sent = asks && (server_.is_granting || server_.failing_with != error_kind::configuration);
    ++p.gets;
    p.hits += rests ? 1 : 0;
    p.requests += is_sent ? 1 : 0;
    p.failures += is_sent && !is_granted ? 1 : 0;
    if (!real.granted.empty() && !model_.serves(p, real.granted)) {
      return "that token is dead or refused; the model says " + text_of(expected);
    }
    if (!(real == expected)) {
      return "the model says " + text_of(expected);
    }
    return !is_sent ? "" : is_granted ? check_margin(real.granted) : check_pause(p.own);
  }

  static outcome ask(token_cache const& tokens) {
    try {
      return outcome{tokens.get(), error_kind::malformed, seconds(0)};
    } catch (error const& failure) {
      return outcome{token(), failure.kind(), failure.retry_after()};
    }
  }

  outcome failure(process& p, process::pause const& before, bool is_forced) {
    if (server_.is_granting) {  // a token that had ended before it arrived
      return model_.failed(p, before, error_kind::unavailable, store_->record, is_forced);
    }
    if (server_.failing_with == error_kind::configuration) {  // nothing was sent: no trace, no pause
      outcome expected = model_.get(p, is_forced);
      p.rests_until = model_.now + milliseconds(1);
      expected.kind = error_kind::configuration;
      expected.retry_after = server_.retry_after;
      return expected;
    }
    return model_.failed(p, before, server_.failing_with, store_->record, is_forced);
  }

  /// The length of a new pause, which chance may choose within bounds.
  std::string check_pause(process::pause const& told) const {
    seconds const unit = told.kind == error_kind::rejected ? seconds(900) : seconds(1);
    seconds const most = told.kind == error_kind::rejected ? seconds(86400) : seconds(300);
    nanoseconds const full = (std::min)(unit * (1 << (std::min)(told.failures - 1, 20)), most);
    bool const is_rejected = told.kind == error_kind::rejected;
    nanoseconds const asked_for = is_rejected || server_.is_granting ? seconds(0) : server_.retry_after;
    nanoseconds const length = told.until - model_.now;
    bool const is_long_enough = length >= (std::max)(is_rejected ? full : full / 2, asked_for);
    bool const is_short_enough = length <= (std::max)(full, asked_for + asked_for / 10);
    return is_long_enough && is_short_enough && store_->record.failures == told.failures
               ? ""
               : "a pause of " + std::to_string(length.count()) + " ns is out of bounds";
  }

  /// When a new token is to be renewed, which chance may choose within bounds.
  static std::string check_margin(token const& t) {
    nanoseconds const margin = t.expires_at() - t.renew_at();
    nanoseconds const least = (std::min<nanoseconds>)(minutes(5), (t.expires_at() - t.obtained_at()) / 6);
    return margin >= least && margin <= least + least / 10 ? "" : "it is to be renewed too early or too late";
  }

  template <typename Text>
  void tell(Text text) const {
    if (log_) {
      *log_ += text();
    }
  }

  fake_server server_;
  std::shared_ptr<open_store> store_ = std::make_shared<open_store>();
  std::unique_ptr<token_cache> caches_[2];
  process processes_[2];
  reference model_;
  std::string* log_ = nullptr;
};

/// At which step it fails, and why; `why` is empty when it does not.
std::size_t play(std::vector<step> const& steps, std::string& why, std::string* log) {
  world all;
  std::size_t i = 0;
  for (why.clear(); i < steps.size() && why.empty(); ++i) {
    why = all.live_through(steps[i], log);
  }
  why = why.empty() ? all.check_counts() : why;
  return i;
}

/// The same failure, or another, in as few steps as leaving out one at a time leads to.
std::string shortest(std::vector<step> steps) {
  std::string why;
  steps.resize(play(steps, why, nullptr));
  for (bool is_shorter = true; is_shorter;) {
    is_shorter = false;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::vector<step> fewer = steps;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      std::size_t const length = play(fewer, why, nullptr);
      if (!why.empty()) {
        fewer.resize(length);
        steps = fewer;
        is_shorter = true;
        break;
      }
    }
  }
  std::string log;
  play(steps, why, &log);
  return log + "\n  but: " + why;
}

std::uint64_t number_from_env(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("whatever happens in whatever order, the cache does what its comments promise") {
  std::uint64_t const seed = number_from_env("CIBMTR_AUTH_MODEL_SEED", std::random_device()());
  std::uint64_t const sequences = number_from_env("CIBMTR_AUTH_MODEL_SEQUENCES", 100000);
  MESSAGE("CIBMTR_AUTH_MODEL_SEED=" << seed << ", " << sequences << " sequences");
  event const events[] = {event::time_passes,
                          event::time_passes,
                          event::time_passes,
                          event::time_passes,
                          event::time_passes,
                          event::time_passes,
                          event::get,
                          event::get,
                          event::get,
                          event::get,
                          event::get,
                          event::get,
                          event::get,
                          event::get,
                          event::get,
                          event::server_changes,
                          event::server_changes,
                          event::api_refuses,
                          event::crash,
                          event::get_while_refused};
  std::mt19937_64 random(seed);
  std::vector<step> steps(25);
  std::string why;
  for (std::uint64_t i = 0; i < sequences && why.empty(); ++i) {
    for (step& s : steps) {
      std::uint64_t const bits = random();
      std::uint64_t const kind = bits % 640;
      s.what = kind < 12 ? event::reset : kind < 24 ? event::store_forgets : events[kind % 20];
      s.chance = static_cast<std::uint32_t>(bits >> 32U);
    }
    play(steps, why, nullptr);
  }
  if (!why.empty()) {
    FAIL("CIBMTR_AUTH_MODEL_SEED=" << seed << " fails:" << shortest(steps));
  }
}
