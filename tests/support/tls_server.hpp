// SPDX-License-Identifier: MIT
// A TLS server on loopback that may break every rule once it has shaken hands.

#ifndef CIBMTR_AUTH_TESTS_TLS_SERVER_HPP
#define CIBMTR_AUTH_TESTS_TLS_SERVER_HPP

#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "../../examples/sandbox/certificate.hpp"
#include "raw_server.hpp"

namespace tests {

/// A connection after its handshake. Ends without close_notify, unless `serve` has sent it.
class tls_peer {
 public:
  tls_peer(SSL* ssl, connection const& below) : ssl_(ssl), below_(below) {}

  connection const& below() const { return below_; }
  bool send(std::string const& bytes) const {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  }
  void say_goodbye() const { SSL_shutdown(ssl_); }
  /// What one record holds; nothing when the peer has closed.
  std::string receive() const {
    char buffer[16 * 1024];
    int const n = SSL_read(ssl_, buffer, sizeof buffer);
    return std::string(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
  }

 private:
  SSL* ssl_;
  connection const& below_;
};

/// Takes one connection after the other, shakes hands and hands it to `serve`; to nobody when that fails.
class tls_server {
 public:
  tls_server(sandbox::certificate const& shown, std::function<void(tls_peer const&)> const& serve)
      : tls_server(serve, [&shown](SSL_CTX* context) {
          SSL_CTX_use_certificate(context, shown.leaf());
          SSL_CTX_use_PrivateKey(context, shown.key());
        }) {}
  /// `set_up` names certificate and key.
  tls_server(std::function<void(tls_peer const&)> const& serve, std::function<void(SSL_CTX*)> const& set_up)
      : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
        below_([this, serve](connection const& peer) { shake_hands(peer, serve); }) {
    set_up(context_.get());
  }

  int port() const { return below_.port(); }
  std::string url(std::string const& host = "localhost") const {
    return "https://" + host + ":" + std::to_string(port()) + "/token";
  }

 private:
  void shake_hands(connection const& peer, std::function<void(tls_peer const&)> const& serve) {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);  // in the server's thread alone
    std::unique_ptr<SSL, void (*)(SSL*)> const ssl(SSL_new(context_.get()), SSL_free);
    int const at_once = 1;
    setsockopt(peer.socket(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    SSL_set_fd(ssl.get(), peer.socket());
    if (SSL_accept(ssl.get()) == 1) {
      serve(tls_peer(ssl.get(), peer));
    }
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> const context_;
  raw_server const below_;
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_TLS_SERVER_HPP
