// SPDX-License-Identifier: MIT
// A token cache from an environment and credentials, and a single token without a cache.

#ifndef CIBMTR_AUTH_MAKE_TOKEN_CACHE_HPP
#define CIBMTR_AUTH_MAKE_TOKEN_CACHE_HPP

#include <cibmtr_auth/detail/cache/cache_state.hpp>
#include <cibmtr_auth/detail/sharing/file_store.hpp>
#include <cibmtr_auth/https.hpp>

namespace cibmtr_auth { inline namespace v1_0 {
namespace detail {

/// The tools that the options describe, without the transport, which is still to be chosen.
inline renewal_tools tools_without_transport(token_cache_options const& options) {
  require(options.cache_directory.empty() || !options.store, "cache_directory and store",
          "are both set: a token is shared through one of them");
  require(options.https.timeout > std::chrono::milliseconds(0), "https.timeout", "must be longer than 0 ms");
  renewal_tools tools;
  tools.send = options.transport;
  tools.store = options.cache_directory.empty() ? options.store : std::make_shared<file_store>(options.cache_directory);
  tools.clock = options.clock;
  tools.timeout = (std::min<std::chrono::milliseconds>)(options.https.timeout, std::chrono::hours(24));
  tools.is_cancelled = options.https.is_cancelled;
  return tools;
}

/// Static, because the choice depends on a switch of the source file.
static inline renewal_tools make_tools(environment const& where, credentials const& of,
                                       token_cache_options const& options) {
  renewal_tools tools = tools_without_transport(options);
#if CIBMTR_AUTH_HTTPS
  if (!tools.send) {
    tools.send = https_transport(options.https);
    tools.proxy_login = proxy_login_hash(options.https, token_url(where, of));
  }
#else
  static_cast<void>(where);
  static_cast<void>(of);
  require(tools.send != nullptr, "transport",
          "is empty, and this file was compiled with CIBMTR_AUTH_HTTPS 0: give a transport");
#endif
  return tools;
}

}  // namespace detail

/// A cache for one set of credentials; sends nothing yet. Throws `configuration` for invalid credentials, URLs or
/// options. Internal linkage, because the transport that an empty `options.transport` stands for depends on
/// `CIBMTR_AUTH_HTTPS`: call it in source files, not in inline functions of headers.
static inline token_cache make_token_cache(environment const& where, credentials const& of,
                                           token_cache_options const& options = {}) {
  return token_cache(std::make_shared<detail::cache_state>(where, of, options, detail::make_tools(where, of, options)));
}

/// Requests one token, whatever others have cached, and caches nothing. Sends at most one request. With a store it
/// obeys and updates the backoff there, as `get()` does. Throws `error`.
static inline token request_token(environment const& where, credentials const& of,
                                  token_cache_options const& options = {}) {
  detail::account const used(where, of, options.encoding);
  detail::renewal_tools const tools = detail::make_tools(where, of, options);
  return detail::request_one_token(tools, used);
}

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_MAKE_TOKEN_CACHE_HPP
