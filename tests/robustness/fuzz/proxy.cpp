// SPDX-License-Identifier: MIT
// URLs and proxy variables: what is read is what was written, and no error quotes a password.

#include <arpa/inet.h>

#include "fuzz.hpp"

namespace {

using namespace cibmtr_auth;
using namespace cibmtr_auth::detail;
using fuzz::promise;

void check_error(error const& thrown) {
  std::string const message = thrown.what();
  promise(thrown.kind() == error_kind::configuration, "a wrong URL is the configuration");
  promise(message.find(fuzz::mark) == std::string::npos, "no message quotes the URL");
  promise(fuzz::is_printable_ascii(message), "a message is one line");
}

bool same(url const& a, url const& b) {
  return a.scheme == b.scheme && a.user_info == b.user_info && a.host == b.host && a.port == b.port &&
         a.target == b.target;
}

bool is_localhost(std::string const& host) {
  in_addr address;
  bool const is_ipv4 = inet_pton(AF_INET, host.c_str(), &address) == 1;
  return host == "localhost" || host == "::1" || (is_ipv4 && ntohl(address.s_addr) >> 24U == 127);
}

/// Whether it is a URL; if so, taken apart right.
bool check_url(std::string const& text, url& parts) {
  auto const thrown = fuzz::error_of([&] { parts = parse_url(text, "token URL"); });
  auto const not_secure = fuzz::error_of([&] { parse_secure_url(text, "token URL"); });
  if (thrown) {
    check_error(*thrown);
    promise(not_secure != nullptr, "what is not a URL is not a secure one");
    return false;
  }
  promise(parts.scheme == "http" || parts.scheme == "https", "http or https");
  promise(!parts.host.empty() && parts.host.find_first_of("/?#@[]% \r\n") == std::string::npos, "a host is a host");
  promise(parts.port >= 1 && parts.port <= 65535, "a port is a port");
  promise(parts.target[0] == '/' && fuzz::is_printable_ascii(parts.target), "a target starts with a slash");
  promise(parts.target.find('#') == std::string::npos, "a target has no fragment");
  std::string const user = parts.user_info.empty() ? "" : parts.user_info + "@";
  promise(same(parse_url(parts.scheme + "://" + user + parts.authority() + parts.target, "again"), parts),
          "a URL is read back");

  if (not_secure) {
    check_error(*not_secure);
  }
  bool const may_send = parts.user_info.empty() && (parts.scheme == "https" || is_localhost(parts.host));
  promise(may_send == (not_secure == nullptr), "a secret goes over https, or over http to localhost alone");
  return true;
}

void check_proxy_url(std::string const& text) {
  url parts;
  auto const thrown = fuzz::error_of([&] { parts = parse_proxy_url(text); });
  if (thrown) {
    check_error(*thrown);
    return;
  }
  promise(parts.scheme == "http", "a proxy is an HTTP proxy");
  promise(parts.target.find('@') == std::string::npos, "a password with a slash is not taken for a path");
  std::size_t const colon = parts.user_info.find(':');
  promise(parts.user_info.empty() || colon != std::string::npos, "a user has a password, which may be empty");
  std::string const user = parts.user_info.empty() ? "" : parts.user_info + "@";
  promise(same(parse_proxy_url("http://" + user + parts.authority() + parts.target), parts),
          "a proxy's URL is read back");
  https_options options;
  options.proxy = text;
  unsigned const hash = proxy_login_hash(options, "https://okta.example/");
  bool const is_none = text.empty() || text == "none" || parts.user_info.empty();
  promise(is_none ? hash == 0 : hash > 0 && hash <= 0xFFFF, "a login has a hash of 16 bits");
}

std::string chosen(url const& destination, std::string const& proxy, std::string const& exempt) {
  return proxy_from_env(destination, [&](char const* name) -> char const* {
    return name == std::string("HTTPS_PROXY") ? proxy.c_str()
           : name == std::string("NO_PROXY")  ? exempt.c_str()
                                              : nullptr;
  });
}

/// Three lines: a URL, `HTTPS_PROXY`, `NO_PROXY`.
void proxy(std::string const& input) {
  std::vector<std::string> line = fuzz::lines(fuzz::replaced(input, "~", fuzz::mark));
  line.resize(3);
  for (std::string& text : line) {
    text = text.substr(0, text.find('\0'));  // as a variable would hold it
  }
  check_proxy_url(line[1]);
  url destination;
  if (!check_url(line[0], destination)) {
    return;
  }
  std::string const found = chosen(destination, line[1], line[2]);
  promise(found.empty() || found == line[1], "a proxy is what the variable says");
  promise(found.empty() || !is_localhost(destination.host), "localhost needs no proxy");
  bool const is_reached = chosen(destination, line[1], "").empty();
  promise(is_reached == (line[1].empty() || is_localhost(destination.host)), "without exemption there is a proxy");

  // Neither a host of dots alone nor one with a single colon, which is no IPv6 address, can be named.
  std::string const& host = destination.host;
  bool const can_be_named =
      host.find_first_not_of('.') != std::string::npos && std::count(host.begin(), host.end(), ':') != 1;
  bool const can_have_port = can_be_named && host.find(':') == std::string::npos;
  for (std::string const& entry : {std::string("*"), can_be_named ? host : "*",
                                   can_have_port ? host + ":" + std::to_string(destination.port) : "*"}) {
    promise(chosen(destination, line[1], line[2] + "," + entry).empty(), "an entry behind others exempts");
    promise(chosen(destination, line[1], entry + " " + line[2]).empty(), "so does one before others");
  }
  promise(chosen(destination, line[1], line[2] + ",").empty() == found.empty(), "an empty entry means nothing");
}

fuzz::registered const here("proxy", proxy);

}  // namespace
