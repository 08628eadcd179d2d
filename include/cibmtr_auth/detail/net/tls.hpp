// SPDX-License-Identifier: MIT
// TLS over a connection, with the server's certificate verified before anything is sent.

#ifndef CIBMTR_AUTH_TLS_CONNECTION_HPP
#define CIBMTR_AUTH_TLS_CONNECTION_HPP

#include <algorithm>
#include <climits>
#include <cstddef>
#include <string>

#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/https_options.hpp>
#include <cibmtr_auth/owned.hpp>
#include <cibmtr_auth/server_certificate.hpp>
#include <cibmtr_auth/tcp_connection.hpp>
#include <cibmtr_auth/tls_context.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace cibmtr_auth {
namespace detail {

class tls_connection {
 public:
  /// Shakes hands. Throws `tls` when the server is not to be trusted, else as `tcp_connection` does.
  tls_connection(tcp_connection& below, tls_context const& context, std::string const& host)
      : below_(below), context_(context), ssl_(SSL_new(context.get()), SSL_free) {
    host_ = host.back() == '.' ? host.substr(0, host.size() - 1) : host;
    if (!ssl_ || SSL_set_fd(ssl_.get(), static_cast<int>(below.socket())) != 1 ||
        SSL_set_app_data(ssl_.get(), this) != 1 || !expect_host()) {
      throw error(error_kind::tls, "OpenSSL cannot make a connection: out of memory");
    }
    BIO_set_callback_ex(SSL_get_rbio(ssl_.get()), stop_in_time);
    BIO_set_callback_arg(SSL_get_rbio(ssl_.get()), reinterpret_cast<char*>(&below_));
    until_done([this] { return SSL_connect(ssl_.get()); });
    if (!is_for_host()) {
      throw error(error_kind::tls, "the certificate of " + host_ + " could not be verified: out of memory");
    }
    is_trusted_ = true;
  }
  tls_connection(tls_connection const&) = delete;
  tls_connection& operator=(tls_connection const&) = delete;
  ~tls_connection() {
    if (is_trusted_ && !has_failed_) {
      SSL_shutdown(ssl_.get());
    }
  }

  void send(char const* bytes, std::size_t size) {
    while (size > 0) {
      int const sent = until_done([&] { return SSL_write(ssl_.get(), bytes, chunk(size)); });
      bytes += sent;
      size -= static_cast<std::size_t>(sent);
    }
  }

  /// At least one byte, or 0 when the peer has closed as TLS has it, so that nobody on the way can have cut anything off.
  std::size_t receive(char* to, std::size_t size) {
    return static_cast<std::size_t>(until_done([&] { return SSL_read(ssl_.get(), to, chunk(size)); }));
  }

  void describe(https_peer& peer) const {
    peer.tls_version = SSL_get_version(ssl_.get());
    peer.authorities = context_.authorities();
    owned<X509> const certificate = peer_certificate();
    if (certificate) {
      peer.subject = name_text(X509_get_subject_name(certificate.get()));
      peer.issuer = name_text(X509_get_issuer_name(certificate.get()));
      peer.expires_at = time_text(X509_get0_notAfter(certificate.get()));
    }
  }

 private:
  owned<X509> peer_certificate() const { return owned<X509>(SSL_get_peer_certificate(ssl_.get()), X509_free); }

  static int chunk(std::size_t size) { return static_cast<int>((std::min<std::size_t>)(size, INT_MAX)); }

  /// The host by its subjectAltName only, never by the subject's common name (RFC 9110, section 4.3.4).
  static constexpr unsigned host_flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  bool expect_host() {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, note_distrust);
    X509_VERIFY_PARAM* const param = SSL_get0_param(ssl_.get());
    X509_VERIFY_PARAM_set_hostflags(param, host_flags);
    return X509_VERIFY_PARAM_set1_ip_asc(param, host_.c_str()) == 1 ||
           (X509_VERIFY_PARAM_set1_host(param, host_.c_str(), host_.size()) == 1 &&
            SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                     const_cast<char*>(host_.c_str())) == 1);
  }

  /// Asked once more after the handshake: without memory to copy the expected host OpenSSL 3.0 expects none.
  bool is_for_host() const {
    owned<X509> const certificate = peer_certificate();
    return certificate && (X509_check_ip_asc(certificate.get(), host_.c_str(), 0) == 1 ||
                           X509_check_host(certificate.get(), host_.c_str(), host_.size(), host_flags, nullptr) == 1);
  }

  /// Reads nothing more once the time is up: OpenSSL itself reads on while a peer sends what it may skip.
  static long stop_in_time(BIO* wire, int operation, char const*, std::size_t, int, long, int result, std::size_t*) {
    auto const* const below = reinterpret_cast<tcp_connection const*>(BIO_get_callback_arg(wire));
    return operation == BIO_CB_READ && below->is_out_of_time() ? 0 : result;
  }

  /// Called by OpenSSL for each certificate; changes nothing of its verdict.
  static int note_distrust(int is_trusted, X509_STORE_CTX* chain) noexcept {
    auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* const self = static_cast<tls_connection*>(SSL_get_app_data(ssl));
    if (is_trusted != 1 && self->distrust_.empty()) {
      try {
        self->distrust_ = distrust_text(X509_STORE_CTX_get_error(chain), X509_STORE_CTX_get_current_cert(chain),
                                        self->host_, self->context_.authorities());
      } catch (...) {  // the handshake fails all the same
      }
    }
    return is_trusted;
  }

  /// Repeats `step` until it has succeeded. Gives what it gave, 0 for the peer's close.
  template <typename Step>
  int until_done(Step step) {
    for (;;) {
      ERR_clear_error();
      int const result = step();
      int const state = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
      if (result <= 0 && below_.is_out_of_time()) {
        has_failed_ = true;
        throw below_.out_of_time();
      }
      if (state == SSL_ERROR_WANT_READ) {
        below_.wait_for(POLLIN);
      } else if (state == SSL_ERROR_WANT_WRITE) {
        below_.wait_for(POLLOUT);
      } else if (state == SSL_ERROR_NONE || (state == SSL_ERROR_ZERO_RETURN && is_trusted_)) {
        return result > 0 ? result : 0;
      } else {
        has_failed_ = true;
        throw failure(state);
      }
    }
  }

  error failure(int state) const {
    unsigned long const code = ERR_peek_last_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    if (reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE && SSL_get0_peer_CA_list(ssl_.get())) {
      reason = SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED;  // what TLS 1.2 has no alert for: it asked, and got none
    }
    if (!distrust_.empty()) {
      return error(error_kind::tls, distrust_ + ". Nothing was sent");
    }
    switch (reason) {
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_HTTP_REQUEST:
      case SSL_R_PACKET_LENGTH_TOO_LONG:
        return error(error_kind::tls, below_.name() + " does not speak TLS on this port: check the URL's port");
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return error(error_kind::tls, below_.name() + " speaks no TLS newer than 1.1: it must learn TLS 1.2");
      case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
      case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return error(error_kind::tls, below_.name() +
                                          " wants a client certificate that it trusts: give one (client_certificate, "
                                          "client_key)");
      default: break;
    }
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    bool const is_cut_off = reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
#else
    bool const is_cut_off = false;
#endif
    if (state != SSL_ERROR_SSL || is_cut_off || reason == 0) {
      return below_.broken_off();
    }
    return error(is_trusted_ ? error_kind::network : error_kind::tls,
                 "TLS with " + below_.name() + " failed: " + ERR_reason_error_string(code));
  }

  tcp_connection& below_;
  tls_context const& context_;
  owned<SSL> const ssl_;
  std::string host_;
  std::string distrust_;
  bool is_trusted_ = false;
  bool has_failed_ = false;
};

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_TLS_CONNECTION_HPP
