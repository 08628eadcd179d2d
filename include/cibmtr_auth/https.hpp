// SPDX-License-Identifier: MIT
// The bundled transport: HTTPS over OpenSSL.

#ifndef CIBMTR_AUTH_HTTPS_HPP
#define CIBMTR_AUTH_HTTPS_HPP

#include <cibmtr_auth/detail/net/exchange.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/ssl.h>

namespace cibmtr_auth { inline namespace v1_0 {
namespace detail {

/// For a diagnosis: `observer` is called with the peer of each exchange before anything is sent.
inline transport https_transport_with_observer(https_options const& options, peer_observer const& observer) {
  OPENSSL_init_ssl(0, nullptr);  // now, so that OpenSSL outlives static objects that are made later and use it
  auto const contexts = std::make_shared<shared_tls_context>();
  return [options, observer, contexts](http_request const& request) {
    try {
      return exchange(request, options, *contexts, observer);
    } catch (error const& failure) {
      if (failure.kind() == error_kind::tls) {
        contexts->forget();
      }
      throw;
    }
  };
}

}  // namespace detail

/// A transport over HTTPS, and over HTTP to localhost. Returns whatever status the server sends. Throws
/// `configuration`, `network`, `tls`, `timed_out` or, for a response that is not HTTP or too long, `invalid_response`;
/// `was_sent()` is false if it happened before `request.before_sending()`. CA and certificate files are read once, and
/// again after they have changed or after an error of kind `tls`.
inline transport https_transport(https_options const& options = https_options()) {
  return detail::https_transport_with_observer(options, nullptr);
}

}}  // namespace cibmtr_auth::v1_0
#endif

#endif  // CIBMTR_AUTH_HTTPS_HPP
