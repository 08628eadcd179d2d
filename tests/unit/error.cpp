// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

using cibmtr_auth::error;
using cibmtr_auth::error_kind;

static_assert(std::is_base_of<std::runtime_error, error>::value, "one catch is enough");
static_assert(std::is_nothrow_copy_constructible<error>::value, "copying cannot throw");
static_assert(std::is_nothrow_copy_assignable<error>::value, "copying cannot throw");

TEST_CASE("each kind of error has the name it has in the source") {
  struct {
    error_kind kind;
    char const* name;
  } const kinds[] = {{error_kind::configuration, "configuration"},
                     {error_kind::rejected, "rejected"},
                     {error_kind::rate_limited, "rate_limited"},
                     {error_kind::unavailable, "unavailable"},
                     {error_kind::network, "network"},
                     {error_kind::tls, "tls"},
                     {error_kind::timed_out, "timed_out"},
                     {error_kind::invalid_response, "invalid_response"}};
  for (auto const& each : kinds) {
    CHECK(to_string(each.kind) == std::string(each.name));
    CHECK((error(each.kind, "message").kind() == each.kind));
  }
}

TEST_CASE("only errors that can end without anybody changing anything are transient") {
  for (error_kind kind :
       {error_kind::rate_limited, error_kind::unavailable, error_kind::network, error_kind::timed_out}) {
    CHECK(error(kind, "message").is_transient());
  }
  for (error_kind kind :
       {error_kind::configuration, error_kind::rejected, error_kind::tls, error_kind::invalid_response}) {
    CHECK_FALSE(error(kind, "message").is_transient());
  }
}

TEST_CASE("an error has a kind, a message, a status, an OAuth code, a wait, and says whether anything was sent") {
  error const e(error_kind::rate_limited, "wait", 429, "slow_down", std::chrono::seconds(17), false);
  CHECK((e.kind() == error_kind::rate_limited));
  CHECK(e.what() == std::string("wait"));
  CHECK(e.http_status() == 429);
  CHECK(e.oauth_error() == "slow_down");
  CHECK((e.retry_after() == std::chrono::seconds(17)));
  CHECK_FALSE(e.was_sent());
}

TEST_CASE("an error of a transport has status 0, no OAuth code and no wait, and the request counts as sent") {
  error const e(error_kind::network, "unreachable");
  CHECK(e.http_status() == 0);
  CHECK(e.oauth_error().empty());
  CHECK((e.retry_after() == std::chrono::seconds::zero()));
  CHECK(e.was_sent());
}

TEST_CASE("a wrong setting is found before anything is sent, and the message begins with its name") {
  using cibmtr_auth::detail::not_sent;
  using cibmtr_auth::detail::require;
  CHECK_FALSE(not_sent(error_kind::network, "no route").was_sent());
  CHECK((not_sent(error_kind::network, "no route").kind() == error_kind::network));
  require(true, "scope", "is empty");
  try {
    require(false, "scope", "is empty");
    FAIL("nothing was thrown");
  } catch (error const& e) {
    CHECK((e.kind() == error_kind::configuration));
    CHECK(e.what() == std::string("scope is empty"));
    CHECK_FALSE(e.was_sent());
  }
}

TEST_CASE("an error is caught as the exceptions it derives from") {
  CHECK_THROWS_WITH_AS(throw error(error_kind::tls, "untrusted"), "untrusted", std::runtime_error);
  CHECK_THROWS_WITH_AS(throw error(error_kind::tls, "untrusted"), "untrusted", std::exception);
}

TEST_CASE("a copy of an error outlives the original") {
  std::unique_ptr<error> first(new error(error_kind::rejected, "rejected: a message too long for a small string", 401,
                                         "invalid_client, also too long for a small string"));
  error copy = *first;
  error assigned(error_kind::network, "other");
  assigned = *first;
  first.reset();
  for (error const* e : {&copy, &assigned}) {
    CHECK((e->kind() == error_kind::rejected));
    CHECK(e->what() == std::string("rejected: a message too long for a small string"));
    CHECK(e->http_status() == 401);
    CHECK(e->oauth_error() == "invalid_client, also too long for a small string");
  }
}

TEST_CASE("an error keeps its details inside an exception_ptr") {
  std::exception_ptr const carried = std::make_exception_ptr(error(error_kind::unavailable, "later", 503));
  try {
    std::rethrow_exception(carried);
  } catch (error const& e) {
    CHECK((e.kind() == error_kind::unavailable));
    CHECK(e.http_status() == 503);
  }
}

TEST_CASE("a moved-from error can still be read") {
  error first(error_kind::rejected, "wrong", 400, "invalid_grant");
  error const second = std::move(first);
  CHECK(first.oauth_error() == "invalid_grant");  // NOLINT(bugprone-use-after-move): that is the point
  CHECK(second.oauth_error() == "invalid_grant");
}
