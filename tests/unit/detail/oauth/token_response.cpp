// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using detail::token_error;
using tests::some_credentials;

namespace {

boot_clock::time_point const sent_at{std::chrono::hours(7)};

token read(http_response response, credentials const& sent = some_credentials()) {
  return detail::read_token_response(std::move(response), sent, sent_at, "the token server x",
                                     [] { return sent_at + std::chrono::seconds(20); });
}

token read(std::string const& body) { return read(http_response(200, body)); }

/// Why the body of a response with status 200 is not a token's; empty if it is.
std::string problem(std::string const& body) {
  try {
    read(body);
    return "";
  } catch (token_error const& thrown) {
    CHECK((thrown.row() == detail::attempt_row::no_verdict));
    CHECK((thrown.kind() == error_kind::invalid_response));
    CHECK(thrown.http_status() == 200);
    std::string const message = thrown.what();
    std::string const start = "the token server x returned HTTP 200, but the body ";
    REQUIRE(message.find(start) == 0);
    return message.substr(start.size(), message.find(". ") - start.size());
  }
}

std::string grant(std::string const& more) {
  return R"({"access_token":"abc.def-_~+/123==","token_type":"Bearer")" + more + "}";
}

boot_clock::time_point expiry(token const& granted) { return detail::token_access::data(granted)->expires_at; }

long long lifetime(std::string const& expires_in) {
  token const granted = read(grant(",\"expires_in\":" + expires_in));
  return std::chrono::duration_cast<std::chrono::seconds>(expiry(granted) - sent_at).count();
}

}  // namespace

TEST_CASE("a response in Okta's shape becomes a token") {
  token const granted = read(R"({"token_type":"Bearer","expires_in":86400,"access_token":"eyJ.a-b_c.d",)"
                             R"("scope":"api_cibmtr_fhir_ehr_client"})");
  CHECK((granted.value() == "eyJ.a-b_c.d"));
  CHECK((granted.authorization() == "Bearer eyJ.a-b_c.d"));
  CHECK(granted.scope() == "api_cibmtr_fhir_ehr_client");
}

TEST_CASE("a lifetime counts from before the request was sent, by the given clock") {
  token const granted = read(grant(",\"expires_in\":1800"));
  CHECK((detail::token_access::data(granted)->obtained_at == sent_at));
  CHECK((expiry(granted) == sent_at + std::chrono::seconds(1800)));
  CHECK((granted.expires_in() == std::chrono::seconds(1780)));
}

TEST_CASE("expires_in has one meaning for each of its forms") {
  CHECK(lifetime("1800") == 1800);
  CHECK(lifetime("86400") == 86400);
  CHECK(lifetime("1") == 1);
  CHECK(lifetime("31536000") == 31536000);
  CHECK(lifetime("1799.9") == 1799);
  CHECK(lifetime("1.8e3") == 1800);
  CHECK(lifetime("\"1800\"") == 1800);
  for (char const* unusable : {"null", "0", "-1", "0.5", "-1e400", "1e400", "31536001", "99999999999999999999", "\"\"",
                               "\"soon\"", "\"-5\"", "\"1800.5\"", "\" 1800\"", "\"99999999999999999999\"", "\"0\"",
                               "\"31536001\"", "true", "[1800]", "{\"seconds\":1800}"}) {
    CAPTURE(unusable);
    CHECK(lifetime(unusable) == 300);
  }
  CHECK((expiry(read(grant(""))) - sent_at == std::chrono::minutes(5)));
}

TEST_CASE("token_type is bearer in any case and nothing else") {
  for (char const* type : {"Bearer", "bearer", "BEARER", "bEaReR"}) {
    CHECK((read(std::string(R"({"access_token":"abc","token_type":")") + type + "\"}").value() == "abc"));
  }
  for (char const* type : {"\"mac\"", "\"\"", "\"Bearer \"", "\"DPoP\"", "null", "1", "[\"Bearer\"]"}) {
    CAPTURE(type);
    CHECK(problem(std::string(R"({"access_token":"abc","token_type":)") + type + "}") == "has no token_type bearer");
  }
  CHECK(problem(R"({"access_token":"abc"})") == "has no token_type bearer");
}

TEST_CASE("an access token that could split a header never becomes a token") {
  for (char const* value :
       {"\"\"", "\"a b\"", R"("a\r\nX: y")", R"("a\u0000b")", R"("a\n")", "\"=\"", "\"a=b\"", R"("caf\u00e9")"}) {
    CAPTURE(value);
    CHECK(problem(std::string(R"({"token_type":"Bearer","access_token":)") + value + "}") ==
          "has an access_token with characters that a bearer token cannot have");
  }
  for (char const* value : {"null", "12", "{}", "[\"abc\"]", "true"}) {
    CAPTURE(value);
    CHECK(problem(std::string(R"({"token_type":"Bearer","access_token":)") + value + "}") == "has no access_token");
  }
}

TEST_CASE("a body that is not one JSON object is rejected") {
  for (std::string const& body :
       {std::string("[]"), std::string("null"), std::string("\"abc\""), grant("") + "x", grant("") + grant(""),
        grant(",\"access_token\":\"other\""), grant(",\"token_type\":\"Bearer\""), "\xEF\xBB\xBF" + grant(""),
        std::string("<html><body>Login</body></html>"), std::string("<?xml version=\"1.0\"?><a/>"),
        grant("").substr(0, 30), std::string(1, '\0'), grant(",\"a\":tru"), std::string(60000, '{')}) {
    CAPTURE(body.substr(0, 60));
    CHECK(problem(body) != "");
  }
}

TEST_CASE("a body of 64 KiB is read, a longer one is rejected") {
  std::string const start = grant("").substr(0, grant("").size() - 1) + ",\"filler\":\"";
  std::string const longest = start + std::string(64 * 1024 - start.size() - 2, 'x') + "\"}";
  REQUIRE(longest.size() == 64 * 1024);
  CHECK_FALSE(read(longest).empty());
  CHECK(problem(longest + " ") == "is longer than 64 KiB");
}

TEST_CASE("unknown members are ignored") {
  token const granted =
      read(grant(R"(,"refresh_token":"r","created_at":1,"iat":2,"status":200,"more":{"a":[1,{"b":null}]})"));
  CHECK((granted.value() == "abc.def-_~+/123=="));
}

TEST_CASE("a null error beside a token does no harm, any other one does") {
  CHECK_FALSE(read(grant(R"(,"error":null,"errorCode":null)")).empty());
  for (char const* error : {"\"\"", "\"oops\"", "0", "false", "{}", "[]"}) {
    CAPTURE(error);
    CHECK_THROWS_AS(read(grant(std::string(",\"error\":") + error)), token_error);
    CHECK_THROWS_AS(read(grant(std::string(",\"errorCode\":") + error)), token_error);
  }
}

TEST_CASE("a granted scope is reported, one that is missing or not well-formed is the requested one") {
  CHECK(read(grant(R"(,"scope":"system/*.r")")).scope() == "system/*.r");
  std::string const requested = "api_cibmtr_fhir_ehr_client";
  for (char const* scope : {"", ",\"scope\":null", ",\"scope\":\"\"", ",\"scope\":\"two  blanks\"",
                            ",\"scope\":[\"a\"]", R"(,"scope":"a\u001b")", R"(,"scope":"a\"b")"}) {
    CAPTURE(scope);
    CHECK(read(grant(scope)).scope() == requested);
  }
}

TEST_CASE("a granted scope of 4 KiB is reported, a longer one counts as missing") {
  std::string const longest(4 * 1024, 'x');
  CHECK(read(grant(",\"scope\":\"" + longest + "\"")).scope() == longest);
  CHECK(read(grant(",\"scope\":\"" + longest + "x\"")).scope() == "api_cibmtr_fhir_ehr_client");
  std::string many = "a";
  while (many.size() < 60 * 1024) {
    many += " a";
  }
  CHECK(read(grant(",\"scope\":\"" + many + "\"")).scope() == "api_cibmtr_fhir_ehr_client");
}

TEST_CASE("a granted scope that contains a secret counts as missing") {
  credentials const sent = some_credentials();
  for (std::string const& echo : {sent.client_secret.reveal(), detail::form_encode_text(sent.password.reveal()),
                                  base64_encode(sent.client_id + ":" + sent.client_secret.reveal())}) {
    CHECK(read(grant(",\"scope\":\"x" + echo + "\"")).scope() == "api_cibmtr_fhir_ehr_client");
  }
}

TEST_CASE("the response is taken by value, so that its body can be wiped") {
  std::string body = grant("");
  char const* const bytes = body.data();
  http_response response(200, std::move(body));
  REQUIRE(response.body.data() == bytes);
  CHECK_FALSE(read(std::move(response)).empty());
  CHECK((response.body.find("abc") == std::string::npos));
}
