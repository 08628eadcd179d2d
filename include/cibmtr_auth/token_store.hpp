// SPDX-License-Identifier: MIT
// Where processes or machines share a token and a backoff.

#ifndef CIBMTR_AUTH_TOKEN_STORE_HPP
#define CIBMTR_AUTH_TOKEN_STORE_HPP

#include <cstdlib>

#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// Text that several processes or machines share, under a key that the cache computes: 1 to 64 characters of
/// `[a-z0-9_]`. The text contains a token, so treat it like one. Both functions may throw: then the cache works without
/// the store and reports why. They may be called from several threads. `token_cache_options::cache_directory` is such a
/// store in a folder; this interface is for others, such as Redis.
class token_store {
 public:
  token_store() = default;
  token_store(token_store const&) = delete;
  token_store& operator=(token_store const&) = delete;
  virtual ~token_store() = default;

  /// The text under `key`; empty if there is none.
  virtual secret load(std::string const& key) = 0;
  /// Compare and swap, atomically for all who share the store: stores `text` if what is stored still equals `expected`
  /// (empty: nothing is stored), and returns whether it did. Empty `text` removes the entry. The entry may be dropped
  /// after `keep_for`.
  virtual bool replace(std::string const& key, secret const& expected, secret const& text,
                       std::chrono::seconds keep_for) = 0;
};

/// The folder `cibmtr_auth` in the user's cache folder: `$XDG_CACHE_HOME`, else `~/.cache`; on Windows
/// `%LOCALAPPDATA%`. Relative paths in the variables are ignored (XDG Base Directory Specification). Throws
/// `configuration` if there is none: a program that means to share must not silently share nothing.
inline std::string default_cache_directory() {
  auto variable = [](char const* name) {
    char const* const value = std::getenv(name);
    return std::string(value ? value : "");
  };
#ifdef _WIN32
  std::string const base = variable("LOCALAPPDATA");
  detail::require(!base.empty(), "LOCALAPPDATA", "is not set: set it, or name a folder (cache_directory)");
  return base + "\\cibmtr_auth";
#else
  std::string const xdg = variable("XDG_CACHE_HOME");
  std::string const home = variable("HOME");
  bool const has_xdg = !xdg.empty() && xdg[0] == '/';
  detail::require(has_xdg || (!home.empty() && home[0] == '/'), "HOME and XDG_CACHE_HOME",
                  "name no absolute path: set one of them, or name a folder (cache_directory)");
  return (has_xdg ? xdg : home + "/.cache") + "/cibmtr_auth";
#endif
}

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_TOKEN_STORE_HPP
