// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/refusal.hpp"

namespace {

using cibmtr_auth::base64_encode;
using cibmtr_auth::basic_encoding;
using cibmtr_auth::credentials;
using cibmtr_auth::environment;
using cibmtr_auth::http_request;
using cibmtr_auth::production_environment;
using cibmtr_auth::test_environment;
using cibmtr_auth::detail::basic_auth;

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

http_request make_request(environment const& where, credentials const& sender,
                          basic_encoding encoding = basic_encoding::plain) {
  return cibmtr_auth::detail::make_token_request(where, sender, encoding);
}

/// The message with which the request is rejected; empty if it is made.
std::string problem(environment const& where, credentials const& sender) {
  return tests::refusal([&] { make_request(where, sender); });
}

environment with_token_url(std::string const& token_url) {
  return environment{"own", token_url, token_url, "https://api.example"};
}

}  // namespace

TEST_CASE("each grant uses its own authorization server in each environment") {
  struct {
    environment where;
    credentials sender;
    char const* url;
  } const requests[] = {
      {test_environment(), password_credentials(), "https://oktapreview.nmdp.org/oauth2/ausaexcazhLhxKnJs0h7/v1/token"},
      {test_environment(), client_credentials(), "https://oktapreview.nmdp.org/oauth2/aus2gkqgfiffGB4VY0h8/v1/token"},
      {production_environment(), password_credentials(), "https://okta.nmdp.org/oauth2/aus3ck6q30qmOdpMb1t7/v1/token"},
      {production_environment(), client_credentials(), "https://okta.nmdp.org/oauth2/aus1ad6az5tJZ53Bh1t8/v1/token"},
      {environment{"own", "https://a.example/p", "https://b.example/c?d=e", ""}, password_credentials(),
       "https://a.example/p"},
      {environment{"own", "https://a.example/p", "https://b.example/c?d=e", ""}, client_credentials(),
       "https://b.example/c?d=e"},
  };
  for (auto const& each : requests) {
    CAPTURE(each.url);
    http_request const request = make_request(each.where, each.sender);
    CHECK(request.method == "POST");
    CHECK(request.url == each.url);
  }
}

TEST_CASE("the password grant sends grant, scope, username and password in the body") {
  CHECK((make_request(test_environment(), password_credentials()).body.reveal() ==
         "grant_type=password&scope=api_cibmtr_fhir_ehr_client&username=svc%2Ba%40x.org"
         "&password=p%26%3D%25%2B+%C2%A3%E2%82%AC"));
}

TEST_CASE("the client_credentials grant sends grant and scope in the body, and no secret") {
  CHECK((make_request(test_environment(), client_credentials()).body.reveal() ==
         "grant_type=client_credentials&scope=api_cibmtr_fhir_ehr_client"));
  credentials several = client_credentials();
  several.scope = "system/*.crus openid";
  CHECK((make_request(test_environment(), several).body.reveal() ==
         "grant_type=client_credentials&scope=system%2F*.crus+openid"));
}

TEST_CASE("the client is in the Basic header alone, and there is no Origin, no cookie, no other header") {
  for (credentials const& sender : {client_credentials(), password_credentials()}) {
    http_request const request = make_request(test_environment(), sender);
    std::vector<std::pair<std::string, std::string>> const expected = {
        {"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"Accept", "application/json"},
        {"Accept-Encoding", "identity"},
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

TEST_CASE("the client is form-encoded inside the Basic header only on request") {
  credentials sender = client_credentials();
  sender.client_id = "1PpG/Q 1";
  sender.client_secret = "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=";
  http_request const request = make_request(test_environment(), sender, basic_encoding::form_encoded);
  CHECK((request.headers.at(0).second.reveal() ==
         "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="));
  CHECK((make_request(test_environment(), sender).headers.at(0).second.reveal() ==
         basic_auth(sender.client_id, sender.client_secret, basic_encoding::plain).reveal()));
}

TEST_CASE("an id and a secret of Okta's length stay on one line") {
  credentials sender = client_credentials();
  sender.client_id = std::string(20, 'i');
  sender.client_secret = std::string(64, 's');
  for (auto const& header : make_request(test_environment(), sender).headers) {
    CAPTURE(header.first);
    CHECK(header.second.reveal().find_first_of("\r\n") == std::string::npos);
  }
}

TEST_CASE("credentials that can only be rejected never become a request") {
  struct {
    char const* field;
    void (*change)(credentials&);
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
    credentials sender = password_credentials();
    fault.change(sender);
    std::string const message = problem(test_environment(), sender);
    CHECK(message.find(std::string(fault.field) + " ") == 0);
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(message.find("sesame") == std::string::npos);
  }
  CHECK(problem(test_environment(), credentials()).find("client_id ") == 0);
}

TEST_CASE("a token URL that must not be sent a secret never becomes a request") {
  for (char const* const token_url :
       {"", "hunter2", "http://hunter2.example/token", "https://user:hunter2@okta.nmdp.org/token",
        "https://okta.nmdp.org/token#hunter2", "https://okta.nmdp.org/token\r\nhunter2", "ftp://hunter2.example/"}) {
    CAPTURE(token_url);
    for (credentials const& sender : {client_credentials(), password_credentials()}) {
      std::string const message = problem(with_token_url(token_url), sender);
      CHECK(message.find("_token_url ") != std::string::npos);
      CHECK(message.find("hunter2") == std::string::npos);
    }
  }
  CHECK(problem(with_token_url("http://127.0.0.1:8080/token"), client_credentials()) == "");
}

TEST_CASE("only the token URL that the grant needs must be set, and the message names it") {
  environment const without_password = {"own", "", "https://a.example/token", ""};
  CHECK(problem(without_password, client_credentials()) == "");
  CHECK(problem(without_password, password_credentials()) == "password_token_url is empty");
  environment const without_client = {"own", "https://a.example/token", "", ""};
  CHECK(problem(without_client, password_credentials()) == "");
  CHECK(problem(without_client, client_credentials()) == "client_credentials_token_url is empty");
}

TEST_CASE("the Basic value gives the vectors of RFC 7617 and RFC 6749") {
  struct {
    char const* client_id;
    char const* client_secret;
    basic_encoding encoding;
    char const* value;
  } const vectors[] = {
      {"Aladdin", "open sesame", basic_encoding::plain, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
      {"test", "123\xC2\xA3", basic_encoding::plain, "Basic dGVzdDoxMjPCow=="},
      {"s6BhdRkqt3", "gX1fBat3bV", basic_encoding::plain, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"},
      {"s6BhdRkqt3", "gX1fBat3bV", basic_encoding::form_encoded, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"},
      {"1PpG/Q 1", "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=", basic_encoding::form_encoded,
       "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="},
  };
  for (auto const& vector : vectors) {
    CAPTURE(vector.client_id);
    CHECK((basic_auth(vector.client_id, vector.client_secret, vector.encoding).reveal() == vector.value));
  }
}

TEST_CASE("both encodings agree on everything that Okta generates") {
  std::string const id = "0oa1B2c3D4e5F6g7h8i9";
  std::string const client_secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  CHECK((basic_auth(id, client_secret, basic_encoding::plain).reveal() ==
         basic_auth(id, client_secret, basic_encoding::form_encoded).reveal()));
}

TEST_CASE("a colon in a plain client id never becomes a request") {
  for (std::string const client_id : {"hunter2:x", ":hunter2", "hunter2:"}) {
    CAPTURE(client_id);
    credentials sender = client_credentials();
    sender.client_id = client_id;
    std::string const message = problem(test_environment(), sender);
    CHECK(message.find("client_id ") == 0);
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(message.find("sesame") == std::string::npos);
    CHECK_NOTHROW(make_request(test_environment(), sender, basic_encoding::form_encoded));
  }
}

TEST_CASE("a colon is allowed in a client secret and in a form-encoded client id") {
  CHECK((basic_auth("id", "a:b:c", basic_encoding::plain).reveal() == "Basic " + base64_encode("id:a:b:c")));
  CHECK((basic_auth("i:d", "a:b", basic_encoding::form_encoded).reveal() == "Basic " + base64_encode("i%3Ad:a%3Ab")));
}

TEST_CASE("the Basic value of a long id and secret stays on one line") {
  std::string const client_secret(4096, '~');
  for (std::size_t length : {20U, 57U, 76U, 1000U}) {
    CAPTURE(length);
    for (basic_encoding const encoding : {basic_encoding::plain, basic_encoding::form_encoded}) {
      auto const value = basic_auth(std::string(length, 'i'), client_secret, encoding);
      CHECK(value.reveal().find_first_of("\r\n") == std::string::npos);
      CHECK(value.reveal().find(' ') == 5);
      CHECK(value.reveal().find(' ', 6) == std::string::npos);
    }
  }
}
