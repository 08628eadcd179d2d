// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using tests::answer;
using tests::some_credentials;

namespace {

/// Grants, and remembers the last request.
struct recording_transport {
  http_request& last;
  http_response operator()(http_request const& sent) const {
    last = sent;
    return answer(200, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":1800}");
  }
};

}  // namespace

TEST_CASE("make_token_cache asks the default environment, once") {
  http_request sent;
  token_cache const tokens = make_token_cache(some_credentials(), recording_transport{sent});
  CHECK(sent.url.empty());
  CHECK(tokens.get().value() == "abc");
  CHECK(sent.url == default_environment.password_token_url);
  sent.url.clear();
  CHECK(tokens.get().value() == "abc");
  CHECK(sent.url.empty());
}

TEST_CASE("make_token_cache asks the environment it is given") {
  http_request sent;
  make_token_cache(production_environment, some_credentials(), recording_transport{sent}).get();
  CHECK(sent.url == production_environment.password_token_url);
}

TEST_CASE("the encoding of Basic is an option") {
  http_request sent;
  token_cache_options options;
  options.encoding = basic_encoding::form_encoded;
  credentials who = some_credentials();
  who.client_secret = "a+b";
  make_token_cache(who, recording_transport{sent}, options).get();
  CHECK(
      (sent.headers.at(0).second.reveal() == basic_auth(who.client_id, "a+b", basic_encoding::form_encoded).reveal()));
}

TEST_CASE("credentials that cannot be right are refused when the cache is made") {
  credentials who = some_credentials();
  who.scope.clear();
  http_request sent;
  CHECK_THROWS_WITH_AS(make_token_cache(who, recording_transport{sent}), doctest::Contains("scope"), error);
}

#if CIBMTR_AUTH_HTTPS
TEST_CASE("the bundled transport is what make_token_cache uses when it is given none") {
  environment const nowhere = {"nowhere", "https://localhost:1/token", "https://localhost:1/token", ""};
  token_cache const tokens = make_token_cache(nowhere, some_credentials());
  try {
    tokens.get();
    FAIL("there is no server");
  } catch (error const& failed) {
    CHECK(failed.kind() == error_kind::network);
  }
}
#endif
