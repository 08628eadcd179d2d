// SPDX-License-Identifier: MIT
// The library against OAuth servers of other authors, over TLS. Started by servers/run.sh.

#include <doctest/doctest.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdlib>
#include <string>

#include "support/refusal.hpp"

using namespace cibmtr_auth;

namespace {

std::string variable(char const* name) {
  char const* const value = std::getenv(name);
  REQUIRE_MESSAGE(value, "run this program with tests/robustness/servers/run.sh");
  return value;
}

struct real_server {
  std::string url;
  basic_encoding encoding;

  token request(credentials const& sender) const {
    token_cache_options options;
    options.https.ca_file = variable("CIBMTR_TEST_CA_FILE");
    options.encoding = encoding;
    return request_token({"tests", url, url, ""}, sender, options);
  }
  error error_for(credentials const& sender) const {
    return tests::error_of([&] { request(sender); });
  }
};

credentials account() { return credentials_from_file(variable("CIBMTR_TEST_ACCOUNT_FILE")); }

credentials without_user(credentials sender) {
  sender.username.clear();
  sender.password = "";
  return sender;
}

void check_server(real_server const& server) {
  for (credentials const& sender : {account(), without_user(account())}) {
    CAPTURE(sender.username.empty());
    token const granted = server.request(sender);
    CHECK_FALSE(granted.empty());
    CHECK(granted.scope() == sender.scope);
    CHECK(granted.expires_in() >= std::chrono::seconds(500));
    CHECK(granted.expires_in() <= std::chrono::seconds(600));

    credentials wrong = sender;
    wrong.client_secret = "not-the-secret";
    error const wrong_secret = server.error_for(wrong);
    CHECK(wrong_secret.kind() == error_kind::rejected);
    CHECK(wrong_secret.oauth_error() == "invalid_client");
    CHECK(wrong_secret.http_status() == 401);

    wrong = sender;
    wrong.client_id = "nobody";
    CHECK(server.error_for(wrong).oauth_error() == "invalid_client");

    wrong = sender;
    wrong.scope = "another_scope";
    error const wrong_scope = server.error_for(wrong);
    CHECK(wrong_scope.kind() == error_kind::rejected);
    CHECK(wrong_scope.oauth_error() == "invalid_scope");
  }

  credentials wrong = account();
  wrong.password = "not-the-password";
  error const wrong_password = server.error_for(wrong);
  CHECK(wrong_password.kind() == error_kind::rejected);
  CHECK(wrong_password.oauth_error() == "invalid_grant");
  CHECK(wrong_password.http_status() == 400);
}

}  // namespace

TEST_CASE("@node-oauth/oauth2-server grants and rejects, with a secret full of punctuation in plain Basic") {
  check_server({variable("CIBMTR_TEST_OAUTH2_SERVER_URL"), basic_encoding::plain});
}

TEST_CASE("oidc-provider grants and rejects, with a secret full of punctuation in form-encoded Basic") {
  check_server({variable("CIBMTR_TEST_OIDC_PROVIDER_URL"), basic_encoding::form_encoded});
}

TEST_CASE("the other encoding of the same secret is rejected by both") {
  real_server const expects_plain = {variable("CIBMTR_TEST_OAUTH2_SERVER_URL"), basic_encoding::form_encoded};
  real_server const expects_form = {variable("CIBMTR_TEST_OIDC_PROVIDER_URL"), basic_encoding::plain};
  CHECK(expects_plain.error_for(account()).kind() == error_kind::rejected);
  CHECK(expects_form.error_for(account()).kind() == error_kind::rejected);
}
