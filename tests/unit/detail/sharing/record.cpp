// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::some_credentials;

namespace {

constexpr std::int64_t day_ms = 86400 * 1000;
constexpr std::int64_t unix_ms = 1790000000000;
char const value[] = "eyJraWQiOiJ4In0.eyJzdWIiOiJ5In0.c2lnbmF0dXJl-_~+/==";

fingerprint ours() {
  return fingerprint(test_environment, some_credentials());
}

/// The clock of one machine, `after` it was written, as a process sees it whose own times begin elsewhere.
shared_clock machine(milliseconds after = milliseconds(0), hours own_beginning = hours(1)) {
  return {"boot-1", 5 * day_ms + after.count(), boot_clock::time_point(own_beginning) + after, unix_ms + after.count()};
}

token_record granted() {
  boot_clock::time_point const now = machine().now;
  token_record record;
  record.granted = token(value, "scope.one scope.two", now - minutes(10), now + minutes(20));
  return record;
}

token_record refused(error const& failure, milliseconds wait = minutes(15)) {
  token_record record;
  record.failures = 3;
  record.failure = std::make_shared<error const>(failure);
  record.next_try_at = machine().now + wait;
  return record;
}

token_record refused(milliseconds wait = minutes(15)) {
  return refused(error(error_kind::rejected, "Okta said no.", 401, "invalid_client"), wait);
}

std::string written(token_record const& record) {
  return write_record(record, ours(), machine()).reveal();
}

token_record read(std::string const& text, shared_clock const& clock = machine()) {
  return read_record(text, ours(), clock);
}

bool is_empty(token_record const& record) {
  return record.granted.empty() && !record.failure && record.failures == 0;
}

/// `text` with another value of a member, and with the sum that goes with it: as an author of records may write it.
std::string with(std::string text, std::string const& member, std::string const& changed) {
  std::string const name = "\"" + member + "\":";
  std::size_t const start = text.find(name) + name.size();
  std::size_t const end = text[start] == '"' ? text.find('"', start + 1) + 1 : text.find_first_of(",}", start);
  REQUIRE(start > name.size());
  text.replace(start, end - start, changed);
  text.erase(text.rfind(",\"sum\":"));
  return text + ",\"sum\":" + std::to_string(detail::sum_of(text, text.size())) + "}\n";
}

}  // namespace

TEST_CASE("a token is read as it was written, in another process and at another time") {
  for (milliseconds after : {milliseconds(0), milliseconds(1), milliseconds(600000)}) {
    shared_clock const reader = machine(after, hours(90));
    token const found = read(written(granted()), reader).granted;
    CHECK((found.value() == value));
    CHECK(found.scope() == "scope.one scope.two");
    CHECK((found.obtained_at() == reader.now - after - minutes(10)));
    CHECK((found.expires_at() == reader.now - after + minutes(20)));
    CHECK((found.renew_at() - found.obtained_at() == granted().granted.renew_at() - granted().granted.obtained_at()));
  }
}

TEST_CASE("times are kept to a millisecond") {
  token_record record = granted();
  boot_clock::time_point const now = machine().now;
  record.granted =
      token(value, "", now - milliseconds(1234) - std::chrono::microseconds(567), now + milliseconds(5678));
  token const found = read(written(record)).granted;
  CHECK(found.obtained_at() - record.granted.obtained_at() < milliseconds(1));
  CHECK(record.granted.obtained_at() - found.obtained_at() < milliseconds(1));
  CHECK((found.expires_at() == record.granted.expires_at()));
}

TEST_CASE("a failure is read as it was written, whatever its kind, next to a token or alone") {
  for (error_kind kind : {error_kind::rejected, error_kind::rate_limited, error_kind::unavailable, error_kind::network,
                          error_kind::tls, error_kind::timed_out, error_kind::malformed}) {
    CAPTURE(std::string(to_string(kind)));
    std::string const message = "It said: \"C:\\new\"\r\n\t\x01 \xC3\xA9 </script> {}, \",\\\"sum\\\":1}";
    token_record record = refused(error(kind, message, 429, "E\"00\\47"));
    for (bool has_token : {false, true}) {
      record.granted = has_token ? granted().granted : token();
      shared_clock const reader = machine(seconds(100), hours(7));
      token_record const found = read(written(record), reader);
      CHECK((found.granted.value() == record.granted.value()));
      CHECK(found.failures == 3);
      REQUIRE(found.failure);
      CHECK((found.failure->kind() == kind));
      CHECK(found.failure->what() == message);
      CHECK(found.failure->http_status() == 429);
      CHECK(found.failure->oauth_error() == "E\"00\\47");
      CHECK((found.next_try_at == reader.now + minutes(15) - seconds(100)));
    }
  }
}

TEST_CASE("an empty record is read as an empty one") {
  CHECK(is_empty(read(written(token_record()))));
  CHECK(is_empty(read("")));
  CHECK(is_empty(read("{}")));
  CHECK(is_empty(read(std::string(100000, '['))));
}

TEST_CASE("what a scope holds does no harm") {
  token_record record = granted();
  std::string const scope = "a\"b\\c\n,\"access_token\":\"x\"";
  record.granted = token(value, scope, record.granted.obtained_at(), record.granted.expires_at());
  CHECK(read(written(record)).granted.scope() == scope);
}

TEST_CASE("after the machine was started anew the token is not taken, the wait is, by the wall clock") {
  token_record record = refused();
  record.granted = granted().granted;
  std::string const text = written(record);
  for (minutes passed : {minutes(0), minutes(5), minutes(14), minutes(60), minutes(60 * 24 * 365)}) {
    CAPTURE(passed.count());
    shared_clock const reader = {"boot-2", 40000, boot_clock::time_point(seconds(40)),
                                 unix_ms + milliseconds(passed).count()};
    token_record const found = read(text, reader);
    CHECK(found.granted.empty());
    REQUIRE(found.failure);
    CHECK(found.failures == 3);
    CHECK((found.next_try_at == reader.now + minutes(15) - passed));
  }
}

TEST_CASE("after the machine was started anew a wait is never longer than it was written") {
  for (milliseconds back : {milliseconds(1), milliseconds(1000), milliseconds(1001), milliseconds(365 * day_ms)}) {
    CAPTURE(back.count());
    shared_clock const reader = {"boot-2", 40000, boot_clock::time_point(seconds(40)), unix_ms - back.count()};
    token_record const found = read(written(refused()), reader);
    CHECK((found.next_try_at <= reader.now + minutes(15)));
    // Else a clock that lost its year would prolong the wait at each reading, for ever.
    CHECK((found.failure == nullptr) == (back > milliseconds(1000)));
  }
}

TEST_CASE("steps of the wall clock change nothing while the machine runs") {
  token_record record = refused();
  record.granted = granted().granted;
  for (std::int64_t step : {-365 * day_ms, -std::int64_t{1}, std::int64_t{1}, 365 * day_ms}) {
    CAPTURE(step);
    shared_clock reader = machine(seconds(60));
    reader.unix_ms += step;
    token_record const found = read(written(record), reader);
    CHECK((found.granted.expires_at() == record.granted.expires_at()));
    CHECK((found.next_try_at == record.next_try_at));
  }
}

TEST_CASE("where the system does not tell its starts apart, a record is as old as either clock says") {
  token_record record = refused();
  record.granted = granted().granted;
  shared_clock const writer = {"", 5 * day_ms, machine().now, unix_ms};
  std::string const text = write_record(record, ours(), writer).reveal();
  auto later = [&](milliseconds by_its_clock, milliseconds by_the_wall) {
    return shared_clock{"", writer.shows_ms + by_its_clock.count(), boot_clock::time_point(hours(3)),
                        unix_ms + by_the_wall.count()};
  };
  for (minutes wall : {minutes(-60), minutes(0), minutes(5)}) {
    shared_clock const reader = later(minutes(5), wall);
    token_record const found = read(text, reader);
    CHECK((found.granted.expires_at() == reader.now + minutes(15)));
    CHECK((found.next_try_at == reader.now + minutes(10)));
  }
  shared_clock const long_after_a_restart = later(seconds(1), hours(24));
  CHECK((read(text, long_after_a_restart).granted.expires_at() < long_after_a_restart.now));
  shared_clock const soon_after_a_restart = later(hours(-24), minutes(5));
  CHECK(read(text, soon_after_a_restart).granted.empty());
  REQUIRE(read(text, soon_after_a_restart).failure);
  CHECK((read(text, soon_after_a_restart).next_try_at == soon_after_a_restart.now + minutes(10)));
}

TEST_CASE("a record from the future counts as none") {
  CHECK(is_empty(read(written(granted()), machine(milliseconds(-1001)))));
  CHECK(is_empty(read(written(refused()), machine(-hours(1)))));
  // Clocks that go by the network differ by a little.
  token_record const found = read(written(granted()), machine(milliseconds(-500)));
  CHECK_FALSE(found.granted.empty());
  CHECK((found.granted.expires_at() <= granted().granted.expires_at()));
}

TEST_CASE("a token cannot be younger than its record, nor live longer than a year, nor end before it began") {
  std::string const text = written(granted());
  std::int64_t const shows = machine().shows_ms;
  CHECK((read(with(text, "obtained_ms", std::to_string(shows))).granted.value() == value));
  CHECK(read(with(text, "obtained_ms", std::to_string(shows + 1))).granted.empty());
  std::int64_t const obtained = shows - 600000;
  CHECK((read(with(text, "expires_ms", std::to_string(obtained + 366 * day_ms))).granted.value() == value));
  CHECK(read(with(text, "expires_ms", std::to_string(obtained + 366 * day_ms + 1))).granted.empty());
  CHECK(read(with(text, "expires_ms", std::to_string(obtained - 1))).granted.empty());
}

TEST_CASE("a status that is none is read as none") {
  for (char const* none : {"-1", "1.5", "\"401\"", "null"}) {
    CAPTURE(none);
    token_record const found = read(with(written(refused()), "http_status", none));
    REQUIRE(found.failure);
    CHECK(found.failure->http_status() == 0);
  }
}

TEST_CASE("a wait of more than two days, or before it was written, is none") {
  CHECK(read(written(refused(hours(48)))).failure);
  CHECK_FALSE(read(written(refused(hours(48) + milliseconds(1)))).failure);
  CHECK_FALSE(read(written(refused(milliseconds(-1)))).failure);
}

TEST_CASE("a record of another version counts as none") {
  for (std::string const version : {"0", "2", "1.5", "\"1\"", "null"}) {
    CAPTURE(version);
    CHECK(is_empty(read(with(written(granted()), "version", version))));
  }
  CHECK_FALSE(is_empty(read(with(written(granted()), "version", "1"))));
}

TEST_CASE("a record of other credentials counts as none") {
  credentials rotated = some_credentials();
  rotated.client_secret = "rotated";
  credentials another = some_credentials();
  another.password = "rotated";
  for (credentials const& who : {rotated, another}) {
    int read_by_chance = 0;  // one in 65,536 times
    for (int i = 0; i < 20; ++i) {
      token_record const found = read_record(written(granted()), fingerprint(test_environment, who), machine());
      read_by_chance += is_empty(found) ? 0 : 1;
    }
    CHECK(read_by_chance <= 1);
  }
}

TEST_CASE("records written one after the other tell no more of a password than one does") {
  CHECK((written(granted()) == written(granted())));
}

TEST_CASE("a record that is cut off anywhere counts as none") {
  token_record record = refused();
  record.granted = granted().granted;
  std::string const text = written(record);
  for (std::size_t length = 0; length + 1 < text.size(); ++length) {  // but for the newline, the last byte
    CAPTURE(length);
    CHECK(is_empty(read(text.substr(0, length))));
  }
}

TEST_CASE("a record with any bit flipped counts as none") {
  token_record record = refused();
  record.granted = granted().granted;
  std::string const text = written(record);
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      CAPTURE(at);
      CAPTURE(bit);
      std::string damaged = text;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ 1U << bit);
      CHECK(is_empty(read(damaged)));
    }
  }
}

TEST_CASE("damage of any sort never brings a crash, nor a token that was not written") {
  unsigned const seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  auto below = [&random](std::size_t end) { return random() % end; };
  token_record record = refused();
  record.granted = granted().granted;
  std::string const text = written(record);
  for (int round = 0; round < 5000; ++round) {
    CAPTURE(round);
    std::string damaged = text;
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
      std::size_t const at = below(damaged.size());
      std::size_t const length = below(20);
      switch (below(4)) {
        case 0: damaged[at] = static_cast<char>(below(256)); break;
        case 1: damaged.erase(at, length); break;
        case 2: damaged.insert(at, damaged.substr(below(damaged.size()), length)); break;
        default: damaged.replace(at, length, std::string(length, '\0')); break;
      }
      damaged += damaged.empty() ? "{" : "";
    }
    token_record const found = read(damaged);
    REQUIRE((found.granted.empty() || found.granted.value() == value));
    REQUIRE((found.granted.empty() || found.granted.expires_at() == record.granted.expires_at()));
    REQUIRE((!found.failure || found.next_try_at == record.next_try_at));
  }
}

TEST_CASE("members with values that nobody would write bring no crash and no endless life") {
  token_record record = refused();
  record.granted = granted().granted;
  std::string const text = written(record);
  shared_clock const after_restart = {"boot-2", 40000, boot_clock::time_point(seconds(40)), unix_ms};
  for (std::string const member :
       {"version", "check", "clock", "written_ms", "written_unix_ms", "obtained_ms", "expires_ms", "scope",
        "access_token", "failures", "next_try_ms", "kind", "http_status", "oauth_error", "message"}) {
    CAPTURE(member);
    for (std::string const odd :
         {"-1", "-9007199254740993", "0", "0.5", "1", "2147483648", "9007199254740992", "9223372036854775808", "1e300",
          "-1e300", "1e400", "null", "true", "[1]", "{}", "\"\"", "\"text\"", "\"-1\""}) {
      CAPTURE(odd);
      for (shared_clock const& reader : {machine(), after_restart}) {
        token_record const found = read(with(text, member, odd), reader);
        CHECK((found.granted.empty() || found.granted.value() == value || member == "access_token"));
        CHECK((found.granted.expires_at() <= reader.now + hours(24 * 366)));
        CHECK((found.next_try_at <= reader.now + hours(48)));
        CHECK((found.failure != nullptr) == (found.failures > 0));
        if (found.failure) {
          CHECK(detail::pause_after(*found.failure, found.failures + 1, 0.5) > seconds(0));
        }
      }
    }
  }
}

TEST_CASE("a value that no bearer token has is not taken") {
  for (std::string const odd : {"\"\"", "\"a b\"", "\"a\\r\\nX-Injected: 1\"", "\"=\"", "\"a=b\"", "\"\\u0000\"",
                                "\"\xC3\xA9\"", "\"a,b\"", "1", "null", "[\"a\"]"}) {
    CAPTURE(odd);
    CHECK(is_empty(read(with(written(granted()), "access_token", odd))));
  }
}

TEST_CASE("a record holds no secret but the token, even when the server says our request back") {
  credentials const who = some_credentials();
  http_request sent = make_token_request(test_environment, who, basic_encoding::plain);
  std::string const basic = sent.headers.at(0).second.reveal();
  auto text_after = [&who](http_response const& answer) {
    token_record record;
    try {
      record.granted = make_token_source(
          test_environment, who, [&answer](http_request const&) { return answer; }, basic_encoding::plain,
          [] { return machine().now; })();
    } catch (error const& failure) {
      record = refused(failure);
    }
    return written(record);
  };
  std::string const echo =
      picojson::value(basic + " " + sent.body.reveal() + " " + who.password.reveal() + " " + who.client_secret.reveal())
          .serialize();
  for (std::string const& text :
       {text_after(tests::answer(200, "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":1800}")),
        text_after(tests::answer(401, "{\"error\":\"invalid_client\",\"error_description\":" + echo + "}")),
        text_after(tests::answer(401, "{\"errorCode\":\"E0000004\",\"errorSummary\":" + echo + "}")),
        text_after(tests::answer(500, echo))}) {
    CHECK_FALSE(is_empty(read(text)));
    for (std::string const& hidden :
         {who.client_secret.reveal(), who.password.reveal(), basic, basic.substr(6), sent.body.reveal()}) {
      CHECK((hidden.size() > 8));
      CHECK((text.find(hidden) == std::string::npos));
    }
  }
}

TEST_CASE("a record names neither the client nor the user nor the environment") {
  token_record record = refused();
  record.granted = granted().granted;
  std::string const text = written(record);
  for (std::string const& hidden : {some_credentials().client_id, some_credentials().username,
                                    std::string(test_environment.password_token_url), std::string("okta")}) {
    CHECK((text.find(hidden) == std::string::npos));
  }
}
