// SPDX-License-Identifier: MIT
// A shared record, whatever was written there: nothing, or what can be believed, and the same when it is written again.

#define CIBMTR_AUTH_HTTPS 0
#include "fuzz.hpp"

namespace {

using namespace cibmtr_auth;
using fuzz::promise;
using std::chrono::hours;

constexpr std::int64_t now_ms = 432000000;
constexpr std::int64_t unix_ms = 1790000000000;

bool same(error const& a, error const& b) {
  return a.kind() == b.kind() && a.what() == std::string(b.what()) && a.http_status() == b.http_status() &&
         a.oauth_error() == b.oauth_error();
}

bool is_empty(token_record const& record) {
  return record.granted.empty() && !record.failure && record.failures == 0;
}

void check_promises(token_record const& record, shared_clock const& clock) {
  token const& granted = record.granted;
  if (!granted.empty()) {
    promise(detail::is_b64token(granted.value()), "a token is a b64token");
    promise(granted.obtained_at() <= clock.now, "a token is from the past");
    promise(granted.expires_at() >= granted.obtained_at(), "a life is not negative");
    promise(granted.expires_at() - granted.obtained_at() <= hours(366 * 24), "a life is a year at the most");
  }
  promise(record.failure ? record.failures >= 1 && record.failures <= 1000 : record.failures == 0, "failures");
  if (record.failure) {
    promise(record.next_try_at <= clock.now + hours(48), "a wait is two days at the most");
    promise(record.failure->kind() != error_kind::configuration, "what was never sent is not shared");
    promise(record.failure->http_status() >= 0 && record.failure->http_status() <= 999, "a status is one");
  }
}

/// Written by whoever read it, read again by the next.
void check_round_trip(token_record const& record, fingerprint const& whose, shared_clock const& clock,
                      std::string const& input) {
  std::string const text = write_record(record, whose, clock).reveal();
  promise(fuzz::json_grammar::is_object(text), "a record is one JSON object");
  token_record const again = read_record(text, whose, clock);
  bool const is_since_boot = detail::to_ms(clock, record.granted.obtained_at()) >= 0;
  if (is_since_boot) {
    promise(again.granted.value() == record.granted.value(), "the token is kept");
  }
  if (is_since_boot && !record.granted.empty()) {
    promise(again.granted.scope() == record.granted.scope(), "its scope is kept");
    promise(again.granted.obtained_at() == record.granted.obtained_at(), "its beginning is kept");
    promise(again.granted.expires_at() == record.granted.expires_at(), "its end is kept");
  }
  bool const is_waiting = record.failure && record.next_try_at >= clock.now;
  promise(is_waiting == bool(again.failure), "a failure is kept until its wait is over");
  if (is_waiting) {
    promise(same(*again.failure, *record.failure), "the failure is the same");
    promise(again.failures == record.failures && again.next_try_at == record.next_try_at, "the wait is the same");
  }

  std::string damaged = text;
  std::size_t const place = std::hash<std::string>()(input) % text.rfind(",\"sum\":");
  damaged[place] = static_cast<char>(damaged[place] ^ (1 << input.size() % 8));
  promise(is_empty(read_record(damaged, whose, clock)), "a flipped bit is noticed");
}

/// `$check` and `$sum` in an input stand for the right ones, so that it is not refused for them alone.
std::string completed(std::string text, fingerprint const& whose) {
  text = fuzz::replaced(text, "$check", std::to_string(whose.check()));
  std::size_t const end = text.rfind(",\"sum\":$sum");
  return end == std::string::npos ? text : text.replace(end + 7, 4, std::to_string(detail::sum_of(text, end)));
}

void record(std::string const& input) {
  fingerprint const ours(test_environment, tests::some_credentials());
  credentials others = tests::some_credentials();
  others.password = "another";
  std::string const text = completed(input, ours);
  fuzz::check_json(text);
  promise(is_empty(read_record(text, fingerprint(test_environment, others), {"boot-1", now_ms, {}, unix_ms})),
          "a record of other credentials is none");

  for (char const* id : {"boot-1", "boot-2"}) {
    shared_clock const clock = {id, now_ms, boot_clock::time_point(hours(7)), unix_ms};
    token_record const found = read_record(text, ours, clock);
    promise(id == std::string("boot-1") || found.granted.empty() || text.find("boot-2") != std::string::npos,
            "a token is taken by its own clock");
    check_promises(found, clock);
    check_round_trip(found, ours, clock, input);
  }
}

fuzz::registered const here("token_record", record);

}  // namespace
