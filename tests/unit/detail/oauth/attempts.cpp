// SPDX-License-Identifier: MIT
// The table of attempts in docs/design.md, row by row.

#include <cibmtr_auth.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

using namespace cibmtr_auth;
using namespace cibmtr_auth::detail;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr bool with_account = true;      // the password grant
constexpr bool without_account = false;  // the client_credentials grant

attempt_row const all_rows[] = {attempt_row::not_sent,
                                attempt_row::transient,
                                attempt_row::gateway,
                                attempt_row::no_verdict,
                                attempt_row::rejected_without_code,
                                attempt_row::rejected,
                                attempt_row::proxy_login_rejected};

char const* const known_codes[] = {"invalid_client",
                                   "invalid_grant",
                                   "access_denied",
                                   "unauthorized_client",
                                   "unsupported_grant_type",
                                   "invalid_scope",
                                   "invalid_request",
                                   "consent_required",
                                   "mfa_required",
                                   "invalid_dpop_proof",
                                   "use_dpop_nonce",
                                   "server_error",
                                   "E0000007",
                                   "E0000011",
                                   "E0000047"};

bool is_fast(attempt_row row, bool has_account = with_account) { return !rule_of(row, has_account).is_on_ladder; }

bool is_shared(attempt_row row) {
  CHECK(rule_of(row, with_account).is_shared == rule_of(row, without_account).is_shared);
  return rule_of(row, with_account).is_shared;
}

error_kind kind(int status, std::string const& code, bool has_account = with_account) {
  return classify(status, code, has_account).kind;
}

/// What follows after an outcome of that row, without jitter.
next_attempt after(attempt_row row, attempt_history const& before = {}, seconds retry_after = seconds(0),
                   bool has_account = with_account) {
  return after_failure(rule_of(row, has_account), before, retry_after, 1);
}

attempt_history on_rung(int rung) {
  attempt_history history;
  history.rung = rung;
  return history;
}

}  // namespace

TEST_CASE("row 1: a failure before the credentials were sent is fast and not shared") {
  CHECK(is_fast(attempt_row::not_sent, with_account));
  CHECK(is_fast(attempt_row::not_sent, without_account));
  CHECK_FALSE(is_shared(attempt_row::not_sent));
}

TEST_CASE("row 2: 429, 408, 5xx but 504 and temporarily_unavailable are fast and shared") {
  for (int status = 500; status <= 599; ++status) {
    CAPTURE(status);
    for (char const* code : {"", "invalid_client", "server_error", "E0000009"}) {
      CHECK(((classify(status, code, true).row == attempt_row::transient) == (status != 504)));
      CHECK((kind(status, code) == error_kind::unavailable));
    }
  }
  for (char const* code : {"", "invalid_grant", "E0000047", "temporarily_unavailable"}) {
    CAPTURE(code);
    CHECK((classify(429, code, true).row == attempt_row::transient));
    CHECK((kind(429, code) == error_kind::rate_limited));
    CHECK((classify(408, code, true).row == attempt_row::transient));
    CHECK((kind(408, code) == error_kind::unavailable));
  }
  for (int status : {200, 201, 302, 400, 401, 403, 404, 407, 422, 503, 504}) {
    CAPTURE(status);
    CHECK((classify(status, "temporarily_unavailable", true).row == attempt_row::transient));
    CHECK((kind(status, "temporarily_unavailable") == error_kind::unavailable));
  }
  CHECK(is_fast(attempt_row::transient));
  CHECK(is_shared(attempt_row::transient));
}

TEST_CASE("row 2: no attempt is made before the server allows it, at most an hour, up to a tenth later by jitter") {
  for (seconds asked : {seconds(2), seconds(60), seconds(3600), seconds(3601), seconds(86400)}) {
    CAPTURE(asked.count());
    auto const honoured = (std::min<seconds>)(asked, hours(1));
    for (double jitter : {0.0, 0.1, 0.5, 0.999999}) {
      auto const next = after_failure(rule_of(attempt_row::transient, with_account), {}, asked, jitter);
      CHECK((next.wait >= honoured));
      CHECK((next.wait <= std::chrono::duration<double>(honoured) * 1.1));
    }
    CHECK((after_failure(rule_of(attempt_row::transient, with_account), {}, asked, 0).wait == honoured));
  }
  attempt_history long_outage;
  long_outage.fast_wait = minutes(5);
  CHECK((after(attempt_row::transient, long_outage, seconds(2)).wait == minutes(5)));
}

TEST_CASE("row 3: another 4xx without a known code is unavailable, fast and shared") {
  for (int status = 400; status <= 499; ++status) {
    CAPTURE(status);
    bool const is_other = status != 400 && status != 401 && status != 403 && status != 408 && status != 429;
    CHECK(((classify(status, "", true).row == attempt_row::gateway) == is_other));
    if (is_other) {
      CHECK((kind(status, "") == error_kind::unavailable));
    }
  }
  CHECK(is_fast(attempt_row::gateway));
  CHECK(is_shared(attempt_row::gateway));
}

TEST_CASE("row 4: no verdict is on the ladder from the first rung, shared, and of kind unavailable for 504 alone") {
  for (int status : {-1, 0, 100, 101, 199, 300, 301, 302, 307, 308, 399, 600, 999}) {
    CAPTURE(status);
    for (char const* code : {"", "invalid_client"}) {
      CHECK((classify(status, code, true).row == attempt_row::no_verdict));
      CHECK((kind(status, code) == error_kind::invalid_response));
    }
  }
  for (int status : {200, 201, 204, 299}) {
    CAPTURE(status);
    CHECK((classify(status, "", true).row == attempt_row::no_verdict));
    CHECK((kind(status, "") == error_kind::invalid_response));
  }
  for (char const* code : {"", "invalid_grant"}) {
    CHECK((classify(504, code, true).row == attempt_row::no_verdict));
    CHECK((kind(504, code) == error_kind::unavailable));
  }
  CHECK_FALSE(is_fast(attempt_row::no_verdict));
  CHECK(is_shared(attempt_row::no_verdict));
  CHECK((after(attempt_row::no_verdict).history.rung == 1));
  CHECK((after(attempt_row::no_verdict).wait == seconds(5)));
}

TEST_CASE("row 5: 400, 401 or 403 without a code is rejected, on the ladder from the first rung, shared") {
  for (int status : {400, 401, 403}) {
    CAPTURE(status);
    CHECK((classify(status, "", true).row == attempt_row::rejected_without_code));
    CHECK((kind(status, "") == error_kind::rejected));
  }
  CHECK_FALSE(is_fast(attempt_row::rejected_without_code));
  CHECK(is_shared(attempt_row::rejected_without_code));
  CHECK((after(attempt_row::rejected_without_code).history.rung == 1));
  CHECK((after(attempt_row::rejected_without_code).wait == seconds(5)));
}

TEST_CASE(
    "row 6: a known code with any 2xx or 4xx but 408 and 429 is rejected, on the ladder from the fourth rung, shared") {
  for (char const* code : known_codes) {
    CAPTURE(code);
    for (int status = 100; status <= 599; ++status) {
      CAPTURE(status);
      bool const is_verdict = (status >= 200 && status <= 299) || (status >= 400 && status <= 499);
      bool const is_rejected = is_verdict && status != 408 && status != 429;
      CHECK(((classify(status, code, true).row == attempt_row::rejected) == is_rejected));
      if (is_rejected) {
        CHECK((kind(status, code, with_account) == error_kind::rejected));
        CHECK((kind(status, code, without_account) == error_kind::rejected));
      }
    }
  }
  for (bool has_account : {with_account, without_account}) {
    CHECK_FALSE(is_fast(attempt_row::rejected, has_account));
    CHECK((after(attempt_row::rejected, {}, seconds(0), has_account).history.rung == 4));
    CHECK((after(attempt_row::rejected, {}, seconds(0), has_account).wait == minutes(15)));
  }
  CHECK(is_shared(attempt_row::rejected));
}

TEST_CASE("row 7: a rejected proxy login is on the ladder from the first rung, whatever the grant") {
  for (bool has_account : {with_account, without_account}) {
    CHECK_FALSE(is_fast(attempt_row::proxy_login_rejected, has_account));
    CHECK((after(attempt_row::proxy_login_rejected, {}, seconds(0), has_account).wait == seconds(5)));
  }
  CHECK(is_shared(attempt_row::proxy_login_rejected));
  proxy_login_rejected const thrown("the proxy rejects the login", 407, 0x1234);
  CHECK((thrown.kind() == error_kind::network));
  CHECK(thrown.http_status() == 407);
  CHECK(thrown.login_hash() == 0x1234);
  CHECK_FALSE(thrown.was_sent());
}

TEST_CASE("anything but a code of the table is no code") {
  for (char const* code : known_codes) {
    CAPTURE(code);
    CHECK(is_known_code(code));
  }
  CHECK(is_known_code("temporarily_unavailable"));
  for (std::string const& text : {std::string(),
                                  std::string("not_found"),
                                  std::string("slow_down"),
                                  std::string("Not Found"),
                                  std::string("Invalid_Grant"),
                                  std::string("INVALID_CLIENT"),
                                  std::string(" invalid_grant"),
                                  std::string("invalid_grant "),
                                  std::string("invalid"),
                                  std::string("invalid_token"),
                                  std::string("E"),
                                  std::string("E000000"),
                                  std::string("E00000070"),
                                  std::string("e0000007"),
                                  std::string("E00000x7"),
                                  std::string("EE000007"),
                                  std::string("X0000007"),
                                  std::string("12345678"),
                                  std::string("E000000\0", 8),
                                  std::string("invalid_grant\0", 14),
                                  std::string("900901"),
                                  std::string("unauthorized")}) {
    CAPTURE(text);
    CHECK_FALSE(is_known_code(text));
  }
}

TEST_CASE("fast: 1 s, doubling up to 5 minutes, of which jitter takes up to a half") {
  for (attempt_row row : {attempt_row::not_sent, attempt_row::transient, attempt_row::gateway}) {
    attempt_history history;
    for (int expected : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300}) {
      CAPTURE(expected);
      auto const rule = rule_of(row, with_account);
      CHECK((after_failure(rule, history, seconds(0), 0).wait == seconds(expected) / 2.0));
      CHECK((after_failure(rule, history, seconds(0), 0.5).wait == seconds(expected) * 0.75));
      auto const next = after_failure(rule, history, seconds(0), 1);
      CHECK((next.wait == seconds(expected)));
      CHECK((next.history.fast_wait == seconds(expected)));
      history = next.history;
    }
  }
}

TEST_CASE("fast: after an outcome that was not fast, the wait starts at 1 s again") {
  attempt_history history;
  for (int i = 0; i < 5; ++i) {
    history = after(attempt_row::transient, history).history;
  }
  history = after(attempt_row::no_verdict, history).history;
  CHECK((history.fast_wait == milliseconds(0)));
  CHECK((after(attempt_row::transient, history).wait == seconds(1)));
}

TEST_CASE("ladder: 5 s, 30 s, 3 min, 15 min, 30 min, 1, 2, 4, 8, 16, 24 h, and 24 h from then on") {
  seconds const waits[] = {seconds(5), seconds(30), minutes(3), minutes(15), minutes(30), hours(1), hours(2),
                           hours(4),   hours(8),    hours(16),  hours(24),   hours(24),   hours(24)};
  attempt_history history;
  for (seconds wait : waits) {
    auto const next = after(attempt_row::rejected_without_code, history);
    CHECK((next.wait == wait));
    CHECK(next.history.rung == history.rung + 1);
    history = next.history;
  }
  CHECK((ladder_wait(1000000) == hours(24)));
  CHECK((ladder_wait(0) == seconds(5)));
}

TEST_CASE("ladder: each further outcome goes one rung up, and a known code to the fourth at least") {
  for (attempt_row row : all_rows) {
    if (is_fast(row)) {
      continue;
    }
    for (int rung = 0; rung < 20; ++rung) {
      CAPTURE(rung);
      CHECK(after(row, on_rung(rung)).history.rung == (std::max)(rung + 1, row == attempt_row::rejected ? 4 : 1));
    }
  }
}

TEST_CASE("ladder: jitter and Retry-After change nothing") {
  for (double jitter : {0.0, 0.5, 1.0}) {
    for (seconds asked : {seconds(0), seconds(1), seconds(3600)}) {
      CHECK((after_failure(rule_of(attempt_row::rejected, with_account), {}, asked, jitter).wait == minutes(15)));
    }
  }
}

TEST_CASE("ladder: fast outcomes neither move the rung nor reset it") {
  for (attempt_row row : {attempt_row::not_sent, attempt_row::transient, attempt_row::gateway}) {
    for (int rung : {0, 1, 4, 11}) {
      attempt_history history = on_rung(rung);
      for (int i = 0; i < 10; ++i) {
        history = after(row, history).history;
        CHECK(history.rung == rung);
      }
      CHECK(after(attempt_row::no_verdict, history).history.rung == rung + 1);
    }
  }
}

TEST_CASE("client_credentials: rows 4 and 5 are fast, and row 5 is unavailable, because there is no account to lock") {
  for (attempt_row row : {attempt_row::no_verdict, attempt_row::rejected_without_code}) {
    CHECK(is_fast(row, without_account));
    CHECK((after(row, {}, seconds(0), without_account).wait == seconds(1)));
    CHECK(after(row, on_rung(3), seconds(0), without_account).history.rung == 3);
  }
  for (int status : {400, 401, 403}) {
    CHECK((kind(status, "", without_account) == error_kind::unavailable));
  }
  CHECK((kind(302, "", without_account) == error_kind::invalid_response));
  CHECK((kind(504, "", without_account) == error_kind::unavailable));
  CHECK((kind(503, "", without_account) == error_kind::unavailable));
  CHECK((kind(404, "", without_account) == error_kind::unavailable));
}

TEST_CASE("one set of password credentials is sent at most 4 times in 18 minutes and 9 times in 15 hours") {
  unsigned const seed = 18;
  CAPTURE(seed);
  std::mt19937 random(seed);
  attempt_row const on_ladder[] = {attempt_row::no_verdict, attempt_row::rejected_without_code, attempt_row::rejected};
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    std::vector<boot_clock::duration> sent_at;
    boot_clock::duration now{0};
    attempt_history history;
    while (sent_at.size() < 15) {
      sent_at.push_back(now);
      auto const row = round == 0 ? attempt_row::no_verdict : on_ladder[random() % 3];
      auto next = after(row, history);
      now += next.wait;
      // Failures before the credentials are sent come in between, and may not shorten the count.
      for (auto others = random() % 3; others > 0; --others) {
        next = after(attempt_row::not_sent, next.history);
      }
      history = next.history;
    }
    for (std::size_t first = 0; first < sent_at.size(); ++first) {
      auto const within = [&](boot_clock::duration window) {
        return std::count_if(sent_at.begin(), sent_at.end(), [&](boot_clock::duration at) {
          return at >= sent_at[first] && at < sent_at[first] + window;
        });
      };
      REQUIRE(within(minutes(18)) <= 4);
      REQUIRE(within(hours(15)) <= 9);
    }
    if (round == 0) {
      CHECK(std::count_if(sent_at.begin(), sent_at.end(), [](boot_clock::duration at) { return at < minutes(18); }) ==
            4);
      CHECK(std::count_if(sent_at.begin(), sent_at.end(), [](boot_clock::duration at) { return at < hours(15); }) == 9);
    }
  }
}

TEST_CASE("the first three rungs end inside the 5 minutes before a token expires") {
  CHECK((ladder_wait(1) + ladder_wait(2) + ladder_wait(3) < minutes(5)));
}

TEST_CASE("a token_error is the error it was made from, and has a row") {
  static_assert(std::is_nothrow_copy_constructible<token_error>::value, "copying cannot throw");
  token_error const thrown(attempt_row::rejected,
                           error(error_kind::rejected, "no", 400, "invalid_grant", seconds(0), true));
  CHECK((thrown.row() == attempt_row::rejected));
  CHECK((thrown.kind() == error_kind::rejected));
  CHECK(thrown.http_status() == 400);
  CHECK(thrown.oauth_error() == "invalid_grant");
  CHECK(thrown.was_sent());
}
