// SPDX-License-Identifier: MIT
// How the bundled transport connects.

#ifndef CIBMTR_AUTH_HTTPS_OPTIONS_HPP
#define CIBMTR_AUTH_HTTPS_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <string>

namespace cibmtr_auth {

struct https_options {
  /// For the whole exchange, whatever the peer does; only the name look-up is not counted.
  std::chrono::milliseconds timeout{30000};
  /// For connecting alone, to each of the host's addresses.
  std::chrono::milliseconds connect_timeout{10000};
  /// Certificate authorities to trust instead of the system's: a PEM file, or a directory as `openssl rehash` makes it.
  std::string ca_file;
  std::string ca_directory;
  /// `http://[user:password@]host:port`; `none`; or empty for what the environment says (`proxy_from_env`).
  std::string proxy;
  /// A longer body is refused as `malformed`. A token's answer may never be longer than 64 KiB.
  std::size_t max_response_size = 16 * 1024 * 1024;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_HTTPS_OPTIONS_HPP
