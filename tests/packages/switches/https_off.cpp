// SPDX-License-Identifier: MIT
// Built without the flags of cpp-httplib and OpenSSL, and linked with neither.

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

TEST_CASE("the core gets a token over a transport of one's own") {
  token_cache const tokens = make_token_cache(tests::some_credentials(), [](http_request const&) {
    return tests::answer(200, R"({"access_token":"abc","token_type":"Bearer","expires_in":3600})");
  });
  CHECK(tokens.get().authorization() == "Bearer abc");
}
