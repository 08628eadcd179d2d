// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/refusal.hpp"

namespace {

using cibmtr_auth::basic_encoding;
using cibmtr_auth::credentials;
using cibmtr_auth::environment;
using cibmtr_auth::http_request;
using cibmtr_auth::make_token_request;

credentials client_credentials() {
  credentials c;
  c.client_id = "Aladdin";
  c.client_secret = "open sesame";
  c.scope = "api_cibmtr_fhir_ehr_client";
  return c;
}

credentials password_credentials() {
  credentials c = client_credentials();
  c.username = "svc+a@x.org";
  c.password = "p&=%+ \xC2\xA3\xE2\x82\xAC";
  return c;
}

/// The message with which the request is refused; empty when it is made.
std::string refusal(environment const& where, credentials const& who) {
  return tests::refusal([&] { make_token_request(where, who); });
}

environment with_token_url(char const* token_url) {
  return environment{"own", token_url, token_url, "https://api.example"};
}

}  // namespace

TEST_CASE("each grant asks the authorization server of its own in each environment") {
  struct {
    environment where;
    credentials who;
    char const* url;
  } const requests[] = {
      {cibmtr_auth::test_environment, password_credentials(),
       "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token"},
      {cibmtr_auth::test_environment, client_credentials(),
       "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token"},
      {cibmtr_auth::production_environment, password_credentials(),
       "https://okta.nmdp.org/oauth2/aus3ck6q30qmOdpMb1t7/v1/token"},
      {cibmtr_auth::production_environment, client_credentials(),
       "https://okta.nmdp.org/oauth2/aus1ad6az5tJZ53Bh1t8/v1/token"},
      {environment{"own", "https://a.example/p", "https://b.example/c?d=e", ""}, password_credentials(),
       "https://a.example/p"},
      {environment{"own", "https://a.example/p", "https://b.example/c?d=e", ""}, client_credentials(),
       "https://b.example/c?d=e"},
  };
  for (auto const& each : requests) {
    CAPTURE(each.url);
    http_request const request = make_token_request(each.where, each.who);
    CHECK(request.method == "POST");
    CHECK(request.url == each.url);
  }
}

TEST_CASE("the password grant sends grant, scope, username and password in the body") {
  CHECK((make_token_request(cibmtr_auth::test_environment, password_credentials()).body.reveal() ==
         "grant_type=password&scope=api_cibmtr_fhir_ehr_client&username=svc%2Ba%40x.org"
         "&password=p%26%3D%25%2B+%C2%A3%E2%82%AC"));
}

TEST_CASE("the client_credentials grant sends grant and scope in the body, and no secret") {
  CHECK((make_token_request(cibmtr_auth::test_environment, client_credentials()).body.reveal() ==
         "grant_type=client_credentials&scope=api_cibmtr_fhir_ehr_client"));
  credentials several = client_credentials();
  several.scope = "system/*.crus openid";
  CHECK((make_token_request(cibmtr_auth::test_environment, several).body.reveal() ==
         "grant_type=client_credentials&scope=system%2F*.crus+openid"));
}

TEST_CASE("the client stands in the Basic header alone, and there is no Origin, no cookie, no other header") {
  for (credentials const& who : {client_credentials(), password_credentials()}) {
    http_request const request = make_token_request(cibmtr_auth::test_environment, who);
    std::vector<std::pair<std::string, std::string>> const expected = {
        {"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"Accept", "application/json"},
        {"Content-Type", "application/x-www-form-urlencoded"},
        {"User-Agent", "cibmtr_auth/" CIBMTR_AUTH_VERSION}};
    REQUIRE(request.headers.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(request.headers[i].first == expected[i].first);
      CHECK((request.headers[i].second.reveal() == expected[i].second));
    }
    CHECK(request.body.reveal().find("sesame") == std::string::npos);
    CHECK(request.body.reveal().find("Aladdin") == std::string::npos);
    CHECK(request.url.find("sesame") == std::string::npos);
  }
}

TEST_CASE("the client is form-encoded inside the Basic header only when asked for") {
  credentials who = client_credentials();
  who.client_id = "1PpG/Q 1";
  who.client_secret = "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=";
  http_request const request = make_token_request(cibmtr_auth::test_environment, who, basic_encoding::form_encoded);
  CHECK((request.headers.at(0).second.reveal() ==
         "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="));
  CHECK((make_token_request(cibmtr_auth::test_environment, who).headers.at(0).second.reveal() ==
         cibmtr_auth::basic_auth(who.client_id, who.client_secret).reveal()));
}

TEST_CASE("an id and a secret of Okta's length stay on one line") {
  credentials who = client_credentials();
  who.client_id = std::string(20, 'i');
  who.client_secret = std::string(64, 's');
  for (auto const& header : make_token_request(cibmtr_auth::test_environment, who).headers) {
    CAPTURE(header.first);
    CHECK(header.second.reveal().find_first_of("\r\n") == std::string::npos);
  }
}

TEST_CASE("credentials that could only be refused never become a request") {
  struct {
    char const* field;
    void (*spoil)(credentials&);
  } const faults[] = {
      {"client_id", [](credentials& c) { c.client_id = ""; }},
      {"client_id", [](credentials& c) { c.client_id = "hunter2\n"; }},
      {"client_id", [](credentials& c) { c.client_id = "hunter2:x"; }},
      {"client_secret", [](credentials& c) { c.client_secret = ""; }},
      {"client_secret", [](credentials& c) { c.client_secret = "hunter2\r\nX: y"; }},
      {"scope", [](credentials& c) { c.scope = ""; }},
      {"scope", [](credentials& c) { c.scope = "hunter2  hunter2"; }},
      {"username", [](credentials& c) { c.username = ""; }},
      {"username", [](credentials& c) { c.username = "hunter2\xE9"; }},
      {"password", [](credentials& c) { c.password = ""; }},
      {"password", [](credentials& c) { c.password = "hunter2\n"; }},
  };
  for (auto const& fault : faults) {
    CAPTURE(fault.field);
    credentials who = password_credentials();
    fault.spoil(who);
    std::string const message = refusal(cibmtr_auth::test_environment, who);
    CHECK(message.find(std::string(fault.field) + " ") == 0);
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(message.find("sesame") == std::string::npos);
  }
  CHECK(refusal(cibmtr_auth::test_environment, credentials()).find("client_id ") == 0);
}

TEST_CASE("a token URL that must not be sent a secret never becomes a request") {
  for (char const* const token_url :
       {"", "hunter2", "http://hunter2.example/token", "https://user:hunter2@okta.nmdp.org/token",
        "https://okta.nmdp.org/token#hunter2", "https://okta.nmdp.org/token\r\nhunter2", "ftp://hunter2.example/"}) {
    CAPTURE(token_url);
    for (credentials const& who : {client_credentials(), password_credentials()}) {
      std::string const message = refusal(with_token_url(token_url), who);
      CHECK(message.find("token URL ") == 0);
      CHECK(message.find("hunter2") == std::string::npos);
    }
  }
  CHECK(refusal(with_token_url("http://127.0.0.1:8080/token"), client_credentials()) == "");
}

TEST_CASE("an environment without a URL for the grant is refused, one without the other grant's is not") {
  environment const without_password = {"own", nullptr, "https://a.example/token", nullptr};
  CHECK(refusal(without_password, client_credentials()) == "");
  CHECK(refusal(without_password, password_credentials()).find("token URL ") == 0);
  environment const without_client = {"own", "https://a.example/token", nullptr, nullptr};
  CHECK(refusal(without_client, password_credentials()) == "");
  CHECK(refusal(without_client, client_credentials()).find("token URL ") == 0);
}
