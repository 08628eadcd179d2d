// SPDX-License-Identifier: MIT
// Which proxy to use for a host, and a tunnel through it (RFC 9110, section 9.3.6).

#ifndef CIBMTR_AUTH_DETAIL_NET_PROXY_HPP
#define CIBMTR_AUTH_DETAIL_NET_PROXY_HPP

#include <cstdlib>
#include <initializer_list>

#include <cibmtr_auth/base64.hpp>
#include <cibmtr_auth/detail/encoding/url.hpp>
#include <cibmtr_auth/detail/net/http_response_reader.hpp>
#include <cibmtr_auth/detail/net/socket.hpp>
#include <cibmtr_auth/detail/oauth/attempts.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// Whether an entry of `NO_PROXY` names this host, as curl reads it: `*`, or the host or a domain above it, with or
/// without a leading dot and a port. Addresses are compared as text; ranges are not supported.
inline bool is_exempt(url const& destination, std::string entry) {
  auto without_final_dot = [](std::string const& name) {  // `host.` is `host`, looked up in no search domain
    return name.size() > 1 && name.back() == '.' ? name.substr(0, name.size() - 1) : name;
  };
  std::size_t const colon = entry.rfind(':');
  if (colon != std::string::npos && (entry.find(':') == colon || (colon > 0 && entry[colon - 1] == ']'))) {
    if (port_number(entry.substr(colon + 1)) != destination.port) {
      return false;
    }
    entry.erase(colon);
  }
  if (entry.size() > 2 && entry.front() == '[' && entry.back() == ']') {
    entry = entry.substr(1, entry.size() - 2);
  }
  entry = without_final_dot(entry);
  std::string const host = without_final_dot(destination.host);
  if (entry == "*" || iequals(entry, host)) {
    return true;
  }
  if (host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos) {
    return false;  // no domain is above an address
  }
  entry.erase(0, entry.find_first_not_of('.'));
  std::size_t const start = host.size() - (std::min)(entry.size(), host.size());
  return !entry.empty() && iequals(entry, host.substr(start)) && (start == 0 || host[start - 1] == '.');
}

/// Reads one environment variable: `std::getenv`, or a test's function.
using variable_lookup = std::function<char const*(char const*)>;

/// The URL of the proxy that the environment names for `destination`, empty for none: the first one set of
/// `https_proxy`, `HTTPS_PROXY`, `all_proxy` and `ALL_PROXY`, unless `no_proxy` or `NO_PROXY` exempts the host.
/// Localhost is never behind a proxy.
inline std::string proxy_from_env(url const& destination, variable_lookup const& variable = std::getenv) {
  auto first_of = [&variable](std::initializer_list<char const*> names) {
    for (char const* name : names) {
      char const* const value = variable(name);
      if (value && *value) {
        return std::string(value);
      }
    }
    return std::string();
  };
  if (is_loopback(destination.host)) {
    return std::string();
  }
  std::string const exempt = first_of({"no_proxy", "NO_PROXY"});
  for (std::size_t start = 0; start < exempt.size();) {
    std::size_t const end = (std::min)(exempt.find_first_of(", \t", start), exempt.size());
    if (is_exempt(destination, exempt.substr(start, end - start))) {
      return std::string();
    }
    start = end + 1;
  }
  return first_of({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
}

/// Takes a proxy's URL apart: `http://[user[:password]@]host:port`, with or without the scheme. `user_info` is empty or
/// has a colon. Throws `configuration` without quoting the text.
inline url parse_proxy_url(std::string const& text) {
  std::size_t const scheme_end = text.find("://");
  require(scheme_end == std::string::npos || iequals(text.substr(0, scheme_end), "http"), "proxy URL",
          "does not start with http://: only such proxies are supported; what goes through them is encrypted all the "
          "same");
  url proxy = parse_url(scheme_end == std::string::npos ? "http://" + text : text, "proxy URL");
  require(proxy.target.find('@') == std::string::npos, "proxy URL", "has a / in its user or password: write it as %2F");
  if (!proxy.user_info.empty() && proxy.user_info.find(':') == std::string::npos) {
    proxy.user_info += ':';
  }
  return proxy;
}

/// The proxy that an exchange with `to` uses; without a host if there is none. Throws as `parse_proxy_url` does.
inline url proxy_for(url const& to, https_options const& options) {
  bool const is_direct = to.scheme != "https" || options.proxy == "none";
  std::string const text = is_direct ? "" : options.proxy.empty() ? proxy_from_env(to) : options.proxy;
  return text.empty() ? url() : parse_proxy_url(text);
}

/// A hash of 16 bits, never 0, that very likely differs between proxy logins and reveals none; 0 without a login.
inline unsigned login_hash(url const& proxy) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  secret const login(percent_decode(proxy.user_info));
  auto const add = [&hash](char c) { hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U; };
  std::string const server = proxy.authority();
  std::for_each(server.begin(), server.end(), add);
  std::for_each(login.reveal().begin(), login.reveal().end(), add);
  hash = (hash ^ hash >> 16) & 0xFFFFU;
  return proxy.user_info.empty() ? 0 : (std::max<unsigned>)(hash, 1);
}

/// The hash of the proxy login that an exchange with that URL uses; 0 without one.
inline unsigned proxy_login_hash(https_options const& options, std::string const& request_url) noexcept {
  try {
    return login_hash(proxy_for(parse_url(request_url, "request URL"), options));
  } catch (...) {
    return 0;  // an exchange throws the same before it sends anything
  }
}

/// The schemes in the proxy's challenges (RFC 9110, section 11.6.1): "NTLM, Negotiate".
inline std::string offered_schemes(http_response const& response) {
  std::string schemes;
  for (auto const& field : response.headers) {
    if (!iequals(field.first, "Proxy-Authenticate") && !iequals(field.first, "WWW-Authenticate")) {
      continue;
    }
    std::string const& value = field.second;
    bool is_quoted = false;
    for (std::size_t start = 0, end = 0; end <= value.size(); ++end) {
      is_quoted = end < value.size() && value[end] == '"' ? !is_quoted : is_quoted;
      if (end == value.size() || (value[end] == ',' && !is_quoted)) {
        std::string const challenge = trim(value.substr(start, end - start));
        std::string const word = challenge.substr(0, challenge.find(' '));
        bool const is_scheme = !word.empty() && word.find('=') == std::string::npos && is_printable_ascii(word);
        schemes += is_scheme && schemes.size() + word.size() < 100 ? (schemes.empty() ? "" : ", ") + word : "";
        start = end + 1;
      }
    }
  }
  return schemes;
}

/// The remedy for a proxy that answers CONNECT with anything but 2xx.
inline std::string tunnel_advice(http_response const& response, bool has_login) {
  int const status = response.status;
  if (status == 401 || status == 407) {
    std::string const schemes = offered_schemes(response);
    if (!schemes.empty() && to_lower(schemes).find("basic") == std::string::npos) {
      return "it wants a login by " + schemes +
             ", and only Basic is supported: use a local proxy that logs in there, such as cntlm or px, or the libcurl "
             "transport";
    }
    return has_login
               ? "it rejects the user and password of the proxy URL: correct them first, because wrong logins may "
                 "lock the account"
               : "it wants a login: put user and password into the proxy URL (http://user:password@host:port)";
  }
  if (status < 400 || status == 400 || status == 404 || status == 405 || status == 501) {
    return "this is probably not a proxy: check its host and port";
  }
  if (status < 500) {
    return "ask its administrator to allow it";
  }
  std::string const reason = response.header("X-Squid-Error") + response.header("Proxy-Status");  // RFC 9209
  bool const is_unknown_name = to_lower(reason).find("dns") != std::string::npos;
  return std::string(is_unknown_name ? "it cannot find that host: check the name"
                                     : "it cannot reach that host and port: the server may be down or refuse the port, "
                                       "the proxy may not know the name, or its network may block it") +
         (reason.empty() || reason.size() > 100 || !is_printable_ascii(reason) ? "" : " (" + reason + ")");
}

/// Whether the proxy's response contains the login that it was sent: as it is, as in the URL or as in the request.
inline bool repeats_login(http_response const& response, url const& proxy) {
  secret const login(percent_decode(proxy.user_info));
  secret const encoded(base64_encode(login.reveal()));
  secret const forms[] = {login.reveal().substr(login.reveal().find(':') + 1),
                          proxy.user_info.substr(proxy.user_info.find(':') + 1),
                          encoded.reveal().substr(0, encoded.reveal().find_last_not_of('=') + 1)};
  for (auto const& field : response.headers) {
    for (secret const& form : forms) {
      if (!form.empty() && field.second.find(form.reveal()) != std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

/// Opens a tunnel through the proxy. Only the proxy receives its login. Throws `network`, `timed_out` and
/// `proxy_login_rejected`.
inline void open_tunnel(tcp_connection& to_proxy, url const& proxy, url const& to) {
  std::string const destination =
      (to.host.find(':') == std::string::npos ? to.host : "[" + to.host + "]") + ":" + std::to_string(to.port);
  std::string request = "CONNECT " + destination + " HTTP/1.1\r\nHost: " + destination + "\r\n";
  bool const has_login = !proxy.user_info.empty();
  if (has_login) {
    secret const login(percent_decode(proxy.user_info));
    secret const encoded(base64_encode(login.reveal()));
    request.reserve(request.size() + encoded.reveal().size() + 64);
    request.append("Proxy-Authorization: Basic ").append(encoded.reveal()).append("\r\n");
  }
  request += "\r\n";
  secret const sent(std::move(request));
  to_proxy.expect("respond to CONNECT");
  to_proxy.send(sent.reveal().data(), sent.reveal().size());

  http_response response;
  try {  // byte by byte: what follows the head is the server's
    response = http_response_reader(to_proxy.name(), [&to_proxy](char* byte, std::size_t) {
                 return to_proxy.receive(byte, 1);
               }).read("CONNECT", 0);
  } catch (error const& failure) {
    if (failure.kind() == error_kind::timed_out) {
      throw;
    }
    throw not_sent(error_kind::network,
                   to_proxy.name() + " is not an HTTP proxy, or closed the connection: check its host and port");
  }
  int const status = response.status;
  if (status < 200 || status > 299) {
    if (repeats_login(response, proxy)) {
      response.headers.clear();  // the message may quote them
    }
    std::string const message = to_proxy.name() + " refuses the tunnel to " + destination + " with HTTP " +
                                std::to_string(status) + ": " + tunnel_advice(response, has_login);
    if (has_login && (status == 401 || status == 407)) {
      throw proxy_login_rejected(message, status, login_hash(proxy));
    }
    throw error(error_kind::network, message, status, std::string(), std::chrono::seconds(0), false);
  }
}

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_PROXY_HPP
