// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "support/exchange.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using cibmtr_auth::detail::parse_proxy_url;
using cibmtr_auth::detail::parse_url;
using cibmtr_auth::detail::url;
using tests::connection;
using tests::contains;
using tests::raw_server;

namespace {

using variables = std::map<std::string, std::string>;

/// The proxy for `destination` when the environment holds these variables and no others.
std::string proxy(std::string const& destination, variables const& environment) {
  return detail::proxy_from_env(parse_url(destination, "URL"), [&environment](char const* name) {
    auto const found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

bool is_exempt(std::string const& destination, std::string const& no_proxy) {
  std::string const answer = proxy(destination, {{"https_proxy", "http://p:1"}, {"no_proxy", no_proxy}});
  CHECK((answer.empty() || answer == "http://p:1"));
  return answer.empty();
}

}  // namespace

TEST_CASE("without a variable there is no proxy") {
  CHECK(proxy("https://okta.nmdp.org/", {}) == "");
  CHECK(proxy("https://okta.nmdp.org/", {{"http_proxy", "http://p:1"}, {"HTTP_PROXY", "http://p:2"}}) == "");
  CHECK(proxy("https://okta.nmdp.org/", {{"no_proxy", "example.org"}}) == "");
}

TEST_CASE("the proxy is the first one set of https_proxy, HTTPS_PROXY, all_proxy and ALL_PROXY") {
  variables environment = {
      {"https_proxy", "http://a:1"}, {"HTTPS_PROXY", "http://b:1"}, {"all_proxy", "http://c:1"}, {"ALL_PROXY", "d:1"}};
  CHECK(proxy("https://okta.nmdp.org/", environment) == "http://a:1");
  environment.erase("https_proxy");
  CHECK(proxy("https://okta.nmdp.org/", environment) == "http://b:1");
  environment["HTTPS_PROXY"] = "";
  CHECK(proxy("https://okta.nmdp.org/", environment) == "http://c:1");
  environment.erase("all_proxy");
  CHECK(proxy("https://okta.nmdp.org/", environment) == "d:1");
  environment.erase("ALL_PROXY");
  CHECK(proxy("https://okta.nmdp.org/", environment) == "");
}

TEST_CASE("no_proxy wins over NO_PROXY") {
  variables environment = {{"https_proxy", "http://p:1"}, {"no_proxy", "example.org"}, {"NO_PROXY", "okta.nmdp.org"}};
  CHECK(proxy("https://okta.nmdp.org/", environment) == "http://p:1");
  environment.erase("no_proxy");
  CHECK(proxy("https://okta.nmdp.org/", environment) == "");
  environment["no_proxy"] = "";
  CHECK(proxy("https://okta.nmdp.org/", environment) == "");
}

TEST_CASE("a range of addresses in NO_PROXY exempts nothing") {
  for (char const* const no_proxy : {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "/8", "/"}) {
    CAPTURE(no_proxy);
    CHECK_FALSE(is_exempt("https://10.1.2.3/", no_proxy));
  }
}

TEST_CASE("an entry of NO_PROXY exempts a host and the domain below it, at whole labels only") {
  struct {
    char const* no_proxy;
    char const* destination;
    bool exempt;
  } const entries[] = {
      {"okta.nmdp.org", "https://okta.nmdp.org/", true},
      {"nmdp.org", "https://okta.nmdp.org/", true},
      {"nmdp.org", "https://nmdp.org/", true},
      {".nmdp.org", "https://okta.nmdp.org/", true},
      {".nmdp.org", "https://nmdp.org/", true},
      {"org", "https://okta.nmdp.org/", true},
      {"NMDP.Org", "https://OKTA.nmdp.ORG/", true},
      {"dp.org", "https://okta.nmdp.org/", false},
      {"nmdp.org", "https://notnmdp.org/", false},
      {".nmdp.org", "https://notnmdp.org/", false},
      {"nmdp.org", "https://nmdp.org.evil.com/", false},
      {"nmdp", "https://okta.nmdp.org/", false},
      {"okta", "https://okta.nmdp.org/", false},
      {"x.okta.nmdp.org", "https://okta.nmdp.org/", false},
      {"*", "https://okta.nmdp.org/", true},
      {"192.0.2.1", "https://192.0.2.1/", true},
      {"192.0.2.1", "https://192.0.2.10/", false},
      {"0.2.1", "https://192.0.2.1/", false},
      {".2.1", "https://192.0.2.1/", false},
      {"192.0.2.1:443", "https://192.0.2.1/", true},
      {"192.0.2.1:8443", "https://192.0.2.1/", false},
      {"192.0.2.1", "https://1192.0.2.1/", false},
      {"2001:db8::1", "https://[2001:db8::1]/", true},
      {"2001:db8::2", "https://[2001:db8::1]/", false},
      {"2001:DB8::A", "https://[2001:db8::a]/", true},
      {"[2001:db8::1]", "https://[2001:DB8::1]/", true},
      {"[2001:db8::1]:443", "https://[2001:db8::1]/", true},
      {"[2001:db8::1]:8443", "https://[2001:db8::1]/", false},
      {"nmdp.org.", "https://okta.nmdp.org/", true},
      {"nmdp.org", "https://okta.nmdp.org./", true},
      {"nmdp.org:443", "https://okta.nmdp.org/", true},
      {"nmdp.org:443", "https://okta.nmdp.org:8443/", false},
      {"nmdp.org:8443", "https://okta.nmdp.org:8443/", true},
      {"nmdp.org:8443", "https://okta.nmdp.org/", false},
      {"nmdp.org", "https://okta.nmdp.org:8443/", true},
      {".nmdp.org:443", "https://okta.nmdp.org/", true},
      {"nmdp.org:", "https://okta.nmdp.org/", false},
      {"nmdp.org:https", "https://okta.nmdp.org/", false},
      {":443", "https://okta.nmdp.org/", false},
      {".", "https://okta.nmdp.org/", false},
      {"...", "https://okta.nmdp.org/", false},
      {"", "https://okta.nmdp.org/", false},
      {"https://okta.nmdp.org", "https://okta.nmdp.org/", false},
  };
  for (auto const& each : entries) {
    CAPTURE(each.no_proxy);
    CAPTURE(each.destination);
    CHECK(is_exempt(each.destination, each.no_proxy) == each.exempt);
  }
}

TEST_CASE("NO_PROXY is a list with commas, blanks or both") {
  for (char const* const no_proxy :
       {"a.example,nmdp.org", "nmdp.org,a.example", "a.example, nmdp.org", "a.example nmdp.org", "a.example\tnmdp.org",
        " nmdp.org ", ",nmdp.org,", ",, ,nmdp.org , ,", "a.example,b.example,.nmdp.org:443", "a.example,*"}) {
    CAPTURE(no_proxy);
    CHECK(is_exempt("https://okta.nmdp.org/", no_proxy));
  }
  for (char const* const no_proxy : {",", " , ", "a.example,b.example", "a.example,,b.example", "nmdp .org"}) {
    CAPTURE(no_proxy);
    CHECK_FALSE(is_exempt("https://okta.nmdp.com/", no_proxy));
  }
}

TEST_CASE("localhost is never behind a proxy") {
  variables const environment = {{"https_proxy", "http://p:1"}, {"ALL_PROXY", "http://p:1"}};
  for (char const* const destination : {"https://localhost:8443/", "http://127.0.0.1:8080/", "https://127.9.9.9/",
                                        "https://[::1]:8443/", "https://LOCALHOST/"}) {
    CAPTURE(destination);
    CHECK(proxy(destination, environment) == "");
  }
  for (char const* const destination :
       {"https://localhost.evil.com/", "https://127.0.0.1.evil.com/", "https://127./"}) {
    CAPTURE(destination);
    CHECK(proxy(destination, environment) == "http://p:1");
  }
}

TEST_CASE("a proxy's URL may leave out its scheme, and may hold a user and a password") {
  struct {
    char const* text;
    char const* user_info;
    char const* host;
    int port;
  } const proxies[] = {
      {"http://proxy.example:3128", "", "proxy.example", 3128},
      {"http://proxy.example:3128/", "", "proxy.example", 3128},
      {"HTTP://Proxy.Example:3128", "", "proxy.example", 3128},
      {"proxy.example:3128", "", "proxy.example", 3128},
      {"proxy.example", "", "proxy.example", 80},
      {"192.0.2.1:3128", "", "192.0.2.1", 3128},
      {"[2001:db8::1]:3128", "", "2001:db8::1", 3128},
      {"localhost:3128", "", "localhost", 3128},
      {"user:word@proxy.example:3128", "user:word", "proxy.example", 3128},
      {"http://user:@proxy.example:3128", "user:", "proxy.example", 3128},
      {"http://user@proxy.example:3128", "user:", "proxy.example", 3128},
      {"http://user:p%40ss@proxy.example:3128", "user:p%40ss", "proxy.example", 3128},
  };
  for (auto const& each : proxies) {
    CAPTURE(each.text);
    url const parts = parse_proxy_url(each.text);
    CHECK(parts.scheme == "http");
    CHECK((parts.user_info == each.user_info));
    CHECK(parts.host == each.host);
    CHECK(parts.port == each.port);
  }
}

TEST_CASE("a proxy's URL that cannot be used is refused and never quoted") {
  for (char const* const text :
       {"", "http://", "https://user:hunter2@proxy.example:3128", "socks5://user:hunter2@proxy.example:1080",
        "socks5h://hunter2:1080", "://hunter2", "ftp://hunter2", "user:hunter2@", "user:hunter2@proxy.example:",
        "user:hunter2@proxy.example:0", "user:hunter2@proxy.example:65536", "user:hunter2@proxy example:1",
        "user:hunter2 @proxy.example:1", "user:hunter2#@proxy.example:1", "user:hunter2/@proxy.example:1",
        "user:hunter2\n@proxy.example:1", "user:hunter2@pr\xC3\xB6xy.example:1", "hunter2,b:1"}) {
    CAPTURE(text);
    std::string message;
    try {
      parse_proxy_url(text);
    } catch (error const& e) {
      CHECK((e.kind() == error_kind::configuration));
      message = e.what();
    }
    CHECK(message.find("proxy URL ") == 0);
    CHECK(message.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a proxy of another scheme is refused with the scheme that is wanted") {
  for (char const* const text : {"https://proxy.example:3128", "socks5://proxy.example:1080"}) {
    CHECK_THROWS_WITH_AS(parse_proxy_url(text), doctest::Contains("does not start with http://"), error);
  }
}

TEST_CASE("a proxy's URL that means something else than it seems is refused, without its password") {
  for (char const* const text : {"http://user:hunter2/x@proxy.example:3128", "user:12/hunter2@proxy.example"}) {
    CAPTURE(text);
    try {
      parse_proxy_url(text);
      FAIL("it was accepted");
    } catch (error const& refused) {
      CHECK((refused.kind() == error_kind::configuration));
      CHECK(std::string(refused.what()).find("hunter2") == std::string::npos);
      CHECK(std::string(refused.what()).find("proxy URL") == 0);
    }
  }
}

TEST_CASE("a login's hash differs between logins, reveals none of them and is never zero") {
  auto const hash = [](std::string const& proxy_url) {
    https_options options;
    options.proxy = proxy_url;
    return detail::proxy_login_hash(options, "https://okta.nmdp.org/token");
  };
  unsigned const login = hash("http://user:hunter2@proxy.example:3128");
  CHECK(login != 0);
  CHECK(login <= 0xFFFF);
  CHECK(hash("user:hunter2@PROXY.example:3128") == login);
  CHECK(hash("user:%68unter2@proxy.example:3128") == login);
  for (char const* other : {"user:hunter3@proxy.example:3128", "usee:hunter2@proxy.example:3128",
                            "user:hunter2@proxy.example:3129", "user:hunter2@proxy2.example:3128"}) {
    CAPTURE(other);
    CHECK(hash(other) != login);
  }
  CHECK(hash("http://proxy.example:3128") == 0);
  CHECK(hash("none") == 0);
  CHECK(hash("socks5://user:hunter2@proxy.example:1080") == 0);  // the exchange throws
  std::set<unsigned> hashes;
  for (int i = 0; i < 1000; ++i) {
    hashes.insert(hash("user:" + std::to_string(i) + "@proxy.example"));
  }
  CHECK(hashes.count(0) == 0);
  CHECK(hashes.size() > 950);
}

namespace {

/// What a transport throws if its proxy sends this in response to CONNECT.
error error_behind(std::string const& response, std::string const& login = "") {
  raw_server const proxy([&](connection const& peer) {
    peer.receive_head();
    peer.send(response);
  });
  https_options through = tests::direct();
  through.proxy = login + "127.0.0.1:" + std::to_string(proxy.port());
  return tests::failure("https://okta.example/", through);
}

std::string challenge(std::string const& value) {
  return "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: " + value + "\r\nContent-Length: 0\r\n\r\n";
}

}  // namespace

TEST_CASE("a login that the proxy rejects is thrown as such, with the hash of the login") {
  for (std::string const& response :
       {challenge("Basic realm=\"squid\""), std::string("HTTP/1.0 401 Unauthorized\r\n\r\n"),
        std::string("HTTP/1.1 407 No\r\n\r\n"), std::string("HTTP/1.1 407 No\r\nProxy-Authen"), challenge("NTLM")}) {
    CAPTURE(response);
    raw_server const proxy([&](connection const& peer) {
      peer.receive_head();
      peer.send(response);
    });
    https_options through = tests::direct();
    through.proxy = "alice:pr0xy-pa55@127.0.0.1:" + std::to_string(proxy.port());
    bool is_rejected = false;
    try {
      https_transport(through)({"GET", "https://okta.example/", {}, ""});
    } catch (detail::proxy_login_rejected const& failure) {
      is_rejected = true;
      CHECK(failure.login_hash() == detail::proxy_login_hash(through, "https://okta.example/"));
      CHECK(failure.kind() == error_kind::network);
      CHECK((failure.http_status() == 407 || failure.http_status() == 401));
      CHECK_FALSE(failure.was_sent());
      CHECK_FALSE(contains(failure.what(), "pr0xy-pa55"));
    }
    CHECK(is_rejected);
  }
}

TEST_CASE("a proxy that wants a login is not said to have rejected one") {
  raw_server const proxy([](connection const& peer) {
    peer.receive_head();
    peer.send(challenge("Basic realm=\"a, b\""));
  });
  https_options through = tests::direct();
  through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
  try {
    https_transport(through)({"GET", "https://okta.example/", {}, ""});
    FAIL("there was a response");
  } catch (detail::proxy_login_rejected const&) {
    FAIL("no login was sent");
  } catch (error const& failure) {
    CHECK(failure.kind() == error_kind::network);
    CHECK(failure.http_status() == 407);
    CHECK(contains(failure.what(), "put user and password into the proxy URL"));
  }
}

TEST_CASE("a proxy without Basic is named with what it offers, and the login is not called wrong") {
  for (char const* login : {"", "alice:pr0xy-pa55@"}) {
    CAPTURE(login);
    for (auto const& offer : std::vector<std::pair<std::string, std::string>>{
             {"NTLM", "NTLM"},
             {"Negotiate\r\nProxy-Authenticate: NTLM", "Negotiate, NTLM"},
             {"Digest realm=\"a, Basic\", nonce=\"x\", qop=\"auth\"", "Digest"},
             {"Kerberos, Negotiate abcdef==", "Kerberos, Negotiate"}}) {
      CAPTURE(offer.first);
      std::string const message = error_behind(challenge(offer.first), login).what();
      CHECK(contains(message, "a login by " + offer.second + ", and only Basic is supported"));
      CHECK(contains(message, "cntlm"));
      CHECK(contains(message, "libcurl"));
      CHECK_FALSE(contains(message, "rejects the user"));
      CHECK_FALSE(contains(message, "user and password"));
    }
  }
  for (char const* offer : {"Basic realm=\"x\"", "NTLM, Basic realm=\"x\"", "Negotiate\r\nProxy-Authenticate: basic"}) {
    CAPTURE(offer);
    CHECK(contains(error_behind(challenge(offer), "a:b@").what(), "rejects the user and password"));
    CHECK(contains(error_behind(challenge(offer)).what(), "put user and password"));
  }
}

TEST_CASE("a server that is not a proxy is said to be none") {
  for (int status : {301, 302, 400, 404, 405, 501}) {
    CAPTURE(status);
    error const failure = error_behind("HTTP/1.1 " + std::to_string(status) + " No\r\nContent-Length: 0\r\n\r\n");
    CHECK(failure.kind() == error_kind::network);
    CHECK(failure.http_status() == status);
    CHECK(contains(failure.what(), "probably not a proxy"));
  }
  for (char const* bytes : {"SSH-2.0-OpenSSH_9.2\r\n", "", "220 mail.example ESMTP\r\n", "HTTP/1.1 200"}) {
    CAPTURE(bytes);
    error const failure = error_behind(bytes);
    CHECK(failure.kind() == error_kind::network);
    CHECK_FALSE(failure.was_sent());
    CHECK(contains(failure.what(), "not an HTTP proxy"));
  }
}

TEST_CASE("a proxy that cannot connect is not a reason to check the name, unless it says so") {
  std::string const refused = "HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n";
  CHECK(contains(error_behind(refused).what(), "refuse the port"));
  CHECK_FALSE(contains(error_behind(refused).what(), "check the name"));
  CHECK_FALSE(contains(error_behind("HTTP/1.1 502 Bad Gateway\r\n\r\n").what(), "check the name"));
  for (char const* field : {"X-Squid-Error: ERR_DNS_FAIL 0", "Proxy-Status: p; error=dns_error; rcode=NXDOMAIN"}) {
    CAPTURE(field);
    CHECK(contains(error_behind("HTTP/1.1 503 No\r\n" + std::string(field) + "\r\n\r\n").what(), "check the name"));
  }
  CHECK(contains(error_behind("HTTP/1.1 403 Forbidden\r\n\r\n").what(), "ask its administrator"));
}

TEST_CASE("an empty password and one with any character reach the proxy") {
  for (auto const& login : std::vector<std::pair<std::string, std::string>>{
           {"alice:@", "alice:"}, {"alice@", "alice:"}, {"alice:p%40%3A%2f%20@", "alice:p@:/ "}, {"", ""}}) {
    CAPTURE(login.first);
    std::string received;
    {
      raw_server const proxy([&](connection const& peer) { received = peer.receive_head(); });
      https_options through = tests::direct();
      through.proxy = login.first + "127.0.0.1:" + std::to_string(proxy.port());
      tests::failure("https://okta.example/", through);
    }
    CHECK(contains(received, "CONNECT okta.example:443 HTTP/1.1\r\nHost: okta.example:443\r\n"));
    CHECK(contains(received, "Proxy-Authorization: Basic " + base64_encode(login.second) + "\r\n") ==
          !login.first.empty());
  }
}

TEST_CASE("interim responses without end do not hold up the exchange") {
  for (bool is_fast : {true, false}) {
    CAPTURE(is_fast);
    raw_server const proxy([is_fast](connection const& peer) {
      peer.receive_head();
      while (peer.send("HTTP/1.1 100 Continue\r\n\r\n")) {
        std::this_thread::sleep_for(std::chrono::milliseconds(is_fast ? 0 : 20));
      }
    });
    https_options through = tests::direct(std::chrono::milliseconds(500));
    through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
    auto const start = std::chrono::steady_clock::now();
    error const failure = tests::failure("https://okta.example/", through);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(500) + tests::grace);
    CHECK((failure.kind() == error_kind::timed_out || (is_fast && failure.kind() == error_kind::network)));
    CHECK_FALSE(failure.was_sent());
  }
}

TEST_CASE("a proxy that never responds is timed out, and the message says which step did") {
  raw_server const proxy([](connection const& peer) { peer.wait_for_close(); });
  https_options through = tests::direct(std::chrono::milliseconds(300));
  through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
  error const failure = tests::failure("https://okta.example/", through);
  CHECK(failure.kind() == error_kind::timed_out);
  CHECK(contains(failure.what(), "the proxy 127.0.0.1"));
  CHECK(contains(failure.what(), "did not respond to CONNECT"));
}

TEST_CASE("what a proxy sends reaches a message only if it is short and printable") {
  std::string const long_text(5000, 'x');
  for (std::string const& response :
       std::vector<std::string>{challenge("K\xE9rberos, " + long_text + ", NTLM"), challenge("NTLM" + long_text),
                                "HTTP/1.1 502 No\r\nProxy-Status: \xFF\r\n\r\n",
                                "HTTP/1.1 502 No\r\nProxy-Status: " + long_text + "\r\n\r\n"}) {
    std::string const message = error_behind(response).what();
    CHECK(message.size() < 500);
    CHECK(detail::is_printable_ascii(message));
  }
  CHECK(contains(error_behind("HTTP/1.1 503 No\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n").what(),
                 "(ERR_CONNECT_FAIL 111)"));
}

TEST_CASE("a proxy that repeats its login brings it into no message") {
  for (char const* repeated : {"pr0xy:p%", "pr0xy%3Ap%25", "YWxpY2U6cHIweHk6cCU", "YWxpY2U6cHIweHk6cCU="}) {
    CAPTURE(repeated);
    for (std::string const& response :
         {"HTTP/1.1 407 No\r\nProxy-Authenticate: " + std::string(repeated) + " realm=x\r\n\r\n",
          "HTTP/1.1 503 No\r\nX-Squid-Error: ERR " + std::string(repeated) + "\r\n\r\n"}) {
      std::string const message = error_behind(response, "alice:pr0xy%3Ap%25@").what();
      CHECK_FALSE(contains(message, repeated));
      CHECK(contains(message, "refuses the tunnel"));
    }
  }
}
#endif
