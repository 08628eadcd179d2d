// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <map>
#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::error;
using cibmtr_auth::error_kind;
using cibmtr_auth::parse_proxy_url;
using cibmtr_auth::parse_url;
using cibmtr_auth::url;

using variables = std::map<std::string, std::string>;

/// The proxy for `destination` when the environment holds these variables and no others.
std::string proxy(std::string const& destination, variables const& environment) {
  return cibmtr_auth::proxy_from_env(parse_url(destination, "URL"), [&environment](char const* name) {
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

TEST_CASE("an entry of NO_PROXY may be a range of addresses") {
  struct {
    char const* no_proxy;
    char const* destination;
    bool exempt;
  } const entries[] = {
      {"10.0.0.0/8", "https://10.1.2.3/", true},
      {"10.0.0.0/8", "https://11.0.0.1/", false},
      {"192.168.16.0/20", "https://192.168.31.255/", true},
      {"192.168.16.0/20", "https://192.168.32.0/", false},
      {"192.168.1.5/32", "https://192.168.1.5/", true},
      {"192.168.1.5/32", "https://192.168.1.4/", false},
      {"0.0.0.0/0", "https://8.8.8.8/", true},
      {"0.0.0.0/0", "https://[2001:db8::1]/", false},
      {"fd00::/8", "https://[fd12::1]/", true},
      {"fd00::/8", "https://[fe80::1]/", false},
      {"2001:db8::/33", "https://[2001:db8:7fff::1]/", true},
      {"2001:db8::/33", "https://[2001:db8:8000::1]/", false},
      {"10.0.0.0/33", "https://10.0.0.0/", false},
      {"10.0.0.0/", "https://10.0.0.0/", false},
      {"10.0.0.0/x", "https://10.0.0.0/", false},
      {"/8", "https://10.0.0.0/", false},
      {"/", "https://10.0.0.0/", false},
      {"10.0.0.0/-1", "https://10.0.0.0/", false},
      {"nmdp.org/8", "https://okta.nmdp.org/", false},
      {"10.0.0.0/8", "https://okta.nmdp.org/", false},
  };
  for (auto const& entry : entries) {
    CAPTURE(std::string(entry.no_proxy));
    CAPTURE(std::string(entry.destination));
    CHECK(is_exempt(entry.destination, entry.no_proxy) == entry.exempt);
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
      {"192.0.2.1", "https://1192.0.2.1/", false},
      {"2001:db8::1", "https://[2001:db8::1]/", true},
      {"2001:db8::2", "https://[2001:db8::1]/", false},
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

TEST_CASE("this machine is never asked for through a proxy") {
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
  for (char const* const text : {"http://user@proxy.example:3128", "http://user:@proxy.example:3128",
                                 "http://user:hunter2/x@proxy.example:3128", "user:12/hunter2@proxy.example"}) {
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
