// SPDX-License-Identifier: MIT
// A shared record, whatever was written there: harmless, and the same when it is written and read again.

#define CIBMTR_AUTH_HTTPS 0
#include "fuzz.hpp"

namespace {

using namespace cibmtr_auth;
using detail::clock_reading;
using detail::record;
using fuzz::promise;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr std::int64_t unix_ms = 1790000000000;

/// But for what a record shortens.
bool are_equal(error const& read, error const& written) {
  return read.kind() == written.kind() && read.what() == std::string(written.what()).substr(0, 4000) &&
         read.http_status() == written.http_status() && read.oauth_error() == written.oauth_error().substr(0, 200) &&
         !read.was_sent() && !written.was_sent();
}

void check_bounds(record const& r, clock_reading const& clock) {
  if (!r.cached.empty()) {
    detail::token_data const& data = *detail::token_access::data(r.cached);
    promise(detail::is_b64token(r.cached.value()), "a token is a b64token");
    promise(data.expires_at <= clock.now + hours(366 * 24), "a token expires within a year");
    promise(data.obtained_at <= data.expires_at, "a lifetime is not negative");
    promise(data.expires_at - data.obtained_at <= hours(366 * 24), "a lifetime is a year at most");
    promise(!r.is_from_future, "no token is read from the future");
  }
  promise(r.history.rung >= 0 && r.history.rung <= 1000, "a rung is one");
  promise(r.history.fast_wait >= milliseconds(0) && r.history.fast_wait <= std::chrono::minutes(5), "a wait is one");
  promise(r.retried_at <= clock.now && r.replaced_at <= clock.now, "what was done is past");
  promise(r.lease_started_at <= clock.now && r.lease_ends_at <= clock.now + hours(48), "a lease is two days at most");
  promise(r.next_attempt_at <= clock.now + hours(48), "a backoff is two days at most");
  promise(static_cast<int>(r.row) >= 1 && static_cast<int>(r.row) <= 7 && r.proxy_login <= 0xFFFF, "a row is one");
  promise(!r.is_local && r.local_rung == 0, "what is stored is not local");
  promise(!r.failure || (r.failure->http_status() >= 0 && r.failure->http_status() <= 999), "a status is one");
}

void check_settled(record const& r, clock_reading const& clock) {
  for (bool has_password : {true, false}) {
    record settled = r;
    settled.settle_lease(clock.now + hours(48), has_password);
    promise(!settled.has_lease, "a lease ends");
    promise(settled.next_attempt_at <= clock.now + hours(49), "the backoff after a lease ends");
    promise(settled.failure || !r.has_lease, "a lease without a result is a failure");
  }
}

void check_round_trip(record r, clock_reading const& clock) {
  r.id = r.id.empty() ? "id" : r.id;  // a random one takes longer than everything else
  std::string const text = detail::write_record(r, clock).reveal();
  promise(fuzz::json_grammar::is_object(text), "a record is one JSON object");
  record const again = detail::read_record(text, clock, boot_clock::now);
  promise(!again.is_from_future, "a record that is written again is dated now");
  promise(again.history.rung == r.history.rung && again.history.fast_wait == r.history.fast_wait, "history is kept");
  promise(again.retried_at == r.retried_at, "retry_now is kept");
  if (detail::is_alive(r.cached, clock.now)) {
    promise(again.cached.value() == r.cached.value() && again.cached.scope() == r.cached.scope(), "a token is kept");
    detail::token_data const& data = *detail::token_access::data(r.cached);
    detail::token_data const& data_again = *detail::token_access::data(again.cached);
    promise(data_again.expires_at == data.expires_at && data_again.obtained_at == data.obtained_at,
            "its times are kept");
    promise(again.replaced_at == r.replaced_at, "the mark of a replacement is kept");
  } else {
    promise(again.cached.empty(), "an expired token is dropped");
  }
  if (r.has_lease && r.lease_ends_at != boot_clock::time_point()) {
    promise(again.has_lease && again.id == r.id, "a lease is kept");
    promise(again.lease_started_at == r.lease_started_at && again.lease_ends_at == r.lease_ends_at,
            "the times of a lease are kept");
  } else if (r.failure && !r.has_lease) {
    promise(again.failure && are_equal(*again.failure, *r.failure), "a failure is kept");
    promise(again.row == r.row && again.proxy_login == r.proxy_login, "its row is kept");
    promise(again.next_attempt_at == r.next_attempt_at, "its backoff is kept");
  }
}

void fuzz_record(std::string const& input) {
  fuzz::check_json(input);
  for (std::int64_t const passed : {0LL, 3600000LL, -3600000LL}) {
    clock_reading const clock = {boot_clock::time_point(hours(7)), unix_ms + passed};
    record const found = detail::read_record(input, clock, boot_clock::now);
    check_bounds(found, clock);
    check_settled(found, clock);
    check_round_trip(found, clock);
  }
}

fuzz::registered const here("record", fuzz_record);

}  // namespace
