// SPDX-License-Identifier: MIT
// TLS over a connection; the server is verified before anything is sent.

#ifndef CIBMTR_AUTH_DETAIL_NET_TLS_HPP
#define CIBMTR_AUTH_DETAIL_NET_TLS_HPP

#include <climits>
#include <mutex>

#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/detail/cache/per_process.hpp>
#include <cibmtr_auth/detail/net/certificates.hpp>
#include <cibmtr_auth/detail/net/socket.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// The peer of an exchange, as text for a diagnosis. The members about TLS are empty for plain HTTP.
struct https_peer {
  std::string proxy;        ///< `host:port`, empty for none
  std::string address;      ///< IP address of the host or of the proxy
  std::string tls_version;  ///< `TLSv1.3`
  std::string subject;      ///< of the server's certificate
  std::string issuer;       ///< who signed it
  std::string expires_at;   ///< such as `Nov 24 14:05:09 2026 GMT`
  std::string authorities;  ///< where the trusted CAs come from
};

/// TLS 1.2 or newer, and a server whose certificate is verified: there is no switch to turn that off. Made once and
/// used for many exchanges, because reading a bundle of CAs takes longer than a handshake.
class tls_context {
 public:
  /// Throws `configuration` for files that are not certificates or keys.
  explicit tls_context(https_options const& options)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), authorities_(find_authorities(options)) {
    require(context_ && SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION) == 1, "OpenSSL",
            "cannot be set up: check its configuration file (openssl.cnf)");
    files_ = {authorities_.file, authorities_.directory, options.client_certificate_file, options.client_key_file};
    stamp_ = stamp_of(files_);  // before reading, so that a later change is noticed
    trust(!options.ca_file.empty() || !options.ca_directory.empty());
    identify(options.client_certificate_file, options.client_key_file);
  }

  SSL_CTX* get() const { return context_.get(); }
  /// Where the trusted CAs come from, for messages.
  std::string const& authorities() const { return authorities_.text; }
  /// Whether the files are still those that were read.
  bool is_current() const { return stamp_of(files_) == stamp_; }

 private:
  void trust(bool are_named) {
    std::string const& file = authorities_.file;
    std::string const& directory = authorities_.directory;
    require(file.empty() || SSL_CTX_load_verify_locations(context_.get(), file.c_str(), nullptr) == 1,
            "the CA file " + file, "cannot be read or contains no PEM certificate");
    require(directory.empty() || SSL_CTX_load_verify_locations(context_.get(), nullptr, directory.c_str()) == 1,
            "the CA directory " + directory, "cannot be used");
    if (are_named) {  // the user may trust an intermediate CA alone, as with curl; this machine's store has roots
      X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context_.get()), X509_V_FLAG_PARTIAL_CHAIN);
    }
  }

  void identify(std::string const& certificate, std::string const& key) {
    require(certificate.empty() == key.empty(), certificate.empty() ? "client_key_file" : "client_certificate_file",
            certificate.empty() ? "is set without client_certificate_file: set both"
                                : "is set without its key: set client_key_file too (one file may hold both)");
    if (certificate.empty()) {
      return;
    }
    require(SSL_CTX_use_certificate_chain_file(context_.get(), certificate.c_str()) == 1,
            "client_certificate_file " + certificate, "cannot be read or contains no PEM certificate");
    // Not read by OpenSSL: a program that is executed meanwhile would inherit its descriptor.
    secret const text = read_secret_file(key, "client_key_file " + key);
    std::unique_ptr<BIO, void (*)(BIO*)> const pem(
        BIO_new_mem_buf(text.reveal().data(), static_cast<int>(text.reveal().size())), BIO_free_all);
    auto const no_passphrase = [](char*, int, int, void*) { return 0; };  // otherwise OpenSSL asks at the terminal
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> const read(
        PEM_read_bio_PrivateKey(pem.get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free);
    require(read && SSL_CTX_use_PrivateKey(context_.get(), read.get()) == 1 &&
                SSL_CTX_check_private_key(context_.get()) == 1,
            "client_key_file " + key,
            "is not a PEM key, is protected by a passphrase, or does not belong to client_certificate_file");
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> const context_;
  certificate_authorities const authorities_;
  std::vector<std::string> files_;
  std::string stamp_;
};

/// The context that the exchanges of one transport share; a forked child makes its own.
class shared_tls_context {
 public:
  /// Reads the files again if they have changed, or after `forget`.
  std::shared_ptr<tls_context const> get(https_options const& options) const {
    entry& current = entry_.get();
    std::lock_guard<std::mutex> const lock(current.mutex);
    if (!current.context || !current.context->is_current()) {
      current.context = std::make_shared<tls_context const>(options);
    }
    return current.context;
  }
  /// After an error of kind `tls`: not every change shows in the files' times.
  void forget() const {
    entry& current = entry_.get();
    std::lock_guard<std::mutex> const lock(current.mutex);
    current.context = nullptr;
  }

 private:
  struct entry {
    std::mutex mutex;
    std::shared_ptr<tls_context const> context;
  };
  per_process<entry> entry_;
};

class tls_connection {
 public:
  /// Performs the handshake. Throws `tls` if the server is not trusted, else as `tcp_connection` does.
  tls_connection(tcp_connection& below, tls_context const& context, std::string const& host)
      : below_(below),
        context_(context),
        ssl_(SSL_new(context.get()), SSL_free),
        host_(host.back() == '.' ? host.substr(0, host.size() - 1) : host) {
    below_.expect("finish the TLS handshake");
    if (!ssl_ || SSL_set_fd(ssl_.get(), static_cast<int>(below.socket())) != 1 ||
        SSL_set_app_data(ssl_.get(), this) != 1 || !expect_host()) {
      throw below_.failure(error_kind::tls, "OpenSSL cannot make a connection: out of memory");
    }
    BIO_set_callback_ex(SSL_get_rbio(ssl_.get()), stop_in_time);
    BIO_set_callback_arg(SSL_get_rbio(ssl_.get()), reinterpret_cast<char*>(&below_));
    SSL_set_cert_cb(ssl_.get(), note_certificate_request, this);
    retry_ssl_call([this] { return SSL_connect(ssl_.get()); });
    if (!is_for_host()) {
      throw below_.failure(error_kind::tls,
                           "the certificate of " + below_.name() + " could not be verified: out of memory");
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
      int const sent = retry_ssl_call([&] { return SSL_write(ssl_.get(), bytes, chunk(size)); });
      bytes += sent;
      size -= static_cast<std::size_t>(sent);
    }
  }

  /// At least one byte, or 0 if the peer has sent close_notify, which proves that nothing was cut off.
  std::size_t receive(char* to, std::size_t size) {
    return static_cast<std::size_t>(retry_ssl_call([&] { return SSL_read(ssl_.get(), to, chunk(size)); }));
  }

  void describe_to(https_peer& peer) const {
    peer.tls_version = SSL_get_version(ssl_.get());
    peer.authorities = context_.authorities();
    certificate_pointer const certificate = peer_certificate();
    if (certificate) {
      peer.subject = describe(X509_get_subject_name(certificate.get()));
      peer.issuer = describe(X509_get_issuer_name(certificate.get()));
      peer.expires_at = describe(X509_get0_notAfter(certificate.get()));
    }
  }

 private:
  using certificate_pointer = std::unique_ptr<X509, void (*)(X509*)>;
  certificate_pointer peer_certificate() const {
    return certificate_pointer(SSL_get_peer_certificate(ssl_.get()), X509_free);
  }

  static int chunk(std::size_t size) { return static_cast<int>((std::min<std::size_t>)(size, INT_MAX)); }

  /// Identifies the host by the subjectAltName only, never by the subject's common name (RFC 9110, section 4.3.4).
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

  /// Checked again after the handshake: without memory to copy the expected host, OpenSSL 3.0 expects none.
  bool is_for_host() const {
    certificate_pointer const certificate = peer_certificate();
    return certificate && (X509_check_ip_asc(certificate.get(), host_.c_str(), 0) == 1 ||
                           X509_check_host(certificate.get(), host_.c_str(), host_.size(), host_flags, nullptr) == 1);
  }

  /// OpenSSL itself reads on while a peer sends what it may skip, so the deadline is checked below OpenSSL too.
  static long stop_in_time(BIO* wire, int operation, char const*, std::size_t, int, long, int result, std::size_t*) {
    auto const* const below = reinterpret_cast<tcp_connection const*>(BIO_get_callback_arg(wire));
    return (operation == BIO_CB_READ || operation == BIO_CB_WRITE) && below->is_over() ? 0 : result;
  }

  /// Called by OpenSSL for each certificate; does not change its verdict.
  static int note_distrust(int is_trusted, X509_STORE_CTX* chain) noexcept {
    auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* const self = static_cast<tls_connection*>(SSL_get_app_data(ssl));
    if (is_trusted != 1 && self->distrust_.empty()) {
      try {
        self->distrust_ = describe_distrust(chain, self->below_.name(), self->context_.authorities());
      } catch (...) {  // the handshake fails all the same
      }
    }
    return is_trusted;
  }

  static int note_certificate_request(SSL*, void* self) {
    static_cast<tls_connection*>(self)->wants_certificate_ = true;
    return 1;
  }

  /// Repeats `call` until it succeeds. Returns its result, 0 for the peer's close_notify.
  template <typename Call>
  int retry_ssl_call(Call call) {
    for (;;) {
      ERR_clear_error();
      int const result = call();
      int const state = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
      if (below_.is_over()) {
        has_failed_ = true;
        throw below_.timed_out();
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
    auto const tls = [this](std::string const& message) { return below_.failure(error_kind::tls, message); };
    unsigned long const code = ERR_peek_last_error();
    int const reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    int const alert = reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : 0;  // that the peer sent
    char const* const known = ERR_reason_error_string(code);  // null for an alert that OpenSSL does not know
    std::string const text = known ? known : "reason " + std::to_string(reason);
    std::string const& peer = below_.name();
    if (!distrust_.empty()) {
      return tls(distrust_ + ". Nothing was sent");
    }
    // TLS 1.2 has no alert 116, and sends 40. TLS 1.3 verifies the client only after our side of the handshake.
    if ((alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_ACCESS_DENIED) || alert == SSL_AD_CERTIFICATE_REQUIRED ||
        (alert == SSL_AD_HANDSHAKE_FAILURE && wants_certificate_)) {
      return tls(peer + (SSL_get_certificate(ssl_.get())
                             ? " rejected the client certificate (" + text +
                                   "): check that it has not expired, and that its CA is known there"
                             : " wants a client certificate that it trusts (" + text +
                                   "): set client_certificate_file and client_key_file"));
    }
    switch (reason) {
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_HTTP_REQUEST:
      case SSL_R_PACKET_LENGTH_TOO_LONG: return tls(peer + " does not speak TLS on this port: check the URL's port");
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return tls(peer + " speaks no TLS newer than 1.1: it needs TLS 1.2");
      default: break;
    }
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    bool const is_cut_off = reason == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
#else
    bool const is_cut_off = reason == 0;
#endif
    if (state != SSL_ERROR_SSL || is_cut_off) {
      return below_.connection_lost();
    }
    return below_.failure(is_trusted_ ? error_kind::network : error_kind::tls, "TLS with " + peer + " failed: " + text);
  }

  tcp_connection& below_;
  tls_context const& context_;
  std::unique_ptr<SSL, void (*)(SSL*)> const ssl_;
  std::string const host_;
  std::string distrust_;
  bool wants_certificate_ = false;
  bool is_trusted_ = false;
  bool has_failed_ = false;
};

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_TLS_HPP
