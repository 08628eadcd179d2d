// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_server.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using tests::answer;
using tests::some_credentials;

namespace {

boot_clock::time_point const sent_at{std::chrono::hours(7)};

token read(http_response const& response) {
  return read_token_response(response, some_credentials(), sent_at);
}

error refusal(http_response const& response) {
  return tests::error_of([&response] { read(response); });
}

error refusal(int status, std::string const& body) {
  return refusal(answer(status, body));
}

std::string grant(std::string const& more) {
  return "{\"access_token\":\"abc.def-_~+/123==\",\"token_type\":\"Bearer\"" + more + "}";
}

std::string oauth(std::string const& code) {
  return "{\"error\":\"" + code + "\",\"error_description\":\"Some words.\"}";
}

std::string management(std::string const& code) {
  return "{\"errorCode\":\"" + code + "\",\"errorSummary\":\"Some words.\",\"errorLink\":\"" + code +
         "\",\"errorId\":\"oaeX\",\"errorCauses\":[]}";
}

long long life(std::string const& expires_in) {
  token const granted = read(answer(200, grant(",\"expires_in\":" + expires_in)));
  return std::chrono::duration_cast<std::chrono::seconds>(granted.expires_at() - sent_at).count();
}

}  // namespace

TEST_CASE("a grant in Okta's shape becomes a token") {
  token const granted = read(answer(200,
                                    "{\"token_type\":\"Bearer\",\"expires_in\":86400,\"access_token\":\"eyJ.a-b_c.d\","
                                    "\"scope\":\"api_cibmtr_fhir_ehr_client\"}"));
  CHECK(granted.value() == "eyJ.a-b_c.d");
  CHECK(granted.authorization() == "Bearer eyJ.a-b_c.d");
  CHECK(granted.scope() == "api_cibmtr_fhir_ehr_client");
  CHECK(granted.obtained_at() == sent_at);
}

TEST_CASE("a life counts from before the request was sent") {
  CHECK(read(answer(200, grant(",\"expires_in\":1800"))).expires_at() == sent_at + std::chrono::seconds(1800));
}

TEST_CASE("each status and code has its kind, as Okta and the RFC mean it") {
  using kind = error_kind;
  struct row {
    int status;
    std::string body;
    kind expected;
    std::string code;
  };
  std::vector<row> const table = {
      {429, management("E0000047"), kind::rate_limited, "E0000047"},
      {429, oauth("invalid_grant"), kind::rate_limited, "invalid_grant"},
      {429, "", kind::rate_limited, ""},
      {400, oauth("temporarily_unavailable"), kind::unavailable, "temporarily_unavailable"},
      {200, oauth("temporarily_unavailable"), kind::unavailable, "temporarily_unavailable"},
      {500, oauth("server_error"), kind::unavailable, "server_error"},
      {500, oauth("invalid_client"), kind::unavailable, "invalid_client"},
      {502, "<html>Bad gateway</html>", kind::unavailable, ""},
      {503, "", kind::unavailable, ""},
      {599, management("E0000009"), kind::unavailable, "E0000009"},
      {408, "", kind::unavailable, ""},
      {400, oauth("invalid_client"), kind::rejected, "invalid_client"},
      {401, oauth("invalid_client"), kind::rejected, "invalid_client"},
      {401, management("invalid_client"), kind::rejected, "invalid_client"},
      {400, oauth("invalid_grant"), kind::rejected, "invalid_grant"},
      {400, oauth("access_denied"), kind::rejected, "access_denied"},
      {401, oauth("access_denied"), kind::rejected, "access_denied"},
      {403, oauth("access_denied"), kind::rejected, "access_denied"},
      {400, oauth("unauthorized_client"), kind::rejected, "unauthorized_client"},
      {400, oauth("unsupported_grant_type"), kind::rejected, "unsupported_grant_type"},
      {400, oauth("invalid_scope"), kind::rejected, "invalid_scope"},
      {400, oauth("invalid_request"), kind::rejected, "invalid_request"},
      {401, oauth("invalid_request"), kind::rejected, "invalid_request"},
      {400, oauth("consent_required"), kind::rejected, "consent_required"},
      {403, oauth("mfa_required"), kind::rejected, "mfa_required"},
      {400, oauth("invalid_dpop_proof"), kind::rejected, "invalid_dpop_proof"},
      {400, oauth("use_dpop_nonce"), kind::rejected, "use_dpop_nonce"},
      {400, oauth("server_error"), kind::rejected, "server_error"},
      {403, oauth("server_error"), kind::rejected, "server_error"},
      {404, management("E0000007"), kind::rejected, "E0000007"},
      {404, "<html>Not found</html>", kind::malformed, ""},
      {404, "{\"error\":\"Not Found\"}", kind::malformed, ""},
      {401, "{\"error\":\"\",\"errorCode\":\"invalid_client\"}", kind::rejected, "invalid_client"},
      {401, "<html>Unauthorized</html>", kind::malformed, ""},
      {403, "", kind::malformed, ""},
      {407, "", kind::network, ""},
      {407, oauth("invalid_client"), kind::network, "invalid_client"},
      {301, "", kind::malformed, ""},
      {302, grant(""), kind::malformed, ""},
      {307, "", kind::malformed, ""},
      {308, oauth("invalid_client"), kind::malformed, "invalid_client"},
      {200, oauth("invalid_grant"), kind::rejected, "invalid_grant"},
      {200, "{\"error\":true}", kind::malformed, ""},
      {200, "", kind::malformed, ""},
      {200, "{}", kind::malformed, ""},
      {201, grant(""), kind::malformed, ""},
      {204, "", kind::malformed, ""},
      {500, grant(""), kind::unavailable, ""},
      {0, "", kind::malformed, ""},
  };
  for (row const& r : table) {
    CAPTURE(r.status);
    CAPTURE(r.body);
    error const refused = refusal(r.status, r.body);
    CHECK(std::string(to_string(refused.kind())) == to_string(r.expected));
    CHECK(refused.oauth_error() == r.code);
    CHECK(refused.http_status() == r.status);
  }
}

TEST_CASE("a refusal says what was wrong and what to do") {
  struct row {
    int status;
    std::string body;
    std::string says;
  };
  std::vector<row> const table = {
      {401, oauth("invalid_client"), "client secret is wrong"},
      {400, oauth("invalid_grant"), "counts towards the lock"},
      {400, oauth("invalid_scope"), "may not ask for that scope"},
      {400, oauth("unauthorized_client"), "another grant"},
      {404, management("E0000007"), "upper and lower case matter"},
      {400, oauth("mfa_required"), "check them with CIBMTR"},
      {429, "", "wait"},
      {503, "", "try again later"},
      {407, "", "proxy"},
      {302, "", "not followed"},
      {404, "<html>", "check the token URL"},
  };
  for (row const& r : table) {
    CAPTURE(r.status);
    std::string const message = refusal(r.status, r.body).what();
    CAPTURE(message);
    CHECK(message.find(r.says) != std::string::npos);
    CHECK(message.find("HTTP " + std::to_string(r.status)) != std::string::npos);
  }
}

TEST_CASE("all three error shapes are read") {
  for (std::string const& body : {oauth("invalid_client"), management("invalid_client")}) {
    error const refused = refusal(401, body);
    CHECK(refused.oauth_error() == "invalid_client");
    CHECK(std::string(refused.what()).find("(Some words.)") != std::string::npos);
  }
  CHECK(refusal(401, management("E0000011")).oauth_error() == "E0000011");
}

TEST_CASE("a code is understood even when it happens to contain the password") {
  credentials who = some_credentials();
  who.password = "p";
  try {
    read_token_response(answer(400, oauth("unsupported_grant_type")), who, sent_at);
    FAIL("the answer was taken for a token");
  } catch (error const& refused) {
    CHECK(refused.kind() == error_kind::rejected);
    CHECK(refused.oauth_error().empty());
  }
}

TEST_CASE("a refusal carries the time the server asked for") {
  http_response limited = answer(429, management("E0000047"));
  limited.headers = {{"Date", "Sun, 06 Nov 1994 08:49:37 GMT"},
                     {"x-rate-limit-limit", "4"},
                     {"x-rate-limit-remaining", "0"},
                     {"x-rate-limit-reset", "784111787"}};
  CHECK(refusal(limited).retry_after() == std::chrono::seconds(11));

  http_response busy = answer(503, "");
  busy.headers = {{"Retry-After", "120"}};
  CHECK(refusal(busy).retry_after() == std::chrono::seconds(120));

  http_response rejected = answer(400, oauth("invalid_grant"));
  rejected.headers = {{"Retry-After", "1"}};
  CHECK(refusal(rejected).retry_after() == std::chrono::seconds(0));
}

TEST_CASE("no server text that repeats a secret reaches an error") {
  credentials const who = some_credentials();
  std::string const secret_text = who.client_secret.reveal();
  std::string const password = who.password.reveal();
  std::string const basic = base64_encode(who.client_id + ":" + secret_text);
  std::string const other_basic = base64_encode(form_encode_text(who.client_id) + ":" + form_encode_text(secret_text));
  std::string const percent_encoded = "pa55%20w%26rd";
  for (std::string const& echoed :
       {secret_text, password, form_encode_text(password), basic, other_basic, percent_encoded,
        std::string("pa55+w&rd"), "Basic " + basic, "you sent " + password + "!"}) {
    for (std::string const& body :
         {"{\"error\":\"invalid_client\",\"error_description\":\"" + echoed + "\"}", "{\"error\":\"" + echoed + "\"}",
          "{\"errorCode\":\"" + echoed + "\",\"errorSummary\":\"" + echoed + "\"}"}) {
      error const refused = refusal(401, body);
      std::string const shown = refused.what() + refused.oauth_error();
      CHECK((shown.find(echoed) == std::string::npos));
      CHECK((shown.find(secret_text) == std::string::npos));
      CHECK((shown.find(password) == std::string::npos));
    }
  }
}

TEST_CASE("no part of a secret, in whatever spelling, reaches an error") {
  credentials const who = some_credentials();
  std::string const secret_text = who.client_secret.reveal();
  std::string const password = who.password.reveal();
  std::vector<std::string> echoes;
  for (std::string const& known :
       {secret_text, password, base64_encode(secret_text), base64_encode(password),
        base64_encode(who.client_id + ":" + secret_text),
        base64_encode(form_encode_text(who.client_id) + ":" + form_encode_text(secret_text))}) {
    std::string upper = known;
    std::string lower = known;
    std::transform(known.begin(), known.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
    std::transform(known.begin(), known.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    echoes.insert(echoes.end(), {known, known.substr(0, known.find('=')), upper, lower});
    for (std::size_t i = 0; i + 8 <= known.find('=') && i + 8 <= known.size(); ++i) {
      echoes.insert(echoes.end(), {known.substr(i, 8), upper.substr(i, 8), lower.substr(i, 8)});
    }
  }
  auto described = [](std::string const& text) {
    return std::string(refusal(401, R"({"error":"invalid_client","error_description":")" + text + "\"}").what());
  };
  for (std::string const& echoed : echoes) {
    for (std::string const& text : {echoed, "you sent <" + echoed + ">!"}) {
      CHECK((described(text).find(echoed) == std::string::npos));
    }
  }
  CHECK(described("The client secret supplied is invalid.").find("supplied") != std::string::npos);
}

TEST_CASE("server text that a terminal or a log would mind is left out") {
  for (std::string const& text : {std::string("a\\u001b[31mred"), std::string("two\\nlines"), std::string("\\u00e9"),
                                  std::string(201, 'x'), std::string("nul\\u0000")}) {
    error const refused = refusal(400, "{\"error\":\"invalid_scope\",\"error_description\":\"" + text + "\"}");
    CHECK(std::string(refused.what()).find('(') == std::string::npos);
    CHECK(refusal(400, "{\"error\":\"" + text + "\"}").oauth_error() == "");
  }
}

TEST_CASE("expires_in has one meaning for each of its forms") {
  CHECK(life("1800") == 1800);
  CHECK(life("86400") == 86400);
  CHECK(life("1") == 1);
  CHECK(life("31536000") == 31536000);
  CHECK(life("1799.9") == 1799);
  CHECK(life("1.8e3") == 1800);
  CHECK(life("\"1800\"") == 1800);
  for (char const* unusable :
       {"null", "0", "-1", "0.5", "-1e400", "1e400", "31536001", "99999999999999999999", "\"\"", "\"soon\"", "\"-5\"",
        "\"1800.5\"", "\" 1800\"", "\"99999999999999999999\"", "true", "[1800]", "{\"seconds\":1800}"}) {
    CAPTURE(unusable);
    CHECK(life(unusable) == 300);
  }
  CHECK(read(answer(200, grant(""))).expires_at() - sent_at == std::chrono::minutes(5));
}

TEST_CASE("token_type is bearer in any case and nothing else") {
  for (char const* type : {"Bearer", "bearer", "BEARER", "bEaReR"}) {
    CHECK(read(answer(200, std::string("{\"access_token\":\"abc\",\"token_type\":\"") + type + "\"}")).value() ==
          "abc");
  }
  for (char const* type : {"\"mac\"", "\"\"", "\"Bearer \"", "\"DPoP\"", "null", "1", "[\"Bearer\"]"}) {
    CAPTURE(type);
    CHECK(refusal(200, std::string("{\"access_token\":\"abc\",\"token_type\":") + type + "}").kind() ==
          error_kind::malformed);
  }
  CHECK(refusal(200, "{\"access_token\":\"abc\"}").kind() == error_kind::malformed);
}

TEST_CASE("an access token that could split a header never becomes one") {
  for (char const* value : {"\"\"", "\"a b\"", "\"a\\r\\nX: y\"", "\"a\\u0000b\"", "\"a\\n\"", "\"=\"", "\"a=b\"",
                            "\"caf\\u00e9\"", "null", "12", "{}", "[\"abc\"]", "true"}) {
    CAPTURE(value);
    error const refused = refusal(200, std::string("{\"token_type\":\"Bearer\",\"access_token\":") + value + "}");
    CHECK(refused.kind() == error_kind::malformed);
    CHECK(refused.http_status() == 200);
  }
}

TEST_CASE("a body that is not one JSON object is refused") {
  for (std::string const& body :
       {std::string("[]"), std::string("null"), std::string("\"abc\""), grant("") + "x", grant("") + grant(""),
        grant(",\"access_token\":\"other\""), grant(",\"token_type\":\"Bearer\""), "\xEF\xBB\xBF" + grant(""),
        std::string("<html><body>Login</body></html>"), std::string("<?xml version=\"1.0\"?><a/>"),
        grant("").substr(0, 30), std::string(1, '\0'), grant(",\"a\":tru"), std::string(60000, '{')}) {
    CAPTURE(body.substr(0, 60));
    CHECK(refusal(200, body).kind() == error_kind::malformed);
  }
}

TEST_CASE("a body over 64 KiB is refused, one of 64 KiB is read") {
  std::string const start = grant("").substr(0, grant("").size() - 1) + ",\"filler\":\"";
  std::string const exactly = start + std::string(64 * 1024 - start.size() - 2, 'x') + "\"}";
  REQUIRE(exactly.size() == 64 * 1024);
  CHECK_FALSE(read(answer(200, exactly)).empty());
  CHECK(refusal(200, exactly + " ").kind() == error_kind::malformed);
  CHECK(refusal(503, exactly + " ").kind() == error_kind::unavailable);
}

TEST_CASE("members that nobody knows are ignored") {
  token const granted = read(answer(
      200,
      grant(",\"refresh_token\":\"r\",\"created_at\":1,\"iat\":2,\"status\":200,\"more\":{\"a\":[1,{\"b\":null}]}")));
  CHECK(granted.value() == "abc.def-_~+/123==");
}

TEST_CASE("a null error beside a token does no harm") {
  CHECK_FALSE(read(answer(200, grant(",\"error\":null,\"errorCode\":null"))).empty());
}

TEST_CASE("a narrower scope is reported, a missing one is what was asked for") {
  CHECK(read(answer(200, grant(",\"scope\":\"system/*.r\""))).scope() == "system/*.r");
  for (char const* scope : {"", ",\"scope\":null", ",\"scope\":\"\"", ",\"scope\":\"two  blanks\"",
                            ",\"scope\":[\"a\"]", ",\"scope\":\"a\\u001b\""}) {
    CAPTURE(scope);
    CHECK(read(answer(200, grant(scope))).scope() == "api_cibmtr_fhir_ehr_client");
  }
}
