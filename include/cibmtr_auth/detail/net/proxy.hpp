// SPDX-License-Identifier: MIT
// Which proxy, if any, stands between this machine and a host.

#ifndef CIBMTR_AUTH_PROXY_HPP
#define CIBMTR_AUTH_PROXY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <string>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/owned.hpp>
#include <cibmtr_auth/url.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/asn1.h>
#include <openssl/x509v3.h>

namespace cibmtr_auth {

/// Reads one environment variable: `std::getenv`, or a test's own.
using variable_lookup = std::function<char const*(char const*)>;

namespace detail {

/// The four or sixteen bytes of an IP address; empty for anything else.
inline std::string ip_bytes(std::string const& text) {
  owned<ASN1_OCTET_STRING> const address(a2i_IPADDRESS(text.c_str()), ASN1_OCTET_STRING_free);
  return address ? std::string(reinterpret_cast<char const*>(ASN1_STRING_get0_data(address.get())),
                               static_cast<std::size_t>(ASN1_STRING_length(address.get())))
                 : std::string();
}

/// Whether the address `host` lies in `range`, such as `10.0.0.0/8` or `fd00::/8`.
inline bool is_in_range(std::string const& host, std::string const& range) {
  std::size_t const slash = range.find('/');
  std::string const address = ip_bytes(host);
  std::string const network = ip_bytes(range.substr(0, slash));
  std::string const digits = range.substr((std::min)(slash, range.size() - 1) + 1);
  if (address.empty() || address.size() != network.size() || digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  std::size_t const length = std::stoul(digits);
  auto bit = [](std::string const& bytes, std::size_t i) { return bytes[i / 8] >> (7 - i % 8) & 1; };
  for (std::size_t i = 0; i < (std::min)(length, address.size() * 8); ++i) {
    if (bit(address, i) != bit(network, i)) {
      return false;
    }
  }
  return length <= address.size() * 8;
}

/// `host.` is `host`, looked up in no search domain.
inline std::string without_final_dot(std::string const& host) {
  return host.size() > 1 && host.back() == '.' ? host.substr(0, host.size() - 1) : host;
}

/// Whether an entry of `NO_PROXY` names this host, as curl reads it: `*`, or the host or a domain above it, with or without
/// a leading dot and a port, or a range of addresses.
inline bool is_exempt(url const& destination, std::string entry) {
  if (entry.find('/') != std::string::npos) {
    return is_in_range(destination.host, entry);
  }
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
  std::string const address = ip_bytes(destination.host);
  if (!address.empty() && entry != "*") {  // no domain is above an address, and it has more than one spelling
    return ip_bytes(entry) == address;
  }
  entry = without_final_dot(entry.erase(0, entry.find_first_not_of('.')));
  std::string const host = without_final_dot(destination.host);
  if (entry == "*" || same_text(entry, host)) {
    return true;
  }
  return !entry.empty() && host.size() > entry.size() && host[host.size() - entry.size() - 1] == '.' &&
         same_text(entry, host.substr(host.size() - entry.size()));
}

}  // namespace detail

/// The URL of the proxy that the environment names for `destination`, empty for none: the first one set of `https_proxy`,
/// `HTTPS_PROXY`, `all_proxy` and `ALL_PROXY`, unless `no_proxy` or `NO_PROXY` exempts the host. This machine itself is
/// never asked for through a proxy.
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

  if (detail::is_loopback(destination.host)) {
    return std::string();
  }
  std::string const exempt = first_of({"no_proxy", "NO_PROXY"});
  for (std::size_t start = 0; start < exempt.size();) {
    std::size_t const end = (std::min)(exempt.find_first_of(", \t", start), exempt.size());
    if (detail::is_exempt(destination, exempt.substr(start, end - start))) {
      return std::string();
    }
    start = end + 1;
  }
  return first_of({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
}

/// Takes a proxy's URL apart: `http://[user:password@]host:port`, where the scheme may be left out. Throws `configuration`
/// without quoting it.
inline url parse_proxy_url(std::string const& text) {
  std::size_t const scheme_end = text.find("://");
  if (scheme_end != std::string::npos && !detail::same_text(text.substr(0, scheme_end), "http")) {
    throw error(error_kind::configuration,
                "proxy URL does not start with http://: only such proxies are supported; what goes "
                "through them is encrypted all the same");
  }
  url proxy = parse_url(scheme_end == std::string::npos ? "http://" + text : text, "proxy URL");
  std::size_t const colon = proxy.user_info.find(':');
  if (proxy.target.find('@') != std::string::npos) {
    throw detail::bad_url("proxy URL", "has a / in its user or password: write it as %2F");
  }
  if (!proxy.user_info.empty() && (colon == std::string::npos || colon + 1 == proxy.user_info.size())) {
    throw detail::bad_url("proxy URL", "has a user without a password: give both as user:password@");
  }
  return proxy;
}

}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_PROXY_HPP
