// SPDX-License-Identifier: MIT
// How processes that share a store agree on one request: docs/design.md, "Sharing".

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "support/fake_processes.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using detail::attempt_row;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::cannot_connect;
using tests::error_of;
using tests::fake_clock;
using tests::fake_process;
using tests::fake_processes;
using tests::lost;
using tests::oauth_error;
using tests::response;
using tests::some_credentials;
using tests::throws;

namespace {

std::string value_of(fake_process const& process) { return process.tokens.get().value(); }

error failure_of(fake_process const& process) {
  return error_of([&process] { process.tokens.get(); });
}

bool attempts(fake_processes& all, fake_process const& process) {
  int const before = all.connections;
  try {
    process.tokens.get();
  } catch (error const&) {
  }
  return all.connections > before;
}

/// A process that takes the lease, sends, and is killed.
void start_and_kill(fake_processes& all) {
  fake_process const killed = all.start();
  all.after_sending = [&] {
    killed.store->cannot_load = true;
    killed.store->cannot_replace = true;
  };
  attempts(all, killed);
  all.after_sending = nullptr;
}

/// Runs `meanwhile` while the lease of `process` is running, then lets it finish.
void during_the_lease_of(fake_processes& all, fake_process const& process, std::function<void()> const& meanwhile) {
  all.after_sending = meanwhile;
  attempts(all, process);
}

credentials with_password(char const* password) {
  credentials of = some_credentials();
  of.password = password;
  return of;
}

token_cache_options options_of(fake_processes& all) { return all.options(all.start().store); }

}  // namespace

TEST_CASE("step 1: a token that is not due for renewal is used without a request") {
  fake_processes all;
  CHECK(value_of(all.start()) == "token-1");
  fake_process const second = all.start();
  CHECK(value_of(second) == "token-1");
  CHECK(second.store->replaces == 0);
  all.clock.advance(minutes(24));
  CHECK(value_of(all.start()) == "token-1");
  CHECK(all.sent.size() == 1);
}

TEST_CASE("step 1: a token that is due but lives is used while a lease runs, without waiting") {
  fake_processes all;
  all.is_cancelled = []() -> bool { throw std::logic_error("nobody waits"); };
  value_of(all.start());
  all.clock.advance(minutes(26));
  during_the_lease_of(all, all.start(), [&] {
    CHECK(value_of(all.start()) == "token-1");
    CHECK(all.sent.size() == 2);
  });
  CHECK(value_of(all.start()) == "token-2");
}

TEST_CASE("step 1: a token that is due but lives is used while a backoff lasts") {
  fake_processes all;
  value_of(all.start());
  all.clock.advance(minutes(26));
  all.next = oauth_error(400, "invalid_grant");
  CHECK(value_of(all.start()) == "token-1");
  CHECK(value_of(all.start()) == "token-1");
  CHECK(all.sent.size() == 2);
  all.clock.advance(minutes(4));
  CHECK((failure_of(all.start()).kind() == error_kind::rejected));
  CHECK(all.sent.size() == 2);
}

TEST_CASE("step 1: without a usable token the lease of another process is waited for, and its token used") {
  fake_processes all;
  fake_process const first = all.start();
  fake_process const second = all.start();
  int polls = 0;
  all.is_cancelled = [&] {
    ++polls;
    if (polls == 3) {
      detail::record r = all.stored();
      r.has_lease = false;
      r.cached = detail::token_access::make("theirs", "", all.clock(), all.clock() + minutes(30), all.clock);
      all.store_record(r);
    }
    return polls > 10;
  };
  during_the_lease_of(all, first, [&] {
    CHECK(value_of(second) == "theirs");
    CHECK(polls == 3);
    CHECK(all.sent.size() == 1);
  });
}

TEST_CASE("step 1: the failure of the process that was waited for is shared") {
  fake_processes all;
  fake_process const second = all.start();
  int polls = 0;
  all.is_cancelled = [&] {
    if (++polls == 3) {
      detail::record r = all.stored();
      r.has_lease = false;
      r.failure = std::make_shared<error const>(error_kind::rejected, "wrong password.", 400, "invalid_grant");
      r.row = attempt_row::rejected;
      r.next_attempt_at = all.clock() + minutes(15);
      all.store_record(r);
    }
    return polls > 10;
  };
  during_the_lease_of(all, all.start(), [&] {
    error const failure = failure_of(second);
    CHECK((failure.kind() == error_kind::rejected));
    CHECK(failure.oauth_error() == "invalid_grant");
    CHECK(failure.retry_after() == minutes(15));
    CHECK(std::string(failure.what()).find("an earlier attempt failed: wrong password.") != std::string::npos);
  });
  CHECK(all.sent.size() == 1);
}

TEST_CASE("step 1: all waiting together lasts at most https.timeout, and then nothing is sent") {
  fake_processes all;
  all.timeout = milliseconds(200);
  all.is_cancelled = [] { return false; };
  fake_process const second = all.start();
  during_the_lease_of(all, all.start(), [&] {
    auto const start = std::chrono::steady_clock::now();
    error const failure = failure_of(second);
    auto const passed = std::chrono::steady_clock::now() - start;
    CHECK((failure.kind() == error_kind::timed_out));
    CHECK_FALSE(failure.was_sent());
    CHECK(std::string(failure.what()).find("another process") != std::string::npos);
    CHECK(passed >= milliseconds(200));
    CHECK(passed < seconds(10));
    CHECK(second.tokens.status().requests == 0);
    CHECK(second.tokens.status().failures == 0);
  });
  CHECK(all.sent.size() == 1);
}

TEST_CASE("step 1: a process waits no longer than its own time-out, however long the lease of another one lasts") {
  fake_processes all;
  all.is_cancelled = [] { return false; };
  all.timeout = seconds(120);
  fake_process const slow = all.start();
  all.timeout = milliseconds(100);
  fake_process const fast = all.start();
  during_the_lease_of(all, slow, [&] {
    CHECK((all.stored().lease_ends_at == all.clock() + seconds(120)));
    CHECK((failure_of(fast).kind() == error_kind::timed_out));
  });
  CHECK(all.sent.size() == 1);
  CHECK(value_of(fast) == "token-1");
}

TEST_CASE("step 1: a new lease of somebody else does not prolong the wait") {
  fake_processes all;
  all.timeout = milliseconds(300);
  int polls = 0;
  all.is_cancelled = [&] {
    ++polls;
    detail::record r = all.stored();
    r.lease_started_at = all.clock();
    r.lease_ends_at = all.clock() + seconds(1);
    all.store_record(r);
    return polls > 1000;
  };
  during_the_lease_of(all, all.start(), [&] {
    CHECK((failure_of(all.start()).kind() == error_kind::timed_out));
    CHECK(polls <= 7);  // every 50 ms
  });
}

TEST_CASE("step 1: after waiting, its own exchange has its full time") {
  fake_processes all;
  all.is_cancelled = [&] {
    all.clock.advance(seconds(10));
    return all.clock() > boot_clock::time_point(hours(2));
  };
  start_and_kill(all);
  fake_process const second = all.start();
  all.next = response(503);
  all.clock.advance(seconds(1));
  while (all.sent.size() == 1) {
    all.after_sending = [&] {
      detail::record const r = all.stored();
      CHECK((r.lease_ends_at - r.lease_started_at == seconds(30)));
      CHECK((r.lease_ends_at - all.clock() == seconds(30)));
    };
    attempts(all, second);
    all.clock.advance(seconds(1));
  }
}

TEST_CASE("step 1: waiting can be cancelled") {
  fake_processes all;
  during_the_lease_of(all, all.start(), [&] {
    error const failure = failure_of(all.start());
    CHECK((failure.kind() == error_kind::timed_out));
    CHECK(std::string(failure.what()).find("cancelled") != std::string::npos);
  });
  CHECK(all.sent.size() == 1);
}

TEST_CASE("step 2: nothing is announced before before_sending") {
  fake_processes all;
  fake_process const process = all.start();
  all.while_connecting = [&] {
    CHECK(all.text().empty());
    CHECK(process.store->replaces == 0);
  };
  all.after_sending = [&] { CHECK(all.stored().has_lease); };
  value_of(process);
}

TEST_CASE("step 2: a job that cannot connect blocks nobody and leaves no trace") {
  fake_processes all;
  fake_process const broken = all.start();
  all.next = cannot_connect(error_kind::tls);
  all.while_connecting = [&] {
    all.grant();
    CHECK(value_of(all.start()) == "token-1");
  };
  CHECK((failure_of(broken).kind() == error_kind::tls));
  CHECK(broken.store->replaces == 0);
  all.clock.advance(seconds(1));
  CHECK(value_of(broken) == "token-1");
}

TEST_CASE("step 3: the lease lasts https.timeout from before_sending, whatever the transport needed to connect") {
  fake_processes all;
  all.timeout = seconds(120);
  all.while_connecting = [&] { all.clock.advance(seconds(50)); };
  all.after_sending = [&] {
    detail::record const r = all.stored();
    CHECK(r.has_lease);
    CHECK((r.lease_started_at == all.clock()));
    CHECK((r.lease_ends_at == all.clock() + seconds(120)));
  };
  value_of(all.start());
  CHECK(all.sent.size() == 1);
}

TEST_CASE("step 3: if a token came in between, nothing is sent and the token is used") {
  fake_processes all;
  all.is_cancelled = [] { return false; };
  fake_process const slow = all.start();
  all.while_connecting = [&] { CHECK(value_of(all.start()) == "token-1"); };
  CHECK(value_of(slow) == "token-1");
  CHECK(all.connections == 2);
  CHECK(all.sent.size() == 1);
  CHECK(slow.tokens.status().requests == 0);
}

TEST_CASE("step 3: if a failure came in between, nothing is sent and the backoff obeyed") {
  fake_processes all;
  all.is_cancelled = [] { return false; };
  fake_process const slow = all.start();
  all.next = response(403);
  all.while_connecting = [&] { failure_of(all.start()); };
  error const failure = failure_of(slow);
  CHECK((failure.kind() == error_kind::rejected));
  CHECK(failure.retry_after() == seconds(5));
  CHECK(all.sent.size() == 1);
}

TEST_CASE("step 3: if a lease came in between, nothing is sent and the lease waited for") {
  fake_processes all;
  value_of(all.start());
  all.clock.advance(hours(1));  // the token that is stored has expired
  fake_process const slow = all.start();
  all.while_connecting = [&] { start_and_kill(all); };
  CHECK((failure_of(slow).kind() == error_kind::timed_out));
  CHECK(all.connections == 3);
  CHECK(all.sent.size() == 2);
}

TEST_CASE("step 3: what before_sending throws is no error, so that no transport handles it as one") {
  CHECK_FALSE(std::is_base_of<std::exception, detail::record_has_changed>::value);
}

TEST_CASE("step 4: the lease is replaced by the token, or by the failure") {
  fake_processes all;
  value_of(all.start());
  CHECK_FALSE(all.stored().has_lease);
  CHECK(all.stored().cached.value() == "token-1");
  CHECK_FALSE(all.stored().failure);
  all.clock.advance(minutes(31));
  all.next = oauth_error(400, "invalid_grant");
  failure_of(all.start());
  detail::record const r = all.stored();
  CHECK_FALSE(r.has_lease);
  CHECK(r.cached.empty());
  REQUIRE(r.failure);
  CHECK((r.row == attempt_row::rejected));
  CHECK(r.history.rung == 4);
  CHECK((r.next_attempt_at == all.clock() + minutes(15)));
}

TEST_CASE("the record is kept longer than the longest backoff and longer than the token") {
  fake_processes all;
  fake_process const process = all.start();
  value_of(process);
  CHECK(process.store->kept_for >= hours(24) + minutes(30));
}

TEST_CASE("a lease that ended without a result is row 4: the next attempt is at its end or after its rung's wait") {
  fake_processes all;
  start_and_kill(all);
  for (seconds expected : {seconds(30), seconds(30), seconds(180), seconds(900), seconds(1800)}) {
    CAPTURE(expected.count());
    boot_clock::time_point const killed_at = all.sent.back();
    all.clock.advance(expected - milliseconds(1));
    start_and_kill(all);
    CHECK((all.sent.back() == killed_at));
    all.clock.advance(milliseconds(1));
    start_and_kill(all);
    CHECK((all.sent.back() - killed_at == expected));
  }
  all.clock.advance(seconds(31));
  error const failure = failure_of(all.start());
  CHECK((failure.kind() == error_kind::timed_out));
  CHECK(std::string(failure.what()).find("ended without a result") != std::string::npos);
  CHECK(failure.retry_after() == hours(1) - seconds(31));
}

TEST_CASE("a lease that ended without a result is retried fast if there is no account") {
  credentials const of("0oa1client", "s3cr3t", "scope");
  fake_processes all;
  fake_process const killed = all.start(of);
  all.after_sending = [&] { killed.store->cannot_load = killed.store->cannot_replace = true; };
  value_of(killed);
  all.clock.advance(seconds(30));
  CHECK(failure_of(all.start(of)).retry_after() == seconds(1));
  all.clock.advance(seconds(1));
  CHECK(value_of(all.start(of)) == "token-2");
}

TEST_CASE("a late finisher stores its token if nobody has stored one") {
  fake_processes all;
  fake_process const late = all.start();
  all.after_sending = [&] { all.clock.advance(seconds(31)); };
  CHECK(value_of(late) == "token-1");
  CHECK(all.stored().cached.value() == "token-1");
  CHECK(all.stored().history.rung == 0);
  CHECK_FALSE(all.stored().failure);
}

TEST_CASE("a late finisher stores its token only if it expires later than the stored one") {
  for (bool is_later : {true, false}) {
    fake_processes all;
    fake_process const late = all.start();
    all.grant(is_later ? minutes(30) : minutes(10));
    all.after_sending = [&] {
      all.clock.advance(seconds(31));
      all.grant(minutes(20));
      CHECK(value_of(all.start()) == "token-1");
    };
    CHECK(value_of(late) == "token-2");
    CHECK(all.stored().cached.value() == (is_later ? "token-2" : "token-1"));
  }
}

TEST_CASE("a late finisher leaves somebody else's running lease in the record, and its token beside it") {
  fake_processes all;
  fake_process const late = all.start();
  all.after_sending = [&] {
    all.clock.advance(seconds(31));
    start_and_kill(all);
  };
  CHECK(value_of(late) == "token-2");
  CHECK(all.stored().has_lease);
  CHECK((all.stored().lease_started_at == all.clock()));
  CHECK(all.stored().cached.value() == "token-2");
  CHECK(value_of(all.start()) == "token-2");
}

TEST_CASE("the failure of a late finisher is dropped, because its lease was counted") {
  for (bool is_running : {true, false}) {
    fake_processes all;
    fake_process const late = all.start();
    all.next = oauth_error(400, "invalid_grant");
    std::string text;
    all.after_sending = [&] {
      all.clock.advance(seconds(31));
      all.next = lost();
      if (is_running) {
        start_and_kill(all);
      } else {
        failure_of(all.start());
      }
      text = all.text();
    };
    CHECK((failure_of(late).kind() == error_kind::rejected));
    CHECK(all.text() == text);
    CHECK(all.stored().history.rung == (is_running ? 1 : 2));
    CHECK_FALSE(attempts(all, late));
  }
}

TEST_CASE("the failure of a late finisher counts if nobody has taken its place") {
  fake_processes all;
  fake_process const late = all.start();
  all.next = oauth_error(400, "invalid_grant");
  all.after_sending = [&] { all.clock.advance(seconds(31)); };
  CHECK(failure_of(late).retry_after() == minutes(15) - seconds(31));
  CHECK(all.stored().history.rung == 4);
}

TEST_CASE("a result replaces its own lease also if a late finisher has changed the record around it") {
  for (bool is_granted : {true, false}) {
    CAPTURE(is_granted);
    fake_processes all;
    if (!is_granted) {
      all.next = oauth_error(400, "invalid_grant");
    }
    during_the_lease_of(all, all.start(), [&] {
      detail::record r = all.stored();
      r.cached = detail::token_access::make("late", "", all.clock(), all.clock() + minutes(1), all.clock);
      all.store_record(r);
    });
    detail::record const r = all.stored();
    CHECK_FALSE(r.has_lease);
    CHECK(r.cached.value() == (is_granted ? "token-1" : "late"));
    CHECK((r.failure != nullptr) == !is_granted);
    CHECK(r.history.rung == (is_granted ? 0 : 4));
  }
}

TEST_CASE("a transport that never calls before_sending: its result is stored all the same") {
  fake_processes all;
  all.calls_before_sending = false;
  CHECK(value_of(all.start()) == "token-1");
  CHECK(value_of(all.start()) == "token-1");
  CHECK(all.sent.size() == 1);
  all.clock.advance(hours(1));
  all.next = lost();
  CHECK(failure_of(all.start()).retry_after() == seconds(5));
  CHECK_FALSE(attempts(all, all.start()));
  all.clock.advance(seconds(5));
  CHECK(failure_of(all.start()).retry_after() == seconds(30));
}

TEST_CASE("a transport that never calls before_sending: nothing was sent if its error says so") {
  fake_processes all;
  all.calls_before_sending = false;
  all.next = cannot_connect(error_kind::network);
  fake_process const process = all.start();
  CHECK(failure_of(process).retry_after() == seconds(1));
  CHECK(process.store->replaces == 0);
  CHECK(attempts(all, all.start()));
}

TEST_CASE("a transport that never calls before_sending: the credentials count as sent whatever else it threw") {
  for (auto const& next : {throws(42), lost(error_kind::tls)}) {
    fake_processes all;
    all.calls_before_sending = false;
    all.next = next;
    CHECK(failure_of(all.start()).retry_after() == seconds(5));
    CHECK_FALSE(attempts(all, all.start()));
    CHECK(all.stored().history.rung == 1);
  }
}

TEST_CASE("a transport that never calls before_sending: its failure is stored one rung above what is there") {
  fake_processes all;
  all.calls_before_sending = false;
  all.next = lost();
  int refused = 0;
  all.after_sending = [&] {
    for (int i = 0; i < 2; ++i) {
      failure_of(all.start());
      all.clock.advance(seconds(30));
    }
    ++refused;
  };
  fake_process const slow = all.start();
  CHECK(failure_of(slow).retry_after() == minutes(3) - minutes(1));
  CHECK(refused == 1);
  CHECK(all.stored().history.rung == 3);
}

TEST_CASE("a transport that never calls before_sending: its failure shortens no backoff that came in between") {
  for (auto const& own : {response(503), response(404), lost()}) {
    fake_processes all;
    all.calls_before_sending = false;
    all.next = own;
    all.after_sending = [&] {
      all.next = oauth_error(400, "invalid_grant");
      failure_of(all.start());
      all.next = own;
    };
    fake_process const process = all.start();
    failure_of(process);
    all.clock.advance(minutes(15) - milliseconds(1));
    CHECK_FALSE(attempts(all, all.start()));
    CHECK_FALSE(attempts(all, process));
  }
}

TEST_CASE("a transport that never calls before_sending leaves somebody else's lease in the record") {
  fake_processes all;
  all.calls_before_sending = false;
  all.next = lost();
  all.after_sending = [&] {
    all.calls_before_sending = true;
    start_and_kill(all);
    all.calls_before_sending = false;
  };
  fake_process const process = all.start();
  failure_of(process);
  CHECK(all.stored().has_lease);
  CHECK(all.stored().history.rung == 1);  // and the lease leads to the second
  CHECK_FALSE(attempts(all, process));
  CHECK_FALSE(attempts(all, all.start()));
}

TEST_CASE("if nothing was sent after before_sending, the lease is removed again, and the rung stays") {
  fake_processes all;
  all.next = lost();
  failure_of(all.start());
  all.clock.advance(seconds(5));
  all.next = throws(detail::not_sent(error_kind::network, "nothing was sent"));
  fake_process const process = all.start();
  all.after_sending = [&] { CHECK(all.stored().has_lease); };
  CHECK(failure_of(process).retry_after() == seconds(1));
  CHECK_FALSE(all.stored().has_lease);
  CHECK_FALSE(all.stored().failure);
  CHECK(all.stored().history.rung == 1);
  CHECK(attempts(all, all.start()));
  CHECK_FALSE(attempts(all, process));
}

TEST_CASE("a request that calls before_sending twice has one lease, from the second call") {
  fake_processes all;
  token_cache_options options = options_of(all);
  options.transport = [&](http_request const& request) {
    request.before_sending();
    all.clock.advance(seconds(7));
    request.before_sending();
    CHECK((all.stored().lease_ends_at == all.clock() + seconds(30)));
    return all.next.respond();
  };
  CHECK(make_token_cache(test_environment(), some_credentials(), options).get().value() == "token-1");
  CHECK_FALSE(all.stored().has_lease);
}

TEST_CASE("forced renewal: the lease drops the refused token from the record") {
  fake_processes all;
  fake_process const process = all.start();
  token const refused = process.tokens.get();
  CHECK(process.tokens.invalidate(refused));
  all.after_sending = [&] {
    CHECK(all.stored().has_lease);
    CHECK(all.stored().cached.empty());
    CHECK((failure_of(all.start()).kind() == error_kind::timed_out));
  };
  CHECK(value_of(process) == "token-2");
}

TEST_CASE("forced renewal: a newer token in the record is used instead") {
  fake_processes all;
  fake_process const process = all.start();
  token const refused = process.tokens.get();
  fake_process const other = all.start();
  CHECK(other.tokens.invalidate(other.tokens.get()));
  CHECK(value_of(other) == "token-2");
  CHECK(process.tokens.invalidate(refused));
  CHECK(value_of(process) == "token-2");
  CHECK(all.sent.size() == 2);
}

TEST_CASE("forced renewal: for 30 s nobody who shares the store renews the replacement because of a 401") {
  for (bool has_store : {true, false}) {
    CAPTURE(has_store);
    fake_processes all;
    fake_process const process = has_store ? all.start() : all.start_without_store();
    CHECK(process.tokens.invalidate(process.tokens.get()));
    token const replacement = process.tokens.get();
    CHECK(replacement.value() == "token-2");
    fake_process const other = has_store ? all.start() : process;
    CHECK(value_of(other) == "token-2");
    all.clock.advance(seconds(30) - milliseconds(1));
    for (fake_process const& one : {process, other, has_store ? all.start() : process}) {
      CHECK(value_of(one) == "token-2");
      CHECK_FALSE(one.tokens.invalidate(replacement));
      CHECK(value_of(one) == "token-2");
    }
    CHECK(all.sent.size() == 2);
    all.clock.advance(milliseconds(1));
    CHECK(other.tokens.invalidate(replacement));
    CHECK(value_of(other) == "token-3");
  }
}

TEST_CASE("forced renewal: a token that was not a replacement may be refused at once") {
  fake_processes all;
  value_of(all.start());
  all.clock.advance(minutes(26));
  fake_process const process = all.start();
  token const renewed = process.tokens.get();
  CHECK(renewed.value() == "token-2");
  CHECK(process.tokens.invalidate(renewed));
}

TEST_CASE("forced renewal: a refused token is not returned when another process is requesting") {
  fake_processes all;
  fake_process const process = all.start();
  token const refused = process.tokens.get();
  token_cache_options const options = options_of(all);
  all.after_sending = [&] {
    CHECK(process.tokens.invalidate(refused));
    CHECK((failure_of(process).kind() == error_kind::timed_out));
    CHECK(process.tokens.try_get().empty());
    CHECK_FALSE(process.tokens.status().has_token);
  };
  request_token(test_environment(), some_credentials(), options);
  CHECK(all.sent.size() == 2);
}

TEST_CASE("forced renewal: a refused token is not returned when the renewal fails") {
  for (bool has_store : {true, false}) {
    for (auto const& next : {cannot_connect(error_kind::network), response(503), lost()}) {
      fake_processes all;
      fake_process const process = has_store ? all.start() : all.start_without_store();
      CHECK(process.tokens.invalidate(process.tokens.get()));
      all.next = next;
      failure_of(process);
      failure_of(process);
      CHECK(process.tokens.try_get().empty());
    }
  }
}

TEST_CASE("retry_now: the next attempt is allowed at once for all who share the store, at the same rung") {
  fake_processes all;
  all.next = oauth_error(400, "invalid_grant");
  fake_process const waiting = all.start();
  failure_of(waiting);
  CHECK(all.start().tokens.retry_now());
  CHECK(all.stored().history.rung == 4);
  CHECK((all.stored().retried_at == all.clock()));
  all.clock.advance(seconds(1));
  CHECK(failure_of(waiting).retry_after() == minutes(30));
  CHECK(all.sent.size() == 2);
}

TEST_CASE("retry_now: at most once in 15 minutes for all who share the store") {
  fake_processes all;
  all.next = oauth_error(400, "invalid_grant");
  fake_process const first = all.start();
  fake_process const second = all.start();
  failure_of(first);
  failure_of(second);
  CHECK(first.tokens.retry_now());
  CHECK_FALSE(first.tokens.retry_now());
  failure_of(first);
  CHECK_FALSE(first.tokens.retry_now());
  CHECK_FALSE(second.tokens.retry_now());
  CHECK_FALSE(all.start().tokens.retry_now());
  all.clock.advance(minutes(15) - milliseconds(1));
  CHECK_FALSE(second.tokens.retry_now());
  CHECK_FALSE(attempts(all, second));
  all.clock.advance(milliseconds(1));
  CHECK(all.start().tokens.retry_now());
  all.clock.advance(seconds(1));
  CHECK(attempts(all, second));
}

TEST_CASE("retry_now: the limit holds without a store, and for a failure that is not shared") {
  for (bool has_store : {true, false}) {
    CAPTURE(has_store);
    fake_processes all;
    fake_process const process = has_store ? all.start() : all.start_without_store();
    all.next = cannot_connect(error_kind::network);
    failure_of(process);
    CHECK(process.tokens.retry_now());
    CHECK(attempts(all, process));
    CHECK_FALSE(process.tokens.retry_now());
    CHECK_FALSE(attempts(all, process));
    all.clock.advance(minutes(15));
    CHECK(attempts(all, process));
    CHECK(process.tokens.retry_now());
    CHECK(attempts(all, process));
  }
}

TEST_CASE("retry_now: there is nothing to end without a backoff or while a lease runs") {
  fake_processes all;
  CHECK_FALSE(all.start().tokens.retry_now());
  CHECK_FALSE(all.start_without_store().tokens.retry_now());
  during_the_lease_of(all, all.start(), [&] { CHECK_FALSE(all.start().tokens.retry_now()); });
  CHECK_FALSE(all.start().tokens.retry_now());
}

TEST_CASE("retry_now: a store that cannot be written keeps the backoff") {
  fake_processes all;
  all.next = response(403);
  fake_process const process = all.start();
  failure_of(process);
  process.store->cannot_replace = true;
  CHECK_FALSE(process.tokens.retry_now());
  CHECK_FALSE(attempts(all, process));
}

TEST_CASE("removal of the entry ends everybody's backoff within a second") {
  fake_processes all;
  all.next = oauth_error(400, "invalid_grant");
  fake_process const first = all.start();
  fake_process const second = all.start();
  failure_of(first);
  failure_of(second);
  all.clock.advance(minutes(1));
  failure_of(second);
  all.text().clear();
  all.clock.advance(seconds(1));
  CHECK(failure_of(second).retry_after() == minutes(15));  // the ladder starts again
  CHECK(all.sent.size() == 2);
  all.text().clear();
  all.clock.advance(seconds(1));
  all.grant();
  CHECK(value_of(first) == "token-1");
}

TEST_CASE("during a shared backoff the record is loaded at most once a second") {
  fake_processes all;
  all.next = oauth_error(400, "invalid_grant");
  fake_process const process = all.start();
  failure_of(process);
  int const before = process.store->loads;
  for (int i = 0; i < 100; ++i) {
    failure_of(process);
    all.clock.advance(milliseconds(100));
  }
  CHECK(process.store->loads - before <= 10);
  CHECK(process.store->loads - before >= 9);
}

TEST_CASE("while a token lives that is due, the record is loaded at most once a second") {
  for (bool is_lease : {true, false}) {
    fake_processes all;
    fake_process const process = all.start();
    value_of(process);
    all.clock.advance(minutes(26));
    all.next = oauth_error(400, "invalid_grant");
    auto count_loads = [&] {
      int const before = process.store->loads;
      for (int i = 0; i < 100; ++i) {
        CHECK(value_of(process) == "token-1");
        all.clock.advance(milliseconds(100));
      }
      CHECK(process.store->loads - before <= 11);
      CHECK(process.store->loads - before >= 9);
    };
    if (is_lease) {
      during_the_lease_of(all, all.start(), count_loads);
    } else {
      value_of(all.start());
      count_loads();
    }
  }
}

TEST_CASE("a store that cannot be read ends nothing") {
  fake_processes all;
  fake_process const process = all.start();
  value_of(process);
  process.store->cannot_load = true;
  all.clock.advance(minutes(24));
  CHECK(value_of(process) == "token-1");
  process.store->cannot_load = false;
  all.clock.advance(minutes(10));
  all.next = oauth_error(400, "invalid_grant");
  CHECK(failure_of(process).retry_after() == minutes(15));
  process.store->cannot_load = true;
  all.clock.advance(minutes(15) - milliseconds(1));
  CHECK_FALSE(attempts(all, process));
  CHECK(process.tokens.status().sharing_problem == "the disk is gone");
  process.store->cannot_load = false;
  all.clock.advance(milliseconds(1));
  CHECK(failure_of(process).retry_after() == minutes(30));
}

TEST_CASE("a store that cannot be read does not end a lease that was seen in it") {
  fake_processes all;
  fake_process const waiting = all.start();
  int polls = 0;
  all.is_cancelled = [&] {
    waiting.store->cannot_load = ++polls >= 2;
    return polls == 4;
  };
  all.next = oauth_error(400, "invalid_grant");
  during_the_lease_of(all, all.start(), [&] {
    CHECK((failure_of(waiting).kind() == error_kind::timed_out));
    CHECK_FALSE(attempts(all, waiting));
    CHECK(all.sent.size() == 1);
  });
  all.clock.advance(seconds(30));
  CHECK(attempts(all, waiting));  // the lease ended, and its rung allows 5 s
}

TEST_CASE("set_credentials: a request in flight finishes under its old key and does not touch the new state") {
  for (bool is_granted : {true, false}) {
    fake_processes all;
    fake_process const process = all.start();
    if (!is_granted) {
      all.next = oauth_error(400, "invalid_grant");
    }
    all.after_sending = [&] { CHECK(process.tokens.set_credentials(with_password("new"))); };
    attempts(all, process);
    CHECK(process.tokens.try_get().empty());
    CHECK(process.tokens.status().last_error == nullptr);
    CHECK(process.tokens.status().retry_in == seconds(0));
    CHECK((all.stored().failure == nullptr) == is_granted);
    CHECK(all.stored().cached.empty() != is_granted);
    CHECK(all.text(with_password("new")).empty());
    all.grant();
    CHECK(value_of(process) == (is_granted ? "token-2" : "token-1"));
    CHECK_FALSE(all.text(with_password("new")).empty());
  }
}

TEST_CASE("set_credentials: a backoff that the store holds for the new credentials is obeyed") {
  fake_processes all;
  all.next = oauth_error(400, "invalid_grant");
  failure_of(all.start(with_password("new")));
  all.grant();
  fake_process const process = all.start();
  value_of(process);
  CHECK(process.tokens.set_credentials(with_password("new")));
  CHECK(value_of(process) == "token-1");  // the old one, while it lives
  CHECK((process.tokens.status().last_error->kind() == error_kind::rejected));
  CHECK(all.sent.size() == 2);
  all.clock.advance(minutes(15));
  CHECK(value_of(process) == "token-2");
}

TEST_CASE("set_credentials: a token that the store holds for the new credentials is used") {
  fake_processes all;
  CHECK(value_of(all.start(with_password("new"))) == "token-1");
  fake_process const process = all.start();
  CHECK(value_of(process) == "token-2");
  CHECK(process.tokens.set_credentials(with_password("new")));
  CHECK(value_of(process) == "token-1");
  CHECK(all.sent.size() == 2);
}

TEST_CASE("set_credentials: the old entry stays, and the old token is not stored under the new key") {
  fake_processes all;
  fake_process const process = all.start();
  value_of(process);
  std::string const text = all.text();
  CHECK(process.tokens.set_credentials(with_password("new")));
  all.next = response(503);
  CHECK(value_of(process) == "token-1");
  CHECK(all.text() == text);
  CHECK(all.stored(with_password("new")).cached.empty());
}

TEST_CASE("request_token obeys and updates the store's backoff") {
  fake_processes all;
  token_cache_options const options = options_of(all);
  auto request = [&] { request_token(test_environment(), some_credentials(), options); };
  all.next = oauth_error(400, "invalid_grant");
  CHECK(error_of(request).retry_after() == minutes(15));
  CHECK_FALSE(attempts(all, all.start()));
  CHECK(std::string(error_of(request).what()).find("an earlier attempt failed") != std::string::npos);
  CHECK(all.sent.size() == 1);
  all.clock.advance(minutes(15));
  CHECK(failure_of(all.start()).retry_after() == minutes(30));
  CHECK(error_of(request).retry_after() == minutes(30));
  CHECK(all.sent.size() == 2);
  all.clock.advance(minutes(30));
  all.grant();
  request();
  CHECK(all.stored().history.rung == 0);
  CHECK_FALSE(all.stored().failure);
}

TEST_CASE("request_token never uses or stores a token") {
  fake_processes all;
  token_cache_options const options = options_of(all);
  auto request = [&] { return request_token(test_environment(), some_credentials(), options).value(); };
  CHECK(request() == "token-1");
  CHECK(all.stored().cached.empty());
  CHECK_FALSE(all.stored().has_lease);
  CHECK(value_of(all.start()) == "token-2");
  CHECK(request() == "token-3");
  CHECK(request() == "token-4");
  CHECK(all.stored().cached.value() == "token-2");
}

TEST_CASE("request_token waits for a lease, and announces its own") {
  fake_processes all;
  token_cache_options const options = options_of(all);
  auto request = [&] { request_token(test_environment(), some_credentials(), options); };
  during_the_lease_of(all, all.start(), [&] { CHECK((error_of(request).kind() == error_kind::timed_out)); });
  CHECK(all.sent.size() == 1);
  all.after_sending = [&] { CHECK(all.stored().has_lease); };
  request();
}

TEST_CASE("request_token without a store promises no next attempt, because nothing enforces it") {
  fake_processes all;
  all.next = oauth_error(400, "invalid_grant");
  token_cache_options const options = all.options(nullptr);
  for (int i = 0; i < 2; ++i) {
    error const failure = error_of([&] { request_token(test_environment(), some_credentials(), options); });
    CHECK((failure.kind() == error_kind::rejected));
    CHECK(failure.retry_after() == seconds(0));
    CHECK(std::string(failure.what()).find("Next attempt") == std::string::npos);
  }
  CHECK(all.sent.size() == 2);
}

TEST_CASE("the store fails at load: the request is sent without a lease and the failure counted in this process") {
  fake_processes all;
  fake_process const process = all.start();
  process.store->cannot_load = true;
  all.next = lost();
  for (seconds wait : {seconds(5), seconds(30), seconds(180), seconds(900)}) {
    CHECK(failure_of(process).retry_after() == wait);
    CHECK_FALSE(attempts(all, process));
    all.clock.advance(wait);
  }
  CHECK(process.store->replaces == 0);
  CHECK_FALSE(process.tokens.status().is_shared);
  CHECK(process.tokens.status().sharing_problem == "the disk is gone");
  all.grant();
  CHECK(value_of(process) == "token-1");
  CHECK(value_of(process) == "token-1");
}

TEST_CASE("the store fails at the lease: the request is sent without one and the failure counted in this process") {
  fake_processes all;
  fake_process const process = all.start();
  process.store->cannot_replace = true;
  all.next = lost();
  for (seconds wait : {seconds(5), seconds(30), seconds(180), seconds(900)}) {
    CHECK(failure_of(process).retry_after() == wait);
    CHECK(process.tokens.status().sharing_problem == "the disk is full");
    all.clock.advance(wait - milliseconds(1));
    CHECK_FALSE(attempts(all, process));
    all.clock.advance(milliseconds(1));
  }
  all.grant();
  CHECK(value_of(process) == "token-1");
  CHECK(value_of(process) == "token-1");
  CHECK(all.sent.size() == 5);
}

TEST_CASE(
    "the store fails at the lease: what this process counted is neither lost to a fast failure nor to the store") {
  fake_processes all;
  fake_process const process = all.start();
  process.store->cannot_replace = true;
  all.next = lost();
  CHECK(failure_of(process).retry_after() == seconds(5));
  all.clock.advance(seconds(5));
  all.next = cannot_connect(error_kind::network);
  CHECK(failure_of(process).retry_after() == seconds(1));
  all.clock.advance(seconds(1));
  all.next = lost();
  CHECK(failure_of(process).retry_after() == seconds(30));
  all.clock.advance(seconds(30));
  process.store->cannot_replace = false;
  CHECK(failure_of(process).retry_after() == minutes(3));
  CHECK(all.stored().history.rung == 3);
}

TEST_CASE("the store fails at the lease: a token that another process got ends what this process counted") {
  fake_processes all;
  fake_process const process = all.start();
  process.store->cannot_replace = true;
  all.next = lost();
  CHECK(failure_of(process).retry_after() == seconds(5));
  all.grant();
  value_of(all.start());
  all.clock.advance(seconds(1));
  CHECK(value_of(process) == "token-1");
  all.clock.advance(hours(1));
  all.next = lost();
  CHECK(failure_of(process).retry_after() == seconds(5));
}

TEST_CASE("the store fails at the result: a token stays in this process, and the others see the lease end") {
  fake_processes all;
  fake_process const process = all.start();
  all.after_sending = [&] { process.store->cannot_replace = true; };
  CHECK(value_of(process) == "token-1");
  CHECK(process.tokens.status().sharing_problem == "the disk is full");
  CHECK(value_of(process) == "token-1");
  CHECK(all.stored().has_lease);
  CHECK((failure_of(all.start()).kind() == error_kind::timed_out));
  all.clock.advance(seconds(30));
  CHECK(value_of(all.start()) == "token-2");
  CHECK(value_of(process) == "token-1");
}

TEST_CASE("the store fails at the result: a failure stays in this process, which does not wait for its own lease") {
  fake_processes all;
  fake_process const process = all.start();
  all.next = oauth_error(400, "invalid_grant");
  all.after_sending = [&] { process.store->cannot_replace = true; };
  CHECK(failure_of(process).retry_after() == minutes(15));
  process.store->cannot_replace = false;
  all.clock.advance(seconds(1));
  CHECK((failure_of(process).kind() == error_kind::rejected));
  all.clock.advance(seconds(29));
  CHECK((failure_of(process).kind() == error_kind::rejected));
  CHECK_FALSE(attempts(all, process));
  CHECK(attempts(all, all.start()));
}

TEST_CASE("three refused replaces without a visible lease: the store counts as failed") {
  fake_processes all;
  fake_process const process = all.start();
  process.store->refuses = true;
  all.is_cancelled = [] { return false; };
  CHECK(value_of(process) == "token-1");
  CHECK(all.connections == 4);
  CHECK(all.sent.size() == 1);
  CHECK_FALSE(process.tokens.status().is_shared);
  CHECK(process.tokens.status().sharing_problem.find("rejected") != std::string::npos);
  all.clock.advance(hours(1));
  process.store->refuses = false;
  CHECK(value_of(process) == "token-2");
  CHECK(process.tokens.status().is_shared);
  CHECK(all.stored().cached.value() == "token-2");
}

TEST_CASE("two refused replaces, or a lease that is seen between them, are no failure of the store") {
  fake_processes all;
  fake_process const process = all.start();
  int polls = 0;
  all.is_cancelled = [&] {
    ++polls;
    if (polls == 2) {  // somebody else had a lease
      detail::record r;
      r.has_lease = true;
      r.lease_started_at = all.clock();
      r.lease_ends_at = all.clock() + seconds(30);
      all.store_record(r);
    } else if (polls == 3) {
      all.text().clear();
    }
    process.store->refuses = polls < 4;
    return polls > 10;
  };
  process.store->refuses = true;
  CHECK(value_of(process) == "token-1");
  CHECK(polls == 4);
  CHECK(all.sent.size() == 1);
  CHECK(all.stored().cached.value() == "token-1");
}

TEST_CASE("without a store before_sending does nothing, and rung and token are per cache") {
  fake_processes all;
  all.next = lost();
  fake_process const first = all.start_without_store();
  fake_process const second = all.start_without_store();
  CHECK(failure_of(first).retry_after() == seconds(5));
  all.clock.advance(seconds(5));
  CHECK(failure_of(first).retry_after() == seconds(30));
  CHECK(failure_of(second).retry_after() == seconds(5));
  all.clock.advance(seconds(30));
  all.grant();
  CHECK(value_of(first) == "token-1");
  CHECK(value_of(second) == "token-2");
  CHECK_FALSE(first.tokens.status().is_shared);
  CHECK(first.tokens.status().sharing_problem.empty());
}

TEST_CASE("with a store, two caches in one process behave like two processes") {
  fake_processes all;
  auto const store = all.start().store;  // one object for both
  token_cache_options const options = all.options(store);
  token_cache const first = make_token_cache(test_environment(), some_credentials(), options);
  token_cache const second = make_token_cache(test_environment(), some_credentials(), options);
  all.after_sending = [&] {
    CHECK((error_of([&] { second.get(); }).kind() == error_kind::timed_out));
    CHECK(all.sent.size() == 1);
  };
  CHECK(first.get().value() == "token-1");
  CHECK(second.get().value() == "token-1");
  CHECK(second.invalidate(second.get()));
  CHECK(second.get().value() == "token-2");
  CHECK(first.get().value() == "token-1");  // until it looks into the store
  CHECK(all.sent.size() == 2);
}

TEST_CASE("a clock that is stepped back prolongs neither a lease nor a backoff beyond its duration and five minutes") {
  for (minutes back : {minutes(4), minutes(6), minutes(600)}) {
    for (bool is_lease : {true, false}) {
      CAPTURE(back.count());
      fake_processes all;
      all.clock.advance(hours(24));
      all.next = response(403);
      if (is_lease) {
        start_and_kill(all);
      } else {
        failure_of(all.start());
      }
      all.clock.advance(-back);
      seconds passed(0);
      while (!attempts(all, all.start()) && passed < minutes(30)) {
        all.clock.advance(seconds(1));
        passed += seconds(1);
      }
      CHECK(passed <= seconds(is_lease ? 30 : 5) + minutes(5));
      CHECK(all.stored().history.rung == 2);
    }
  }
}

TEST_CASE("a record written more than 5 minutes in the future loses its token, keeps its rung and is rewritten once") {
  fake_processes all;
  fake_clock ahead;
  ahead.advance(minutes(5) + seconds(1));
  all.next = lost();
  fake_process const writer = all.start_elsewhere(ahead);
  failure_of(writer);
  ahead.advance(seconds(5));
  failure_of(writer);
  ahead.advance(seconds(30));
  all.grant();
  value_of(writer);
  ahead.advance(hours(1));
  all.next = lost();
  failure_of(writer);
  CHECK(all.stored().is_from_future);
  CHECK(all.stored().history.rung == 1);

  fake_process const reader = all.start();
  CHECK(failure_of(reader).retry_after() == seconds(5));
  CHECK(reader.store->replaces == 1);
  CHECK_FALSE(all.stored().is_from_future);
  CHECK(all.stored().history.rung == 1);
  all.clock.advance(seconds(5));
  CHECK(failure_of(all.start()).retry_after() == seconds(30));
  CHECK(reader.store->replaces == 1);
}

TEST_CASE("a token from the future is not trusted, and one that is dated up to 5 minutes ahead lives its duration") {
  for (seconds difference : {seconds(290), seconds(310)}) {
    fake_processes all;
    fake_clock ahead;
    ahead.advance(difference);
    value_of(all.start_elsewhere(ahead));
    fake_process const reader = all.start();
    bool const is_trusted = difference < minutes(5);
    CHECK(value_of(reader) == (is_trusted ? "token-1" : "token-2"));
    CHECK(reader.tokens.get().expires_in() == minutes(30));
  }
}

TEST_CASE("a record from the future in a store that cannot be written is obeyed all the same") {
  fake_processes all;
  fake_clock ahead;
  ahead.advance(minutes(10));
  all.next = oauth_error(400, "invalid_grant");
  failure_of(all.start_elsewhere(ahead));
  fake_process const reader = all.start();
  reader.store->cannot_replace = true;
  CHECK(failure_of(reader).retry_after() == minutes(15));
  CHECK(all.sent.size() == 1);
  CHECK(reader.tokens.status().sharing_problem == "the disk is full");
}

TEST_CASE("a lease from the future is replaced by its own result") {
  fake_processes all;
  fake_clock ahead;
  ahead.advance(minutes(10));
  all.next = oauth_error(400, "invalid_grant");
  during_the_lease_of(all, all.start_elsewhere(ahead), [&] {
    CHECK((failure_of(all.start()).kind() == error_kind::timed_out));
    CHECK_FALSE(all.stored().is_from_future);
  });
  CHECK_FALSE(all.stored().has_lease);
  CHECK((failure_of(all.start()).kind() == error_kind::rejected));
}

TEST_CASE("two machines whose clocks differ by a little share token and backoff") {
  for (seconds difference : {seconds(-200), seconds(200)}) {
    fake_processes all;
    fake_clock other;
    other.advance(difference);
    fake_process const here = all.start();
    fake_process const there = all.start_elsewhere(other);
    CHECK(value_of(here) == "token-1");
    CHECK(value_of(there) == "token-1");
    for (fake_clock clock : {all.clock, other}) {
      clock.advance(hours(1));
    }
    all.next = oauth_error(400, "invalid_grant");
    failure_of(there);
    error const failure = failure_of(here);
    CHECK(failure.retry_after() <= minutes(15));
    CHECK(failure.retry_after() >= minutes(11));
    CHECK(all.sent.size() == 2);
  }
}

TEST_CASE("jitter is from 0 up to but not 1, spread evenly, and another one a nanosecond later") {
  int in_tenth[10] = {};
  double last = -1;
  for (int i = 0; i < 100000; ++i) {
    double const jitter = detail::jitter(boot_clock::time_point(hours(1) + std::chrono::nanoseconds(i)));
    REQUIRE(jitter >= 0);
    REQUIRE(jitter < 1);
    REQUIRE(jitter != last);
    last = jitter;
    ++in_tenth[static_cast<int>(jitter * 10)];
  }
  for (int count : in_tenth) {
    CHECK(count > 9500);
    CHECK(count < 10500);
  }
}

TEST_CASE("the time of the next attempt is never too early, and less than two seconds too late") {
  error const failure(error_kind::unavailable, "down");
  for (int ms : {0, 1, 500, 999}) {
    for (milliseconds wait : {milliseconds(1), milliseconds(999), milliseconds(1000), milliseconds(59500)}) {
      detail::clock_reading const clock = {boot_clock::time_point(hours(1)), 1790000000000 + ms};
      error const thrown = detail::with_next_attempt(failure, clock.now + wait, clock, false);
      std::string const text = thrown.what();
      REQUIRE(text.find("down. Next attempt not before 2026-09-21T14:") == 0);
      long long const told_ms =
          1789999200000 + (std::stoll(text.substr(44, 2)) * 60 + std::stoll(text.substr(47, 2))) * 1000;
      CHECK(told_ms >= clock.unix_ms + wait.count());
      CHECK(told_ms < clock.unix_ms + wait.count() + 2000);
      CHECK(thrown.retry_after() >= wait);
      CHECK(thrown.retry_after() < wait + seconds(1));
    }
  }
}

TEST_CASE("a failure that is passed on says whether it is an earlier attempt's, and that this call was not sent") {
  detail::clock_reading const clock = {boot_clock::time_point(hours(1)), 1790000000000};
  error const failure(error_kind::rejected, "wrong password.", 400, "invalid_grant");
  for (bool is_earlier : {true, false}) {
    error const thrown = detail::with_next_attempt(failure, clock.now, clock, is_earlier);
    std::string const prefix = "no token was requested, because an earlier attempt failed: ";
    CHECK(thrown.what() == (is_earlier ? prefix : std::string()) + "wrong password.");
    CHECK((thrown.kind() == error_kind::rejected));
    CHECK(thrown.http_status() == 400);
    CHECK(thrown.oauth_error() == "invalid_grant");
    CHECK_FALSE(thrown.was_sent());
    CHECK(thrown.retry_after() == seconds(0));
  }
}
