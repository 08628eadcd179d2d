// SPDX-License-Identifier: MIT
// A cpp-httplib client made safe: whom it trusts, how long it waits, which proxy it goes through.

#ifndef CIBMTR_AUTH_HTTPS_CLIENT_HPP
#define CIBMTR_AUTH_HTTPS_CLIENT_HPP

#include <algorithm>
#include <string>

#include <cibmtr_auth/base64.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/https_options.hpp>
#include <cibmtr_auth/proxy.hpp>
#include <cibmtr_auth/url.hpp>
#include <cibmtr_auth/watchdog.hpp>

#if CIBMTR_AUTH_HTTPS
#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#error \
    "Compile the whole program with `pkg-config --cflags cpp-httplib` or -DCPPHTTPLIB_OPENSSL_SUPPORT; or set CIBMTR_AUTH_HTTPS to 0 and bring your own transport"
#endif
#include <httplib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#endif

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
namespace detail {

/// What OpenSSL says of the server's certificate.
struct certificate_check {
  httplib::ClientImpl& client;
  long result;

  /// Runs during the handshake: after a proxy has opened its tunnel, before anything is sent through it. From then
  /// on the proxy's credentials must be gone, since cpp-httplib adds them to every request.
  static int run(X509_STORE_CTX* chain, void* self) {
    auto& check = *static_cast<certificate_check*>(self);
    int const verified = X509_verify_cert(chain);
    check.result = X509_STORE_CTX_get_error(chain);
    check.client.set_proxy_basic_auth("", "");
    return verified;
  }
};

/// TLS 1.2 or newer; chain and host verified, with no way round. The host by its subjectAltName only: cpp-httplib
/// itself would also accept the subject's common name (RFC 9110, section 4.3.4).
inline void require_trust(httplib::SSLClient& client, certificate_check& check, https_options const& options,
                          std::string const& host) {
  if (!client.is_valid()) {
    throw error(error_kind::configuration, "OpenSSL cannot be set up: check its configuration file (openssl.cnf)");
  }
  SSL_CTX* const context = client.ssl_context();
  if (!options.ca_file.empty() || !options.ca_directory.empty()) {
    char const* const file = options.ca_file.empty() ? nullptr : options.ca_file.c_str();
    char const* const directory = options.ca_directory.empty() ? nullptr : options.ca_directory.c_str();
    if (SSL_CTX_load_verify_locations(context, file, directory) != 1) {
      throw error(error_kind::configuration,
                  "the CA file " + options.ca_file + " cannot be read or holds no PEM certificate");
    }
    client.set_ca_cert_path(options.ca_file, options.ca_directory);  // else cpp-httplib adds the system's
  }
  if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  }
  X509_VERIFY_PARAM* const param = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(param, host.c_str(), host.size());
  }
  SSL_CTX_set_cert_verify_callback(context, certificate_check::run, &check);
  client.enable_server_certificate_verification(true);
}

inline void limit_time(httplib::ClientImpl& client, watchdog& deadline, https_options const& options) {
  client.set_connection_timeout((std::min)(options.connect_timeout, options.timeout));
  client.set_read_timeout(options.timeout);
  client.set_write_timeout(options.timeout);
  client.set_socket_options([&deadline](socket_t socket) { deadline.watch(socket); });
  client.set_keep_alive(false);
  client.set_url_encode(false);
}

/// Asks the proxy for a tunnel with a client that can take no for an answer: cpp-httplib 0.11 locks up for ever when
/// its own CONNECT is refused.
inline void require_tunnel(url const& proxy, url const& to, watchdog& deadline, https_options const& options) {
  std::string const where = "the proxy " + proxy.authority();
  std::string const destination =
      (to.host.find(':') == std::string::npos ? to.host : "[" + to.host + "]") + ":" + std::to_string(to.port);
  httplib::ClientImpl client(proxy.host, proxy.port);
  limit_time(client, deadline, options);
  httplib::Request request;
  request.method = "CONNECT";
  request.path = destination;
  request.headers.emplace("Host", destination);
  if (!proxy.user_info.empty()) {
    request.headers.emplace("Proxy-Authorization", "Basic " + base64_encode(percent_decode(proxy.user_info)));
  }
  httplib::Response response;
  httplib::Error problem = httplib::Error::Success;
  if (!client.send(request, response, problem)) {
    throw error(deadline.time_is_up() ? error_kind::timed_out : error_kind::network,
                where + " does not answer: check its URL, or ask without one (none)");
  }
  if (response.status == 401 || response.status == 407) {
    throw error(error_kind::network,
                where + " refuses the tunnel with HTTP " + std::to_string(response.status) +
                    ": put its user and password into the proxy URL",
                response.status);
  }
  if (response.status < 200 || response.status > 299) {
    throw error(error_kind::network,
                where + " refuses the tunnel to " + destination + " with HTTP " + std::to_string(response.status) +
                    ": ask its administrator to allow it",
                response.status);
  }
  bool const would_lock_up = response.get_header_value("Connection") == "close" ||
                             (response.version == "HTTP/1.0" && response.reason != "Connection established");
  if (would_lock_up) {
    throw error(error_kind::network,
                where +
                    " opens tunnels in a way (HTTP/1.0, or Connection: close) that cpp-httplib 0.11 "
                    "cannot use: use another proxy, or a transport of your own",
                response.status);
  }
}

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_HTTPS_CLIENT_HPP
