// SPDX-License-Identifier: MIT
// Any other file of the program: it has the caches, but not the bundled transport.

#define CIBMTR_AUTH_HTTPS 0

#include "compile_once.hpp"

#include <doctest/doctest.h>

#include "support/fake_server.hpp"

#if defined(CPPHTTPLIB_HTTPLIB_H) || defined(CPPHTTPLIB_VERSION) || defined(OPENSSL_VERSION_NUMBER)
#error "CIBMTR_AUTH_HTTPS=0 still includes cpp-httplib or OpenSSL"
#endif

using namespace cibmtr_auth;

TEST_CASE("files with and without the bundled transport share one cache") {
  int requests = 0;
  token_cache const tokens = make_token_cache(tests::some_credentials(), [&requests](http_request const&) {
    ++requests;
    return tests::answer(200, R"({"access_token":"abc","token_type":"Bearer","expires_in":3600})");
  });
  CHECK(token_seen_with_https(tokens).value() == "abc");
  CHECK(tokens.get().value() == "abc");
  CHECK(requests == 1);
  CHECK(tokens.invalidate(token_seen_with_https(tokens)));
  CHECK(token_seen_with_https(tokens).value() == "abc");
  CHECK(requests == 2);
}

TEST_CASE("a file without the bundled transport asks over it, and catches its errors") {
  environment nowhere = test_environment;
  nowhere.password_token_url = "https://127.0.0.1:1/token";
  token_cache const tokens = tokens_over_https(nowhere, tests::some_credentials());
  try {
    tokens.get();
    FAIL("nothing listens on port 1");
  } catch (error const& problem) {
    CHECK(problem.kind() == error_kind::network);
  }
}
