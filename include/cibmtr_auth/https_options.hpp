// SPDX-License-Identifier: MIT
// How the bundled transport connects.

#ifndef CIBMTR_AUTH_HTTPS_OPTIONS_HPP
#define CIBMTR_AUTH_HTTPS_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace cibmtr_auth {

/// Whom an exchange talks to, for a diagnosis. Texts for people; those of TLS are empty for plain HTTP.
struct https_peer {
  std::string proxy;        ///< `host:port`, empty for none
  std::string address;      ///< of the host, or of the proxy
  std::string tls_version;  ///< `TLSv1.3`
  std::string subject;      ///< of the server's certificate
  std::string issuer;       ///< who signed it
  std::string expires_at;   ///< its end, such as `Nov 24 14:05:09 2026 GMT`
  std::string authorities;  ///< where the trusted CAs come from
};

/// How the bundled transport connects and whom it trusts. The defaults are right for CIBMTR's servers.
struct https_options {
  /// For the whole exchange, whatever the peer does; only the name look-up is not counted.
  std::chrono::milliseconds timeout{30000};
  /// For connecting alone, to each of the host's addresses.
  std::chrono::milliseconds connect_timeout{10000};
  /// A PEM file of certificate authorities to trust instead of the system's.
  std::string ca_file;
  /// The same as a directory, made by `openssl rehash`. Both may be given.
  std::string ca_directory;
  /// For a server that asks who calls (mutual TLS): a PEM file, the certificate with its chain.
  std::string client_certificate;
  /// Its key: a PEM file without a passphrase.
  std::string client_key;
  /// `http://[user:password@]host:port`; `none`; or empty for what the environment says (`proxy_from_env`).
  std::string proxy;
  /// A longer body is refused as `malformed`. A token's answer may never be longer than 64 KiB.
  std::size_t max_response_size = 16 * 1024 * 1024;
  /// Told whom the exchange talks to, before the request is sent.
  std::function<void(https_peer const&)> observer;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_HTTPS_OPTIONS_HPP
