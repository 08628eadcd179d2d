// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "support/fake_processes.hpp"

using namespace cibmtr_auth;
using detail::attempt_row;
using detail::clock_reading;
using detail::record;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using time_point = boot_clock::time_point;

namespace {

constexpr std::int64_t unix_ms = 1790000000000;
char const value[] = "eyJraWQiOiJ4In0.eyJzdWIiOiJ5In0.c2lnbmF0dXJl-_~+/==";

/// The clocks of the process that writes or, `after` that, of one that reads and whose own clock started elsewhere.
clock_reading at(milliseconds after = milliseconds(0), hours own_start = hours(1)) {
  return {time_point(own_start) + after, unix_ms + after.count()};
}

record with_token(minutes age = minutes(10), minutes lifetime = minutes(30)) {
  record r;
  time_point const obtained = at().now - age;
  r.cached = detail::token_access::make(value, "scope.one scope.two", obtained, obtained + lifetime);
  return r;
}

record with_failure(error const& failure, milliseconds wait = minutes(15), attempt_row row = attempt_row::rejected) {
  record r;
  r.history.rung = 3;
  r.failure = std::make_shared<error const>(failure);
  r.row = row;
  r.next_attempt_at = at().now + wait;
  return r;
}
record with_failure(milliseconds wait = minutes(15)) {
  return with_failure(error(error_kind::rejected, "Okta said no.", 401, "invalid_client"), wait);
}

record with_lease(milliseconds length = seconds(30)) {
  record r;
  r.history.rung = 2;
  r.has_lease = true;
  r.id = "0123456789abcdef";
  r.lease_started_at = at().now;
  r.lease_ends_at = at().now + length;
  return r;
}

/// A record with every member: once with a lease, once with a failure.
record full(bool is_leased) {
  record r = is_leased ? with_lease() : with_failure();
  r.cached = with_token().cached;
  r.replaced_at = at().now - seconds(20);
  r.retried_at = at().now - minutes(3);
  r.history.fast_wait = milliseconds(4000);
  r.proxy_login = 0x1234;
  return r;
}

std::string written(record const& r, clock_reading const& clock = at()) {
  return detail::write_record(r, clock).reveal();
}

record read(std::string const& text, clock_reading const& clock = at()) {
  return detail::read_record(text, clock, boot_clock::now);
}

detail::token_data const& data_of(record const& r) {
  REQUIRE_FALSE(r.cached.empty());
  return *detail::token_access::data(r.cached);
}

bool is_empty(record const& r) {
  return r.cached.empty() && !r.failure && !r.has_lease && r.history.rung == 0 &&
         r.history.fast_wait == milliseconds(0) && r.retried_at == time_point() && r.replaced_at == time_point() &&
         !r.is_from_future;
}

/// Nothing that is read makes anybody wait or trust a token for long.
void check_harmless(record const& r, clock_reading const& clock) {
  if (!r.cached.empty()) {
    CHECK(detail::is_b64token(r.cached.value()));
    CHECK((data_of(r).expires_at <= clock.now + hours(366 * 24)));
    CHECK((data_of(r).obtained_at <= data_of(r).expires_at));
    CHECK((data_of(r).expires_at - data_of(r).obtained_at <= hours(366 * 24)));
    CHECK((data_of(r).renew_at <= data_of(r).expires_at));
  }
  CHECK((r.next_attempt_at <= clock.now + hours(48)));
  CHECK((r.lease_ends_at <= clock.now + hours(48)));
  CHECK((r.lease_started_at <= clock.now));
  CHECK((r.replaced_at <= clock.now));
  CHECK((r.retried_at <= clock.now));
  CHECK(r.history.rung >= 0);
  CHECK(r.history.rung <= 1000);
  CHECK(r.history.fast_wait >= milliseconds(0));
  CHECK(r.history.fast_wait <= minutes(5));
  CHECK(static_cast<int>(r.row) >= 1);
  CHECK(static_cast<int>(r.row) <= 7);
  CHECK(r.proxy_login <= 0xFFFF);
  CHECK_FALSE(r.is_local);
  CHECK(r.local_rung == 0);
  if (r.failure) {
    CHECK(r.failure->http_status() >= 0);
    CHECK(r.failure->http_status() <= 999);
    CHECK_FALSE(r.failure->was_sent());
  }
  record settled = r;
  settled.settle_lease(clock.now + hours(48), true);
  CHECK_FALSE(settled.has_lease);
  CHECK((settled.next_attempt_at <= clock.now + hours(48)));
}

/// `text` with another value of a member.
std::string with(std::string text, std::string const& member, std::string const& changed) {
  std::string const name = "\"" + member + "\":";
  std::size_t const found = text.find(name);
  REQUIRE(found != std::string::npos);
  std::size_t const start = found + name.size();
  std::size_t const end = text[start] == '"' ? text.find('"', start + 1) + 1 : text.find_first_of(",}", start);
  return text.replace(start, end - start, changed);
}

}  // namespace

TEST_CASE("a token is read as it was written, in another process and at another time") {
  for (milliseconds after : {milliseconds(0), milliseconds(1), milliseconds(600000)}) {
    clock_reading const reader = at(after, hours(90));
    record const found = read(written(with_token()), reader);
    CHECK((found.cached.value() == value));
    CHECK(found.cached.scope() == "scope.one scope.two");
    CHECK((data_of(found).obtained_at == reader.now - after - minutes(10)));
    CHECK((data_of(found).expires_at == reader.now - after + minutes(20)));
    CHECK((data_of(found).renew_at - data_of(found).obtained_at ==
           data_of(with_token()).renew_at - data_of(with_token()).obtained_at));
  }
}

TEST_CASE("a token that was read tells its time by the clock of the cache that reads it") {
  clock_reading const reader = at();
  record const found = detail::read_record(written(with_token()), reader, [&] { return reader.now + minutes(5); });
  CHECK(found.cached.expires_in() == minutes(15));
}

TEST_CASE("times are kept to a millisecond, and a token never lives longer for that") {
  record r;
  time_point const now = at().now;
  r.cached = detail::token_access::make(value, "", now - milliseconds(1234) - std::chrono::microseconds(567),
                                        now + milliseconds(5678) + std::chrono::microseconds(890));
  record const found = read(written(r));
  CHECK((data_of(found).expires_at == now + milliseconds(5678)));
  CHECK(data_of(found).obtained_at - data_of(r).obtained_at < milliseconds(1));
  CHECK(data_of(r).obtained_at - data_of(found).obtained_at < milliseconds(1));
}

TEST_CASE("an expired token is not written") {
  CHECK(written(with_token(minutes(30))).find("access_token") == std::string::npos);
  CHECK(written(with_token(minutes(29))).find("access_token") != std::string::npos);
}

TEST_CASE("a failure is read as it was written, whatever its kind and row, next to a token or alone") {
  for (error_kind kind :
       {error_kind::configuration, error_kind::rejected, error_kind::rate_limited, error_kind::unavailable,
        error_kind::network, error_kind::tls, error_kind::timed_out, error_kind::invalid_response}) {
    for (int row = 1; row <= 7; ++row) {
      CAPTURE(to_string(kind));
      std::string const message = "It said: \"C:\\new\"\r\n\t\x01 \xC3\xA9 </script> {}, \",\\\"id\\\":1}";
      record r = with_failure(error(kind, message, 429, "E\"00\\47"), minutes(15), static_cast<attempt_row>(row));
      r.proxy_login = 0xFFFF;
      for (bool has_token : {false, true}) {
        r.cached = has_token ? with_token().cached : token();
        clock_reading const reader = at(seconds(100), hours(7));
        record const found = read(written(r), reader);
        CHECK((found.cached.value() == r.cached.value()));
        CHECK(found.history.rung == 3);
        REQUIRE(found.failure);
        CHECK((found.failure->kind() == kind));
        CHECK((found.row == static_cast<attempt_row>(row)));
        CHECK(found.proxy_login == 0xFFFF);
        CHECK(found.failure->what() == message);
        CHECK(found.failure->http_status() == 429);
        CHECK(found.failure->oauth_error() == "E\"00\\47");
        CHECK_FALSE(found.failure->was_sent());
        CHECK((found.next_attempt_at == reader.now + minutes(15) - seconds(100)));
      }
    }
  }
}

TEST_CASE("a lease is read as it was written, and is the only thing beside token and rung") {
  record r = full(false);
  r.has_lease = true;
  r.id = "0123456789abcdef";
  r.lease_started_at = at().now - seconds(5);
  r.lease_ends_at = at().now + seconds(25);
  clock_reading const reader = at(seconds(10), hours(7));
  record const found = read(written(r), reader);
  CHECK(found.has_lease);
  CHECK(found.id == "0123456789abcdef");
  CHECK((found.lease_started_at == reader.now - seconds(15)));
  CHECK((found.lease_ends_at == reader.now + seconds(15)));
  CHECK((found.cached.value() == value));
  CHECK(found.history.rung == 3);
  CHECK_FALSE(found.failure);
}

TEST_CASE("rung, last wait, replacement and retry_now are read as they were written") {
  record const found = read(written(full(false)), at(seconds(5), hours(7)));
  CHECK(found.history.rung == 3);
  CHECK(found.history.fast_wait == milliseconds(4000));
  CHECK((found.replaced_at == at(seconds(5), hours(7)).now - seconds(25)));
  CHECK((found.retried_at == at(seconds(5), hours(7)).now - seconds(185)));
}

TEST_CASE("an empty record is read as an empty one, and so is what is no record") {
  CHECK(is_empty(read(written(record()))));
  for (std::string const& text : {std::string(), std::string("{}"), std::string("[]"), std::string("null"),
                                  std::string("\0", 1), std::string(100000, '['), std::string(100000, '{')}) {
    CHECK(is_empty(read(text)));
  }
}

TEST_CASE("a record starts with a random id, so that equal texts are the same record") {
  std::string const text = written(full(false));
  CHECK(text.find("{\"id\":\"") == 0);
  CHECK(text.find_first_not_of("0123456789abcdef", 7) == 7 + 32);
  CHECK((text != written(full(false))));
}

TEST_CASE("a lease keeps its id when others write the record again") {
  record const found = read(written(with_lease()));
  CHECK(found.id == with_lease().id);
  CHECK(written(found).find("{\"id\":\"" + with_lease().id) == 0);
}

TEST_CASE("a long message or code of somebody else's transport makes no long record") {
  record const r = with_failure(error(error_kind::network, std::string(1000000, '\x01'), 0, std::string(1000000, '"')));
  CHECK(written(r).size() < 32 * 1024);
  record const found = read(written(r));
  REQUIRE(found.failure);
  CHECK(found.failure->what() == std::string(4000, '\x01'));
}

TEST_CASE("the content of a scope does no harm") {
  std::string const scope = "a\"b\\c\n,\"access_token\":\"x\"";
  record r;
  r.cached = detail::token_access::make(value, scope, at().now, at().now + minutes(30));
  CHECK(read(written(r)).cached.scope() == scope);
  CHECK((read(written(r)).cached.value() == value));
}

TEST_CASE("times go by the Unix clock, also after a restart of the machine") {
  for (bool is_leased : {true, false}) {
    std::string const text = written(full(is_leased));
    for (minutes passed : {minutes(0), minutes(5), minutes(14), minutes(60), minutes(60 * 24 * 365)}) {
      CAPTURE(passed.count());
      clock_reading const reader = {time_point(seconds(40)), unix_ms + milliseconds(passed).count()};
      record const found = read(text, reader);
      CHECK(detail::is_alive(found.cached, reader.now) == (passed < minutes(20)));
      if (is_leased) {
        CHECK((found.lease_ends_at == reader.now + seconds(30) - passed));
      } else {
        CHECK((found.next_attempt_at == reader.now + minutes(15) - passed));
      }
    }
  }
}

TEST_CASE("a reader never waits longer and never trusts a token longer than the stored duration") {
  for (milliseconds back : {milliseconds(1), milliseconds(60000), milliseconds(299999), milliseconds(hours(9000))}) {
    CAPTURE(back.count());
    for (bool is_leased : {true, false}) {
      clock_reading const reader = at(-back, hours(9999));
      record const found = read(written(full(is_leased)), reader);
      CHECK((found.cached.empty() || data_of(found).expires_at == reader.now + minutes(20)));
      CHECK((found.lease_ends_at == (is_leased ? reader.now + seconds(30) : time_point())));
      CHECK((found.lease_started_at <= reader.now));
      CHECK((found.next_attempt_at == (is_leased ? time_point() : reader.now + minutes(15))));
      CHECK((found.retried_at <= reader.now));
    }
  }
}

TEST_CASE("a record written more than 5 minutes in the future loses its token and keeps the rest") {
  for (bool is_leased : {true, false}) {
    record const near = read(written(full(is_leased)), at(-minutes(5)));
    CHECK_FALSE(near.is_from_future);
    CHECK((near.cached.value() == value));
    record const far = read(written(full(is_leased)), at(-minutes(5) - milliseconds(1)));
    CHECK(far.is_from_future);
    CHECK(far.cached.empty());
    CHECK(far.history.rung == full(is_leased).history.rung);
    CHECK(far.has_lease == is_leased);
    CHECK((far.failure == nullptr) == is_leased);
    CHECK(far.history.fast_wait == milliseconds(4000));
  }
}

TEST_CASE("a token lives a year at most, and does not expire before it was obtained") {
  std::string const text = written(with_token());
  auto const year = hours(366 * 24);
  std::string const far = std::to_string(unix_ms + milliseconds(2 * year).count());
  std::string const long_text = with(with(text, "expires_at", far), "expires_in", "99999999999999");
  CHECK((data_of(read(long_text)).expires_at == at().now + year));
  CHECK((data_of(read(long_text)).obtained_at == at().now + year - minutes(30)));
  record const long_lived = read(with(text, "lifetime", "99999999999999"));
  CHECK((data_of(long_lived).expires_at - data_of(long_lived).obtained_at == year));
  record const negative = read(with(text, "lifetime", "-1"));
  CHECK((data_of(negative).expires_at == data_of(negative).obtained_at));
}

TEST_CASE("a wait is two days at most, and so is a lease") {
  CHECK((read(written(with_failure(hours(48)))).next_attempt_at == at().now + hours(48)));
  CHECK((read(written(with_failure(hours(480)))).next_attempt_at == at().now + hours(48)));
  CHECK((read(written(with_failure(-minutes(30)))).next_attempt_at == at().now - minutes(30)));
  CHECK((read(written(with_lease(hours(480)))).lease_ends_at == at().now + hours(48)));
}

TEST_CASE("a status that is none is read as none") {
  for (char const* none : {"-1", "\"401\"", "null", "0.5", "[401]"}) {
    CAPTURE(none);
    record const found = read(with(written(with_failure()), "http_status", none));
    REQUIRE(found.failure);
    CHECK(found.failure->http_status() == 0);
  }
}

TEST_CASE("a failure of an unknown kind is none") {
  for (char const* kind : {"\"\"", "\"malformed\"", "\"Rejected\"", "1", "null"}) {
    CAPTURE(kind);
    record const found = read(with(written(with_failure()), "kind", kind));
    CHECK_FALSE(found.failure);
    CHECK(found.history.rung == 3);
  }
}

TEST_CASE("a record that is cut off anywhere counts as none") {
  for (bool is_leased : {true, false}) {
    std::string const text = written(full(is_leased));
    for (std::size_t length = 0; length + 1 < text.size(); ++length) {  // but for the newline, the last byte
      CAPTURE(length);
      CHECK(is_empty(read(text.substr(0, length))));
    }
  }
}

TEST_CASE("a record with any bit flipped is harmless") {
  for (bool is_leased : {true, false}) {
    std::string const text = written(full(is_leased));
    for (std::size_t place = 0; place < text.size(); ++place) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        std::string damaged = text;
        damaged[place] = static_cast<char>(static_cast<unsigned char>(damaged[place]) ^ 1U << bit);
        CAPTURE(damaged);
        check_harmless(read(damaged), at());
      }
    }
  }
}

TEST_CASE("damage of any kind is harmless") {
  unsigned const seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  auto below = [&random](std::size_t end) { return random() % end; };
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = written(full(round % 2 == 0));
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
      std::size_t const place = below(damaged.size());
      std::size_t const length = below(20);
      switch (below(4)) {
        case 0: damaged[place] = static_cast<char>(below(256)); break;
        case 1: damaged.erase(place, length); break;
        case 2: damaged.insert(place, damaged.substr(below(damaged.size()), length)); break;
        default: damaged.replace(place, length, std::string(length, '\0')); break;
      }
      damaged += damaged.empty() ? "{" : "";
    }
    CAPTURE(damaged);
    check_harmless(read(damaged), at());
  }
}

TEST_CASE("members with values that nobody would write are harmless, together with any clock") {
  for (bool is_leased : {true, false}) {
    std::string const text = written(full(is_leased));
    for (std::string const member : {"id",
                                     "written_at",
                                     "rung",
                                     "fast_wait",
                                     "retried_at",
                                     "lifetime",
                                     "expires_at",
                                     "expires_in",
                                     "replaced_at",
                                     "scope",
                                     "access_token",

                                     "lease_started_at",
                                     "lease_ends_at",
                                     "lease_ends_in",
                                     "row",
                                     "proxy_login",
                                     "next_attempt_at",
                                     "next_attempt_in",
                                     "kind",
                                     "http_status",
                                     "oauth_error",
                                     "message"}) {
      if (text.find('"' + member + '"') == std::string::npos) {
        continue;
      }
      CAPTURE(member);
      for (std::string const odd : {"-1",
                                    "-9007199254740993",
                                    "0",
                                    "0.5",
                                    "1",
                                    "8",
                                    "65536",
                                    "2147483648",
                                    "9007199254740992",
                                    "9223372036854775808",
                                    "1e300",
                                    "-1e300",
                                    "1e400",
                                    "null",
                                    "true",
                                    "[1]",
                                    "{}",
                                    "\"\"",
                                    "\"text\"",
                                    "\"-1\""}) {
        CAPTURE(odd);
        for (clock_reading const& reader : {at(), at(hours(1)), at(-hours(1)), clock_reading{time_point(), 0},
                                            clock_reading{time_point(seconds(40)), unix_ms}}) {
          check_harmless(read(with(text, member, odd), reader), reader);
        }
      }
    }
  }
}

TEST_CASE("a value that no bearer token has is not taken") {
  for (std::string const odd : {"\"\"", "\"a b\"", "\"a\\r\\nX-Injected: 1\"", "\"=\"", "\"a=b\"", "\"\\u0000\"",
                                "\"\xC3\xA9\"", "\"a,b\"", "1", "null", "[\"a\"]"}) {
    CAPTURE(odd);
    CHECK(read(with(written(with_token()), "access_token", odd)).cached.empty());
  }
}

TEST_CASE("a record contains no secret but the token, even when the server repeats our request") {
  credentials const of = tests::some_credentials();
  http_request const sent = detail::make_token_request(test_environment(), of, basic_encoding::plain);
  std::string const basic = sent.headers.at(0).second.reveal();
  std::string const echo = detail::json_quote(basic + " " + sent.body.reveal() + " " + of.password.reveal() + " " +
                                              of.client_secret.reveal());
  for (tests::outcome const& next :
       {tests::response(
            200, "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":1800,\"scope\":" + echo + "}"),
        tests::response(401, "{\"error\":\"invalid_client\",\"error_description\":" + echo + "}"),
        tests::response(401, "{\"errorCode\":\"E0000004\",\"errorSummary\":" + echo + "}"),
        tests::response(302, "", {{"Location", "https://host/?" + of.password.reveal()}}),
        tests::response(500, echo)}) {
    tests::fake_processes all;
    all.next = next;
    std::string text;
    all.after_sending = [&] { text = all.text(); };  // with the lease
    try {
      all.start().tokens.get();
    } catch (error const&) {
    }
    text += all.text();
    CHECK(text.find("written_at") != std::string::npos);
    for (std::string const& hidden :
         {of.client_secret.reveal(), of.password.reveal(), basic, basic.substr(6), sent.body.reveal()}) {
      CHECK((hidden.size() > 8));
      CHECK((text.find(hidden) == std::string::npos));
    }
  }
}

TEST_CASE("a record names neither the client nor the user nor the environment") {
  for (bool is_leased : {true, false}) {
    std::string const text = written(full(is_leased)).substr(0, written(full(is_leased)).find("\"message\""));
    for (std::string const& hidden : {tests::some_credentials().client_id, tests::some_credentials().username,
                                      test_environment().password_token_url, std::string("okta")}) {
      CHECK((text.find(hidden) == std::string::npos));
    }
  }
}

TEST_CASE("a running lease is not settled") {
  record r = with_lease();
  r.settle_lease(at(seconds(30)).now - milliseconds(1), true);
  CHECK(r.has_lease);
  CHECK_FALSE(r.failure);
  r.settle_lease(at(seconds(30)).now, true);
  CHECK_FALSE(r.has_lease);
  CHECK(r.history.rung == 3);
  CHECK((r.row == attempt_row::no_verdict));
  CHECK((r.next_attempt_at == at().now + minutes(3)));
  CHECK((r.failure->kind() == error_kind::timed_out));
}

TEST_CASE("without an account an ended lease is retried a second after its end") {
  record r = with_lease();
  r.settle_lease(at(hours(1)).now, false);
  CHECK(r.history.rung == 2);
  CHECK((r.next_attempt_at == at().now + seconds(31)));
}

TEST_CASE("the time of the next attempt is printed in UTC") {
  CHECK(detail::utc_time(0) == "1970-01-01T00:00:00Z");
  CHECK(detail::utc_time(1790000000) == "2026-09-21T14:13:20Z");
  CHECK(detail::utc_time(4102444799) == "2099-12-31T23:59:59Z");
}

TEST_CASE("a wait is rounded up to seconds and never negative") {
  CHECK(detail::round_up(std::chrono::nanoseconds(1)) == seconds(1));
  CHECK(detail::round_up(seconds(1)) == seconds(1));
  CHECK(detail::round_up(milliseconds(1001)) == seconds(2));
  CHECK(detail::round_up(seconds(0)) == seconds(0));
  CHECK(detail::round_up(-hours(1)) == seconds(0));
}
