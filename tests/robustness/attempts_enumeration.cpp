// SPDX-License-Identifier: MIT
// How often one set of password credentials is sent: every short sequence of events, and long random ones, over one store.
//
// The processes run the library's own renewal. A process is suspended inside its transport by an exception after which its
// store accepts nothing. To continue, the renewal is run again from its start, with what the store and the clock answered
// before. So a whole world can be copied, and each of its futures tried.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/folder.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

using moment = boot_clock::time_point;

enum class action {
  start,           ///< a get() begins, or looks at the record again
  leave,           ///< the credentials leave
  cannot_connect,  ///< row 1
  proxy_rejects,   ///< row 7
  transient,       ///< row 2, and so on
  gateway,
  no_verdict,
  rejected_without_code,
  rejected,
  kill,
  wait_until_before,  ///< just before the next attempt
  wait_until_after    ///< just after it
};

char const* name_of(action a) {
  static char const* const names[] = {"start",        "leave", "cannot connect",    "proxy rejects",
                                      "503",          "404",   "no verdict",        "401 without a code",
                                      "401 with one", "kill",  "wait until before", "wait until after"};
  return names[static_cast<int>(a)];
}

struct process {
  enum { idle, waiting, connecting, sent } state = idle;
  unsigned proxy_login = 0;
  detail::record memory;  ///< what the process knew when its get() began

  // What happened since then.
  std::vector<action> script;
  std::vector<moment> times;  ///< one for each action
  std::vector<std::string> loads;
  std::vector<std::pair<bool, std::string>> replaces;  ///< the result, and the text that was stored
};

struct sending {
  moment at;
  std::size_t who;
  bool is_on_ladder;     ///< until rows 2 and 3 answer it
  moment lease_ends_at;  ///< when the result comes, at the latest
};

struct world {
  explicit world(milliseconds time_out, std::vector<unsigned> const& proxy_logins)
      : timeout(time_out), processes(proxy_logins.size()) {
    for (std::size_t i = 0; i < processes.size(); ++i) {
      processes[i].proxy_login = proxy_logins[i];
    }
  }

  milliseconds timeout;
  moment now{hours(1000)};
  std::string stored;
  std::vector<process> processes;
  std::vector<sending> sendings;
  int overlaps = 0;  ///< sent while another process had a lease

  detail::record read() const {
    detail::clock_reading const clock = {now, std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count()};
    detail::record found = detail::read_record(stored, clock, boot_clock::now);
    found.settle_lease(now, true);
    return found;
  }
  /// When the record allows the next attempt if no running request gets a result.
  moment next_attempt_at() const {
    detail::record found = read();
    if (found.has_lease) {
      found.settle_lease(found.lease_ends_at, true);
    }
    return found.next_attempt_at;
  }
};

detail::account const& account() {
  static detail::account const one(
      environment{"test", "https://okta.example/token", "", ""},
      credentials("0oa1client", "s3cr3t-of-client", "scope", "svc@example.org", "pa55 w&rd"), basic_encoding::plain);
  return one;
}

/// Runs one process of a world until its next wait.
class player : public token_store {
 public:
  player(world& w, std::size_t who, bool keeps_memory)
      : world_(w), who_(who), keeps_memory_(keeps_memory), process_(w.processes[who]) {}

  void run() {
    detail::renewal_tools tools;
    tools.send = [this](http_request const& request) { return send(request); };
    tools.store = std::shared_ptr<token_store>(std::shared_ptr<token_store>(), this);
    tools.clock = [this] { return process_.times[step_]; };
    tools.timeout = world_.timeout;
    tools.proxy_login = process_.proxy_login;
    detail::renewal_input input;
    input.latest = process_.memory;
    detail::renewal attempt(tools, account(), input);
    while (!attempt.advance()) {
      if (!has_next_action()) {
        process_.state = process::waiting;
        return;
      }
    }
    if (!is_suspended_) {
      detail::record const memory = keeps_memory_ ? attempt.result().latest : detail::record();
      unsigned const login = process_.proxy_login;
      process_ = process();
      process_.proxy_login = login;
      process_.memory = memory;
    }
  }

  secret load(std::string const&) override {
    require_running();
    if (next_load_ == process_.loads.size()) {
      process_.loads.push_back(world_.stored);
    }
    return with_ids_of(this_run, process_.loads[next_load_++]);
  }

  bool replace(std::string const&, secret const& expected, secret const& text, seconds) override {
    require_running();
    if (next_replace_ == process_.replaces.size()) {
      std::string const stored = with_ids_of(first_run, text.reveal());
      bool const is_replaced = world_.stored == with_ids_of(first_run, expected.reveal());
      world_.stored = is_replaced ? stored : world_.stored;
      process_.replaces.emplace_back(is_replaced, stored);
    }
    std::pair<bool, std::string> const& result = process_.replaces[next_replace_++];
    ids_.emplace_back(id_of(result.second), id_of(text.reveal()));
    REQUIRE(with_ids_of(first_run, text.reveal()) == result.second);
    return result.first;
  }

 private:
  void require_running() const {
    if (is_suspended_) {
      throw std::runtime_error("the process is suspended");
    }
  }
  enum run_number { first_run, this_run };

  static std::string id_of(std::string const& text) {
    constexpr std::size_t begin = 7;  // {"id":"
    return text.substr(begin, text.find('"', begin) - begin);
  }
  /// Each run writes other random ids than the first run did, whose texts are stored.
  std::string with_ids_of(run_number run, std::string text) const {
    for (auto const& ids : ids_) {
      std::string const& from = run == first_run ? ids.second : ids.first;
      std::size_t const found = text.find(from);
      if (found != std::string::npos) {
        text.replace(found, from.size(), run == first_run ? ids.first : ids.second);
        break;
      }
    }
    return text;
  }

  bool has_next_action() {
    bool const has_next = step_ + 1 < process_.script.size();
    step_ += has_next ? 1 : 0;
    return has_next;
  }
  action next_action(decltype(process::idle) state) {
    if (!has_next_action()) {
      process_.state = state;
      is_suspended_ = true;
      throw std::runtime_error("suspended");
    }
    return process_.script[step_];
  }

  http_response send(http_request const& request) {
    bool const is_new = step_ + 2 == process_.script.size();
    switch (next_action(process::connecting)) {
      case action::cannot_connect: throw detail::not_sent(error_kind::network, "cannot connect");
      case action::proxy_rejects: throw detail::proxy_login_rejected("wrong login", 407, process_.proxy_login);
      default: break;
    }
    request.before_sending();
    if (is_new) {
      note_sending();
    }
    switch (next_action(process::sent)) {
      case action::transient: return http_response(503, "");
      case action::gateway: return http_response(404, "");
      case action::rejected_without_code: return http_response(401, "");
      case action::rejected: return http_response(401, "{\"error\":\"invalid_grant\"}");
      default: throw error(error_kind::timed_out, "no response");
    }
  }

  void note_sending() {
    for (sending const& s : world_.sendings) {
      world_.overlaps += s.lease_ends_at > world_.now ? 1 : 0;
    }
    world_.sendings.push_back({world_.now, who_, true, world_.now + world_.timeout});
  }

  world& world_;
  std::size_t const who_;
  bool const keeps_memory_;
  process& process_;
  std::size_t step_ = 0;
  std::size_t next_load_ = 0;
  std::size_t next_replace_ = 0;
  bool is_suspended_ = false;
  std::vector<std::pair<std::string, std::string>> ids_;  ///< of the first run and of this one
};

void play(world& w, std::size_t who, action a, bool keeps_memory = false) {
  process& p = w.processes[who];
  if (a == action::kill) {
    unsigned const login = p.proxy_login;
    p = process();
    p.proxy_login = login;
    return;
  }
  if (p.state == process::sent) {
    auto const own =
        std::find_if(w.sendings.rbegin(), w.sendings.rend(), [who](sending const& s) { return s.who == who; });
    own->is_on_ladder = a != action::transient && a != action::gateway;
    own->lease_ends_at = (std::min)(own->lease_ends_at, w.now);
  }
  p.script.push_back(a);
  p.times.push_back(w.now);
  player(w, who, keeps_memory).run();
}

std::vector<action> possible_actions(process const& p) {
  switch (p.state) {
    case process::idle:
    case process::waiting: return {action::start};
    case process::connecting:
      if (p.proxy_login == 0) {
        return {action::leave, action::cannot_connect, action::kill};
      }
      return {action::leave, action::cannot_connect, action::proxy_rejects, action::kill};
    case process::sent: break;
  }
  return {action::transient, action::gateway, action::no_verdict, action::rejected_without_code,
          action::rejected,  action::kill};
}

/// The largest numbers of attempts in spans of time since the first, without those answered by rows 2 and 3.
struct totals {
  static constexpr int spans = 9;
  static seconds span(int i) {
    static int const lengths[spans] = {1, 5, 35, 215, 18 * 60, 48 * 60, 108 * 60, 228 * 60, 15 * 3600};
    return seconds(lengths[i]);
  }
  int attempts[spans] = {};
  int overlaps = 0;
  long sequences = 0;

  /// Whether a bound was broken that had not been broken before.
  bool add(world const& w) {
    totals const before = *this;
    int found[spans] = {};
    moment first = moment::max();
    for (sending const& s : w.sendings) {
      first = s.is_on_ladder ? (std::min)(first, s.at) : first;
    }
    for (sending const& s : w.sendings) {
      for (int i = 0; i < spans; ++i) {
        found[i] += s.is_on_ladder && s.at < first + span(i) ? 1 : 0;
      }
    }
    for (int i = 0; i < spans; ++i) {
      attempts[i] = (std::max)(attempts[i], found[i]);
    }
    overlaps += w.overlaps;
    ++sequences;
    return !is_within_bounds() && (before.is_within_bounds() || attempts[0] > before.attempts[0]);
  }
  bool is_within_bounds() const {
    static int const most[spans] = {1, 1, 2, 3, 4, 5, 6, 7, 9};
    bool is_within = overlaps == 0;
    for (int i = 0; i < spans; ++i) {
      is_within = is_within && attempts[i] <= most[i];
    }
    return is_within;
  }
  void print(char const* what) const {
    std::printf(
        "%s: %ld sequences; most attempts in the first 1 s: %d, 5 s: %d, 35 s: %d, 3.6 min: %d, 18 min: %d, "
        "48 min: %d, 1.8 h: %d, 3.8 h: %d, 15 h: %d; sent during another's lease: %d\n",
        what, sequences, attempts[0], attempts[1], attempts[2], attempts[3], attempts[4], attempts[5], attempts[6],
        attempts[7], attempts[8], overlaps);
    std::fflush(stdout);
  }
};

constexpr std::size_t max_events = tests::is_sanitized ? 5 : 7;

struct step {
  std::size_t who;
  action what;
};

class enumeration {
 public:
  void explore(world const& w) {
    if (history_.size() == max_events) {
      finish(w);
      return;
    }
    bool is_last = true;
    for (std::size_t who = 0; who < w.processes.size(); ++who) {
      for (action a : possible_actions(w.processes[who])) {
        world next = w;
        play(next, who, a);
        bool const does_nothing =
            a == action::start && next.stored == w.stored && next.processes[who].state != process::connecting;
        if (!does_nothing) {
          is_last = false;
          go_on(next, {who, a});
        }
      }
    }
    moment const next_attempt_at = w.next_attempt_at();
    for (action a : {action::wait_until_before, action::wait_until_after}) {
      moment const then = next_attempt_at - milliseconds(a == action::wait_until_before ? 1 : 0);
      if (then > w.now) {
        world next = w;
        next.now = then;
        is_last = false;
        go_on(next, {0, a});
      }
    }
    if (is_last) {
      finish(w);
    }
  }

  totals const& result() const { return totals_; }

 private:
  void go_on(world const& next, step const& s) {
    history_.push_back(s);
    explore(next);
    history_.pop_back();
  }
  void finish(world const& w) {
    if (totals_.add(w)) {
      std::string text;
      for (step const& s : history_) {
        text += "\n  ";
        text += s.what >= action::wait_until_before ? ' ' : static_cast<char>('A' + s.who);
        text.append(" ").append(name_of(s.what));
      }
      MESSAGE("a bound is broken by:" << text);
    }
  }

  std::vector<step> history_;
  totals totals_;
};

}  // namespace

TEST_CASE("no sequence of seven events sends the credentials more often than the ladder allows, nor twice at once") {
  for (auto const& proxy_logins :
       {std::vector<unsigned>{0, 0}, std::vector<unsigned>{7, 0}, std::vector<unsigned>{7, 7}}) {
    CAPTURE(proxy_logins[0]);
    CAPTURE(proxy_logins[1]);
    enumeration all;
    all.explore(world(seconds(30), proxy_logins));
    all.result().print("seven events");
    CHECK(all.result().is_within_bounds());
  }
}

TEST_CASE("nor do seven events after one to eight attempts, each as early as allowed") {
  world before(seconds(30), {7, 0});
  for (int attempts = 1; attempts <= 8; ++attempts) {
    CAPTURE(attempts);
    play(before, 1, action::start);
    play(before, 1, action::leave);
    play(before, 1, attempts == 3 ? action::no_verdict : action::rejected_without_code);
    REQUIRE(before.sendings.size() == static_cast<std::size_t>(attempts));
    before.now = before.next_attempt_at();
    enumeration all;
    all.explore(before);
    all.result().print("seven events after earlier attempts");
    CHECK(all.result().is_within_bounds());
  }
}

TEST_CASE(
    "four processes that fail, hang, are killed and finish late never exceed the ladder, and never send two at once") {
  char const* const runs_variable = std::getenv("CIBMTR_AUTH_LADDER_RUNS");
  int const runs = runs_variable ? std::atoi(runs_variable) : 60;
  for (int timeout : {1, 5, 30, 120}) {
    CAPTURE(timeout);
    totals all;
    for (int run = 0; run < runs; ++run) {
      CAPTURE(run);
      std::mt19937 random(static_cast<unsigned>(1000 * timeout + run));
      auto const one_of = [&random](unsigned count) { return static_cast<unsigned>(random() % count); };
      world w(seconds(timeout), one_of(2) == 0 ? std::vector<unsigned>{0, 0, 0, 0} : std::vector<unsigned>{7, 7, 8, 0});
      moment const end = w.now + hours(16);
      for (int i = 0; i < 2000 && w.now < end; ++i) {
        if (one_of(3) == 0) {
          moment const next = w.next_attempt_at();
          milliseconds const steps[] = {milliseconds(1), milliseconds(500 * timeout), milliseconds(1000 * timeout)};
          w.now = next > w.now && one_of(2) == 0 ? next - milliseconds(one_of(2)) : w.now + steps[one_of(3)];
          continue;
        }
        std::size_t const who = one_of(4);
        std::vector<action> const possible = possible_actions(w.processes[who]);
        action const chosen = possible[one_of(static_cast<unsigned>(possible.size()))];
        bool const is_fast = chosen == action::transient || chosen == action::gateway;
        play(w, who, is_fast && one_of(4) != 0 ? action::rejected_without_code : chosen, one_of(2) == 0);
      }
      REQUIRE_FALSE(all.add(w));
    }
    all.print(("four processes, time-out " + std::to_string(timeout) + " s").c_str());
    CHECK(all.is_within_bounds());
  }
}
