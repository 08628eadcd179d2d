// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/refusal.hpp"
#include "support/token_server.hpp"

using namespace cibmtr_auth;
using cibmtr_auth::detail::token_access;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using tests::memory_store;
using tests::some_credentials;
using tests::token_server;

namespace {

error failure_of(token_cache const& tokens) {
  return tests::error_of([&tokens] { tokens.get(); });
}

boot_clock::time_point renewal_time(token const& t) { return token_access::data(t)->renew_at; }
boot_clock::time_point expiry(token const& t) { return token_access::data(t)->expires_at; }

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

credentials with_password(std::string const& password) {
  credentials changed = some_credentials();
  changed.password = password;
  return changed;
}

/// Records what a cache reports.
struct listener {
  std::vector<token_event> events{};

  token_cache_options options() {
    token_cache_options made;
    made.observer = [this](token_event const& event) { events.push_back(event); };
    return made;
  }
  std::string kinds() const {
    std::string all;
    for (token_event const& event : events) {
      all += (all.empty() ? "" : " ") + to_string(event.kind);
    }
    return all;
  }
};

token_cache_options with_store(std::shared_ptr<token_store> const& store, token_cache_options options = {}) {
  options.store = store;
  return options;
}

}  // namespace

TEST_CASE("a token is requested once and reused while it is fresh") {
  token_server server;
  token_cache const tokens = server.cache();
  CHECK(server.requests == 0);
  CHECK(tokens.get().value() == "token-1");
  server.clock.advance(minutes(24));
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests == 1);
}

TEST_CASE("a token is renewed min(5 min, lifetime / 6) before it expires, or up to a tenth of that earlier") {
  struct row {
    seconds lifetime;
    seconds margin;
  };
  for (row const& r : {row{minutes(30), minutes(5)}, row{minutes(5), seconds(50)}, row{seconds(86400), minutes(5)},
                       row{seconds(6), seconds(1)}}) {
    CAPTURE(r.lifetime.count());
    token_server server;
    server.lifetime = r.lifetime;
    token_cache const tokens = server.cache();
    token const first = tokens.get();
    CHECK((expiry(first) - renewal_time(first) >= r.margin));
    CHECK((expiry(first) - renewal_time(first) <= r.margin + r.margin / 10 + seconds(1)));
    server.clock.advance(renewal_time(first) - server.clock() - nanoseconds(1));
    tokens.get();
    CHECK(server.requests == 1);
    server.clock.advance(nanoseconds(1));
    CHECK(tokens.get().value() == "token-2");
    CHECK(server.requests == 2);
  }
}

TEST_CASE("a fleet started together does not renew together") {
  boot_clock::time_point const now{hours(1)};
  std::vector<int> renewals_in_second(31, 0);
  for (int member = 0; member < 3000; ++member) {
    token const its = token_access::make(base64_encode("member " + std::to_string(member)), "", now, now + minutes(30));
    auto const early = expiry(its) - minutes(5) - renewal_time(its);
    REQUIRE(early >= nanoseconds(0));
    REQUIRE(early <= seconds(30));
    ++renewals_in_second[static_cast<std::size_t>(std::chrono::duration_cast<seconds>(early).count())];
  }
  for (int second = 0; second < 30; ++second) {
    CHECK(renewals_in_second[static_cast<std::size_t>(second)] < 200);  // 100 on average
  }
}

TEST_CASE("over 30 days at a call a second, requests are as few as can be and no token is about to expire") {
  for (seconds lifetime : {seconds(300), seconds(1800), seconds(86400)}) {
    CAPTURE(lifetime.count());
    token_server server;
    server.lifetime = lifetime;
    token_cache const tokens = server.cache();
    nanoseconds shortest = lifetime;
    int const calls = 30 * 86400;
    for (int call = 0; call < calls; ++call) {
      shortest = (std::min)(shortest, nanoseconds(expiry(tokens.get()) - server.clock()));
      server.clock.advance(seconds(1));
    }
    seconds const margin = (std::min)(seconds(300), lifetime / 6);
    double const ideal = static_cast<double>(calls) / static_cast<double>((lifetime - margin).count());
    CHECK(server.requests >= ideal);
    CHECK(server.requests <= ideal * 1.03 + 1);  // renewing up to a tenth of the margin early costs this
    CHECK(shortest >= margin - seconds(1));
  }
}

TEST_CASE("a lifetime of a minute, of a second or of no use does not lead to a request for each call") {
  for (char const* expires_in : {"60", "1", "0", "-1", "null"}) {
    CAPTURE(expires_in);
    token_server server;
    server.respond = [&server, expires_in] {
      server.clock.advance(milliseconds(50));
      return http_response(
          200, std::string(R"({"access_token":"a","token_type":"Bearer","expires_in":)") + expires_in + "}");
    };
    token_cache const tokens = server.cache();
    for (int call = 0; call < 6000; ++call) {  // a minute at 100 calls a second
      tokens.get();
      server.clock.advance(milliseconds(10));
    }
    CHECK(server.requests <= 80);
  }
}

TEST_CASE("a server so slow that its tokens have expired when they arrive gets few requests, too") {
  token_server server;
  server.lifetime = seconds(10);
  server.while_requested = [&server] { server.clock.advance(server.requests == 1 ? seconds(8) : seconds(10)); };
  token_cache const tokens = server.cache();
  CHECK(tokens.get().value() == "token-1");
  for (int call = 0; call < 600; ++call) {  // a minute at 10 calls a second
    try {
      token const found = tokens.get();
      CHECK((expiry(found) > server.clock()));
    } catch (error const& failure) {
      CHECK(failure.kind() == error_kind::invalid_response);
    }
    server.clock.advance(milliseconds(100));
  }
  CHECK(server.requests <= 10);
}

TEST_CASE("the old token is used until it expires when renewals fail, and not a moment longer") {
  token_server server;
  token_cache const tokens = server.cache();
  token const first = tokens.get();
  server.respond_with(tests::unavailable());
  server.clock.advance(minutes(25));
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests == 2);
  server.clock.advance(expiry(first) - server.clock() - nanoseconds(1));
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.try_get().value() == "token-1");
  server.clock.advance(nanoseconds(1));
  CHECK(tokens.try_get().empty());
  CHECK_THROWS_AS(tokens.get(), error);
}

TEST_CASE("copies of a cache share one token") {
  token_server server;
  token_cache const tokens = server.cache();
  token_cache const copy = tokens;
  tokens.get();
  copy.get();
  CHECK(server.requests == 1);
}

TEST_CASE("a moved-from handle still works, and moving cannot throw") {
  static_assert(std::is_nothrow_move_constructible<token_cache>::value, "std::vector moves it");
  static_assert(std::is_nothrow_move_assignable<token_cache>::value, "std::vector moves it");
  static_assert(!std::is_default_constructible<token_cache>::value, "there is no handle without a cache");
  token_server server;
  token_server other_server;
  token_cache tokens = server.cache();
  token_cache other = other_server.cache();
  token_cache const moved = std::move(tokens);
  CHECK(tokens.get().value() == moved.get().value());
  other = std::move(tokens);
  CHECK(tokens.get().value() == other.get().value());
  CHECK(server.requests == 1);
  CHECK(other_server.requests == 0);
}

TEST_CASE("caches without a store share nothing") {
  token_server server;
  token_cache const one = server.cache();
  token_cache const other = server.cache();
  CHECK(one.get().value() != other.get().value());
  CHECK(one.get().value() != other.get().value());
  CHECK(server.requests == 2);
}

TEST_CASE("try_get gives the cached token or an empty one, and never requests or renews") {
  token_server server;
  token_cache const tokens = server.cache();
  CHECK(tokens.try_get().empty());
  CHECK(server.requests == 0);
  token const first = tokens.get();
  CHECK(tokens.try_get().value() == "token-1");
  server.clock.advance(expiry(first) - server.clock() - nanoseconds(1));  // long due for renewal
  CHECK(tokens.try_get().value() == "token-1");
  server.clock.advance(nanoseconds(1));
  CHECK(tokens.try_get().empty());
  CHECK(server.requests == 1);
  CHECK(tokens.status().gets == 1);
}

TEST_CASE("attempts that fail before anything is sent are repeated after 1, 2, 4 s and so on, at most 5 min") {
  token_server server;
  std::vector<boot_clock::time_point> attempts;
  server.connect = [&] {
    attempts.push_back(server.clock());
    throw tests::unreachable();
  };
  token_cache const tokens = server.cache();
  for (int call = 0; call < 36000; ++call) {  // an hour at 10 calls a second
    CHECK_THROWS_AS(tokens.get(), error);
    server.clock.advance(milliseconds(100) + nanoseconds(call));
  }
  REQUIRE(attempts.size() > 15);
  CHECK(attempts.size() < 40);
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    double const wait = std::chrono::duration<double>(attempts[i] - attempts[i - 1]).count();
    double const full = i < 10 ? (std::min)(static_cast<double>(1 << (i - 1)), 300.0) : 300;
    CAPTURE(i);
    CHECK(wait >= full / 2);
    CHECK(wait <= full + 0.11);
  }
}

TEST_CASE("a failure before anything is sent counts as a failure, not as a request") {
  token_server server;
  server.be_unreachable();
  token_cache const tokens = server.cache();
  CHECK(failure_of(tokens).kind() == error_kind::network);
  CHECK(tokens.status().failures == 1);
  CHECK(tokens.status().requests == 0);
  server.grant();
  server.clock.advance(seconds(1));
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.status().requests == 1);
}

TEST_CASE("no request is sent before the time that the server gave, and every caller gets that time") {
  token_server server;
  server.respond_with(tests::rate_limited("60"));
  token_cache const tokens = server.cache();
  CHECK(failure_of(tokens).retry_after() >= seconds(60));
  server.clock.advance(seconds(59));
  error const failure = failure_of(tokens);
  CHECK(failure.kind() == error_kind::rate_limited);
  CHECK(failure.retry_after() >= seconds(1));
  CHECK(contains(failure.what(), "Next attempt not before 1970-01-01T01:01:0"));
  CHECK(server.requests == 1);
  server.grant();
  server.clock.advance(seconds(8));  // up to a tenth of jitter
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("rejected credentials are not sent again for 15 minutes, then 30, then 60, at most a day") {
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache();
  failure_of(tokens);
  boot_clock::time_point sent_at = server.clock();
  for (seconds wait = minutes(15); wait <= hours(48); wait *= 2) {
    server.clock.advance(sent_at + (std::min<seconds>)(wait, hours(24)) - nanoseconds(1) - server.clock());
    int const requests = server.requests;
    error const failure = failure_of(tokens);
    CHECK(failure.kind() == error_kind::rejected);
    CHECK(contains(failure.what(), "Next attempt not before "));
    CHECK(server.requests == requests);
    server.clock.advance(nanoseconds(1));
    failure_of(tokens);
    CHECK(server.requests == requests + 1);
    sent_at = server.clock();
  }
}

TEST_CASE("waits on the ladder count from the moment the credentials were sent") {
  token_server server;
  server.fail_with(tests::no_response());
  server.while_requested = [&server] { server.clock.advance(seconds(30)); };
  token_cache const tokens = server.cache();
  CHECK(failure_of(tokens).retry_after() == seconds(0));  // the first rung is 5 s
  CHECK(failure_of(tokens).retry_after() == seconds(0));  // the second 30 s
  CHECK(failure_of(tokens).retry_after() == seconds(150));
  CHECK(server.requests == 3);
}

TEST_CASE("other failures between rejections do not make rejections more frequent") {
  token_server server;
  server.respond_with(tests::unavailable());
  token_cache const tokens = server.cache();
  int rejections = 0;
  bool is_rejecting = false;
  for (boot_clock::time_point const end = server.clock() + hours(24); server.clock() < end;) {
    int const before = server.requests;
    failure_of(tokens);
    if (server.requests > before) {
      rejections += is_rejecting ? 1 : 0;
      is_rejecting = !is_rejecting;
      server.respond_with(is_rejecting ? tests::rejected() : tests::unavailable());
    }
    server.clock.advance(minutes(1));
  }
  CHECK(rejections <= 7);  // after 0, 15, 45, 105, 225, 465 and 945 minutes
  CHECK(rejections >= 6);
}

TEST_CASE("credentials that are rejected at a renewal are sent once while the old token is used") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  server.respond_with(tests::rejected());
  server.clock.advance(minutes(25));
  for (int second = 0; second < 290; ++second) {
    CHECK(tokens.get().value() == "token-1");
    server.clock.advance(seconds(1));
  }
  CHECK(server.requests == 2);
}

TEST_CASE("a token ends the backoff, and the next failure starts at the first wait again") {
  token_server server;
  token_cache const tokens = server.cache();
  for (int round = 0; round < 2; ++round) {
    server.fail_with(tests::no_response());
    CHECK(failure_of(tokens).retry_after() == seconds(5));
    server.clock.advance(seconds(5));
    CHECK(failure_of(tokens).retry_after() == seconds(30));
    server.clock.advance(seconds(30));
    server.grant();
    tokens.get();
    CHECK(tokens.status().retry_in == seconds(0));
    CHECK_FALSE(tokens.status().last_error);
    server.clock.advance(hours(1));
  }
}

TEST_CASE("until the backoff ends get() throws the same failure with the time that is left, rounded up") {
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache();
  error const first = failure_of(tokens);
  CHECK(first.retry_after() == minutes(15));
  server.clock.advance(minutes(14) + nanoseconds(1));
  error const later = failure_of(tokens);
  CHECK(later.kind() == first.kind());
  CHECK(later.http_status() == 401);
  CHECK(later.oauth_error() == "invalid_client");
  CHECK(later.retry_after() == seconds(60));
  CHECK(contains(later.what(), "no token was requested, because an earlier attempt failed: the token server"));
  CHECK(contains(later.what(), "Next attempt not before 1970-01-01T01:15:0"));
  CHECK(server.requests == 1);
}

TEST_CASE("whatever get() throws says that the call it is for was not sent") {
  for (error_kind kind :
       {error_kind::configuration, error_kind::rejected, error_kind::rate_limited, error_kind::unavailable,
        error_kind::network, error_kind::tls, error_kind::timed_out, error_kind::invalid_response}) {
    for (bool was_sent : {true, false}) {
      CAPTURE(to_string(kind));
      token_server server;
      server.fail_with(error(kind, "no.", 0, "", seconds(0), was_sent));
      token_cache const tokens = server.cache();
      error const first = failure_of(tokens);
      error const second = failure_of(tokens);
      CHECK(first.kind() == kind);
      CHECK_FALSE(first.was_sent());
      CHECK_FALSE(second.was_sent());
      CHECK(server.requests == 1);
    }
  }
  for (http_response const& response : {http_response(200, "{}"), http_response(302, ""), tests::rejected(),
                                        tests::unavailable(), tests::rate_limited("1"), http_response(504, "")}) {
    token_server server;
    server.respond_with(response);
    CHECK_FALSE(failure_of(server.cache()).was_sent());
  }
}

TEST_CASE("a program that is started again and again with a wrong password sends it once if it has a store") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  server.respond_with(tests::rejected());
  for (int start = 0; start < 11; ++start) {
    CHECK(failure_of(server.cache(store)).kind() == error_kind::rejected);
    server.clock.advance(seconds(1));
  }
  CHECK(server.requests == 1);
}

TEST_CASE("invalidate drops that token only") {
  token_server server;
  token_cache const tokens = server.cache();
  token const first = tokens.get();
  CHECK(tokens.invalidate(first));
  CHECK(tokens.try_get().empty());
  CHECK_FALSE(tokens.status().has_token);
  CHECK(tokens.get().value() == "token-2");
  CHECK(tokens.invalidate(first));  // as another thread has renewed
  CHECK(tokens.get().value() == "token-2");
  CHECK(server.requests == 2);
}

TEST_CASE("invalidate recognises a token by its value") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  CHECK(tokens.invalidate(token_access::make("token-1", "", {}, {})));
  CHECK(tokens.try_get().empty());
}

TEST_CASE("an empty token invalidates nothing") {
  token_server server;
  token_cache const tokens = server.cache();
  CHECK_FALSE(tokens.invalidate(token()));
  tokens.get();
  CHECK_FALSE(tokens.invalidate(token()));
  CHECK(tokens.try_get().value() == "token-1");
}

TEST_CASE("a replacement of a refused token is not replaced for 30 s, with a store or without") {
  for (bool has_store : {false, true}) {
    CAPTURE(has_store);
    token_server server;
    token_cache const tokens = server.cache(has_store ? std::make_shared<memory_store>() : nullptr);
    CHECK(tokens.invalidate(tokens.get()));
    token const second = tokens.get();
    CHECK(second.value() == "token-2");
    CHECK_FALSE(tokens.invalidate(second));
    server.clock.advance(seconds(30) - nanoseconds(1));
    CHECK_FALSE(tokens.invalidate(second));
    CHECK(tokens.get().value() == "token-2");
    server.clock.advance(nanoseconds(1));
    CHECK(tokens.invalidate(second));
    CHECK(tokens.get().value() == "token-3");
  }
}

TEST_CASE("an API that refuses every token leads to at most one request in 30 s") {
  token_server server;
  token_cache const tokens = server.cache();
  for (int second = 0; second < 3600; ++second) {
    CHECK(call_with_token(tokens, [](token const&) { return 401; }) == 401);
    server.clock.advance(seconds(1));
  }
  CHECK(server.requests <= 3600 / 30 + 2);
}

TEST_CASE("an API that refuses a token that the server grants again and again does not lead to more requests") {
  token_server server;
  server.respond = [&server] { return server.granted(0); };
  token_cache const tokens = server.cache();
  int calls = 0;
  for (int i = 0; i < 29; ++i) {
    CHECK(call_with_token(tokens, [&calls](token const&) {
            ++calls;
            return 401;
          }) == 401);
    server.clock.advance(seconds(1));
  }
  CHECK(server.requests == 2);
  CHECK(calls == 29);  // none is repeated with the token that was just refused
}

TEST_CASE("all who share a store renew once in 30 s because of a 401") {
  token_server server;
  auto const store = std::make_shared<memory_store>();
  for (int process = 0; process < 30; ++process) {
    token_cache const tokens = server.cache(store);
    CHECK(call_with_token(tokens, [](token const&) { return 401; }) == 401);
    server.clock.advance(seconds(1));
  }
  CHECK(server.requests == 2);
  server.clock.advance(seconds(2));
  token_cache const tokens = server.cache(store);
  CHECK(call_with_token(tokens, [](token const& found) { return found.value() == "token-2" ? 401 : 200; }) == 200);
  CHECK(server.requests == 3);
}

TEST_CASE("a token that the API refused is not used again when its replacement cannot be had") {
  for (bool has_store : {false, true}) {
    CAPTURE(has_store);
    token_server server;
    token_cache const tokens = server.cache(has_store ? std::make_shared<memory_store>() : nullptr);
    tokens.invalidate(tokens.get());
    server.respond_with(tests::unavailable());
    CHECK_THROWS_AS(tokens.get(), error);
    server.clock.advance(seconds(2));
    CHECK_THROWS_AS(tokens.get(), error);
    server.clock.advance(seconds(5));
    server.grant();
    CHECK(tokens.get().value() == "token-4");
  }
}

TEST_CASE("a token that is refused while it is being renewed is not used again when the renewal fails") {
  token_server server;
  token_cache const tokens = server.cache();
  token const old = tokens.get();
  server.clock.advance(minutes(26));
  server.respond_with(tests::unavailable());
  server.while_requested = [&] { CHECK(tokens.invalidate(old)); };
  CHECK(failure_of(tokens).kind() == error_kind::unavailable);
  CHECK(failure_of(tokens).kind() == error_kind::unavailable);
  CHECK(tokens.try_get().empty());
  CHECK(server.requests == 2);
}

TEST_CASE("a token that is refused while it is being renewed is replaced by that renewal") {
  token_server server;
  token_cache const tokens = server.cache();
  token const old = tokens.get();
  server.clock.advance(minutes(26));
  server.while_requested = [&] { CHECK(tokens.invalidate(old)); };
  CHECK(tokens.get().value() == "token-2");
  CHECK(tokens.get().value() == "token-2");
  CHECK(server.requests == 2);
}

TEST_CASE("set_credentials continues with other credentials at once, whatever the backoff") {
  token_server server;
  server.keeps_last = true;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache();
  failure_of(tokens);
  CHECK(contains(server.last.body.reveal(), "password=pa55+w%26rd"));
  server.grant();
  CHECK(tokens.set_credentials(with_password("right")));
  CHECK(tokens.status().retry_in == seconds(0));
  CHECK_FALSE(tokens.status().last_error);
  CHECK(tokens.get().value() == "token-2");
  CHECK(contains(server.last.body.reveal(), "password=right"));
  CHECK(tokens.set_credentials(with_password("rotated")));
  CHECK(tokens.get().value() == "token-3");
  CHECK(contains(server.last.body.reveal(), "password=rotated"));
}

TEST_CASE("the same credentials change nothing: a wrong password is not sent every minute") {
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache();
  failure_of(tokens);
  for (int minute = 0; minute < 14; ++minute) {
    CHECK_FALSE(tokens.set_credentials(some_credentials()));
    CHECK(tokens.status().last_error);
    CHECK(failure_of(tokens).kind() == error_kind::rejected);
    server.clock.advance(minutes(1));
  }
  CHECK(server.requests == 1);
}

TEST_CASE("the same credentials lead to no renewal") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  CHECK_FALSE(tokens.set_credentials(some_credentials()));
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests == 1);
}

TEST_CASE("set_credentials validates first, and invalid credentials change nothing") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  credentials no_scope = some_credentials();
  no_scope.scope.clear();
  credentials with_colon = some_credentials();
  with_colon.client_id = "a:b";
  CHECK(contains(tests::refusal([&] { tokens.set_credentials(no_scope); }), "scope"));
  CHECK(contains(tests::refusal([&] { tokens.set_credentials(with_colon); }), "client_id"));
  CHECK(contains(tests::refusal([&] { tokens.set_credentials(credentials()); }), "client_id"));
  CHECK(tokens.get().value() == "token-1");
  CHECK_FALSE(tokens.set_credentials(some_credentials()));
}

TEST_CASE("set_credentials needs the token URL of the grant that it changes to") {
  token_server server;
  environment where = test_environment();
  where.client_credentials_token_url.clear();
  token_cache const tokens = make_token_cache(where, some_credentials(), server.options());
  credentials const without_account("id", "secret", "scope");
  CHECK(contains(tests::refusal([&] { tokens.set_credentials(without_account); }), "client_credentials_token_url"));
  CHECK(tokens.get().value() == "token-1");
}

TEST_CASE("after set_credentials the renewal is done even if the server grants the same token again") {
  token_server server;
  server.respond = [&server] { return server.granted(0); };
  token_cache const tokens = server.cache();
  tokens.get();
  tokens.set_credentials(with_password("another"));
  tokens.get();
  CHECK((tokens.status().renews_in > minutes(24)));
  tokens.get();
  CHECK(server.requests == 2);
}

TEST_CASE("after set_credentials a renewal is due at once, and all but the caller who renews use the old token") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  int others = 0;
  server.while_requested = [&] {
    std::thread([&] { others += tokens.get().value() == "token-1" ? 1 : 0; }).join();
    others += tokens.try_get().value() == "token-1" ? 1 : 0;
  };
  credentials changed = some_credentials();
  changed.client_secret = "another";
  changed.password = "another";
  CHECK(tokens.set_credentials(changed));
  CHECK(tokens.try_get().value() == "token-1");
  CHECK(tokens.status().renews_in == seconds(0));
  CHECK(tokens.get().value() == "token-2");
  CHECK(others == 2);
  CHECK(tokens.get().value() == "token-2");
  CHECK(server.requests == 2);
}

TEST_CASE("the old token is dropped if token URL, client id, username or scope change") {
  credentials other_client = some_credentials();
  other_client.client_id = "another";
  credentials other_user = some_credentials();
  other_user.username = "another";
  credentials other_scope = some_credentials();
  other_scope.scope = "another";
  credentials const other_grant("0oa1client", "s3cr3t-of-client", "api_cibmtr_fhir_ehr_client");
  for (credentials const& next : {other_client, other_user, other_scope, other_grant}) {
    token_server server;
    token_cache const tokens = server.cache();
    tokens.get();
    server.respond_with(tests::unavailable());
    CHECK(tokens.set_credentials(next));
    CHECK(tokens.try_get().empty());
    CHECK(failure_of(tokens).kind() == error_kind::unavailable);
    server.grant();
    server.clock.advance(seconds(1));
    CHECK(tokens.get().value() == "token-3");
  }
}

TEST_CASE("set_credentials starts the backoff again") {
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache();
  failure_of(tokens);
  server.clock.advance(minutes(15));
  CHECK(failure_of(tokens).retry_after() == minutes(30));
  tokens.set_credentials(with_password("wrong, too"));
  CHECK(failure_of(tokens).retry_after() == minutes(15));
  server.fail_with(tests::no_response());
  tokens.set_credentials(with_password("another"));
  CHECK(failure_of(tokens).retry_after() == seconds(5));
  server.be_unreachable();
  tokens.set_credentials(with_password("a fourth"));
  CHECK(failure_of(tokens).retry_after() == seconds(1));
}

TEST_CASE("a failure with new credentials shows at once, and is thrown only when the old token has expired") {
  token_server server;
  listener heard;
  token_cache const tokens = server.cache(heard.options());
  token const old = tokens.get();
  server.respond_with(tests::rejected());
  tokens.set_credentials(with_password("wrong"));
  CHECK(tokens.get().value() == "token-1");
  REQUIRE(tokens.status().last_error);
  CHECK(tokens.status().last_error->kind() == error_kind::rejected);
  CHECK(tokens.status().retry_in == minutes(15));
  CHECK(heard.kinds() == "renewed failed");
  server.clock.advance(expiry(old) - server.clock() - nanoseconds(1));
  CHECK(tokens.get().value() == "token-1");
  server.clock.advance(nanoseconds(1));
  CHECK(failure_of(tokens).kind() == error_kind::rejected);
  CHECK(server.requests == 3);  // after 15 minutes it was tried again
}

TEST_CASE("set_credentials obeys a backoff that the store holds for the new credentials") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  server.respond_with(tests::rejected());
  CHECK_THROWS_AS(make_token_cache(test_environment(), with_password("wrong"), server.options(with_store(store))).get(),
                  error);
  server.grant();
  token_cache const tokens = server.cache(store);
  tokens.get();
  tokens.set_credentials(with_password("wrong"));
  CHECK(tokens.get().value() == "token-2");
  REQUIRE(tokens.status().last_error);
  CHECK(tokens.status().last_error->kind() == error_kind::rejected);
  CHECK(tokens.status().retry_in == minutes(15));
  CHECK(server.requests == 2);
}

TEST_CASE("set_credentials leaves the old credentials' entry in the store") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_cache const tokens = server.cache(store);
  tokens.get();
  tokens.set_credentials(with_password("another"));
  CHECK(tokens.get().value() == "token-2");
  CHECK(store->size() == 2);
  CHECK(server.cache(store).get().value() == "token-1");
  CHECK(server.requests == 2);
}

TEST_CASE("a token that the store holds for the new credentials is used without a request") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  make_token_cache(test_environment(), with_password("another"), server.options(with_store(store))).get();
  listener heard;
  token_cache const tokens = server.cache(with_store(store, heard.options()));
  tokens.get();
  tokens.set_credentials(with_password("another"));
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.get().value() == "token-1");
  CHECK(heard.kinds() == "renewed loaded");
  CHECK(server.requests == 2);
}

TEST_CASE("retry_now ends the backoff, and returns false if there is none") {
  token_server server;
  token_cache const tokens = server.cache();
  CHECK_FALSE(tokens.retry_now());
  server.respond_with(tests::rejected());
  failure_of(tokens);
  server.grant();
  CHECK(tokens.status().retry_in == minutes(15));
  CHECK(tokens.retry_now());
  CHECK(tokens.status().retry_in == seconds(0));
  CHECK(server.requests == 1);
  CHECK(tokens.get().value() == "token-2");
  CHECK_FALSE(tokens.retry_now());
}

TEST_CASE("retry_now works at most once in 15 minutes, and the ladder goes on") {
  for (bool has_store : {false, true}) {
    CAPTURE(has_store);
    token_server server;
    server.respond_with(tests::rejected());
    token_cache const tokens = server.cache(has_store ? std::make_shared<memory_store>() : nullptr);
    CHECK(failure_of(tokens).retry_after() == minutes(15));
    CHECK(tokens.retry_now());
    CHECK_FALSE(tokens.retry_now());
    CHECK(failure_of(tokens).retry_after() == minutes(30));
    server.clock.advance(minutes(15) - milliseconds(1));
    CHECK_FALSE(tokens.retry_now());
    CHECK(failure_of(tokens).kind() == error_kind::rejected);
    CHECK(server.requests == 2);
    server.clock.advance(milliseconds(1));
    CHECK(tokens.retry_now());
    CHECK(failure_of(tokens).retry_after() == hours(1));
    CHECK(server.requests == 3);
  }
}

TEST_CASE("retry_now works at most once in 15 minutes for failures that are not shared, too") {
  for (bool has_store : {false, true}) {
    CAPTURE(has_store);
    token_server server;
    server.be_unreachable();
    token_cache const tokens = server.cache(has_store ? std::make_shared<memory_store>() : nullptr);
    failure_of(tokens);
    CHECK(tokens.retry_now());
    failure_of(tokens);
    CHECK_FALSE(tokens.retry_now());
  }
}

TEST_CASE("retry_now ends the backoff of all who share the store, and its limit holds for all") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const one = server.cache(store);
  token_cache const other = server.cache(store);
  failure_of(one);
  failure_of(other);
  CHECK(one.retry_now());
  CHECK_FALSE(other.retry_now());
  server.clock.advance(seconds(1));  // the others look at the record once a second
  CHECK(failure_of(other).retry_after() == minutes(30));
  CHECK(server.requests == 2);
  CHECK_FALSE(other.retry_now());
  CHECK_FALSE(one.retry_now());
  CHECK_FALSE(server.cache(store).retry_now());
}

TEST_CASE("retry_now renews while the old token is still used") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  server.clock.advance(minutes(26));
  server.respond_with(tests::rejected());
  CHECK(tokens.get().value() == "token-1");
  server.grant();
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.retry_now());
  CHECK(tokens.try_get().value() == "token-1");
  CHECK(tokens.get().value() == "token-3");
}

TEST_CASE("status says what was done and what is cached") {
  token_server server;
  token_cache const tokens = server.cache();
  token_cache_status status = tokens.status();
  CHECK_FALSE(status.has_token);
  CHECK(status.expires_in == seconds(0));
  CHECK(status.renews_in == seconds(0));
  CHECK(status.retry_in == seconds(0));
  CHECK_FALSE(status.last_error);
  CHECK_FALSE(status.is_shared);
  CHECK(status.sharing_problem == "");
  CHECK(status.gets + status.hits + status.waits + status.requests + status.failures == 0);

  token const first = tokens.get();
  tokens.get();
  server.clock.advance(nanoseconds(1));
  status = tokens.status();
  CHECK(status.has_token);
  CHECK(status.expires_in == minutes(30));  // rounded up
  CHECK((status.renews_in <= minutes(25)));
  CHECK((status.renews_in >= minutes(24) + seconds(30)));
  CHECK(status.gets == 2);
  CHECK(status.hits == 1);
  CHECK(status.waits == 0);
  CHECK(status.requests == 1);
  CHECK(status.failures == 0);
  CHECK_FALSE(status.last_error);

  server.respond_with(tests::unavailable());
  server.clock.advance(minutes(25));
  tokens.get();
  status = tokens.status();
  CHECK(status.has_token);
  CHECK(status.renews_in == seconds(0));
  CHECK(status.retry_in == seconds(1));
  CHECK(status.requests == 2);
  CHECK(status.failures == 1);
  REQUIRE(status.last_error);
  CHECK(status.last_error->kind() == error_kind::unavailable);
  CHECK(status.last_error->http_status() == 503);

  server.grant();
  server.clock.advance(seconds(1));
  tokens.get();
  CHECK_FALSE(tokens.status().last_error);
  CHECK(tokens.status().requests == 3);

  server.clock.advance(hours(1));
  CHECK_FALSE(tokens.status().has_token);
  CHECK(tokens.status().expires_in == seconds(0));
}

TEST_CASE("status keeps its counts when the credentials change") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  tokens.set_credentials(with_password("another"));
  tokens.get();
  CHECK(tokens.status().gets == 2);
  CHECK(tokens.status().requests == 2);
}

TEST_CASE("a token request whose credentials were replaced meanwhile counts as sent") {
  token_server server;
  token_cache const tokens = server.cache();
  server.while_requested = [&] { tokens.set_credentials(with_password("another")); };
  tokens.get();
  CHECK(tokens.status().requests == 1);
  server.while_requested = nullptr;
  tokens.get();
  CHECK(tokens.status().requests == 2);
}

TEST_CASE("status says whether the token is shared, and if not, why") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_cache const tokens = server.cache(store);
  tokens.get();
  CHECK(tokens.status().is_shared);
  CHECK(tokens.status().sharing_problem == "");
  store->before_load = [] { throw std::runtime_error("/x/.cache: Read-only file system"); };
  server.clock.advance(minutes(26));
  CHECK(tokens.get().value() == "token-2");
  CHECK_FALSE(tokens.status().is_shared);
  CHECK(tokens.status().sharing_problem == "/x/.cache: Read-only file system");
  store->before_load = nullptr;
  server.clock.advance(minutes(26));
  CHECK(tokens.get().value() == "token-3");
  CHECK(tokens.status().is_shared);
  CHECK(tokens.status().sharing_problem == "");
}

TEST_CASE("what a store throws that is no std::exception is reported, too") {
  auto const store = std::make_shared<memory_store>();
  store->before_load = [] { throw 1; };
  token_server server;
  token_cache const tokens = server.cache(store);
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.status().sharing_problem != "");
}

TEST_CASE("the observer is called once for each renewal, and for nothing else") {
  token_server server;
  listener heard;
  token_cache const tokens = server.cache(heard.options());
  tokens.get();
  tokens.get();
  server.respond_with(tests::unavailable());
  server.clock.advance(minutes(40));
  CHECK_THROWS_AS(tokens.get(), error);
  for (int poll = 0; poll < 10; ++poll) {
    CHECK_THROWS_AS(tokens.get(), error);  // in the backoff
  }
  REQUIRE(heard.kinds() == "renewed failed");
  CHECK(heard.events[0].status.has_token);
  CHECK(heard.events[0].status.requests == 1);
  CHECK_FALSE(heard.events[0].status.last_error);
  CHECK(heard.events[1].status.failures == 1);
  REQUIRE(heard.events[1].status.last_error);
  CHECK(heard.events[1].status.last_error->kind() == error_kind::unavailable);
  CHECK(contains(heard.events[1].message, "unavailable: the token server oktapreview.nmdp.org returned HTTP 503"));
}

TEST_CASE("a token that another process has requested is reported as loaded") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  server.cache(store).get();
  listener heard;
  token_cache const tokens = server.cache(with_store(store, heard.options()));
  CHECK(tokens.get().value() == "token-1");
  CHECK(heard.kinds() == "loaded");
  CHECK(tokens.status().requests == 0);
  CHECK(server.requests == 1);
}

TEST_CASE("that sharing fails, and that it works again, is reported once each") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  listener heard;
  token_cache const tokens = server.cache(with_store(store, heard.options()));
  tokens.get();
  heard.events.clear();
  std::string problem = "disk full";
  store->before_replace = [&problem] { throw std::runtime_error(problem); };
  for (int renewal = 0; renewal < 3; ++renewal) {
    server.clock.advance(minutes(26));
    tokens.get();
    problem = "disk gone";
  }
  CHECK(heard.kinds() == "sharing_failed renewed renewed renewed");
  CHECK(contains(heard.events[0].message, "disk full"));
  CHECK(heard.events[0].status.sharing_problem == "disk full");
  CHECK(tokens.status().sharing_problem == "disk gone");
  heard.events.clear();
  store->before_replace = nullptr;
  for (int renewal = 0; renewal < 3; ++renewal) {
    server.clock.advance(minutes(26));
    tokens.get();
  }
  CHECK(heard.kinds() == "sharing_restored renewed renewed renewed");
  CHECK(heard.events[0].status.is_shared);
}

TEST_CASE("a store that can be read but not written is reported once, however often it is read") {
  auto const store = std::make_shared<memory_store>();
  store->before_replace = [] { throw std::runtime_error("Read-only file system"); };
  token_server server;
  server.respond_with(tests::rejected());
  listener heard;
  token_cache const tokens = server.cache(with_store(store, heard.options()));
  for (int second = 0; second < 1000; ++second) {
    failure_of(tokens);
    CHECK(tokens.status().sharing_problem == "Read-only file system");
    server.clock.advance(seconds(1));
  }
  CHECK(heard.kinds() == "sharing_failed failed failed");
}

TEST_CASE("a token that is loaded shows that sharing works again") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  listener heard;
  token_cache const tokens = server.cache(with_store(store, heard.options()));
  tokens.get();
  store->before_load = [] { throw std::runtime_error("down"); };
  server.clock.advance(minutes(26));
  tokens.get();
  store->before_load = nullptr;
  server.clock.advance(minutes(26));
  server.cache(store).get();
  tokens.get();
  CHECK(heard.kinds() == "renewed sharing_failed renewed sharing_restored loaded");
}

TEST_CASE("no event and no message contains a secret or the token") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  listener heard;
  token_cache const tokens = server.cache(with_store(store, heard.options()));
  tokens.get();
  server.clock.advance(minutes(40));
  server.respond_with(http_response(400, R"({"error":"invalid_grant","error_description":"not pa55 w&rd"})"));
  CHECK_FALSE(contains(failure_of(tokens).what(), "pa55"));
  store->before_load = [] { throw std::runtime_error("down"); };
  server.clock.advance(hours(40));
  CHECK_FALSE(contains(failure_of(tokens).what(), "pa55"));
  CHECK(heard.kinds() == "renewed failed sharing_failed failed");
  for (token_event const& event : heard.events) {
    CHECK_FALSE(contains(event.message, "token-"));
    CHECK_FALSE(contains(event.message, "pa55"));
    CHECK_FALSE(contains(event.message, "s3cr3t"));
  }
}

TEST_CASE("what an observer throws is ignored") {
  token_server server;
  token_cache_options options;
  int calls = 0;
  options.observer = [&calls](token_event const&) {
    ++calls;
    throw 1;
  };
  token_cache const tokens = server.cache(options);
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.get().value() == "token-1");
  server.respond_with(tests::rejected());
  server.clock.advance(hours(1));
  CHECK(failure_of(tokens).kind() == error_kind::rejected);
  CHECK(calls == 2);
}

TEST_CASE("an observer may use its own cache and others: it is called outside all locks") {
  token_server server;
  token_server other_server;
  token_cache const other = other_server.cache();
  std::unique_ptr<token_cache> tokens;
  std::string seen;
  token_cache_options options;
  options.observer = [&](token_event const& event) {
    std::thread([&] {  // would wait for ever if this one held a lock
      seen += to_string(event.kind) + " " + tokens->get().value() + " " + other.get().value() + " " +
              std::to_string(tokens->status().requests) + " ";
    })
        .join();
    tokens->get();
    tokens->try_get();
    tokens->retry_now();
    tokens->set_credentials(some_credentials());
  };
  tokens.reset(new token_cache(server.cache(options)));
  CHECK(tokens->get().value() == "token-1");
  CHECK(seen == "renewed token-1 token-1 1 ");
}

TEST_CASE("an observer may drop the last handle of the cache") {
  token_server server;
  std::unique_ptr<token_cache> tokens;
  token_cache_options options;
  options.observer = [&tokens](token_event const&) { tokens.reset(); };
  tokens.reset(new token_cache(server.cache(options)));
  token_cache const copy = *tokens;
  CHECK(copy.get().value() == "token-1");
  CHECK_FALSE(tokens);
}

TEST_CASE("the kind of an event has the enumerator's name") {
  CHECK(to_string(token_event_kind::renewed) == "renewed");
  CHECK(to_string(token_event_kind::loaded) == "loaded");
  CHECK(to_string(token_event_kind::failed) == "failed");
  CHECK(to_string(token_event_kind::sharing_failed) == "sharing_failed");
  CHECK(to_string(token_event_kind::sharing_restored) == "sharing_restored");
}

TEST_CASE("during a shared backoff the record is loaded at most once a second, and obeyed") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache(store);
  failure_of(tokens);
  int const before = store->loads;
  for (int call = 0; call < 1000; ++call) {  // ten seconds
    failure_of(tokens);
    server.clock.advance(milliseconds(10));
  }
  CHECK(store->loads - before <= 11);
  CHECK(store->loads - before >= 9);
  store->clear();  // no entry, no backoff
  server.grant();
  server.clock.advance(seconds(1));
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("a store that cannot be read does not end a backoff") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  server.respond_with(tests::rejected());
  token_cache const tokens = server.cache(store);
  failure_of(tokens);
  store->before_load = [] { throw std::runtime_error("down"); };
  for (int minute = 0; minute < 14; ++minute) {
    server.clock.advance(minutes(1));
    CHECK(failure_of(tokens).kind() == error_kind::rejected);
  }
  CHECK(server.requests == 1);
  CHECK(tokens.status().sharing_problem == "down");
}

TEST_CASE("a token that is due is used at once while another process requests the next one") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache const tokens = server.cache(store);
  token_cache const other = other_server.cache(store);
  tokens.get();
  server.clock.advance(minutes(26));
  int loads = 0;
  other_server.while_requested = [&] {
    loads = store->loads;
    for (int call = 0; call < 3; ++call) {
      CHECK(tokens.get().value() == "token-1");
    }
    loads = store->loads - loads;
    store->clear();  // even if the store loses it
    server.clock.advance(seconds(1));
    CHECK_FALSE(tokens.status().last_error);
  };
  other.get();
  CHECK(loads == 1);  // and again a second later
  CHECK(server.requests == 1);
  CHECK(other_server.requests == 1);
}

TEST_CASE("a store that always fails costs the sharing, never a token, and no failure is forgotten") {
  for (bool fails_to_load : {false, true}) {
    CAPTURE(fails_to_load);
    auto const store = std::make_shared<memory_store>();
    (fails_to_load ? store->before_load : store->before_replace) = [] { throw std::runtime_error("down"); };
    token_server server;
    server.respond_with(tests::rejected());
    token_cache const tokens = server.cache(store);
    for (int minute = 0; minute < 46; ++minute) {  // sent at once, after 15 minutes and after 45
      CHECK(failure_of(tokens).kind() == error_kind::rejected);
      server.clock.advance(minutes(1));
    }
    CHECK(server.requests == 3);
    server.grant();
    server.clock.advance(hours(1));
    CHECK(tokens.get().value() == "token-4");
    CHECK(tokens.get().value() == "token-4");
  }
}
