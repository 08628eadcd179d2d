// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/fake_server.hpp"

namespace {

using cibmtr_auth::boot_clock;
using cibmtr_auth::token;
using cibmtr_auth::detail::is_alive;
using cibmtr_auth::detail::is_b64token;
using cibmtr_auth::detail::is_fresh;
using cibmtr_auth::detail::token_access;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

template <typename T, typename = void>
struct is_streamable : std::false_type {};
template <typename T>
struct is_streamable<T, decltype(void(std::declval<std::ostream&>() << std::declval<T const&>()))> : std::true_type {};

static_assert(is_streamable<std::string>::value, "the check itself works");
static_assert(!is_streamable<token>::value, "a token cannot be printed");
static_assert(std::is_nothrow_default_constructible<token>::value, "an empty token costs nothing");
static_assert(std::is_nothrow_copy_constructible<token>::value, "copies share one value");
static_assert(std::is_nothrow_move_assignable<token>::value, "copies share one value");
static_assert(std::is_same<decltype(std::declval<token const&>().value()), std::string const&>::value, "no copy");
static_assert(std::is_same<decltype(std::declval<token>().value()), std::string>::value, "would dangle");
static_assert(std::is_same<decltype(std::declval<token>().authorization()), std::string>::value, "would dangle");
static_assert(std::is_same<decltype(std::declval<token>().scope()), std::string>::value, "would dangle");

token make_token(std::string const& value, tests::fake_clock const& clock = {}, seconds lifetime = minutes(30)) {
  return token_access::make(value, "system/*.crus openid", clock(), clock() + lifetime, clock);
}

}  // namespace

TEST_CASE("a token has a value, an authorization, a scope and a lifetime") {
  token const granted = make_token("abc.DEF-123");
  CHECK_FALSE(granted.empty());
  CHECK((granted.value() == "abc.DEF-123"));
  CHECK((granted.authorization() == "Bearer abc.DEF-123"));
  CHECK(granted.scope() == "system/*.crus openid");
  CHECK((granted.expires_in() == minutes(30)));
}

TEST_CASE("a token's lifetime is counted by its own clock, and is never negative") {
  tests::fake_clock clock;
  token const granted = make_token("abc", clock, seconds(60));
  clock.advance(std::chrono::milliseconds(500));
  CHECK((granted.expires_in() == seconds(59)));
  clock.advance(seconds(59));
  CHECK((granted.expires_in() == seconds(0)));
  clock.advance(std::chrono::hours(1));
  CHECK((granted.expires_in() == seconds(0)));
}

TEST_CASE("an empty token is empty in every part") {
  token const none;
  CHECK(none.empty());
  CHECK(none.value().empty());
  CHECK(none.authorization().empty());
  CHECK(none.scope().empty());
  CHECK((none.expires_in() == seconds(0)));
  CHECK_FALSE(is_alive(none, boot_clock::time_point()));
  CHECK_FALSE(is_fresh(none, boot_clock::time_point()));
}

TEST_CASE("the texts of a temporary token may be used after it") {
  auto const& value = make_token("abc").value();
  auto const& authorization = make_token("abc").authorization();
  auto const& scope = make_token("abc").scope();
  CHECK((value == "abc"));
  CHECK((authorization == "Bearer abc"));
  CHECK((scope == "system/*.crus openid"));
  CHECK(token().value().empty());
}

TEST_CASE("a moved-from token is empty and can be used again") {
  token from = make_token("abc");
  token to(std::move(from));
  CHECK(from.empty());
  CHECK(from.value().empty());
  CHECK((from.expires_in() == seconds(0)));
  CHECK((to.value() == "abc"));
  from = std::move(to);
  CHECK(to.empty());
  CHECK((from.authorization() == "Bearer abc"));
}

TEST_CASE("a token is any b64token of RFC 6750, and nothing else that could get into a header") {
  for (std::string const& value :
       {std::string("a"), std::string("mF_9.B5f-4.1JqM"), std::string("ABCXYZabcxyz0189-._~+/"), std::string("a="),
        std::string("a=="), std::string("a====="), std::string("/="), std::string("null"), std::string(5000, 'x')}) {
    CAPTURE(value.substr(0, 40));
    CHECK(is_b64token(value));
    CHECK((make_token(value).authorization() == "Bearer " + value));
  }
  for (std::string const& value : {std::string(),
                                   std::string("="),
                                   std::string("=="),
                                   std::string("=a"),
                                   std::string("a=b"),
                                   std::string("a=b="),
                                   std::string("a "),
                                   std::string(" a"),
                                   std::string("a b"),
                                   std::string("Bearer a"),
                                   std::string("a\r\nX-Header: b"),
                                   std::string("a\n"),
                                   std::string("a\r"),
                                   std::string("a=\n"),
                                   std::string("a\t"),
                                   std::string("a\0", 2),
                                   std::string("a\0b", 3),
                                   std::string("\0", 1),
                                   std::string("a=\0", 3),
                                   std::string("a\x7F"),
                                   std::string("a\xC2\xA3"),
                                   std::string("\xFF"),
                                   std::string("a,b"),
                                   std::string("a;b"),
                                   std::string("a:b"),
                                   std::string("\"a\""),
                                   std::string("a%20b")}) {
    CAPTURE(value);
    CHECK_FALSE(is_b64token(value));
  }
}

TEST_CASE("each byte is part of a token only if RFC 6750 says so") {
  std::string const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    std::string const byte(1, static_cast<char>(code));
    CHECK(is_b64token("a" + byte + "b") == (alphabet.find(byte) != std::string::npos));
  }
}

TEST_CASE("copies of a token share one value, which lives as long as any of them") {
  std::unique_ptr<token> first(new token(make_token("abc")));
  token const copy = *first;
  token assigned;
  assigned = copy;
  CHECK((copy.value().data() == first->value().data()));
  CHECK((copy.authorization().data() == first->authorization().data()));
  CHECK((assigned.value().data() == first->value().data()));
  first.reset();
  CHECK((copy.value() == "abc"));
  CHECK((assigned.authorization() == "Bearer abc"));
}

TEST_CASE(
    "a token is renewed 5 minutes before it expires, or a sixth of its lifetime, up to a tenth earlier by jitter") {
  tests::fake_clock clock;
  auto const now = clock();
  bool differ = false;
  for (int i = 0; i < 200; ++i) {
    for (seconds lifetime : {seconds(1), seconds(300), seconds(1800), seconds(86400), seconds(365 * 86400)}) {
      CAPTURE(lifetime.count());
      token const one = make_token("token-" + std::to_string(i), clock, lifetime);
      token const other = make_token("token-" + std::to_string(i + 1), clock, lifetime);
      boot_clock::duration const margin =
          (std::min<boot_clock::duration>)(minutes(5), boot_clock::duration(lifetime) / 6);
      auto const renew_at = token_access::data(one)->renew_at;
      CHECK((renew_at <= now + lifetime - margin));
      CHECK((renew_at >= now + lifetime - margin - margin / 10));
      CHECK((renew_at > now));
      CHECK(is_fresh(one, renew_at - nanoseconds(1)));
      CHECK_FALSE(is_fresh(one, renew_at));
      CHECK(is_alive(one, now + lifetime - nanoseconds(1)));
      CHECK_FALSE(is_alive(one, now + lifetime));
      differ = differ || renew_at != token_access::data(other)->renew_at;
    }
  }
  CHECK(differ);
}

TEST_CASE("all who share a token compute the same moment of renewal") {
  tests::fake_clock clock;
  CHECK((token_access::data(make_token("abc", clock))->renew_at ==
         token_access::data(make_token("abc", clock))->renew_at));
}

TEST_CASE("a token may be copied and dropped by many threads at once") {
  std::vector<std::thread> threads;
  token shared = make_token("abc");
  for (int i = 0; i < 4; ++i) {
    token const taken = shared;
    threads.emplace_back([taken] {
      for (int turn = 0; turn < 10000; ++turn) {
        token copy = taken;
        token other;
        other = copy;
        copy = other;
      }
    });
  }
  shared = token();
  for (std::thread& one : threads) {
    one.join();
  }
}
