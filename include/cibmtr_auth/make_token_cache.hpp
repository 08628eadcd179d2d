// SPDX-License-Identifier: MIT
// The whole chain in one call, for people in a hurry.

#ifndef CIBMTR_AUTH_MAKE_TOKEN_CACHE_HPP
#define CIBMTR_AUTH_MAKE_TOKEN_CACHE_HPP

#include <algorithm>
#include <memory>

#include <cibmtr_auth/basic_auth.hpp>
#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/environment.hpp>
#include <cibmtr_auth/https.hpp>
#include <cibmtr_auth/https_options.hpp>
#include <cibmtr_auth/token_cache.hpp>
#include <cibmtr_auth/token_response.hpp>
#include <cibmtr_auth/token_source.hpp>
#include <cibmtr_auth/token_store.hpp>
#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth {

/// What a cache may be told beyond its credentials.
struct token_cache_options {
  basic_encoding encoding = basic_encoding::plain;  ///< of the client id and secret; Okta takes `plain`
  https_options https;                              ///< for the bundled transport
  std::shared_ptr<token_store> store;  ///< shared with other processes or machines; null: this process's own
  token_observer observer;             ///< told after each renewal
};

/// A cache around a source over your own HTTP. Throws `configuration` at once for credentials that cannot be right; nothing
/// is sent before the first `get()`.
inline token_cache make_token_cache(environment const& where, credentials const& who, transport const& send,
                                    token_cache_options const& options = token_cache_options()) {
  return token_cache(make_token_source(where, who, send, options.encoding), boot_clock::now, options.store,
                     options.observer);
}

/// The same for `default_environment`. Static, because the default is each file's own.
static inline token_cache make_token_cache(credentials const& who, transport const& send,
                                           token_cache_options const& options = token_cache_options()) {
  return make_token_cache(default_environment, who, send, options);
}

#if CIBMTR_AUTH_HTTPS

/// The same over the bundled transport.
inline token_cache make_token_cache(environment const& where, credentials const& who,
                                    token_cache_options const& options = token_cache_options()) {
  https_options https = options.https;
  https.max_response_size = (std::min)(https.max_response_size, detail::longest_token_response);
  return make_token_cache(where, who, https_transport(https), options);
}

/// Everything, for `default_environment`, over HTTPS.
static inline token_cache make_token_cache(credentials const& who,
                                           token_cache_options const& options = token_cache_options()) {
  return make_token_cache(default_environment, who, options);
}

#endif

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_MAKE_TOKEN_CACHE_HPP
