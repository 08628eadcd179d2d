// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/cases.hpp"
#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using detail::attempt_row;
using detail::token_error;
using tests::some_credentials;

namespace {

credentials client_credentials() { return {"0oa1client", "s3cr3t-of-client", "api_cibmtr_fhir_ehr_client"}; }

/// The error that a response without a token becomes. Fails the test if it becomes a token.
token_error error_of(http_response const& response, credentials const& sent = some_credentials()) {
  try {
    detail::read_token_response(response, sent, boot_clock::time_point(std::chrono::hours(1)), "the token server x",
                                boot_clock::now);
  } catch (token_error const& thrown) {
    return thrown;
  }
  FAIL("the response became a token");
  throw;
}

std::string message(http_response const& response) { return error_of(response).what(); }

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

std::string oauth(std::string const& code) {
  return R"({"error":")" + code + R"(","error_description":"Some words."})";
}

std::string management(std::string const& code) {
  return R"({"errorCode":")" + code + R"(","errorSummary":"Some words.","errorLink":")" + code +
         R"(","errorId":"oaeX","errorCauses":[]})";
}

std::string const grant = R"({"access_token":"abc","token_type":"Bearer","expires_in":1800})";
std::string const html = "<html><head><title>Error</title></head></html>";

/// The final response of what a server sends, as a transport hands it on.
http_response response_from(std::string wire) {
  http_response response;
  std::string head;
  do {
    std::size_t const end = wire.find("\r\n\r\n");
    REQUIRE(end != std::string::npos);
    head = wire.substr(0, end + 2);
    wire.erase(0, end + 4);
    response.status = std::stoi(head.substr(9, 3));
  } while (response.status < 200);
  for (std::size_t start = head.find("\r\n") + 2; start < head.size();) {
    std::size_t const end = head.find("\r\n", start);
    std::size_t const colon = head.find(':', start);
    response.headers.emplace_back(head.substr(start, colon - start), head.substr(colon + 1, end - colon - 1));
    start = end + 2;
  }
  if (response.header("Transfer-Encoding") == "chunked") {
    std::size_t const size = std::stoul(wire, nullptr, 16);
    wire = wire.substr(wire.find("\r\n") + 2, size);
  }
  response.body = wire;
  return response;
}

}  // namespace

TEST_CASE("each response from outside has the outcome that the table of attempts gives it") {
  for (tests::response_case const& each : tests::response_cases()) {
    CAPTURE(each.name);
    http_response const response = response_from(each.response);
    credentials sent = some_credentials();
    sent.password = each.password.empty() ? sent.password : secret(each.password);
    if (each.expect == "token") {
      CHECK_NOTHROW(
          detail::read_token_response(response, sent, boot_clock::now(), "the token server x", boot_clock::now));
      continue;
    }
    token_error const thrown = error_of(response, sent);
    bool const is_on_ladder = detail::rule_of(thrown.row(), true).is_on_ladder;
    if (each.expect == "rejected" || each.expect == "rejected_without_code") {
      CHECK((thrown.row() == (each.expect == "rejected" ? attempt_row::rejected : attempt_row::rejected_without_code)));
      CHECK((thrown.kind() == error_kind::rejected));
    } else if (each.expect == "transient") {
      CHECK((thrown.kind() == error_kind::unavailable));
      CHECK_FALSE(is_on_ladder);
    } else {
      CHECK(to_string(thrown.kind()) == each.expect);
      CHECK(is_on_ladder == (each.is_on_ladder || each.expect == "invalid_response"));
      CHECK(((thrown.row() == attempt_row::no_verdict) == is_on_ladder));
    }
    CHECK(thrown.retry_after().count() == each.retry_after);
    CHECK((each.oauth_error.empty() || thrown.oauth_error() == each.oauth_error));
    CHECK(contains(thrown.what(), each.message_contains));
  }
}

TEST_CASE("each status, body and grant has its row, kind and code") {
  using kind = error_kind;
  using row = attempt_row;
  std::string const too_long = R"({"error":"invalid_grant","filler":")" + std::string(64 * 1024, 'x') + "\"}";
  struct {
    char const* what;
    int status;
    std::string body;
    row expected_row;
    kind expected_kind;  // with the password grant
    std::string code;
    kind with_client_credentials;
  } const responses[] = {
      // row 2
      {"Okta's rate limit", 429, management("E0000047"), row::transient, kind::rate_limited, "E0000047",
       kind::rate_limited},
      {"Okta's limit of 4 a second and user", 429, oauth("invalid_grant"), row::transient, kind::rate_limited,
       "invalid_grant", kind::rate_limited},
      {"an empty 429", 429, "", row::transient, kind::rate_limited, "", kind::rate_limited},
      {"Auth0's brute-force protection", 429, oauth("too_many_attempts"), row::transient, kind::rate_limited, "",
       kind::rate_limited},
      {"an outage with 400", 400, oauth("temporarily_unavailable"), row::transient, kind::unavailable,
       "temporarily_unavailable", kind::unavailable},
      {"an outage with 200", 200, oauth("temporarily_unavailable"), row::transient, kind::unavailable,
       "temporarily_unavailable", kind::unavailable},
      {"an outage with 302", 302, oauth("temporarily_unavailable"), row::transient, kind::unavailable,
       "temporarily_unavailable", kind::unavailable},
      {"an outage with 504", 504, oauth("temporarily_unavailable"), row::transient, kind::unavailable,
       "temporarily_unavailable", kind::unavailable},
      {"500 with a code", 500, oauth("server_error"), row::transient, kind::unavailable, "server_error",
       kind::unavailable},
      {"500 with a rejection", 500, oauth("invalid_client"), row::transient, kind::unavailable, "invalid_client",
       kind::unavailable},
      {"500 with a token", 500, grant, row::transient, kind::unavailable, "", kind::unavailable},
      {"a bad gateway", 502, html, row::transient, kind::unavailable, "", kind::unavailable},
      {"an empty 503", 503, "", row::transient, kind::unavailable, "", kind::unavailable},
      {"a body cut short", 503, "<htm", row::transient, kind::unavailable, "", kind::unavailable},
      {"a captive portal", 511, html, row::transient, kind::unavailable, "", kind::unavailable},
      {"a 5xx of Cloudflare's own", 520, html, row::transient, kind::unavailable, "", kind::unavailable},
      {"the last 5xx", 599, management("E0000009"), row::transient, kind::unavailable, "E0000009", kind::unavailable},
      {"a request time-out", 408, "", row::transient, kind::unavailable, "", kind::unavailable},
      {"a request time-out with a code", 408, oauth("invalid_grant"), row::transient, kind::unavailable,
       "invalid_grant", kind::unavailable},
      // row 3
      {"a gateway's 404 in JSON", 404, R"({"error":"not_found"})", row::gateway, kind::unavailable, "",
       kind::unavailable},
      {"a gateway's 404 in HTML", 404, html, row::gateway, kind::unavailable, "", kind::unavailable},
      {"Spring's 404", 404, R"({"timestamp":1,"status":404,"error":"Not Found","path":"/token"})", row::gateway,
       kind::unavailable, "", kind::unavailable},
      {"Kong's 404", 404, R"({"message":"no Route matched with those values"})", row::gateway, kind::unavailable, "",
       kind::unavailable},
      {"an empty 405", 405, "", row::gateway, kind::unavailable, "", kind::unavailable},
      {"a word that is no code", 406, oauth("slow_down"), row::gateway, kind::unavailable, "", kind::unavailable},
      {"a proxy's 407", 407, html, row::gateway, kind::unavailable, "", kind::unavailable},
      {"a conflict", 409, R"({"error":"conflict"})", row::gateway, kind::unavailable, "", kind::unavailable},
      {"gone", 410, "", row::gateway, kind::unavailable, "", kind::unavailable},
      {"too large", 413, html, row::gateway, kind::unavailable, "", kind::unavailable},
      {"an unsupported type", 415, R"({"title":"Unsupported Media Type","status":415})", row::gateway,
       kind::unavailable, "", kind::unavailable},
      {"misdirected", 421, "", row::gateway, kind::unavailable, "", kind::unavailable},
      {"legal reasons", 451, html, row::gateway, kind::unavailable, "", kind::unavailable},
      {"the last 4xx", 499, "", row::gateway, kind::unavailable, "", kind::unavailable},
      // row 4
      {"a gateway's time-out", 504, html, row::no_verdict, kind::unavailable, "", kind::unavailable},
      {"a gateway's time-out with a code", 504, oauth("invalid_grant"), row::no_verdict, kind::unavailable,
       "invalid_grant", kind::unavailable},
      {"an upgrade", 101, "", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"moved", 301, "", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"moved, with a token", 302, grant, row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"not modified", 304, "", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"moved, with a code", 308, oauth("invalid_client"), row::no_verdict, kind::invalid_response, "invalid_client",
       kind::invalid_response},
      {"a status that HTTP does not have", 600, oauth("invalid_client"), row::no_verdict, kind::invalid_response,
       "invalid_client", kind::invalid_response},
      {"no status", 0, "", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"an empty 200", 200, "", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"an empty object", 200, "{}", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"a login page", 200, html, row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"an error that is no string", 200, R"({"error":true})", row::no_verdict, kind::invalid_response, "",
       kind::invalid_response},
      {"an unknown error beside a token", 200, R"({"error":"oops","access_token":"abc","token_type":"Bearer"})",
       row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"a token with 201", 201, grant, row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"a token with 203", 203, grant, row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"no content", 204, "", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      {"a token behind a byte-order mark", 200, "\xEF\xBB\xBF" + grant, row::no_verdict, kind::invalid_response, "",
       kind::invalid_response},
      {"a token and one byte", 200, grant + "x", row::no_verdict, kind::invalid_response, "", kind::invalid_response},
      // row 5
      {"an empty 400", 400, "", row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"an empty 401", 401, "", row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"glewlwyd's wrong password", 403, "", row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"an F5 page", 401, html, row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"WSO2's fault", 401, R"({"fault":{"code":900901,"message":"Invalid Credentials"}})", row::rejected_without_code,
       kind::rejected, "", kind::unavailable},
      {"WSO2's fault in XML", 401, "<ams:fault xmlns:ams=\"x\"><ams:code>900902</ams:code></ams:fault>",
       row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"Apigee's fault", 401, R"({"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"invalid_client"}}})",
       row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"Azure API Management", 401, R"({"statusCode":401,"message":"Access denied"})", row::rejected_without_code,
       kind::rejected, "", kind::unavailable},
      {"Amazon's gateway", 403, R"({"message":"Forbidden"})", row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"a word that is no code", 401, R"({"error":"Unauthorized"})", row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"a lower-case word that is no code", 403, R"({"error":"forbidden"})", row::rejected_without_code, kind::rejected,
       "", kind::unavailable},
      {"a code in capitals", 400, R"({"error":"INVALID_GRANT"})", row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"a code inside an object", 400, R"({"error":{"code":"invalid_grant"}})", row::rejected_without_code,
       kind::rejected, "", kind::unavailable},
      {"a code inside a list", 400, R"([{"error":"invalid_grant"}])", row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"a code as a form", 400, "error=invalid_grant", row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"a byte-order mark", 400, "\xEF\xBB\xBF" + oauth("invalid_grant"), row::rejected_without_code, kind::rejected,
       "", kind::unavailable},
      {"UTF-16", 400, std::string("\xFF\xFE{\0", 4), row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"one more byte", 400, oauth("invalid_grant") + "x", row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"one more NUL", 400, oauth("invalid_grant") + std::string(1, '\0'), row::rejected_without_code, kind::rejected,
       "", kind::unavailable},
      {"cut short", 400, oauth("invalid_grant").substr(0, 26), row::rejected_without_code, kind::rejected, "",
       kind::unavailable},
      {"longer than 64 KiB", 400, too_long, row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"two codes", 400, R"({"error":"invalid_grant","error":"invalid_client"})", row::rejected_without_code,
       kind::rejected, "", kind::unavailable},
      {"a token with 401", 401, grant, row::rejected_without_code, kind::rejected, "", kind::unavailable},
      {"a problem document", 403, R"({"type":"about:blank","title":"Forbidden","status":403})",
       row::rejected_without_code, kind::rejected, "", kind::unavailable},
      // row 6
      {"a wrong client", 401, oauth("invalid_client"), row::rejected, kind::rejected, "invalid_client", kind::rejected},
      {"Okta's hybrid", 401, management("invalid_client"), row::rejected, kind::rejected, "invalid_client",
       kind::rejected},
      {"a wrong password", 400, oauth("invalid_grant"), row::rejected, kind::rejected, "invalid_grant", kind::rejected},
      {"Entra's wrong password", 400, R"({"error":"invalid_grant","error_codes":[50126],"suberror":"bad_token"})",
       row::rejected, kind::rejected, "invalid_grant", kind::rejected},
      {"denied", 403, oauth("access_denied"), row::rejected, kind::rejected, "access_denied", kind::rejected},
      {"another grant", 400, oauth("unauthorized_client"), row::rejected, kind::rejected, "unauthorized_client",
       kind::rejected},
      {"DPoP", 400, oauth("use_dpop_nonce"), row::rejected, kind::rejected, "use_dpop_nonce", kind::rejected},
      {"server_error with 400", 400, oauth("server_error"), row::rejected, kind::rejected, "server_error",
       kind::rejected},
      {"a wrong authorization server", 404, management("E0000007"), row::rejected, kind::rejected, "E0000007",
       kind::rejected},
      {"a code with 404", 404, oauth("invalid_client"), row::rejected, kind::rejected, "invalid_client",
       kind::rejected},
      {"a code with 407", 407, oauth("access_denied"), row::rejected, kind::rejected, "access_denied", kind::rejected},
      {"a code with 422", 422, oauth("invalid_grant"), row::rejected, kind::rejected, "invalid_grant", kind::rejected},
      {"a code with 200", 200, oauth("invalid_grant"), row::rejected, kind::rejected, "invalid_grant", kind::rejected},
      {"a code with 202", 202, oauth("invalid_grant"), row::rejected, kind::rejected, "invalid_grant", kind::rejected},
      {"a code beside a token", 200, R"({"error":"invalid_grant","access_token":"abc","token_type":"Bearer"})",
       row::rejected, kind::rejected, "invalid_grant", kind::rejected},
      {"an empty error beside a code", 401, R"({"error":"","errorCode":"invalid_client"})", row::rejected,
       kind::rejected, "invalid_client", kind::rejected},
      {"an unknown error beside a code", 401, R"({"error":"Unauthorized","errorCode":"E0000011"})", row::rejected,
       kind::rejected, "E0000011", kind::rejected},
      {"a code before another", 401, R"({"errorCode":"E0000011","error":"invalid_client"})", row::rejected,
       kind::rejected, "invalid_client", kind::rejected},
      {"a code in escapes", 400, R"({"error":"invalid\u005fgrant"})", row::rejected, kind::rejected, "invalid_grant",
       kind::rejected},
      {"a code after white space", 400, "\r\n\t " + oauth("invalid_grant") + "\n", row::rejected, kind::rejected,
       "invalid_grant", kind::rejected},
  };
  for (auto const& each : responses) {
    CAPTURE(each.what);
    CAPTURE(each.status);
    for (credentials const& sent : {some_credentials(), client_credentials()}) {
      token_error const thrown = error_of(http_response(each.status, each.body), sent);
      bool const has_account = detail::uses_password_grant(sent);
      CAPTURE(has_account);
      CHECK(static_cast<int>(thrown.row()) == static_cast<int>(each.expected_row));
      CHECK(to_string(thrown.kind()) == to_string(has_account ? each.expected_kind : each.with_client_credentials));
      CHECK(thrown.oauth_error() == each.code);
      CHECK(thrown.http_status() == each.status);
      CHECK(thrown.was_sent());
    }
  }
}

TEST_CASE("an error names the server and the status, and says what was wrong and what to do") {
  struct {
    int status;
    std::string body;
    char const* part;
  } const responses[] = {
      {401, oauth("invalid_client"), "client secret is wrong"},
      {400, oauth("invalid_grant"), "counts towards the lock"},
      {400, oauth("invalid_scope"), "not allowed to request that scope"},
      {400, oauth("unauthorized_client"), "another grant"},
      {400, oauth("unsupported_grant_type"), "another grant"},
      {404, management("E0000007"), "upper and lower case matter"},
      {400, oauth("mfa_required"), "check them with CIBMTR"},
      {401, "", "may have counted towards a lock of the account"},
      {429, "", "wait"},
      {503, "", "try again later"},
      {504, "", "try again later"},
      {511, "", "captive portal"},
      {407, "", "proxy's URL"},
      {302, "", "not followed"},
      {404, html, "check the token URL"},
      {200, html, "check the token URL"},
      {200, "", "the body is not a JSON object"},
      {200, "{}", "the body has no access_token"},
      {400, "<center>No required SSL certificate was sent</center>", "client_certificate_file"},
      {400, "<center>The SSL certificate error</center>", "client_certificate_file"},
  };
  for (auto const& each : responses) {
    CAPTURE(each.status);
    std::string const text = message(http_response(each.status, each.body));
    CAPTURE(text);
    CHECK(text.find("the token server x returned HTTP " + std::to_string(each.status)) == 0);
    CHECK(contains(text, each.part));
  }
}

TEST_CASE("without an account, a rejection without a code does not speak of a lock") {
  std::string const text = error_of(http_response(403, ""), client_credentials()).what();
  CHECK_FALSE(contains(text, "lock"));
  CHECK_FALSE(contains(text, "password"));
}

TEST_CASE("code and description are read from all three shapes of Okta's errors") {
  for (std::string const& body : {oauth("invalid_client"), management("invalid_client")}) {
    CHECK(contains(message(http_response(401, body)), "HTTP 401, invalid_client (Some words.). "));
  }
  CHECK(contains(message(http_response(403, management("E0000011"))), "HTTP 403, E0000011 (Some words.). "));
  CHECK(contains(message(http_response(400, R"({"errorSummary":"Only words."})")), "HTTP 400 (Only words.). "));
}

TEST_CASE("OAuth's description is preferred to Okta's summary, unless it is empty") {
  CHECK(contains(message(http_response(400, R"({"errorSummary":"Okta's.","error_description":"OAuth's."})")),
                 "(OAuth's.)"));
  CHECK(contains(message(http_response(400, R"({"error_description":"","errorSummary":"Okta's."})")), "(Okta's.)"));
}

TEST_CASE("a redirect's message names scheme and host of the target, and no more") {
  struct {
    char const* location;
    char const* part;
  } const redirects[] = {
      {"https://login.example.org/sso?next=/hunter2#hunter2",
       "A redirect to https://login.example.org is not followed"},
      {"https://user:hunter2@LOGIN.example.org:8443/hunter2", "A redirect to https://login.example.org:8443 is"},
      {"http://portal.example/hunter2", "A redirect to http://portal.example is not followed"},
      {"/hunter2", "A redirect is not followed"},
      {"//hunter2.example/", "A redirect is not followed"},
      {"javascript:hunter2", "A redirect is not followed"},
      {"https://hunter2\x1B[31m.example/", "A redirect is not followed"},
      {"", "A redirect is not followed"},
  };
  for (auto const& each : redirects) {
    CAPTURE(each.location);
    for (int status : {301, 302, 303, 307, 308}) {
      std::string const text = message(http_response(status, "", {{"location", each.location}}));
      CAPTURE(text);
      CHECK(contains(text, each.part));
      CHECK_FALSE(contains(text, "hunter2"));
    }
  }
  CHECK_FALSE(contains(message(http_response(302, "", {{"Location", "https://s3cr3t-of-client/"}})), "s3cr3t"));
}

TEST_CASE("the content coding of a response that cannot be read is named") {
  for (int status : {200, 400, 503}) {
    CHECK(
        contains(message(http_response(status, "\x1F\x8B", {{"Content-Encoding", "gzip"}})), "content coding is gzip"));
    CHECK(contains(message(http_response(status, "\x1F\x8B", {{"content-encoding", " br, gzip "}})),
                   "coding is br, gzip"));
    CHECK_FALSE(contains(message(http_response(status, "x", {{"Content-Encoding", "Identity"}})), "coding"));
    CHECK_FALSE(contains(message(http_response(status, "x", {{"Content-Encoding", ""}})), "coding"));
    CHECK_FALSE(contains(message(http_response(status, "x", {{"Content-Encoding", "a\x1B[31m"}})), "coding"));
    CHECK_FALSE(contains(message(http_response(status, "x")), "coding"));
  }
  CHECK_FALSE(contains(message(http_response(400, oauth("invalid_grant"), {{"Content-Encoding", "gzip"}})), "coding"));
}

TEST_CASE("an outage or a rate limit has the wait that the server asks for, a rejection has none") {
  std::vector<std::pair<std::string, std::string>> const okta = {{"Date", "Sun, 06 Nov 1994 08:49:37 GMT"},
                                                                 {"x-rate-limit-limit", "4"},
                                                                 {"x-rate-limit-remaining", "0"},
                                                                 {"x-rate-limit-reset", "784111787"}};
  CHECK(error_of(http_response(429, management("E0000047"), okta)).retry_after().count() == 11);
  CHECK(error_of(http_response(503, "", {{"Retry-After", "120"}})).retry_after().count() == 120);
  CHECK(error_of(http_response(404, "", {{"Retry-After", "120"}})).retry_after().count() == 120);
  CHECK(error_of(http_response(400, oauth("invalid_grant"), {{"Retry-After", "1"}})).retry_after().count() == 0);
  CHECK(error_of(http_response(401, "", {{"Retry-After", "1"}})).retry_after().count() == 0);
}

TEST_CASE("a description that contains a secret, as it is or as a request encodes it, is dropped") {
  credentials sent = some_credentials();
  for (std::string const& client_secret : {std::string("s3cr3t-of-client"), std::string("s3cr3t/of=client==")}) {
    sent.client_secret = client_secret;
    std::string const password = sent.password.reveal();
    std::string const pair = sent.client_id + ":" + client_secret;
    std::string const encoded_pair =
        detail::form_encode_text(sent.client_id) + ":" + detail::form_encode_text(client_secret);
    for (std::string const& echo :
         {client_secret, password, detail::form_encode_text(client_secret), detail::form_encode_text(password),
          base64_encode(client_secret), base64_encode(password), base64_encode(pair), base64_encode(encoded_pair)}) {
      for (std::string const& text : {echo, "you sent <" + echo + ">!", "Basic " + echo, "password=" + echo,
                                      echo.substr(0, echo.find_last_not_of('=') + 1)}) {
        for (std::string const& body :
             {R"({"error":"invalid_client","error_description":")" + text + "\"}",
              R"({"errorCode":")" + text + R"(","errorSummary":")" + text + "\"}", R"({"error":")" + text + "\"}"}) {
          token_error const thrown = error_of(http_response(401, body), sent);
          CHECK((std::string(thrown.what()).find(echo) == std::string::npos));
          CHECK((thrown.oauth_error().find(echo) == std::string::npos));
          CHECK_FALSE(contains(thrown.what(), "("));
        }
      }
    }
  }
}

TEST_CASE("a description that only shares letters with a secret is shown") {
  credentials sent = some_credentials();
  sent.password = "Password2024!";
  for (char const* const text :
       {"The credentials provided were invalid. Reset your password.", "The client secret supplied is invalid.",
        "password2024", "Password2024?", "Use 'Basic ' and grant_type=password&scope=x", "svc@example.org is locked"}) {
    CAPTURE(text);
    std::string const body = R"({"error":"invalid_grant","error_description":")" + std::string(text) + "\"}";
    CHECK(contains(error_of(http_response(400, body), sent).what(), "(" + std::string(text) + ")"));
  }
}

TEST_CASE("a description that is long, or not printable ASCII, is dropped") {
  for (std::string const& text : {std::string(R"(a\u001b[31mred)"), std::string(R"(two\nlines)"),
                                  std::string(R"(\u00e9)"), std::string(201, 'x'), std::string(R"(nul\u0000)")}) {
    CAPTURE(text);
    CHECK_FALSE(contains(message(http_response(400, R"({"error":"x","error_description":")" + text + "\"}")), "("));
  }
  std::string const longest(200, 'x');
  CHECK(contains(message(http_response(400, R"({"error_description":")" + longest + "\"}")), "(" + longest + ")"));
}

TEST_CASE("a code is understood even if a secret is part of it") {
  credentials sent = some_credentials();
  sent.password = "grant";
  token_error const thrown = error_of(http_response(400, oauth("unsupported_grant_type")), sent);
  CHECK((thrown.row() == attempt_row::rejected));
  CHECK(thrown.oauth_error() == "unsupported_grant_type");
}
