// SPDX-License-Identifier: MIT
// Compiled without the flags of OpenSSL, and not linked with it.

#if !defined(CIBMTR_AUTH_HTTPS) || CIBMTR_AUTH_HTTPS != 0
#error "CIBMTR_AUTH_HTTPS=0 did not arrive"
#endif

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#include "support/fake_server.hpp"

#if defined(CPPHTTPLIB_HTTPLIB_H) || defined(CPPHTTPLIB_VERSION) || defined(OPENSSL_VERSION_NUMBER)
#error "CIBMTR_AUTH_HTTPS=0 still includes cpp-httplib or OpenSSL"
#endif

using namespace cibmtr_auth;

TEST_CASE("the core gets a token over a custom transport") {
  token_cache_options options;
  options.transport = [](http_request const&) {
    return http_response(200, R"({"access_token":"abc","token_type":"Bearer","expires_in":3600})");
  };
  token_cache const tokens = make_token_cache(test_environment(), tests::some_credentials(), options);
  CHECK(tokens.get().authorization() == "Bearer abc");
}

TEST_CASE("without any transport the error names the switch") {
  try {
    make_token_cache(test_environment(), tests::some_credentials());
    FAIL("a cache without a transport was made");
  } catch (error const& problem) {
    CHECK(problem.kind() == error_kind::configuration);
    CHECK(std::string(problem.what()).find("CIBMTR_AUTH_HTTPS") != std::string::npos);
  }
}
