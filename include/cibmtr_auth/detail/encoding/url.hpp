// SPDX-License-Identifier: MIT
// Where a request goes, taken apart and checked before anything is sent there.

#ifndef CIBMTR_AUTH_DETAIL_ENCODING_URL_HPP
#define CIBMTR_AUTH_DETAIL_ENCODING_URL_HPP

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>

#include <cibmtr_auth/detail/encoding/text.hpp>
#include <cibmtr_auth/error.hpp>

namespace cibmtr_auth {
inline namespace v1_0 {

/// The parts of an absolute `http` or `https` URL (RFC 3986, section 3).
struct url {
  std::string scheme;     ///< `http` or `https`
  std::string user_info;  ///< `user:password`, still percent-encoded; only a proxy's URL may have one
  std::string host;       ///< in lower case; an IPv6 address without its brackets
  int port;               ///< the scheme's own when the URL names none
  std::string target;     ///< path and query, `/` at the least

  /// `host:port` as a `Host` header and a certificate's owner would write it.
  std::string authority() const {
    std::string const name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == (scheme == "https" ? 443 : 80) ? name : name + ":" + std::to_string(port);
  }
};

namespace detail {

inline error bad_url(std::string const& field, std::string const& problem) {
  return error(error_kind::configuration, field + " " + problem);
}

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
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos) {
    return 0;
  }
  int const port = std::stoi(digits);
  return port <= 65535 ? port : 0;
}

/// `localhost`, `::1` or 127.0.0.0/8, each in its usual spelling only: another may be looked up as a name, which
/// leads anywhere (127.1.1.1.1).
inline bool is_loopback(std::string const& host) {
  auto octet = [](unsigned value) { return "." + std::to_string(value & 255U); };
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return host == "localhost" || host == "::1" ||
         (std::sscanf(host.c_str(), "127.%3u.%3u.%3u", &b, &c, &d) == 3 &&
          host == "127" + octet(b) + octet(c) + octet(d));
}

}  // namespace detail

/// Takes `text` apart. Throws a `configuration` error that names `field` and never quotes the text, which may
/// hold a password.
inline url parse_url(std::string const& text, std::string const& field) {
  using detail::bad_url;
  if (!detail::is_printable_ascii(text) || text.find(' ') != std::string::npos) {
    throw bad_url(field,
                  "holds a space, a control character or a non-ASCII one: write those percent-encoded, "
                  "an international host name in its xn-- form");
  }
  if (text.find('#') != std::string::npos) {
    throw bad_url(field, "has a fragment (#...): remove it");
  }

  url parts;
  std::size_t const colon = text.find("://");
  parts.scheme = detail::to_lower(text.substr(0, colon == std::string::npos ? 0 : colon));
  if (parts.scheme != "https" && parts.scheme != "http") {
    throw bad_url(field, "does not start with https://");
  }

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

  bool const bracketed = !host_and_port.empty() && host_and_port[0] == '[';
  std::size_t const host_end =
      bracketed ? host_and_port.find(']') : (std::min)(host_and_port.find(':'), host_and_port.size());
  if (host_end == std::string::npos || host_end == (bracketed ? 1U : 0U)) {
    throw bad_url(field, "names no host");
  }
  parts.host = detail::to_lower(bracketed ? host_and_port.substr(1, host_end - 1) : host_and_port.substr(0, host_end));
  char const* const allowed = bracketed ? "0123456789abcdef:." : "0123456789abcdefghijklmnopqrstuvwxyz-._";
  if (parts.host.find_first_not_of(allowed) != std::string::npos || parts.host[0] == '.' ||
      parts.host.find("..") != std::string::npos) {
    throw bad_url(field, "has a host name with a character that host names do not have, or with an empty part");
  }

  std::string const rest = host_and_port.substr(host_end + (bracketed ? 1 : 0));
  parts.port = rest.empty() ? (parts.scheme == "https" ? 443 : 80) : detail::port_number(rest.substr(1));
  if (parts.port == 0 || (!rest.empty() && rest[0] != ':')) {
    throw bad_url(field, "has a port that is not a number from 1 to 65535");
  }
  return parts;
}

/// A URL that a credential or a token may be sent to: `https`, or `http` to this very machine; no user
/// info. Throws like `parse_url`.
inline url parse_secure_url(std::string const& text, std::string const& field) {
  url parts = parse_url(text, field);
  if (!parts.user_info.empty()) {
    throw detail::bad_url(field, "has user info (user:password@): remove it, credentials travel in the request");
  }
  if (parts.scheme != "https" && !detail::is_loopback(parts.host)) {
    throw detail::bad_url(field, "is http:// and would send secrets readable by anyone on the way: use https://");
  }
  return parts;
}

}  // namespace v1_0
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_DETAIL_ENCODING_URL_HPP
