// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "support/fake_server.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using cibmtr_auth::detail::renewal;
using cibmtr_auth::detail::renewal_outcome;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

/// Does what the test says, and remembers what was done.
struct fake_store : token_store {
  token_record record;
  int busy_for = 0;       ///< so many calls of `try_lock()`
  bool is_lossy = false;  ///< keeps nothing that it is given
  int saves = 0;
  int locks = 0;
  int held = 0;
  int saves_without_lock = 0;
  std::function<void()> when_busy = [] {};
  std::function<void()> just_before_lock = [] {};

  std::unique_ptr<lock> try_lock() override {
    ++locks;
    if (busy_for > 0) {
      --busy_for;
      when_busy();
      return nullptr;
    }
    just_before_lock();
    struct counted : lock {
      explicit counted(int& held_) : count(held_) { ++count; }
      ~counted() override { --count; }
      int& count;
    };
    return std::unique_ptr<lock>(new counted(held));
  }
  token_record load() override { return record; }
  void save(token_record const& saved) override {
    ++saves;
    saves_without_lock += held == 0 ? 1 : 0;
    if (!is_lossy) {
      record = saved;
    }
  }
};

struct scene {
  tests::fake_clock clock;
  std::shared_ptr<fake_store> store = std::make_shared<fake_store>();
  std::unique_ptr<error> failing_with;
  int requests = 0;
  int held_while_asked = 0;

  renewal renewals() {
    return renewal([this] { return ask(); }, store, clock);
  }
  token ask() {
    ++requests;
    held_while_asked += store->held;
    if (failing_with) {
      throw error(*failing_with);
    }
    return fresh("asked-" + std::to_string(requests));
  }
  void fail_with(error const& failure) { failing_with.reset(new error(failure)); }

  token fresh(std::string const& value) const { return token(value, "", clock(), clock() + minutes(30)); }
  token aged(std::string const& value, minutes age) const {
    return token(value, "", clock() - age, clock() - age + minutes(30));
  }
};

error failure_in(renewal_outcome const& outcome) {
  REQUIRE(outcome.failure);
  return tests::error_of([&outcome] { std::rethrow_exception(outcome.failure); });
}

error unavailable(seconds retry_after = seconds(0)) {
  return error(error_kind::unavailable, "down.", 503, "", retry_after);
}

}  // namespace

TEST_CASE("a renewal asks, saves what it got and says when to look again") {
  scene s;
  renewal_outcome const outcome = s.renewals().run(token());
  CHECK(outcome.granted.value() == "asked-1");
  CHECK(outcome.was_asked);
  CHECK_FALSE(outcome.failure);
  CHECK((outcome.look_again_at == outcome.granted.renew_at()));
  CHECK(s.store->record.granted.value() == "asked-1");
  CHECK(s.store->saves == 1);
}

TEST_CASE("the lock is held while the request is under way and not a moment longer") {
  scene s;
  renewal const renewals = s.renewals();
  renewals.run(token());
  CHECK(s.held_while_asked == 1);
  CHECK(s.store->held == 0);
  s.clock.advance(hours(1));
  s.fail_with(unavailable());
  renewals.run(token());
  CHECK(s.held_while_asked == 2);
  CHECK(s.store->held == 0);
}

TEST_CASE("what is got is saved before the lock is dropped, a failure too") {
  scene s;
  s.renewals().run(token());
  s.store->record = token_record();
  s.failing_with.reset(new error(error_kind::unavailable, "down."));
  s.renewals().run(token());
  CHECK(s.store->saves == 2);
  CHECK(s.store->saves_without_lock == 0);
}

TEST_CASE("what another process has saved just before the lock was taken is not asked for again") {
  scene s;
  s.store->just_before_lock = [&s] { s.store->record.granted = s.fresh("theirs"); };
  CHECK(s.renewals().run(token()).granted.value() == "theirs");
  CHECK(s.requests == 0);
}

TEST_CASE("a fresh token in the store is taken without asking, held lock or not") {
  for (int busy : {0, 1}) {
    scene s;
    s.store->record.granted = s.aged("of-another", minutes(20));
    s.store->busy_for = busy;
    renewal_outcome const outcome = s.renewals().run(token());
    CHECK(outcome.granted.value() == "of-another");
    CHECK_FALSE(outcome.was_asked);
    CHECK((outcome.look_again_at == outcome.granted.renew_at()));
    CHECK(s.requests == 0);
    CHECK(s.store->locks == 1);
  }
}

TEST_CASE("a token that the API refused is replaced, even if the store has it as fresh") {
  scene s;
  token const dead = s.fresh("dead");
  s.store->record.granted = dead;
  renewal_outcome const outcome = s.renewals().run(dead);
  CHECK(outcome.granted.value() == "asked-1");
  CHECK(s.store->record.granted.value() == "asked-1");
}

TEST_CASE("a token that the API refused is not given when asking fails") {
  scene s;
  token const dead = s.fresh("dead");
  s.store->record.granted = dead;
  s.fail_with(unavailable());
  CHECK(s.renewals().run(dead).granted.empty());
  CHECK(s.store->record.granted.empty());
}

TEST_CASE("a newer token than the refused one is taken without asking") {
  scene s;
  s.store->record.granted = s.fresh("newer");
  CHECK(s.renewals().run(s.fresh("dead")).granted.value() == "newer");
  CHECK(s.requests == 0);
}

TEST_CASE("while another process asks, a token that is about to expire is given at once") {
  scene s;
  s.store->record.granted = s.aged("old", minutes(28));
  s.store->busy_for = 1000000;
  renewal_outcome const outcome = s.renewals().run(token());
  CHECK(outcome.granted.value() == "old");
  CHECK_FALSE(outcome.was_asked);
  CHECK_FALSE(outcome.failure);
  CHECK((outcome.look_again_at > s.clock()));
  CHECK((outcome.look_again_at <= s.clock() + seconds(1)));
  CHECK(s.store->locks == 1);
}

TEST_CASE("while another process asks and there is no token, its token is waited for") {
  scene s;
  s.store->busy_for = 5;
  s.store->when_busy = [&s] {
    if (s.store->busy_for == 1) {
      s.store->record.granted = s.fresh("of-another");
    }
  };
  CHECK(s.renewals().run(token()).granted.value() == "of-another");
  CHECK(s.requests == 0);
  CHECK(s.store->locks >= 4);
}

TEST_CASE("while another process asks and there is no token, its failure is waited for and shared") {
  scene s;
  s.store->busy_for = 3;
  s.store->when_busy = [&s] {
    if (s.store->busy_for == 0) {
      s.store->record.failure = std::make_shared<error const>(error_kind::rejected, "wrong password.", 401);
      s.store->record.failures = 1;
      s.store->record.next_try_at = s.clock() + minutes(15);
    }
  };
  renewal_outcome const outcome = s.renewals().run(token());
  CHECK(outcome.granted.empty());
  CHECK_FALSE(outcome.was_asked);
  CHECK((failure_in(outcome).kind() == error_kind::rejected));
  CHECK((failure_in(outcome).retry_after() == minutes(15)));
  CHECK(s.requests == 0);
}

TEST_CASE("while another process asks, a caller whose patience ends leaves and does not ask alone") {
  for (int patience_ms : {0, 30}) {
    CAPTURE(patience_ms);
    scene s;
    s.store->busy_for = 1000000;
    renewal_outcome const outcome = s.renewals().run(token(), milliseconds(patience_ms));
    CHECK(outcome.has_left_early);
    CHECK((failure_in(outcome).kind() == error_kind::timed_out));
    CHECK_FALSE(outcome.was_asked);
    CHECK(s.requests == 0);
    CHECK(s.store->saves == 0);
  }
}

TEST_CASE("when the other process ends without a word, this one asks") {
  scene s;
  s.store->busy_for = 3;
  CHECK(s.renewals().run(token()).granted.value() == "asked-1");
  CHECK(s.store->locks == 4);
}

TEST_CASE("a failure is saved with the living token, and both are told") {
  scene s;
  s.store->record.granted = s.aged("old", minutes(28));
  s.fail_with(unavailable(seconds(20)));
  renewal const renewals = s.renewals();
  renewal_outcome const outcome = renewals.run(token());
  CHECK(outcome.granted.value() == "old");
  CHECK(outcome.was_asked);
  CHECK(std::string(failure_in(outcome).what()).find("down. Next try not before 20") == 0);
  CHECK(failure_in(outcome).http_status() == 503);
  CHECK(s.store->record.granted.value() == "old");
  CHECK(s.store->record.failures == 1);
  CHECK((s.store->record.next_try_at >= s.clock() + seconds(20)));
  CHECK((outcome.look_again_at == s.store->record.next_try_at));
  CHECK_FALSE(renewals.run(token()).was_asked);
}

TEST_CASE("nobody asks before the time, everybody at it, and the time told is rounded up") {
  scene s;
  s.store->record.failure = std::make_shared<error const>(unavailable());
  s.store->record.failures = 4;
  s.store->record.next_try_at = s.clock() + seconds(10);
  renewal const renewals = s.renewals();
  s.clock.advance(seconds(10) - nanoseconds(1));
  renewal_outcome const early = renewals.run(token());
  CHECK_FALSE(early.was_asked);
  CHECK((failure_in(early).retry_after() >= nanoseconds(1)));
  CHECK(failure_in(early).retry_after() <= seconds(1));
  s.clock.advance(nanoseconds(1));
  CHECK(renewals.run(token()).granted.value() == "asked-1");
  CHECK_FALSE(s.store->record.failure);
  CHECK(s.store->record.failures == 0);
}

TEST_CASE("failures in a row are counted, and anew when they are of the other sort") {
  scene s;
  renewal const renewals = s.renewals();
  auto fail = [&](error_kind kind) {
    s.fail_with(error(kind, "no."));
    s.clock.advance(hours(25));
    CHECK(renewals.run(token()).was_asked);
    return s.store->record.failures;
  };
  CHECK(fail(error_kind::network) == 1);
  CHECK(fail(error_kind::unavailable) == 2);
  CHECK(fail(error_kind::rejected) == 1);
  CHECK(fail(error_kind::rejected) == 2);
  CHECK(fail(error_kind::timed_out) == 1);
  s.failing_with.reset();
  s.clock.advance(hours(25));
  CHECK(renewals.run(token()).granted.value() == "asked-6");
  CHECK(fail(error_kind::network) == 1);
}

TEST_CASE("a token that ended before it arrived is a failure like any other, and nobody gets it") {
  scene s;
  bool is_slow = true;
  renewal const renewals(
      [&s, &is_slow] {
        token const granted = s.ask();
        s.clock.advance(is_slow ? minutes(30) : seconds(0));
        return granted;
      },
      s.store, s.clock);
  renewal_outcome const outcome = renewals.run(token());
  CHECK(outcome.granted.empty());
  CHECK(outcome.was_asked);
  CHECK((failure_in(outcome).kind() == error_kind::unavailable));
  CHECK(std::string(failure_in(outcome).what()).find("had ended before it arrived") != std::string::npos);
  CHECK(s.store->record.granted.empty());
  CHECK(s.store->record.failures == 1);
  CHECK((outcome.look_again_at > s.clock()));
  CHECK_FALSE(renewals.run(token()).was_asked);
  is_slow = false;
  s.clock.advance(seconds(1));
  CHECK(renewals.run(token()).granted.value() == "asked-2");
}

TEST_CASE("a failure before anything was sent leaves no trace") {
  scene s;
  s.fail_with(error(error_kind::configuration, "no CA file."));
  renewal const renewals = s.renewals();
  CHECK((failure_in(renewals.run(token())).kind() == error_kind::configuration));
  CHECK(s.store->saves == 0);
  s.failing_with.reset();
  CHECK(renewals.run(token()).granted.value() == "asked-2");
}

TEST_CASE("what a transport throws of its own is passed on and counts as a failure") {
  scene s;
  renewal const renewals([]() -> token { throw 42; }, s.store, s.clock);
  CHECK_THROWS_AS(std::rethrow_exception(renewals.run(token()).failure), int);
  REQUIRE(s.store->record.failure);
  CHECK((s.store->record.failure->kind() == error_kind::network));
  CHECK((s.store->record.next_try_at > s.clock()));
}

TEST_CASE("a store that keeps nothing costs the sharing, never the token") {
  scene s;
  s.store->is_lossy = true;
  CHECK(s.renewals().run(token()).granted.value() == "asked-1");
}

TEST_CASE("a store that keeps nothing, or only what it had, takes away neither backoff nor latch") {
  for (bool has_old_token : {false, true}) {
    for (bool has_old_failure : {false, true}) {
      CAPTURE(has_old_token);
      CAPTURE(has_old_failure);
      scene s;
      s.store->record.granted = has_old_token ? s.aged("old", minutes(31)) : token();
      s.store->record.failure = has_old_failure ? std::make_shared<error const>(unavailable()) : nullptr;
      s.store->record.failures = has_old_failure ? 1 : 0;
      s.store->record.next_try_at = has_old_failure ? s.clock() - seconds(1) : boot_clock::time_point();
      s.store->is_lossy = true;
      s.fail_with(error(error_kind::rejected, "wrong password."));
      renewal const renewals = s.renewals();
      for (int minute = 0; minute < 46; ++minute) {  // asked at once, after 15 minutes and after 45
        CHECK(renewals.run(token()).granted.empty());
        s.clock.advance(minutes(1));
      }
      CHECK(s.requests == 3);
    }
  }
}

TEST_CASE("a token granted ends the count of failures, even with a store that keeps nothing") {
  scene s;
  s.store->is_lossy = true;
  renewal const renewals = s.renewals();
  for (int i = 0; i < 5; ++i) {
    s.fail_with(unavailable());
    failure_in(renewals.run(token()));
    s.clock.advance(minutes(6));
  }
  s.failing_with.reset();
  CHECK(renewals.run(token()).granted.value() == "asked-6");
  s.fail_with(unavailable());
  CHECK(failure_in(renewals.run(token())).retry_after() <= seconds(1));
}

TEST_CASE("a token that another process has got ends our own backoff") {
  scene s;
  s.fail_with(error(error_kind::rejected, "wrong password."));
  renewal const renewals = s.renewals();
  renewals.run(token());
  s.store->record = token_record();
  s.store->record.granted = s.aged("of-another", minutes(28));
  s.failing_with.reset();
  CHECK(renewals.run(token()).granted.value() == "asked-2");
}
