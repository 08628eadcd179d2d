// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::boot_clock;
using cibmtr_auth::error;
using cibmtr_auth::error_kind;
using cibmtr_auth::token;
using cibmtr_auth::detail::token_supply;

template <typename T, typename = void>
struct is_streamable : std::false_type {};
template <typename T>
struct is_streamable<T, decltype(void(std::declval<std::ostream&>() << std::declval<T const&>()))> : std::true_type {};

static_assert(is_streamable<std::string>::value, "the check itself works");
static_assert(!is_streamable<token>::value, "a token cannot be printed");
static_assert(std::is_copy_constructible<token>::value, "a token is a value");
static_assert(std::is_copy_assignable<token>::value, "a token is a value");

boot_clock::time_point const then = boot_clock::time_point(std::chrono::seconds(1000));

token make_token(std::string const& value) {
  return token(value, "scope", then, then + std::chrono::seconds(1800));
}

}  // namespace

TEST_CASE("a token tells what was granted and until when") {
  token const granted("abc.DEF-123", "system/*.crus openid", then, then + std::chrono::minutes(30));
  CHECK_FALSE(granted.empty());
  CHECK((granted.value() == "abc.DEF-123"));
  CHECK((granted.authorization() == "Bearer abc.DEF-123"));
  CHECK(granted.scope() == "system/*.crus openid");
  CHECK((granted.obtained_at() == then));
  CHECK((granted.expires_at() == then + std::chrono::minutes(30)));
}

TEST_CASE("a token that was not granted is empty in every part") {
  token const none;
  CHECK(none.empty());
  CHECK(none.value().empty());
  CHECK(none.authorization().empty());
  CHECK(none.scope().empty());
  CHECK((none.expires_at() == boot_clock::time_point()));
}

TEST_CASE("a token is any b64token of RFC 6750, and nothing else can get into a header") {
  struct {
    std::string value;
    bool accepted;
  } const values[] = {
      {"a", true},
      {"mF_9.B5f-4.1JqM", true},
      {"ABCXYZabcxyz0189-._~+/", true},
      {"a=", true},
      {"a==", true},
      {"a=====", true},
      {"/=", true},
      {"null", true},
      {std::string(5000, 'x'), true},
      {"", false},
      {"=", false},
      {"==", false},
      {"=a", false},
      {"a=b", false},
      {"a=b=", false},
      {"a ", false},
      {" a", false},
      {"a b", false},
      {"Bearer a", false},
      {"a\r\nX-Header: b", false},
      {"a\n", false},
      {"a\r", false},
      {"a=\n", false},
      {"a\t", false},
      {std::string("a\0", 2), false},
      {std::string("a\0b", 3), false},
      {std::string("\0", 1), false},
      {std::string("a=\0", 3), false},
      {"a\x7F", false},
      {"a\xC2\xA3", false},
      {"\xFF", false},
      {"a,b", false},
      {"a;b", false},
      {"a:b", false},
      {"\"a\"", false},
      {"a%20b", false},
  };
  for (auto const& each : values) {
    CAPTURE(each.value.substr(0, 40));
    if (each.accepted) {
      token const granted = make_token(each.value);
      CHECK((granted.value() == each.value));
      CHECK((granted.authorization() == "Bearer " + each.value));
    } else {
      CHECK_THROWS_AS(make_token(each.value), error);
    }
  }
}

TEST_CASE("each byte by itself is a token only if RFC 6750 says so") {
  std::string const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    std::string const byte(1, static_cast<char>(code));
    bool const is_allowed = alphabet.find(byte) != std::string::npos;
    bool accepted = true;
    try {
      make_token("a" + byte + "b");
    } catch (error const&) {
      accepted = false;
    }
    CHECK(accepted == is_allowed);
  }
}

TEST_CASE("a token that is refused is called malformed and not quoted") {
  std::string message;
  try {
    make_token("hunter2\r\nhunter2");
  } catch (error const& e) {
    CHECK((e.kind() == error_kind::malformed));
    message = e.what();
  }
  CHECK_FALSE(message.empty());
  CHECK(message.find("hunter2") == std::string::npos);
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

TEST_CASE("two tokens of the same text are two values") {
  token const one = make_token("abc");
  token const other = make_token("abc");
  CHECK((one.value() == other.value()));
  CHECK((one.value().data() != other.value().data()));
}

TEST_CASE("a supply gives the same token as often as it is asked, and nothing when it is cleared") {
  boot_clock::time_point const now{std::chrono::hours(1)};
  token const given("abc", "scope", now, now + std::chrono::minutes(30));
  token_supply supply;
  CHECK(supply.next().empty());
  supply.fill(given);
  std::vector<token> taken;
  for (int i = 0; i < 2500; ++i) {
    taken.push_back(supply.next());
  }
  token const& last = taken.back();
  CHECK(last.authorization() == "Bearer abc");
  CHECK(last.scope() == "scope");
  CHECK(last.obtained_at() == given.obtained_at());
  CHECK(last.expires_at() == given.expires_at());
  CHECK(last.renew_at() == given.renew_at());
  CHECK(&last.value() == &taken.front().value());
  CHECK(&last.value() != &given.value());
  supply.clear();
  CHECK(supply.next().empty());
  CHECK(last.value() == "abc");
}

TEST_CASE("tokens may be copied and dropped by many threads at once, and outlive their supply") {
  std::vector<std::thread> threads;
  std::unique_ptr<token_supply> supply(new token_supply);
  supply->fill(token("abc", "", {}, {}));
  for (int i = 0; i < 4; ++i) {
    token const taken = supply->next();
    threads.emplace_back([taken] {
      for (int turn = 0; turn < 10000; ++turn) {
        token copy = taken;
        token other;
        other = copy;
        copy = other;
      }
    });
  }
  supply.reset();
  for (std::thread& one : threads) {
    one.join();
  }
}
