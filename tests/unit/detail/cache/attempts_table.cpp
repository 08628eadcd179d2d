// SPDX-License-Identifier: MIT
// The table of attempts in docs/design.md, row by row, as callers of get() see it.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/fake_processes.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::cannot_connect;
using tests::error_of;
using tests::fake_process;
using tests::fake_processes;
using tests::lost;
using tests::oauth_error;
using tests::outcome;
using tests::response;
using tests::some_credentials;
using tests::throws;
using tests::wrong_proxy_login;

namespace {

constexpr unsigned proxy_login = 0x1234;

credentials without_account() { return {"0oa1client", "s3cr3t-of-client", "api_cibmtr_fhir_ehr_client"}; }

/// With and without a store, for both grants.
struct situation {
  bool has_store;
  bool has_account;

  fake_process start(fake_processes& all) const {
    credentials const of = has_account ? some_credentials() : without_account();
    return has_store ? all.start(of) : all.start_without_store(of);
  }
};

std::vector<situation> situations() { return {{true, true}, {true, false}, {false, true}, {false, false}}; }

error failure_of(fake_process const& process) {
  return error_of([&process] { process.tokens.get(); });
}

/// Whether `get()` now connects, whatever comes of it.
bool attempts(fake_processes& all, fake_process const& process) {
  int const before = all.connections;
  try {
    process.tokens.get();
  } catch (error const&) {
  }
  return all.connections > before;
}

/// The time from now to the next attempt of a process that tries at every `step`, at most `limit`.
milliseconds time_to_attempt(fake_processes& all, fake_process const& process, milliseconds step, milliseconds limit) {
  milliseconds passed(0);
  while (!attempts(all, process) && passed < limit) {
    all.clock.advance(step);
    passed += step;
  }
  return passed;
}

/// Fails at the first attempt, tries again fast, and shares the failure or not.
void check_fast(situation const& where, outcome const& next, error_kind kind, bool is_shared) {
  CAPTURE(where.has_store);
  CAPTURE(where.has_account);
  fake_processes all;
  all.next = next;
  fake_process const first = where.start(all);
  fake_process const second = where.start(all);
  error const failure = failure_of(first);
  CHECK(to_string(failure.kind()) == to_string(kind));
  CHECK(failure.retry_after() == seconds(1));
  CHECK_FALSE(attempts(all, first));
  CHECK(attempts(all, second) != (is_shared && where.has_store));
  all.clock.advance(milliseconds(499));
  CHECK_FALSE(attempts(all, first));
  all.clock.advance(milliseconds(501));
  CHECK(attempts(all, first));
}

/// Fails at the first attempt, and then climbs the ladder from a rung. Shared with a store, or not at all.
void check_ladder(situation const& where, outcome const& next, error_kind kind, int first_rung) {
  CAPTURE(where.has_store);
  CAPTURE(where.has_account);
  fake_processes all;
  all.next = next;
  fake_process const first = where.start(all);
  fake_process const second = where.start(all);
  error const failure = failure_of(first);
  CHECK(to_string(failure.kind()) == to_string(kind));
  seconds const waits[] = {seconds(5), seconds(30), seconds(180), seconds(900), seconds(1800), seconds(3600)};
  CHECK(failure.retry_after() == waits[first_rung - 1]);
  CHECK(attempts(all, second) != where.has_store);
  for (int rung = first_rung; rung < first_rung + 2; ++rung) {
    all.clock.advance(waits[rung - 1] - milliseconds(1));
    CHECK_FALSE(attempts(all, first));
    all.clock.advance(milliseconds(1));
    CHECK(attempts(all, first));
  }
}

/// Row 4 and row 5: on the ladder for an account, fast without one.
void check_account_only(outcome const& next, error_kind kind, error_kind kind_without_account) {
  for (situation const& where : situations()) {
    if (where.has_account) {
      check_ladder(where, next, kind, 1);
    } else {
      check_fast(where, next, kind_without_account, true);
    }
  }
}

/// How often the credentials were sent since the first time.
long sends_within(boot_clock::duration duration, std::vector<boot_clock::time_point> const& sent) {
  return std::count_if(sent.begin(), sent.end(),
                       [&](boot_clock::time_point time) { return time < sent.front() + duration; });
}

/// What README promises.
void check_bound(std::vector<boot_clock::time_point> const& sent) {
  CHECK(sends_within(minutes(18), sent) <= 4);
  CHECK(sends_within(hours(15), sent) <= 9);
}

/// Two processes with a store that fail, connect slowly, are restarted, are killed and finish late, in any order. Returns
/// when they sent credentials with an outcome on the ladder.
std::vector<boot_clock::time_point> sends_of_a_random_day(unsigned seed, bool has_fast_rows) {
  std::mt19937 random(seed);
  auto below = [&random](unsigned end) { return random() % end; };
  fake_processes all;
  std::vector<boot_clock::time_point> sent;
  std::vector<fake_process> processes{all.start(), all.start()};
  std::function<void(int)> step = [&](int depth) {
    fake_process& chosen = processes[below(2)];
    if (below(4) == 0) {
      chosen = all.start();
    }
    fake_process const current = chosen;
    outcome const ladder[] = {lost(), lost(error_kind::timed_out), response(403), oauth_error(400, "invalid_grant")};
    outcome const fast[] = {response(503), response(404), response(429, "", {{"Retry-After", "7"}})};
    bool const is_fast = has_fast_rows && below(3) == 0;
    all.next = below(4) == 0 ? cannot_connect(error_kind::network) : is_fast ? fast[below(3)] : ladder[below(4)];
    bool const is_killed = !is_fast && below(5) == 0;
    auto be_slow = [&, depth](unsigned max_seconds) {
      all.clock.advance(seconds(below(max_seconds)));
      if (depth < 2 && below(2) == 0) {
        step(depth + 1);
      }
    };
    all.while_connecting = [&] { be_slow(10); };
    all.after_sending = [&, current] {
      if (!is_fast) {
        sent.push_back(all.clock());
      }
      if (is_killed) {
        current.store->cannot_load = current.store->cannot_replace = true;
      } else {
        be_slow(below(3) == 0 ? 100 : 2);
      }
    };
    attempts(all, current);
    all.while_connecting = nullptr;
    all.after_sending = nullptr;
    if (is_killed) {
      chosen = all.start();
    }
  };
  boot_clock::time_point const end = all.clock() + hours(20);
  while (all.clock() < end) {
    step(0);
    boot_clock::time_point const next = (std::max)(all.clock(), all.stored().next_attempt_at);
    milliseconds const steps[] = {milliseconds(0), milliseconds(500), seconds(30), seconds(below(1000)),
                                  milliseconds((next - all.clock()) / milliseconds(1))};
    all.clock.advance(steps[below(5)]);
  }
  return sent;
}

std::vector<std::string> known_codes() {
  return {"invalid_client",         "invalid_grant",      "access_denied",   "unauthorized_client",
          "unsupported_grant_type", "invalid_scope",      "invalid_request", "consent_required",
          "mfa_required",           "invalid_dpop_proof", "use_dpop_nonce",  "server_error"};
}

}  // namespace

TEST_CASE("row 1: what fails before the credentials are sent is retried fast and not shared") {
  for (error_kind kind : {error_kind::network, error_kind::tls, error_kind::timed_out}) {
    for (situation const& where : situations()) {
      check_fast(where, cannot_connect(kind), kind, false);
    }
  }
}

TEST_CASE("row 1: so is a failure after before_sending that says that nothing was sent") {
  for (situation const& where : situations()) {
    check_fast(where, throws(detail::not_sent(error_kind::network, "nothing was sent")), error_kind::network, false);
  }
}

TEST_CASE("row 2: 429, 408, 5xx but 504, and temporarily_unavailable with any status are retried fast and shared") {
  for (situation const& where : situations()) {
    for (int status : {408, 500, 501, 502, 503, 505, 511, 599}) {
      CAPTURE(status);
      check_fast(where, response(status), error_kind::unavailable, true);
      check_fast(where, oauth_error(status, "invalid_grant"), error_kind::unavailable, true);
    }
    check_fast(where, response(429, "<html>"), error_kind::rate_limited, true);
    check_fast(where, oauth_error(429, "invalid_grant"), error_kind::rate_limited, true);
    for (int status : {200, 302, 400, 401, 403, 404, 504}) {
      CAPTURE(status);
      check_fast(where, oauth_error(status, "temporarily_unavailable"), error_kind::unavailable, true);
    }
  }
}

TEST_CASE("row 3: another 4xx without a known error code is a gateway's, retried fast and shared") {
  for (situation const& where : situations()) {
    for (int status : {402, 404, 405, 406, 409, 410, 413, 415, 418, 421, 422, 426, 451, 499}) {
      CAPTURE(status);
      check_fast(where, response(status), error_kind::unavailable, true);
    }
    check_fast(where, oauth_error(404, "not_found"), error_kind::unavailable, true);
    check_fast(where, response(404, "{\"errorCode\":\"E000007\"}"), error_kind::unavailable, true);
  }
}

TEST_CASE("row 4: the credentials were sent and no verdict came back") {
  check_account_only(lost(error_kind::timed_out), error_kind::timed_out, error_kind::timed_out);
  check_account_only(lost(error_kind::network), error_kind::network, error_kind::network);
  check_account_only(lost(error_kind::tls), error_kind::tls, error_kind::tls);
  check_account_only(throws(42), error_kind::network, error_kind::network);
  check_account_only(throws(std::runtime_error("no error of the library")), error_kind::network, error_kind::network);
  check_account_only(response(504, "<html>"), error_kind::unavailable, error_kind::unavailable);
  check_account_only(oauth_error(504, "invalid_grant"), error_kind::unavailable, error_kind::unavailable);
  for (int status : {101, 300, 301, 302, 303, 307, 308, 201, 204, 200}) {
    CAPTURE(status);
    check_account_only(response(status), error_kind::invalid_response, error_kind::invalid_response);
  }
  for (char const* body : {"<html>", "{\"access_token\":\"a.b.c\"", "{}", "{\"error\":\"not_found\"}",
                           "{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}",
                           "{\"access_token\":\"a.b.c\",\"token_type\":\"mac\"}"}) {
    CAPTURE(body);
    check_account_only(response(200, body), error_kind::invalid_response, error_kind::invalid_response);
  }
}

TEST_CASE("row 4: an error that a transport calls configuration after it sent the credentials is no exception") {
  check_account_only(lost(error_kind::configuration), error_kind::configuration, error_kind::configuration);
}

TEST_CASE("row 5: 400, 401 or 403 without a known error code is a rejection of the account") {
  for (int status : {400, 401, 403}) {
    for (char const* body :
         {"", "<html>", "{\"code\":\"900901\",\"message\":\"Invalid Credentials\"}", "{\"error\":\"unauthorized\"}",
          "{\"error\":\"invalid_gra", "{\"errorCode\":\"E1\"}", "\xEF\xBB\xBF{\"error\":\"invalid_grant\"}"}) {
      CAPTURE(status);
      CAPTURE(body);
      check_account_only(response(status, body), error_kind::rejected, error_kind::unavailable);
    }
  }
}

TEST_CASE("row 6: a known error code is a rejection, and starts at the fourth rung") {
  for (situation const& where : situations()) {
    for (std::string const& code : known_codes()) {
      CAPTURE(code);
      check_ladder(where, oauth_error(400, code), error_kind::rejected, 4);
    }
    for (int status : {200, 201, 401, 403, 404, 422}) {
      CAPTURE(status);
      check_ladder(where, oauth_error(status, "invalid_grant"), error_kind::rejected, 4);
    }
    check_ladder(where, response(404, "{\"errorCode\":\"E0000007\"}"), error_kind::rejected, 4);
    check_ladder(where, response(401, "{\"errorCode\":\"invalid_client\"}"), error_kind::rejected, 4);
    check_ladder(where,
                 response(200,
                          "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":1800,"
                          "\"error\":\"invalid_grant\"}"),
                 error_kind::rejected, 4);
  }
}

TEST_CASE("row 7: a proxy login that is rejected climbs the ladder") {
  for (bool has_store : {true, false}) {
    CAPTURE(has_store);
    fake_processes all;
    all.next = wrong_proxy_login(proxy_login);
    fake_process const first = all.start_behind_proxy(proxy_login, has_store);
    error const failure = failure_of(first);
    CHECK((failure.kind() == error_kind::network));
    CHECK(failure.http_status() == 407);
    CHECK(attempts(all, all.start_behind_proxy(proxy_login, has_store)) != has_store);
    for (seconds wait : {seconds(5), seconds(30), seconds(180), seconds(900)}) {
      all.clock.advance(wait - milliseconds(1));
      CHECK_FALSE(attempts(all, first));
      all.clock.advance(milliseconds(1));
      CHECK(attempts(all, first));
    }
  }
}

TEST_CASE("row 7: those who use another proxy login, or none, are not affected") {
  for (unsigned other_login : {0U, 1U}) {
    fake_processes all;
    all.next = wrong_proxy_login(proxy_login);
    failure_of(all.start_behind_proxy(proxy_login));
    all.grant();
    fake_process const other = all.start_behind_proxy(other_login);
    CHECK(other.tokens.get().value() == "token-1");
    CHECK(all.start_behind_proxy(proxy_login).tokens.get().value() == "token-1");
  }
}

TEST_CASE("row 7 ends no backoff that holds for all") {
  for (outcome const& verdict : {oauth_error(400, "invalid_grant"), response(503)}) {
    fake_processes all;
    fake_process const other = all.start();
    all.next = wrong_proxy_login(proxy_login);
    all.while_connecting = [&] {
      outcome const rejected_login = all.next;
      all.next = verdict;
      failure_of(other);
      all.next = rejected_login;
    };
    fake_process const behind_proxy = all.start_behind_proxy(proxy_login);
    failure_of(behind_proxy);
    CHECK(all.connections == 2);
    CHECK_FALSE(attempts(all, other));
    CHECK_FALSE(attempts(all, all.start()));
    CHECK_FALSE(attempts(all, behind_proxy));
  }
}

TEST_CASE("no other word, and no other number, is an error code") {
  for (char const* word : {"", "error", "invalid_token", "Invalid_grant", "invalid_grant ", "unauthorized", "E000007",
                           "E00000007", "e0000007", "E000000x", "0000007E"}) {
    CAPTURE(word);
    fake_processes all;
    all.next = response(403, std::string("{\"error\":\"") + word + "\",\"errorCode\":\"" + word + "\"}");
    error const failure = failure_of(all.start());
    CHECK(failure.oauth_error().empty());
    CHECK(failure.retry_after() == seconds(5));
  }
}

TEST_CASE("fast: 1 s if the last outcome was not fast, else twice the last wait, at most 5 min, with jitter") {
  for (bool is_shared : {true, false}) {
    for (situation const& where : situations()) {
      fake_processes all;
      fake_process const process = where.start(all);
      all.next = is_shared ? response(503) : cannot_connect(error_kind::network);
      CHECK(attempts(all, process));
      for (int expected : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
        CAPTURE(expected);
        milliseconds const passed = time_to_attempt(all, process, milliseconds(100), hours(1));
        CHECK(passed >= seconds(expected) / 2);
        CHECK(passed <= seconds(expected) + milliseconds(100));
      }
    }
  }
}

TEST_CASE("fast: the jitter spreads a fleet that failed together") {
  milliseconds shortest = hours(1);
  milliseconds longest(0);
  for (int i = 0; i < 20; ++i) {
    fake_processes all;
    all.clock.advance(std::chrono::nanoseconds(i));
    all.next = response(503);
    fake_process const process = all.start_without_store();
    failure_of(process);
    milliseconds const passed = time_to_attempt(all, process, milliseconds(10), seconds(2));
    shortest = (std::min)(shortest, passed);
    longest = (std::max)(longest, passed);
  }
  CHECK(shortest < milliseconds(600));
  CHECK(longest > milliseconds(900));
}

TEST_CASE("fast: the record remembers the last wait, so that restarted processes go on with it") {
  fake_processes all;
  all.next = response(503);
  for (int expected : {1, 2, 4, 8}) {
    CAPTURE(expected);
    CHECK(failure_of(all.start()).retry_after() <= seconds(expected));
    milliseconds const passed = [&] {
      fake_process const next_run = all.start();
      int const before = all.connections;
      milliseconds waited(0);
      all.next = cannot_connect(error_kind::network);  // leaves nothing in the record
      while (!attempts(all, next_run)) {
        all.clock.advance(milliseconds(100));
        waited += milliseconds(100);
      }
      CHECK(all.connections == before + 1);
      all.next = response(503);
      return waited;
    }();
    CHECK(passed >= seconds(expected) / 2);
    CHECK(passed <= seconds(expected) + milliseconds(100));
  }
}

TEST_CASE("fast: a ladder outcome in between starts again with 1 s, and so does a token") {
  for (situation const& where : situations()) {
    fake_processes all;
    fake_process const process = where.start(all);
    auto third_wait = [&](std::function<void()> const& set_outcome) {
      for (int i = 0; i < 2; ++i) {
        all.next = response(503);
        failure_of(process);
        all.clock.advance(minutes(1));
      }
      set_outcome();
      attempts(all, process);
      all.clock.advance(hours(2));
      all.next = response(503);
      return failure_of(process).retry_after();
    };
    CHECK(third_wait([&] { all.next = oauth_error(400, "invalid_grant"); }) == seconds(1));
    all.clock.advance(hours(2));
    CHECK(third_wait([&] { all.grant(); }) == seconds(1));
  }
}

TEST_CASE("fast: not before the server allows it, at most one hour, with up to 10 % on top") {
  struct {
    char const* retry_after;
    int seconds_at_least;
  } const cases[] = {{"20", 20}, {"90.5", 91}, {"3600", 3600}, {"3601", 3600}, {"86400", 3600}};
  for (auto const& one : cases) {
    for (situation const& where : situations()) {
      CAPTURE(one.retry_after);
      fake_processes all;
      all.next = response(503, "", {{"Retry-After", one.retry_after}});
      fake_process const process = where.start(all);
      seconds const allowed(one.seconds_at_least);
      seconds const wait = failure_of(process).retry_after();
      CHECK(wait >= allowed);
      CHECK(wait <= allowed + allowed / 10 + seconds(1));
      all.clock.advance(allowed - milliseconds(1));
      CHECK_FALSE(attempts(all, process));
      all.clock.advance(allowed / 10 + seconds(1));
      CHECK(attempts(all, process));
    }
  }
}

TEST_CASE("fast: X-Rate-Limit-Reset counts by the response's own Date") {
  for (situation const& where : situations()) {
    fake_processes all;
    all.next = response(429, "",
                        {{"Date", "Sun, 06 Nov 1994 08:49:37 GMT"},
                         {"X-Rate-Limit-Limit", "600"},
                         {"X-Rate-Limit-Remaining", "0"},
                         {"X-Rate-Limit-Reset", "784111826"}});  // 49 s later
    fake_process const process = where.start(all);
    seconds const wait = failure_of(process).retry_after();
    CHECK(wait >= seconds(50));
    CHECK(wait <= seconds(55));
    all.clock.advance(seconds(50) - milliseconds(1));
    CHECK_FALSE(attempts(all, process));
    all.clock.advance(seconds(5));
    CHECK(attempts(all, process));
  }
}

TEST_CASE("fast: a wait that the server allows is no memory for the next one") {
  fake_processes all;
  fake_process const process = all.start();
  all.next = response(503, "", {{"Retry-After", "600"}});
  failure_of(process);
  all.clock.advance(minutes(11));
  all.next = response(503);
  CHECK(failure_of(process).retry_after() <= seconds(2));
}

TEST_CASE("ladder: 5 s, 30 s, 3 min, 15 min, 30 min, 1, 2, 4, 8, 16, 24 h, and then 24 h again") {
  for (outcome const& next : {lost(), response(403)}) {
    for (bool has_store : {true, false}) {
      fake_processes all;
      all.next = next;
      fake_process const process = situation{has_store, true}.start(all);
      for (seconds wait : {seconds(5), seconds(30), seconds(180), seconds(minutes(15)), seconds(minutes(30)),
                           seconds(hours(1)), seconds(hours(2)), seconds(hours(4)), seconds(hours(8)),
                           seconds(hours(16)), seconds(hours(24)), seconds(hours(24)), seconds(hours(24))}) {
        CHECK(failure_of(process).retry_after() == wait);
        all.clock.advance(wait);
      }
    }
  }
}

TEST_CASE("ladder: each further outcome goes at least one rung up, whatever its row") {
  for (bool has_store : {true, false}) {
    fake_processes all;
    fake_process const process = situation{has_store, true}.start(all);
    auto wait_after = [&](outcome const& next) {
      all.next = next;
      seconds const wait = failure_of(process).retry_after();
      all.clock.advance(wait);
      return wait;
    };
    CHECK(wait_after(lost()) == seconds(5));
    CHECK(wait_after(response(401)) == seconds(30));
    CHECK(wait_after(oauth_error(400, "invalid_grant")) == minutes(15));
    CHECK(wait_after(lost()) == minutes(30));
    CHECK(wait_after(oauth_error(400, "invalid_grant")) == hours(1));
    CHECK(wait_after(response(403)) == hours(2));
  }
}

TEST_CASE("ladder: row 7 climbs the same counter") {
  for (bool has_store : {true, false}) {
    fake_processes all;
    fake_process const process = all.start_behind_proxy(proxy_login, has_store);
    all.next = lost();
    CHECK(failure_of(process).retry_after() == seconds(5));
    all.clock.advance(seconds(5));
    all.next = wrong_proxy_login(proxy_login);
    CHECK(failure_of(process).retry_after() == seconds(30));
    all.clock.advance(seconds(30));
    all.next = lost();
    CHECK(failure_of(process).retry_after() == minutes(3));
  }
}

TEST_CASE("ladder: fast outcomes neither move nor reset it") {
  for (outcome const& fast : {cannot_connect(error_kind::network), response(503), response(404)}) {
    for (bool has_store : {true, false}) {
      fake_processes all;
      fake_process const process = situation{has_store, true}.start(all);
      for (seconds wait : {seconds(5), seconds(30), seconds(180)}) {
        all.next = lost();
        CHECK(failure_of(process).retry_after() == wait);
        all.clock.advance(wait);
        all.next = fast;
        for (int i = 0; i < 3; ++i) {
          CHECK(failure_of(process).retry_after() <= seconds(4));
          all.clock.advance(seconds(10));
        }
      }
    }
  }
}

TEST_CASE("ladder: it starts again after a token, also for those who only load it") {
  for (bool has_store : {true, false}) {
    fake_processes all;
    fake_process const process = situation{has_store, true}.start(all);
    fake_process const other = has_store ? all.start() : process;
    for (int round = 0; round < 2; ++round) {
      all.next = lost();
      CHECK(failure_of(process).retry_after() == seconds(5));
      all.clock.advance(seconds(5));
      CHECK(failure_of(process).retry_after() == seconds(30));
      all.clock.advance(seconds(30));
      all.grant();
      other.tokens.get();
      all.clock.advance(hours(1));
    }
  }
}

TEST_CASE("ladder: it starts again with other credentials") {
  for (bool has_store : {true, false}) {
    fake_processes all;
    all.next = oauth_error(400, "invalid_grant");
    fake_process const process = situation{has_store, true}.start(all);
    CHECK(failure_of(process).retry_after() == minutes(15));
    credentials next = some_credentials();
    next.password = "another";
    CHECK(process.tokens.set_credentials(next));
    CHECK(failure_of(process).retry_after() == minutes(15));
    CHECK(all.sent.size() == 2);
  }
}

TEST_CASE("ladder: waits count from the moment the credentials were sent") {
  for (bool has_store : {true, false}) {
    fake_processes all;
    all.next = lost();
    fake_process const process = situation{has_store, true}.start(all);
    auto slow_failure = [&] {
      all.while_connecting = [&] { all.clock.advance(seconds(9)); };
      all.after_sending = [&] { all.clock.advance(seconds(20)); };
      return failure_of(process).retry_after();
    };
    CHECK(slow_failure() == seconds(0));
    CHECK(slow_failure() == seconds(10));
    all.clock.advance(seconds(10));
    CHECK(slow_failure() == seconds(160));
  }
}

TEST_CASE(
    "a wrong password is sent 4 times in the first 18 minutes and 9 times in 15 hours at most, whatever the row") {
  enum { one_process, without_store, two_processes, restarts };
  for (auto mode : {one_process, without_store, two_processes, restarts}) {
    for (outcome const& next : {lost(), lost(error_kind::timed_out), throws(42), response(504), response(302),
                                response(200, "<html>"), response(403), oauth_error(400, "invalid_grant")}) {
      fake_processes all;
      all.next = next;
      fake_process first = mode == without_store ? all.start_without_store() : all.start();
      fake_process second = mode == two_processes ? all.start() : first;
      boot_clock::time_point const end = all.clock() + hours(24);
      while (all.clock() < end) {
        error const failure = failure_of(first);
        all.clock.advance((std::max<milliseconds>)(failure.retry_after() - milliseconds(1), milliseconds(1)));
        failure_of(second);
        all.clock.advance(milliseconds(1));
        first = mode == restarts ? all.start() : second;
        second = mode == restarts ? all.start() : first;
      }
      bool const starts_at_first_rung = failure_of(first).oauth_error().empty();
      CHECK(sends_within(minutes(18), all.sent) == (starts_at_first_rung ? 4 : 2));
      CHECK(sends_within(hours(15), all.sent) == (starts_at_first_rung ? 9 : 6));
    }
  }
}

TEST_CASE("a wrong password is sent no more often if processes fail, restart, are killed or finish late in any order") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    check_bound(sends_of_a_random_day(seed, false));
  }
}

TEST_CASE("a wrong password is sent no more often with fast outcomes in between, apart from these themselves") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    check_bound(sends_of_a_random_day(seed, true));
  }
}

TEST_CASE("a blip of up to 3.5 minutes at renewal time costs no caller anything") {
  for (outcome const& next : {lost(), lost(error_kind::timed_out), response(403), response(503), response(504),
                              cannot_connect(error_kind::network)}) {
    for (bool takes_the_timeout : {false, true}) {
      for (bool has_store : {true, false}) {
        CAPTURE(has_store);
        fake_processes all;
        fake_process const process = situation{has_store, true}.start(all);
        process.tokens.get();
        all.clock.advance(minutes(23));
        while (process.tokens.status().renews_in > seconds(0)) {
          CHECK(process.tokens.get().value() == "token-1");
          all.clock.advance(milliseconds(500));
        }
        boot_clock::time_point const end = all.clock() + seconds(210);
        all.next = next;
        while (all.clock() < end) {
          if (takes_the_timeout) {
            all.after_sending = [&] { all.clock.advance(seconds(30)); };
          }
          CHECK(process.tokens.get().value() == "token-1");
          all.clock.advance(milliseconds(500));
        }
        all.after_sending = nullptr;
        all.grant();
        while (process.tokens.get().value() == "token-1") {  // throws if it expires
          all.clock.advance(milliseconds(500));
        }
        CHECK(process.tokens.get().value() == "token-2");
      }
    }
  }
}
