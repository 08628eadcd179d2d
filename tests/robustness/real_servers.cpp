// SPDX-License-Identifier: MIT
// The library against OAuth servers nobody here wrote, over TLS. Started by servers/run.sh.

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

  token ask(credentials const& who) const {
    https_options options;
    options.ca_file = variable("CIBMTR_TEST_CA_FILE");
    environment const here = {"tests", url.c_str(), url.c_str(), ""};
    return make_token_source(here, who, https_transport(options), encoding)();
  }
  error refusal(credentials const& who) const {
    return tests::error_of([&] { ask(who); });
  }
};

credentials account() {
  return credentials_from_file(variable("CIBMTR_TEST_ACCOUNT_FILE"));
}

credentials without_user(credentials who) {
  who.username.clear();
  who.password = "";
  return who;
}

void check_server(real_server const& server) {
  for (credentials const& who : {account(), without_user(account())}) {
    CAPTURE(who.uses_password_grant());
    token const granted = server.ask(who);
    CHECK_FALSE(granted.empty());
    CHECK(granted.scope() == who.scope);
    auto const life = granted.expires_at() - granted.obtained_at();
    CHECK(life >= std::chrono::seconds(595));
    CHECK(life <= std::chrono::seconds(600));

    credentials wrong = who;
    wrong.client_secret = "not-the-secret";
    CHECK(server.refusal(wrong).kind() == error_kind::rejected);
    CHECK(server.refusal(wrong).oauth_error() == "invalid_client");
    CHECK(server.refusal(wrong).http_status() == 401);

    wrong = who;
    wrong.client_id = "nobody";
    CHECK(server.refusal(wrong).oauth_error() == "invalid_client");

    wrong = who;
    wrong.scope = "another_scope";
    CHECK(server.refusal(wrong).kind() == error_kind::rejected);
    CHECK(server.refusal(wrong).oauth_error() == "invalid_scope");
  }

  credentials wrong = account();
  wrong.password = "not-the-password";
  CHECK(server.refusal(wrong).kind() == error_kind::rejected);
  CHECK(server.refusal(wrong).oauth_error() == "invalid_grant");
  CHECK(server.refusal(wrong).http_status() == 400);
}

}  // namespace

TEST_CASE("@node-oauth/oauth2-server grants and refuses, with a secret full of punctuation in plain Basic") {
  check_server({variable("CIBMTR_TEST_OAUTH2_SERVER_URL"), basic_encoding::plain});
}

TEST_CASE("oidc-provider grants and refuses, with a secret full of punctuation in form-encoded Basic") {
  check_server({variable("CIBMTR_TEST_OIDC_PROVIDER_URL"), basic_encoding::form_encoded});
}

TEST_CASE("the other encoding of the same secret is refused by both") {
  real_server const takes_plain = {variable("CIBMTR_TEST_OAUTH2_SERVER_URL"), basic_encoding::form_encoded};
  real_server const takes_form = {variable("CIBMTR_TEST_OIDC_PROVIDER_URL"), basic_encoding::plain};
  CHECK(takes_plain.refusal(account()).kind() == error_kind::rejected);
  CHECK(takes_form.refusal(account()).kind() == error_kind::rejected);
}
