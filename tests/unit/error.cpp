// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

using cibmtr_auth::error;
using cibmtr_auth::error_kind;

static_assert(std::is_base_of<std::runtime_error, error>::value, "one catch is enough");
static_assert(std::is_copy_constructible<error>::value, "several threads may be handed the same failure");
static_assert(std::is_copy_assignable<error>::value, "and each may keep it");

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
                     {error_kind::malformed, "malformed"}};
  for (auto const& each : kinds) {
    CHECK(to_string(each.kind) == std::string(each.name));
    CHECK((error(each.kind, "message").kind() == each.kind));
  }
}

TEST_CASE("an error tells its kind, message, status, OAuth code and waiting time") {
  error const e(error_kind::rate_limited, "wait", 429, "slow_down", std::chrono::seconds(17));
  CHECK((e.kind() == error_kind::rate_limited));
  CHECK(e.what() == std::string("wait"));
  CHECK(e.http_status() == 429);
  CHECK(e.oauth_error() == "slow_down");
  CHECK((e.retry_after() == std::chrono::seconds(17)));
}

TEST_CASE("an error without an answer has status 0, no OAuth code and no waiting time") {
  error const e(error_kind::network, "unreachable");
  CHECK(e.http_status() == 0);
  CHECK(e.oauth_error().empty());
  CHECK((e.retry_after() == std::chrono::seconds::zero()));
}

TEST_CASE("an error is caught as the exceptions it derives from") {
  CHECK_THROWS_WITH_AS(throw error(error_kind::tls, "untrusted"), "untrusted", std::runtime_error);
  CHECK_THROWS_WITH_AS(throw error(error_kind::tls, "untrusted"), "untrusted", std::exception);
}

TEST_CASE("a copy of an error outlives the first one, whole") {
  std::unique_ptr<error> first(new error(error_kind::rejected, "refused: a message too long to be kept in place", 401,
                                         "invalid_client, also too long to be kept in place"));
  error copy = *first;
  error assigned(error_kind::network, "other");
  assigned = *first;
  first.reset();
  for (error const* e : {&copy, &assigned}) {
    CHECK((e->kind() == error_kind::rejected));
    CHECK(e->what() == std::string("refused: a message too long to be kept in place"));
    CHECK(e->http_status() == 401);
    CHECK(e->oauth_error() == "invalid_client, also too long to be kept in place");
  }
}

TEST_CASE("an error keeps its details when it travels as an exception_ptr") {
  std::exception_ptr const carried = std::make_exception_ptr(error(error_kind::unavailable, "later", 503));
  try {
    std::rethrow_exception(carried);
  } catch (error const& e) {
    CHECK((e.kind() == error_kind::unavailable));
    CHECK(e.http_status() == 503);
  }
}
