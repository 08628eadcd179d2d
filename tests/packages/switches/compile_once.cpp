// SPDX-License-Identifier: MIT
// Any other file of the program: it has the caches, but neither transport.

#define CIBMTR_AUTH_HTTPS 0

#include "compile_once.hpp"

#include <doctest/doctest.h>

#include "support/fake_server.hpp"

#if defined(CPPHTTPLIB_HTTPLIB_H) || defined(CPPHTTPLIB_VERSION) || defined(OPENSSL_VERSION_NUMBER)
#error "CIBMTR_AUTH_HTTPS=0 still includes cpp-httplib or OpenSSL"
#endif

using namespace cibmtr_auth;

namespace {

error_kind kind_of_failure(token_cache const& tokens) {
  try {
    tokens.get();
  } catch (error const& problem) {
    return problem.kind();
  }
  FAIL("there was a token");
  throw;
}

}  // namespace

TEST_CASE("files with and without the bundled transport share one cache") {
  int requests = 0;
  token_cache_options options;
  options.transport = [&requests](http_request const&) {
    ++requests;
    return http_response(
        200, R"({"access_token":"abc)" + std::to_string(requests) + R"(","token_type":"Bearer","expires_in":3600})");
  };
  token_cache const tokens = make_token_cache(test_environment(), tests::some_credentials(), options);
  CHECK(token_seen_with_https(tokens).value() == "abc1");
  CHECK(tokens.get().value() == "abc1");
  CHECK(requests == 1);
  CHECK(tokens.invalidate(token_seen_with_https(tokens)));
  CHECK(token_seen_with_https(tokens).value() == "abc2");
  CHECK(requests == 2);
}

TEST_CASE("a file without a transport uses those of other files, and catches their errors") {
  environment nowhere = test_environment();
  nowhere.password_token_url = "https://127.0.0.1:1/token";
  CHECK(kind_of_failure(tokens_over_https(nowhere, tests::some_credentials())) == error_kind::network);
  token_cache_options options;
  options.transport = over_httplib();
  CHECK(kind_of_failure(make_token_cache(nowhere, tests::some_credentials(), options)) == error_kind::network);
}
