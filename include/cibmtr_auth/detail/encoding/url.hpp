// SPDX-License-Identifier: MIT
// URLs: split into parts, and checked before anything is sent to them.

#ifndef CIBMTR_AUTH_DETAIL_ENCODING_URL_HPP
#define CIBMTR_AUTH_DETAIL_ENCODING_URL_HPP

#include <algorithm>
#include <cstdio>

#include <cibmtr_auth/detail/encoding/text.hpp>
#include <cibmtr_auth/error.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// The parts of an absolute `http` or `https` URL (RFC 3986, section 3).
struct url {
  std::string scheme;     ///< `http` or `https`
  std::string user_info;  ///< `user:password`, still percent-encoded; only a proxy's URL may have one
  std::string host;       ///< in lower case; an IPv6 address without its brackets
  int port;               ///< the scheme's default if the URL has none
  std::string target;     ///< path and query, at least `/`

  /// `host:port` as in a `Host` header: without the scheme's default port.
  std::string authority() const {
    std::string const name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == (scheme == "https" ? 443 : 80) ? name : name + ":" + std::to_string(port);
  }
  /// `https://host:port`, without a default port: equal for URLs of the same origin (RFC 6454, section 6.2).
  std::string origin() const { return scheme + "://" + authority(); }
};

inline std::string percent_decode(std::string const& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string const digits = text[i] == '%' ? text.substr(i + 1, 2) : std::string();
    if (digits.size() == 2 && digits.find_first_not_of("0123456789ABCDEFabcdef") == std::string::npos) {
      bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
      i += 2;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

/// 1 to 65535, digits only; 0 for anything else.
inline int port_number(std::string const& digits) {
  int const port = is_number(digits) && digits.size() <= 5 ? std::stoi(digits) : 0;
  return port <= 65535 ? port : 0;
}

/// `localhost`, `::1` or 127.0.0.0/8, each in its usual spelling only: another spelling (127.1.1.1.1) may be looked up
/// as a name, and lead anywhere.
inline bool is_loopback(std::string const& host) {
  auto octet = [](unsigned value) { return "." + std::to_string(value & 255U); };
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return host == "localhost" || host == "::1" ||
         (std::sscanf(host.c_str(), "127.%3u.%3u.%3u", &b, &c, &d) == 3 &&
          host == "127" + octet(b) + octet(c) + octet(d));
}

/// Splits `text`. Throws a `configuration` error that names `field` and never quotes the text, which may contain a
/// password.
inline url parse_url(std::string const& text, std::string const& field) {
  require(!text.empty(), field, "is empty");
  require(
      is_printable_ascii(text) && text.find(' ') == std::string::npos, field,
      "contains a space, a control character or a non-ASCII character: percent-encode it, or write an international "
      "host name in its xn-- form");
  require(text.find('#') == std::string::npos, field, "has a fragment (#...): remove it");

  url parts;
  std::size_t const colon = text.find("://");
  parts.scheme = to_lower(text.substr(0, colon == std::string::npos ? 0 : colon));
  require(parts.scheme == "https" || parts.scheme == "http", field, "does not start with https://");

  std::size_t const start = colon + 3;
  std::size_t const end = (std::min)(text.find_first_of("/?", start), text.size());
  std::string host_and_port = text.substr(start, end - start);
  parts.target = text.substr(end);
  if (parts.target.empty() || parts.target[0] == '?') {
    parts.target.insert(0, "/");
  }

  std::size_t const at = host_and_port.rfind('@');
  if (at != std::string::npos) {
    parts.user_info = host_and_port.substr(0, at);
    host_and_port.erase(0, at + 1);
  }

  bool const is_bracketed = !host_and_port.empty() && host_and_port[0] == '[';
  std::size_t const host_end =
      is_bracketed ? host_and_port.find(']') : (std::min)(host_and_port.find(':'), host_and_port.size());
  std::size_t const host_start = is_bracketed ? 1 : 0;
  require(host_end != std::string::npos && host_end > host_start, field, "has no host");
  parts.host = to_lower(host_and_port.substr(host_start, host_end - host_start));
  char const* const allowed = is_bracketed ? "0123456789abcdef:." : "0123456789abcdefghijklmnopqrstuvwxyz-._";
  require(parts.host.find_first_not_of(allowed) == std::string::npos && parts.host[0] != '.' &&
              parts.host.find("..") == std::string::npos,
          field, "has a host name with a character that host names cannot have, or with an empty label");

  std::string const rest = host_and_port.substr(host_end + host_start);
  parts.port = rest.empty() ? (parts.scheme == "https" ? 443 : 80) : port_number(rest.substr(1));
  require(parts.port != 0 && (rest.empty() || rest[0] == ':'), field,
          "has a port that is not a number from 1 to 65535");
  return parts;
}

/// A URL that a credential or a token may be sent to: `https`, or `http` to localhost; without user info. Throws like
/// `parse_url`.
inline url parse_secure_url(std::string const& text, std::string const& field) {
  url parts = parse_url(text, field);
  require(parts.user_info.empty(), field,
          "has user info (user:password@): remove it, because credentials travel in the request");
  require(parts.scheme == "https" || is_loopback(parts.host), field,
          "is http://, where anybody on the way could read the secrets: use https://");
  return parts;
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_ENCODING_URL_HPP
