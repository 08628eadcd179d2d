// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;

namespace {

std::size_t const limit = 64 * 1024;

/// Gives the bytes in pieces of that size, then the end.
detail::byte_source in_pieces(std::string const& bytes, std::size_t size) {
  std::size_t next = 0;
  return [bytes, size, next](char* to, std::size_t room) mutable {
    std::size_t const length = (std::min)({size, room, bytes.size() - next});
    std::copy_n(bytes.data() + next, length, to);
    next += length;
    return length;
  };
}

http_response read(std::string const& bytes, std::size_t size = 4096, std::string const& method = "POST") {
  return detail::http_response_reader("here", in_pieces(bytes, size)).read(method, limit);
}

/// What a program that requests a token gets from a server that sends these bytes: `token VALUE`, or the error's kind.
std::string outcome(std::string const& bytes, std::size_t size) {
  try {
    return "token " + detail::read_token_response(read(bytes, size), tests::some_credentials(), boot_clock::now(),
                                                  "here", &boot_clock::now)
                          .value();
  } catch (error const& failure) {
    return to_string(failure.kind());
  }
}

std::string with_length(std::string const& status_and_headers, std::string const& body) {
  return "HTTP/1.1 " + status_and_headers + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string ok(std::string const& body) { return with_length("200 OK", body); }

std::string repeated(std::string const& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

std::string const grant = R"({"access_token":"abc","token_type":"Bearer","expires_in":1800})";
std::string const oauth_error = R"({"error":"invalid_client","error_description":"No."})";
std::string const page = "<!DOCTYPE html><html><body>Please log in</body></html>";
std::string const xml = R"(<?xml version="1.0"?><fault><code>900901</code></fault>)";

}  // namespace

TEST_CASE("every answer that a server, a gateway or a stranger may give has one stated outcome") {
  struct row {
    std::string what;
    std::string bytes;
    std::string outcome;
  };
  std::string const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string const half = grant.substr(0, 30);
  std::string const rest = grant.substr(30);
  row const rows[] = {
      // Well-formed HTTP around a grant.
      {"a length", ok(grant), "token abc"},
      {"chunks", chunked + "1e\r\n" + half + "\r\n20\r\n" + rest + "\r\n0\r\n\r\n", "token abc"},
      {"a chunk with an extension", chunked + "3e;a=b\r\n" + grant + "\r\n0\r\n\r\n", "token abc"},
      {"no length, until the end", "HTTP/1.1 200 OK\r\n\r\n" + grant, "token abc"},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n" + grant, "token abc"},
      {"no reason phrase", "HTTP/1.1 200 \r\nContent-Length: 62\r\n\r\n" + grant, "token abc"},
      {"100 Continue first", "HTTP/1.1 100 Continue\r\n\r\n" + ok(grant), "token abc"},
      {"two answers in one: the first", ok(grant) + ok(R"({"access_token":"other","token_type":"Bearer"})"),
       "token abc"},
      {"103 Early Hints first", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok(grant), "token abc"},
      {"several interim responses",
       "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 \r\n\r\n" + ok(grant), "token abc"},
      {"trailers", chunked + "3e\r\n" + grant + "\r\n0\r\nX-Checksum: abc\r\nX-More: d\r\n\r\n", "token abc"},
      {"a field of 9 KB", with_length("200 OK\r\nContent-Security-Policy: " + std::string(9 * 1024, 'x'), grant),
       "token abc"},
      {"a field of 60 KB", with_length("200 OK\r\nX: " + std::string(60 * 1024, 'x'), grant), "token abc"},
      {"a long reason phrase", with_length("200 " + repeated("It went well. ", 100), grant), "token abc"},
      {"a reason phrase in Latin-1", with_length("200 Sch\xF6n", grant), "token abc"},
      {"no space before the reason phrase that is missing", "HTTP/1.1 200\r\nContent-Length: 62\r\n\r\n" + grant,
       "token abc"},
      {"a field in Latin-1", with_length("200 OK\r\nServer: K\xF6ln", grant), "token abc"},
      {"a field without a value", with_length("200 OK\r\nX-Empty:", grant), "token abc"},
      {"300 fields", with_length("200 OK" + repeated("\r\nX: y", 300), grant), "token abc"},
      {"a field name with every character that it may have", with_length("200 OK\r\n!#$%&'*+-.^_`|~09azAZ: y", grant),
       "token abc"},
      {"a later minor version", "HTTP/1.2 200 OK\r\nContent-Length: 62\r\n\r\n" + grant, "token abc"},
      {"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 62\r\nContent-Length: 62\r\n\r\n" + grant,
       "token abc"},
      {"a length with leading zeros", "HTTP/1.1 200 OK\r\nContent-Length: 0062\r\n\r\n" + grant, "token abc"},
      {"a chunk size with leading zeros, in upper case, behind it a space",
       chunked + "0003E \r\n" + grant + "\r\n0\r\n\r\n", "token abc"},
      {"a coding in upper case",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3e\r\n" + grant + "\r\n0\r\n\r\n", "token abc"},
      {"bytes behind the response", ok(grant) + "xyz", "token abc"},
      {"cookies", with_length("200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d", grant), "token abc"},
      {"white space around the grant", ok("\r\n " + grant + "\n"), "token abc"},

      // Status against body.
      {"a 200 with an error", ok(oauth_error), "rejected"},
      {"a 200 with Okta's error", ok(R"({"errorCode":"E0000047","errorSummary":"Slow down."})"), "rejected"},
      {"a 500 with a token", with_length("500 Oops", grant), "unavailable"},
      {"a 400 with a token", with_length("400 Bad Request", grant), "rejected"},
      {"a 201 with a token", with_length("201 Created", grant), "invalid_response"},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", "invalid_response"},
      {"304", "HTTP/1.1 304 Not Modified\r\n\r\n", "invalid_response"},
      {"status 999", with_length("999 What", grant), "invalid_response"},
      {"status 000", with_length("000 What", grant), "invalid_response"},

      // The table of classes: the first line that fits wins.
      {"429", with_length("429 Too Many Requests", ""), "rate_limited"},
      {"429 with invalid_grant", with_length("429 Too Many Requests", R"({"error":"invalid_grant"})"), "rate_limited"},
      {"temporarily_unavailable with 400", with_length("400 No", R"({"error":"temporarily_unavailable"})"),
       "unavailable"},
      {"503 with invalid_client", with_length("503 Busy", oauth_error), "unavailable"},
      {"408", with_length("408 Request Timeout", page), "unavailable"},
      {"401 invalid_client", with_length("401 Unauthorized", oauth_error), "rejected"},
      {"401 with invalid_client as errorCode", with_length("401 Unauthorized", R"({"errorCode":"invalid_client"})"),
       "rejected"},
      {"400 invalid_grant", with_length("400 Bad Request", R"({"error":"invalid_grant"})"), "rejected"},
      {"403 access_denied", with_length("403 Forbidden", R"({"error":"access_denied"})"), "rejected"},
      {"404 E0000007", with_length("404 Not Found", R"({"errorCode":"E0000007"})"), "rejected"},
      {"302", with_length("302 Found\r\nLocation: https://evil.example/", ""), "invalid_response"},
      {"407", with_length("407 Proxy Authentication Required", ""), "unavailable"},

      // Bodies that are none.
      {"an empty body", ok(""), "invalid_response"},
      {"a login page", with_length("200 OK\r\nContent-Type: text/html", page), "invalid_response"},
      {"XML", ok(xml), "invalid_response"},
      {"XML with 401, a gateway's", with_length("401 Unauthorized", xml), "rejected"},
      {"HTML with 502", with_length("502 Bad Gateway", page), "unavailable"},
      {"gzip that nobody asked for", with_length("200 OK\r\nContent-Encoding: gzip", "\x1f\x8b\x08" + grant),
       "invalid_response"},
      {"a byte-order mark", ok("\xEF\xBB\xBF" + grant), "invalid_response"},
      {"UTF-16", ok(std::string("\xFF\xFE{\0\"\0a\0", 8)), "invalid_response"},
      {"NUL after the grant", ok(grant + std::string(1, '\0')), "invalid_response"},
      {"NUL in the token", ok(R"({"access_token":"ab\u0000c","token_type":"Bearer"})"), "invalid_response"},
      {"CR LF in the token", ok(R"({"access_token":"ab\r\nX: y","token_type":"Bearer"})"), "invalid_response"},
      {"text after the grant", ok(grant + "x"), "invalid_response"},
      {"two grants", ok(grant + grant), "invalid_response"},
      {"a body of 64 KiB and one byte", ok(grant + std::string(limit + 1 - grant.size(), ' ')), "invalid_response"},
      {"a body of 64 KiB", ok(grant + std::string(limit - grant.size(), ' ')), "token abc"},
      {"an endless error page", "HTTP/1.1 503 Busy\r\n\r\n" + std::string(10 * limit, 'x'), "unavailable"},

      // Failures that are cut short: the status line is enough.
      {"429 without the end of its head", "HTTP/1.1 429 No\r\nRetry-After: 600\r\nConte", "rate_limited"},
      {"503 with half a body", "HTTP/1.1 503 No\r\nContent-Length: 500\r\n\r\n<html>", "unavailable"},
      {"a whole error in a body that is cut short", "HTTP/1.1 400 No\r\nContent-Length: 500\r\n\r\n" + oauth_error,
       "rejected"},
      {"400 with half an error", "HTTP/1.1 400 No\r\nContent-Length: 500\r\n\r\n" + oauth_error.substr(0, 20),
       "rejected"},
      {"401 with bad chunks", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "rejected"},
      {"503 with a bad header line", "HTTP/1.1 503 No\r\nnonsense\r\n\r\n", "unavailable"},
      {"503 with two lengths", "HTTP/1.1 503 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "unavailable"},
      {"302 without the end of its head", "HTTP/1.1 302 Found\r\nLoc", "invalid_response"},
      {"half a status line of a failure", "HTTP/1.1 400", "network"},
      {"an interim response, then nothing", "HTTP/1.1 103 Early Hints\r\n\r\n", "network"},
      {"half an interim response", "HTTP/1.1 103 Early Hints\r\nLin", "network"},

      // Cut short.
      {"nothing", "", "network"},
      {"half a status line", "HTTP/1.1 20", "network"},
      {"an empty line first", "\r\n", "invalid_response"},
      {"a short line first", "HTTP\r\n\r\n", "invalid_response"},
      {"half the headers", "HTTP/1.1 200 OK\r\nContent-", "network"},
      {"a length that is too long", "HTTP/1.1 200 OK\r\nContent-Length: 63\r\n\r\n" + grant, "network"},
      {"a length past all bounds", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n" + grant,
       "invalid_response"},
      {"a chunk cut off", chunked + "3e\r\n" + half, "network"},
      {"no last chunk", chunked + "3e\r\n" + grant + "\r\n", "network"},

      {"half a trailer", chunked + "3e\r\n" + grant + "\r\n0\r\nX-Check", "network"},
      {"no empty line behind the last chunk", chunked + "3e\r\n" + grant + "\r\n0\r\n", "network"},

      // Framing that one reader takes for this and another for that.
      {"a length that is empty", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n" + grant, "invalid_response"},
      {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + grant, "invalid_response"},
      {"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +62\r\n\r\n" + grant, "invalid_response"},
      {"a length in hexadecimal", "HTTP/1.1 200 OK\r\nContent-Length: 0x3e\r\n\r\n" + grant, "invalid_response"},
      {"a length with text", "HTTP/1.1 200 OK\r\nContent-Length: 62 bytes\r\n\r\n" + grant, "invalid_response"},
      {"a list of lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 62, 61\r\n\r\n" + grant,
       "invalid_response"},
      {"a length and chunks",
       "HTTP/1.1 200 OK\r\nContent-Length: 62\r\nTransfer-Encoding: chunked\r\n\r\n3e\r\n" + grant + "\r\n0\r\n\r\n",
       "invalid_response"},
      {"a negative chunk size", chunked + "-3e\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a chunk size past all bounds", chunked + "1000000000000003e\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a header that is folded", with_length("200 OK\r\nX: a\r\n b", grant), "invalid_response"},
      {"a length that is folded", "HTTP/1.1 200 OK\r\nContent-Length:\r\n 62\r\n\r\n" + grant, "invalid_response"},
      {"lines that end in LF alone", "HTTP/1.1 200 OK\nContent-Length: 62\n\n" + grant, "invalid_response"},
      {"white space before a header's colon", "HTTP/1.1 200 OK\r\nContent-Length : 62\r\n\r\n" + grant,
       "invalid_response"},
      {"a header without a colon", with_length("200 OK\r\nnonsense", grant), "invalid_response"},
      {"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n" + grant, "invalid_response"},
      {"204 with a token", with_length("204 No Content", grant), "invalid_response"},
      {"304 with a token", with_length("304 Not Modified", grant), "invalid_response"},
      {"brotli that nobody asked for", with_length("200 OK\r\nContent-Encoding: br", "\x0b\x1e\x80" + grant),
       "invalid_response"},

      {"a length beside chunks in the other order",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 62\r\n\r\n3e\r\n" + grant + "\r\n0\r\n\r\n",
       "invalid_response"},
      {"a second coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3e\r\n" + grant + "\r\n0\r\n\r\n",
       "invalid_response"},
      {"chunked twice",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3e\r\n" + grant +
           "\r\n0\r\n\r\n",
       "invalid_response"},
      {"the coding identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n" + grant, "invalid_response"},
      {"NUL in a field", with_length(std::string("200 OK\r\nX: a\0b", 15), grant), "invalid_response"},
      {"a CR inside a field", with_length("200 OK\r\nX: a\rb", grant), "invalid_response"},
      {"an escape sequence in the reason phrase", with_length("200 \x1B[2J", grant), "invalid_response"},
      {"DEL in a field", with_length("200 OK\r\nX: \x7F", grant), "invalid_response"},
      {"a field name with a space", with_length("200 OK\r\nX Y: z", grant), "invalid_response"},
      {"a field name in Latin-1", with_length("200 OK\r\nX\xE9: z", grant), "invalid_response"},
      {"a field without a name", with_length("200 OK\r\n: z", grant), "invalid_response"},
      {"a chunk without a size", chunked + ";a=b\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a chunk size that starts with 0x", chunked + "0x3e\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a chunk size with a space before it", chunked + " 3e\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a chunk line that ends in LF", chunked + "3e\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a folded trailer", chunked + "3e\r\n" + grant + "\r\n0\r\nX: a\r\n b\r\n\r\n", "invalid_response"},
      {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n" + grant, "invalid_response"},
      {"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n" + grant, "invalid_response"},
      {"two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n" + grant, "invalid_response"},
      {"a lower-case version", "http/1.1 200 OK\r\n\r\n" + grant, "invalid_response"},

      // No HTTP.
      {"a length that is too short", "HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n" + grant, "invalid_response"},
      {"two lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 62\r\nContent-Length: 61\r\n\r\n" + grant,
       "invalid_response"},
      {"a chunk size that is no number", chunked + "zz\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"a chunk longer than it says", chunked + "3d\r\n" + grant + "\r\n0\r\n\r\n", "invalid_response"},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n" + std::string(100, 'x') + "\r\n\r\n", "invalid_response"},
      {"HTTP/2", "HTTP/2 200 OK\r\n\r\n" + grant, "invalid_response"},
      {"HTTP/0.9", grant + "\r\n", "invalid_response"},
      {"an endless status line", "HTTP/1.1 200 " + std::string(10 * limit, 'x'), "invalid_response"},
      {"an endless second status line",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 " + std::string(limit, 'x') + "\r\n\r\n", "invalid_response"},
      {"an endless header", "HTTP/1.1 200 OK\r\nX: " + std::string(10 * limit, 'x'), "invalid_response"},
      {"endless headers", "HTTP/1.1 200 OK\r\n" + repeated("X: y\r\n", 100000), "invalid_response"},
      {"endless 100 Continue", repeated("HTTP/1.1 100 Continue\r\n\r\n", 100000), "invalid_response"},
      {"an endless chunk header", chunked + std::string(10 * limit, '0'), "invalid_response"},
      {"an endless chunk extension", chunked + "1;" + std::string(10 * limit, 'x'), "invalid_response"},
      {"endless trailers", chunked + "3e\r\n" + grant + "\r\n0\r\n" + repeated("X: y\r\n", 1000000),
       "invalid_response"},
  };
  for (row const& r : rows) {
    CAPTURE(r.what);
    CHECK(outcome(r.bytes, 16 * 1024) == r.outcome);
    if (r.bytes.size() < 1000) {
      CHECK(outcome(r.bytes, 1) == r.outcome);
    }
  }
}

TEST_CASE("a success whose body is too long is rejected, any other status is returned with what fits") {
  std::string const body(limit + 1, 'x');
  for (std::string const& success :
       std::vector<std::string>{"200 OK", "201 Created", "202 Accepted", "206 Partial Content", "299 Well"}) {
    CAPTURE(success);
    error const failure = tests::error_of([&] { read(with_length(success, body)); });
    CHECK(failure.kind() == error_kind::invalid_response);
    CHECK(std::string(failure.what()).find("max_response_size") != std::string::npos);
  }
  for (int status : {300, 404, 500}) {
    CAPTURE(status);
    for (std::string const& head : {"HTTP/1.1 " + std::to_string(status) + " No\r\n\r\n",
                                    "HTTP/1.1 " + std::to_string(status) + " No\r\nContent-Length: 65537\r\n\r\n"}) {
      http_response const response = read(head + body);
      CHECK(response.status == status);
      CHECK((response.body == body.substr(0, limit)));
    }
  }
}

TEST_CASE("without a limit, an announced length that is a lie costs no memory") {
  std::string const response = "HTTP/1.1 200 OK\r\nContent-Length: 4000000000000000000\r\n\r\n" + page;
  error const failure = tests::error_of([&response] {
    detail::http_response_reader("here", in_pieces(response, 4096)).read("GET", static_cast<std::size_t>(-1));
  });
  CHECK((failure.kind() == error_kind::network));
}

TEST_CASE("a body that is announced as too long is rejected before any of it is read") {
  std::string const head = "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n";
  std::size_t reads = 0;
  auto const head_then_silence = [&](char* to, std::size_t) -> std::size_t {
    REQUIRE(++reads == 1);  // a second read would wait
    return head.copy(to, head.size());
  };
  error const failure =
      tests::error_of([&] { detail::http_response_reader("here", head_then_silence).read("GET", limit); });
  CHECK(failure.kind() == error_kind::invalid_response);
  CHECK(failure.http_status() == 200);
}

TEST_CASE("the response to HEAD or CONNECT has no body, whatever its length says, nor have 101, 204 and 304") {
  for (char const* method : {"HEAD", "CONNECT"}) {
    http_response const response = read("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 4096, method);
    CHECK(response.status == 200);
    CHECK(response.body.empty());
  }
  for (int status : {101, 204, 304}) {
    CAPTURE(status);
    http_response const response =
        read("HTTP/1.1 " + std::to_string(status) + " No\r\nContent-Length: 5\r\nX: y\r\n\r\nabcde");
    CHECK(response.status == status);
    CHECK(response.header("x") == "y");
    CHECK(response.body.empty());
  }
}

TEST_CASE("a reader takes no byte behind the head of a tunnel") {
  std::string const bytes = "HTTP/1.1 103 Wait\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\nTLS";
  std::size_t next = 0;
  auto const byte_by_byte = [&](char* to, std::size_t) -> std::size_t {
    *to = bytes[next];
    return next++ < bytes.size() ? 1 : 0;
  };
  CHECK(detail::http_response_reader("the proxy", byte_by_byte).read("CONNECT", 0).status == 200);
  CHECK(bytes.substr(next) == "TLS");
}

TEST_CASE("header fields arrive in order and as they were sent, those of trailers and interim responses do not") {
  http_response const response = read(
      "HTTP/1.1 103 Early Hints\r\nX-Interim: 1\r\n\r\n"
      "HTTP/1.1 429 No\r\nX-Rate-Limit-Reset: 5\r\nretry-after:\t 7  \r\nX: a\r\nX: b\r\nX-Empty:\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n");
  using fields = std::vector<std::pair<std::string, std::string>>;
  CHECK((response.headers == fields{{"X-Rate-Limit-Reset", "5"},
                                    {"retry-after", "7"},
                                    {"X", "a"},
                                    {"X", "b"},
                                    {"X-Empty", ""},
                                    {"Transfer-Encoding", "chunked"}}));
}

TEST_CASE("of a failure that is cut short, stalls or ends in an error, what arrived is returned") {
  std::string const bytes = "HTTP/1.1 429 No\r\nRetry-After: 600\r\nContent-Length: 500\r\n\r\n{\"a\":";
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    CAPTURE(size);
    for (error_kind kind : {error_kind::network, error_kind::timed_out, error_kind::tls}) {
      auto const arrived = in_pieces(bytes.substr(0, size), 7);
      auto const then_fails = [&](char* to, std::size_t room) {
        std::size_t const length = arrived(to, room);
        if (length == 0) {
          throw error(kind, "here");
        }
        return length;
      };
      detail::http_response_reader reader("here", then_fails);
      if (size < bytes.find('\n') + 1) {
        CHECK(tests::error_of([&] { reader.read("POST", limit); }).kind() == kind);
        continue;
      }
      http_response const response = reader.read("POST", limit);
      CHECK(response.status == 429);
      CHECK(response.header("Retry-After") == (size > bytes.find("Content-Length") - 1 ? "600" : ""));
      CHECK(response.body == bytes.substr(0, size).substr((std::min)(size, bytes.find('{'))));
    }
  }
}

TEST_CASE("of a success that is cut short, stalls or ends in an error, nothing is returned") {
  std::string const bytes = ok(grant);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK(tests::error_of([&] { read(bytes.substr(0, size)); }).kind() == error_kind::network);
  }
  auto const late = [](char*, std::size_t) -> std::size_t { throw error(error_kind::timed_out, "late"); };
  CHECK_THROWS_WITH_AS(detail::http_response_reader("here", late).read("POST", limit), "late", error);
}

TEST_CASE("lines are limited to 64 KiB altogether, and long bodies may come in small chunks") {
  for (std::string const& flood :
       {repeated("HTTP/1.1 100 Continue\r\n\r\n", 3000), "HTTP/1.1 200 OK\r\n" + repeated("X: y\r\n", 12000),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + repeated("X: y\r\n", 12000)}) {
    std::size_t taken = 0;
    auto const source = in_pieces(flood, 100);
    auto const counting = [&](char* to, std::size_t room) {
      std::size_t const length = source(to, room);
      taken += length;
      return length;
    };
    CHECK(tests::error_of([&] { detail::http_response_reader("here", counting).read("GET", limit); }).kind() ==
          error_kind::invalid_response);
    CHECK(taken <= 65 * 1024);
  }
  std::string const chunk(100, 'x');
  std::string const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                              repeated("64\r\n" + chunk + "\r\n", 100000) + "0\r\n\r\n";
  CHECK(detail::http_response_reader("here", in_pieces(chunked, 5000)).read("GET", 100 * 100000).body.size() ==
        100 * 100000);
}

TEST_CASE("a response needs no more than 32 KiB of stack" * doctest::skip(tests::is_sanitized)) {
  CHECK(tests::in_child([&] {
          std::string const bytes = with_length("204 " + std::string(60000, 'x'), "");
          pthread_attr_t small;
          pthread_attr_init(&small);
          pthread_attr_setstacksize(&small, 32 * 1024);
          pthread_t reader;
          auto const start = [](void* given) -> void* {
            return read(*static_cast<std::string const*>(given)).status == 204 ? given : nullptr;
          };
          void* result = nullptr;
          bool const has_run = pthread_create(&reader, &small, start, const_cast<std::string*>(&bytes)) == 0 &&
                               pthread_join(reader, &result) == 0;
          pthread_attr_destroy(&small);
          return has_run && result ? 0 : 1;
        }) == 0);
}
#endif
