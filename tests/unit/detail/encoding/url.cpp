// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <string>

#include <doctest/doctest.h>

#include "support/refusal.hpp"

namespace {

using cibmtr_auth::detail::parse_secure_url;
using cibmtr_auth::detail::parse_url;
using cibmtr_auth::detail::url;

/// The message with which `parse` rejects `text`; empty if it accepts it.
std::string problem(url (*parse)(std::string const&, std::string const&), std::string const& text) {
  return tests::refusal([&] { parse(text, "token URL"); });
}

bool begins_with_field(std::string const& message) { return message.find("token URL ") == 0; }

}  // namespace

TEST_CASE("a URL is split into scheme, user info, host, port and target") {
  struct {
    char const* text;
    char const* scheme;
    char const* user_info;
    char const* host;
    int port;
    char const* target;
    char const* authority;
  } const urls[] = {
      {"https://okta.nmdp.org/oauth2/aus1/v1/token", "https", "", "okta.nmdp.org", 443, "/oauth2/aus1/v1/token",
       "okta.nmdp.org"},
      {"https://okta.nmdp.org", "https", "", "okta.nmdp.org", 443, "/", "okta.nmdp.org"},
      {"https://okta.nmdp.org/", "https", "", "okta.nmdp.org", 443, "/", "okta.nmdp.org"},
      {"https://okta.nmdp.org?a=b/c", "https", "", "okta.nmdp.org", 443, "/?a=b/c", "okta.nmdp.org"},
      {"https://h/a?b=://c@d:e", "https", "", "h", 443, "/a?b=://c@d:e", "h"},
      {"https://h:8443/a", "https", "", "h", 8443, "/a", "h:8443"},
      {"https://h:443/a", "https", "", "h", 443, "/a", "h"},
      {"https://h:80/a", "https", "", "h", 80, "/a", "h:80"},
      {"http://h/a", "http", "", "h", 80, "/a", "h"},
      {"http://h:80/a", "http", "", "h", 80, "/a", "h"},
      {"http://h:443/a", "http", "", "h", 443, "/a", "h:443"},
      {"http://h:1/a", "http", "", "h", 1, "/a", "h:1"},
      {"http://h:65535/a", "http", "", "h", 65535, "/a", "h:65535"},
      {"HTTPS://OKTA.Nmdp.ORG:8443/Path?Query", "https", "", "okta.nmdp.org", 8443, "/Path?Query",
       "okta.nmdp.org:8443"},
      {"https://[2001:DB8::1]/a", "https", "", "2001:db8::1", 443, "/a", "[2001:db8::1]"},
      {"https://[::1]:8443", "https", "", "::1", 8443, "/", "[::1]:8443"},
      {"https://[::ffff:192.0.2.1]:1/", "https", "", "::ffff:192.0.2.1", 1, "/", "[::ffff:192.0.2.1]:1"},
      {"http://user:p%40ss@proxy.example:3128", "http", "user:p%40ss", "proxy.example", 3128, "/",
       "proxy.example:3128"},
      {"http://user:p@ss@[::1]:3128/", "http", "user:p@ss", "::1", 3128, "/", "[::1]:3128"},
      {"https://xn--bcher-kva.example/", "https", "", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"},
      {"https://a_b.example/", "https", "", "a_b.example", 443, "/", "a_b.example"},
  };
  for (auto const& each : urls) {
    CAPTURE(each.text);
    url const parts = parse_url(each.text, "URL");
    CHECK(parts.scheme == each.scheme);
    CHECK(parts.user_info == each.user_info);
    CHECK(parts.host == each.host);
    CHECK(parts.port == each.port);
    CHECK(parts.target == each.target);
    CHECK(parts.authority() == each.authority);
    CHECK(parts.origin() == std::string(each.scheme) + "://" + each.authority);
  }
}

TEST_CASE("a URL that cannot be right is reported with the field's name and never quoted") {
  struct {
    std::string text;
    char const* reason;
  } const bad_urls[] = {
      {"", "is empty"},
      {"hunter2", "https://"},
      {"hunter2.example/token", "https://"},
      {"//hunter2.example/token", "https://"},
      {"://hunter2.example", "https://"},
      {"https:hunter2.example", "https://"},
      {"https:/hunter2.example", "https://"},
      {"ftp://hunter2.example/", "https://"},
      {"socks5://hunter2.example/", "https://"},
      {"httpss://hunter2.example/", "https://"},
      {"xhttps://hunter2.example/", "https://"},
      {"hunter2?https://host/", "https://"},
      {"https://", "host"},
      {"https:///hunter2", "host"},
      {"https://?hunter2", "host"},
      {"https://:443/hunter2", "host"},
      {"https://./hunter2", "host"},
      {"https://...:443/hunter2", "host"},
      {"http://127../hunter2", "host"},
      {"http://.127.0.0.1/hunter2", "host"},
      {"https://a..b/hunter2", "host"},
      {"https://hunter2@/", "host"},
      {"https://hunter2@:443/", "host"},
      {"https://[]/hunter2", "host"},
      {"https://[::1/hunter2", "host"},
      {"https://[::1", "host"},
      {"https://[hunter2]/", "host name"},
      {"https://[fe80::1%25hunter2]/", "host name"},
      {"https://hunter2%2eexample/", "host name"},
      {"https://hunter2\\.example/", "host name"},
      {"https://hunter2,example/", "host name"},
      {"https://hunter2\"example/", "host name"},
      {"https://host]/hunter2", "host name"},
      {"https://host:/hunter2", "port"},
      {"https://host:0/hunter2", "port"},
      {"https://host:00000/hunter2", "port"},
      {"https://host:65536/hunter2", "port"},
      {"https://host:99999/hunter2", "port"},
      {"https://host:4294967739/hunter2", "port"},
      {"https://host:99999999999999999999/hunter2", "port"},
      {"https://host:-1/hunter2", "port"},
      {"https://host:+443/hunter2", "port"},
      {"https://host:hunter2/", "port"},
      {"https://host:443x/hunter2", "port"},
      {"https://host:443:444/hunter2", "port"},
      {"https://::1/hunter2", "host"},
      {"https://2001:db8::1/hunter2", "port"},
      {"https://[::1]443/hunter2", "port"},
      {"https://[::1]x:443/hunter2", "port"},
      {"https://[::1]:/hunter2", "port"},
      {"https://[::1][::2]/hunter2", "port"},
      {"https://host/hunter2#fragment", "fragment"},
      {"https://host/#hunter2", "fragment"},
      {"https://host/hunter2#", "fragment"},
      {" https://host/hunter2", "space"},
      {"https://host/hunter2 ", "space"},
      {"https://host/hun ter/hunter2", "space"},
      {"https://ho st/hunter2", "space"},
      {"https://host/hunter2\n", "control"},
      {"https://host/\r\nhunter2: x", "control"},
      {"https://host/hunter2\t", "control"},
      {"https://host/hunter2\x7F", "control"},
      {std::string("https://host/\0hunter2", 21), "control"},
      {"https://b\xC3\xBC"
       "cher.example/hunter2",
       "non-ASCII"},
      {"https://host/\xC3\xBC/hunter2", "non-ASCII"},
      {"https://host/\xFF/hunter2", "non-ASCII"},
  };
  for (auto const& each : bad_urls) {
    CAPTURE(each.text);
    for (auto* const parse : {&parse_url, &parse_secure_url}) {
      std::string const message = problem(parse, each.text);
      CHECK(begins_with_field(message));
      CHECK(message.find(each.reason) != std::string::npos);
      CHECK(message.find("hunter2") == std::string::npos);
    }
  }
}

TEST_CASE("a secret is sent over https to any host, over http only to localhost") {
  for (char const* const text :
       {"https://okta.nmdp.org/t", "https://192.0.2.1/t", "https://[2001:db8::1]/t", "http://localhost:8080/t",
        "http://LocalHost/t", "http://127.0.0.1/t", "http://127.0.0.1:8080/t", "http://127.255.254.253/t",
        "http://[::1]/t", "http://[::1]:8080/t", "HTTP://LOCALHOST/t"}) {
    CAPTURE(text);
    CHECK(problem(parse_secure_url, text) == "");
  }
  for (char const* const host : {"okta.nmdp.org",
                                 "192.0.2.1",
                                 "[2001:db8::1]",
                                 "[::2]",
                                 "[::]",
                                 "0.0.0.0",
                                 "126.0.0.1",
                                 "128.0.0.1",
                                 "127.evil.com",
                                 "127.0.0.1.evil.com",
                                 "localhost.evil.com",
                                 "evil-localhost",
                                 "notlocalhost",
                                 "localhost.localdomain",
                                 "localhost1",
                                 "127.0.0.1x",
                                 "x127.0.0.1",
                                 "127",
                                 "127.",
                                 "127.1",
                                 "127.0.1",
                                 "127.0.0.",
                                 "127.0.0.0.1",
                                 "127.1.1.1.1",
                                 "127.1.1.1.1.1.example",
                                 "127.0.0.256",
                                 "127.0.0.999",
                                 "127.0.0.0001",
                                 "127.0.0.01",
                                 "127.00.0.1",
                                 "127.0.0.-1",
                                 "127.-0.0.1",
                                 "127.0.0.1.",
                                 "0127.0.0.1",
                                 "127-0-0-1",
                                 "2130706433",
                                 "localhost.",
                                 "127.0.0.1-"}) {
    std::string const text = std::string("http://") + host + "/hunter2";
    CAPTURE(text);
    std::string const message = problem(parse_secure_url, text);
    CHECK(begins_with_field(message));
    CHECK(message.find("http://") != std::string::npos);
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(problem(parse_url, text) == "");
  }
}

TEST_CASE("a URL that a secret is sent to has no user info") {
  for (char const* const text :
       {"https://hunter2@host/", "https://user:hunter2@host/", "https://hunter2:@host/", "https://good.example@host/",
        "https://hunter2\\@host/", "http://user:hunter2@localhost/", "https://localhost:hunter2@evil.example/"}) {
    CAPTURE(text);
    std::string const message = problem(parse_secure_url, text);
    CHECK(begins_with_field(message));
    CHECK(message.find("user info") != std::string::npos);
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(problem(parse_url, text) == "");
  }
}

TEST_CASE("URLs have the same origin if scheme, host and port are the same") {
  auto origin = [](char const* text) { return parse_url(text, "URL").origin(); };
  CHECK(origin("https://api.nmdp.org/a") == "https://api.nmdp.org");
  for (char const* const text :
       {"https://api.nmdp.org", "HTTPS://API.nmdp.org:443/b?c", "https://user:x@api.nmdp.org/"}) {
    CAPTURE(text);
    CHECK(origin(text) == origin("https://api.nmdp.org/a"));
  }
  for (char const* const text :
       {"http://api.nmdp.org/a", "https://api.nmdp.org:8443/a", "https://api.nmdp.org.evil.example/a",
        "https://nmdp.org/a", "http://api.nmdp.org:443/a", "https://api.nmdp.org./a"}) {
    CAPTURE(text);
    CHECK(origin(text) != origin("https://api.nmdp.org/a"));
  }
}

TEST_CASE("percent-encoding is undone, and what is none is left as it is") {
  using cibmtr_auth::detail::percent_decode;
  CHECK((percent_decode("p%40ss%3a%2F%00") == std::string("p@ss:/\0", 7)));
  CHECK(percent_decode("a+b%2+%%41%zz%4") == "a+b%2+%A%zz%4");
  CHECK(percent_decode("") == "");
}

TEST_CASE("a port is a number from 1 to 65535 in digits") {
  using cibmtr_auth::detail::port_number;
  CHECK(port_number("1") == 1);
  CHECK(port_number("00443") == 443);
  CHECK(port_number("65535") == 65535);
  for (char const* const text : {"", "0", "65536", "99999", "000443", "+1", "-1", " 1", "1 ", "1x", "99999999999999"}) {
    CAPTURE(text);
    CHECK(port_number(text) == 0);
  }
}
