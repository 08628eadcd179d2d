// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <string>
#include <vector>

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
  return detail::read_answer("here", in_pieces(bytes, size), method, limit);
}

/// What a program that asks for a token gets from a server that answers with these bytes: `token VALUE`, or the error's kind.
std::string outcome(std::string const& bytes, std::size_t size) {
  auto const source = make_token_source(test_environment, tests::some_credentials(),
                                        [&](http_request const&) { return read(bytes, size); });
  try {
    return "token " + source().value();
  } catch (error const& refused) {
    return to_string(refused.kind());
  }
}

std::string with_length(std::string const& status_and_headers, std::string const& body) {
  return "HTTP/1.1 " + status_and_headers + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string ok(std::string const& body) {
  return with_length("200 OK", body);
}

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
      {"cookies", with_length("200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d", grant), "token abc"},
      {"white space around the grant", ok("\r\n " + grant + "\n"), "token abc"},

      // Status against body.
      {"a 200 with an error", ok(oauth_error), "rejected"},
      {"a 200 with Okta's error", ok(R"({"errorCode":"E0000047","errorSummary":"Slow down."})"), "rejected"},
      {"a 500 with a token", with_length("500 Oops", grant), "unavailable"},
      {"a 400 with a token", with_length("400 Bad Request", grant), "malformed"},
      {"a 201 with a token", with_length("201 Created", grant), "malformed"},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", "malformed"},
      {"304", "HTTP/1.1 304 Not Modified\r\n\r\n", "malformed"},
      {"status 999", with_length("999 What", grant), "malformed"},
      {"status 000", with_length("000 What", grant), "malformed"},

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
      {"302", with_length("302 Found\r\nLocation: https://evil.example/", ""), "malformed"},
      {"407", with_length("407 Proxy Authentication Required", ""), "network"},

      // Bodies that are none.
      {"an empty body", ok(""), "malformed"},
      {"a login page", with_length("200 OK\r\nContent-Type: text/html", page), "malformed"},
      {"XML", ok(xml), "malformed"},
      {"XML with 401, a gateway's", with_length("401 Unauthorized", xml), "malformed"},
      {"HTML with 502", with_length("502 Bad Gateway", page), "unavailable"},
      {"gzip that nobody asked for", with_length("200 OK\r\nContent-Encoding: gzip", "\x1f\x8b\x08" + grant),
       "malformed"},
      {"a byte-order mark", ok("\xEF\xBB\xBF" + grant), "malformed"},
      {"UTF-16", ok(std::string("\xFF\xFE{\0\"\0a\0", 8)), "malformed"},
      {"NUL after the grant", ok(grant + std::string(1, '\0')), "malformed"},
      {"NUL in the token", ok(R"({"access_token":"ab\u0000c","token_type":"Bearer"})"), "malformed"},
      {"CR LF in the token", ok(R"({"access_token":"ab\r\nX: y","token_type":"Bearer"})"), "malformed"},
      {"text after the grant", ok(grant + "x"), "malformed"},
      {"two grants", ok(grant + grant), "malformed"},
      {"a body of 64 KiB and one byte", ok(grant + std::string(limit + 1 - grant.size(), ' ')), "malformed"},
      {"a body of 64 KiB", ok(grant + std::string(limit - grant.size(), ' ')), "token abc"},
      {"an endless error page", "HTTP/1.1 503 Busy\r\n\r\n" + std::string(10 * limit, 'x'), "unavailable"},

      // Broken off.
      {"nothing", "", "network"},
      {"half a status line", "HTTP/1.1 20", "network"},
      {"an empty line first", "\r\n", "malformed"},
      {"a short line first", "HTTP\r\n\r\n", "malformed"},
      {"half the headers", "HTTP/1.1 200 OK\r\nContent-", "network"},
      {"a length that is too long", "HTTP/1.1 200 OK\r\nContent-Length: 63\r\n\r\n" + grant, "network"},
      {"a length past all bounds", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n" + grant,
       "network"},
      {"a chunk cut off", chunked + "3e\r\n" + half, "network"},
      {"no last chunk", chunked + "3e\r\n" + grant + "\r\n", "network"},

      // Framing that one reader takes for this and another for that.
      {"a length that is empty", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n" + grant, "malformed"},
      {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + grant, "malformed"},
      {"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +62\r\n\r\n" + grant, "malformed"},
      {"a length in hexadecimal", "HTTP/1.1 200 OK\r\nContent-Length: 0x3e\r\n\r\n" + grant, "malformed"},
      {"a length with text", "HTTP/1.1 200 OK\r\nContent-Length: 62 bytes\r\n\r\n" + grant, "malformed"},
      {"a list of lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 62, 61\r\n\r\n" + grant, "malformed"},
      {"a length and chunks",
       "HTTP/1.1 200 OK\r\nContent-Length: 62\r\nTransfer-Encoding: chunked\r\n\r\n3e\r\n" + grant + "\r\n0\r\n\r\n",
       "malformed"},
      {"a negative chunk size", chunked + "-3e\r\n" + grant + "\r\n0\r\n\r\n", "network"},  // as one past the end
      {"a chunk size past all bounds", chunked + "1000000000000003e\r\n" + grant + "\r\n0\r\n\r\n", "malformed"},
      {"a header that is folded", with_length("200 OK\r\nX: a\r\n b", grant), "malformed"},
      {"a length that is folded", "HTTP/1.1 200 OK\r\nContent-Length:\r\n 62\r\n\r\n" + grant, "malformed"},
      {"lines that end in LF alone", "HTTP/1.1 200 OK\nContent-Length: 62\n\n" + grant, "malformed"},
      {"white space before a header's colon", "HTTP/1.1 200 OK\r\nContent-Length : 62\r\n\r\n" + grant, "malformed"},
      {"a header without a colon", with_length("200 OK\r\nnonsense", grant), "malformed"},
      {"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n" + grant, "malformed"},
      {"204 with a token", with_length("204 No Content", grant), "malformed"},
      {"304 with a token", with_length("304 Not Modified", grant), "malformed"},
      {"brotli that nobody asked for", with_length("200 OK\r\nContent-Encoding: br", "\x0b\x1e\x80" + grant),
       "malformed"},

      // No HTTP.
      {"a length that is too short", "HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n" + grant, "malformed"},
      {"two lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 62\r\nContent-Length: 61\r\n\r\n" + grant,
       "malformed"},
      {"a chunk size that is no number", chunked + "zz\r\n" + grant + "\r\n0\r\n\r\n", "malformed"},
      {"a chunk longer than it says", chunked + "3d\r\n" + grant + "\r\n0\r\n\r\n", "malformed"},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n" + std::string(100, 'x') + "\r\n\r\n", "malformed"},
      {"HTTP/2", "HTTP/2 200 OK\r\n\r\n" + grant, "malformed"},
      {"HTTP/0.9", grant + "\r\n", "malformed"},
      {"an endless status line", "HTTP/1.1 200 " + std::string(10 * limit, 'x'), "malformed"},
      {"an endless second status line",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 " + std::string(limit, 'x') + "\r\n\r\n", "malformed"},
      {"an endless header", "HTTP/1.1 200 OK\r\nX: " + std::string(10 * limit, 'x'), "malformed"},
      {"endless headers", "HTTP/1.1 200 OK\r\n" + repeated("X: y\r\n", 100000), "malformed"},
      {"endless 100 Continue", repeated("HTTP/1.1 100 Continue\r\n\r\n", 100000), "malformed"},
      {"an endless chunk header", chunked + std::string(10 * limit, '0'), "malformed"},
      {"an endless chunk extension", chunked + "1;" + std::string(10 * limit, 'x'), "malformed"},
      {"endless trailers", chunked + "3e\r\n" + grant + "\r\n0\r\n" + repeated("X: y\r\n", 1000000), "malformed"},
  };
  for (row const& r : rows) {
    CAPTURE(r.what);
    CHECK(outcome(r.bytes, 16 * 1024) == r.outcome);
    if (r.bytes.size() < 1000) {
      CHECK(outcome(r.bytes, 1) == r.outcome);
    }
  }
}

TEST_CASE("the longest status line that is read fits a thread of 128 KiB, a longer one is no HTTP" *
          doctest::skip(tests::is_sanitized)) {
  auto with_status_line = [](std::size_t size) {
    std::string const start = "HTTP/1.1 204 ";
    return start + std::string(size - start.size() - 2, 'x') + "\r\n\r\n";
  };
  auto is_read = [&](std::size_t size) {
    try {
      return read(with_status_line(size)).status == 204;
    } catch (error const& refused) {
      CHECK(refused.kind() == error_kind::malformed);
      return false;
    }
  };
  std::size_t longest = 0;
  for (std::size_t size = 120; size <= 1100; size += 4) {
    longest = is_read(size) ? size : longest;
  }
  CHECK(longest == 128);
  CHECK_FALSE(is_read(longest + 1));
  CHECK(tests::in_child([&] {
          std::string const bytes = with_status_line(longest);
          pthread_attr_t small;
          pthread_attr_init(&small);
          pthread_attr_setstacksize(&small, 128 * 1024);
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

TEST_CASE("a success whose body is too long is refused, any other status is told without it") {
  std::string const body(limit + 1, 'x');
  for (std::string const& success :
       std::vector<std::string>{"200 OK", "201 Created", "202 Accepted", "206 Partial Content", "299 Well"}) {
    CAPTURE(success);
    error const refused = tests::error_of([&] { read(with_length(success, body)); });
    CHECK(refused.kind() == error_kind::malformed);
    CHECK(std::string(refused.what()).find("max_response_size") != std::string::npos);
  }
  for (int status : {300, 404, 500}) {
    CAPTURE(status);
    http_response const answer = read(with_length(std::to_string(status) + " No", body));
    CHECK(answer.status == status);
    CHECK(answer.body.empty());
  }
}

TEST_CASE("an answer to HEAD has no body, whatever its length says") {
  http_response const answer = read("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 4096, "HEAD");
  CHECK(answer.status == 200);
  CHECK(answer.body.empty());
}

TEST_CASE("headers arrive as they were sent") {
  http_response const answer =
      read("HTTP/1.1 429 No\r\nX-Rate-Limit-Reset: 5\r\nretry-after:7  \r\nX: a\r\nX: b\r\n\r\n");
  CHECK(answer.header_values("x-rate-limit-reset") == std::vector<std::string>{"5"});
  CHECK(answer.header_values("Retry-After") == std::vector<std::string>{"7"});
  std::vector<std::string> repeated_values = answer.header_values("X");
  std::sort(repeated_values.begin(), repeated_values.end());  // cpp-httplib 0.18 and later keep no order
  CHECK(repeated_values == std::vector<std::string>{"a", "b"});
}

TEST_CASE("what the peer throws passes through") {
  auto const failing = [](char*, std::size_t) -> std::size_t { throw error(error_kind::timed_out, "late"); };
  CHECK_THROWS_WITH_AS(detail::read_answer("here", failing, "POST", limit), "late", error);
}
