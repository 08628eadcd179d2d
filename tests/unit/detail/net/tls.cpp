// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "../examples/sandbox/sandbox.hpp"
#include "support/certificates.hpp"
#include "support/exchange.hpp"
#include "support/folder.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"
#include "support/tls_server.hpp"
#include "support/variable.hpp"

using namespace cibmtr_auth;
using tests::ca_file;
using tests::certified;
using tests::connection;
using tests::contains;
using tests::direct;
using tests::failure;
using tests::raw_server;
using tests::tls_peer;
using tests::tls_server;

TEST_CASE("a server whose CA is not trusted gets nothing") {
  sandbox::server const server;
  error const refused = failure(server.token_url(), direct());
  CHECK(refused.kind() == error_kind::tls);
  CHECK(server.token_requests() == 0);
}

TEST_CASE("a trusted certificate for another host is rejected") {
  sandbox::server const server;
  ca_file const ca(server);
  // 127.1 is 127.0.0.1 to the resolver, and a name that the certificate does not have.
  error const refused = failure("https://127.1:" + std::to_string(server.port()) + "/", ca.trusting());
  CHECK(refused.kind() == error_kind::tls);
  CHECK(server.token_requests() == 0);
}

TEST_CASE("a certificate names its host by subjectAltName, never by common name") {
  for (char const* names : {"DNS:other.example", ""}) {  // the common name is localhost
    CAPTURE(names);
    sandbox::options chosen;
    chosen.names = names;
    sandbox::server const server(chosen);
    ca_file const ca(server);
    CHECK(failure(server.token_url(), ca.trusting()).kind() == error_kind::tls);
    CHECK(server.token_requests() == 0);
  }
}

TEST_CASE("a wildcard in a certificate stands for a whole label") {
  // 127.0.1 is 127.0.0.1 to the resolver, and a name of three labels to a certificate.
  struct row {
    std::string names;
    bool is_trusted;
  };
  for (row const& r : {row{"DNS:127.0.1", true}, row{"DNS:*.0.1", true}, row{"DNS:1*7.0.1", false},
                       row{"DNS:12*.0.1", false}, row{"DNS:*27.0.1", false}}) {
    CAPTURE(r.names);
    bool was_sent = false;
    sandbox::certificate const shown(r.names);
    ca_file const ca(shown);
    {
      tls_server const server(shown, [&was_sent](tls_peer const& peer) {
        was_sent = !peer.receive().empty();
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
      });
      transport const https = https_transport(ca.trusting());
      http_request const request = {"GET", server.url("127.0.1"), {}, ""};
      if (r.is_trusted) {
        CHECK(https(request).status == 204);
      } else {
        CHECK(tests::error_of([&] { https(request); }).kind() == error_kind::tls);
      }
    }
    CHECK(was_sent == r.is_trusted);
  }
}

TEST_CASE("TLS 1.2 is the oldest that is spoken") {
  // Debian's OpenSSL speaks nothing older by default, so look at the context too.
  CHECK(SSL_CTX_get_min_proto_version(detail::tls_context(https_options()).get()) == TLS1_2_VERSION);

  certified const shown("localhost", "DNS:localhost");
  ca_file const ca(shown);
  tls_server const server([](tls_peer const&) {},
                          [&](SSL_CTX* context) {
                            shown.with_chain({})(context);
                            SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
                            SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
                            SSL_CTX_set_security_level(context, 0);
                          });
  error const refused = failure(server.url(), ca.trusting());
  CHECK(refused.kind() == error_kind::tls);
  CHECK_FALSE(refused.was_sent());
}

TEST_CASE("a client certificate that cannot be used is rejected before anything is sent") {
  sandbox::server const server;
  ca_file const ca(server);
  https_options options = ca.trusting();
  options.client_certificate_file = "/nonexistent/certificate.pem";
  options.client_key_file = options.ca_file;
  error const missing = failure(server.token_url(), options);
  CHECK(missing.kind() == error_kind::configuration);
  CHECK(contains(missing.what(), "client_certificate_file /nonexistent/certificate.pem"));
  options.client_certificate_file = options.ca_file;  // a certificate, but without its key
  options.client_key_file = options.ca_file;
  error const keyless = failure(server.token_url(), options);
  CHECK(keyless.kind() == error_kind::configuration);
  CHECK(contains(keyless.what(), "client_key"));
  CHECK(server.token_requests() == 0);
}

namespace {

/// A server that wants a client certificate which one of these authorities signed.
std::function<void(SSL_CTX*)> wanting_client(certified const& shown, certified const& client_ca, int version) {
  return [&shown, &client_ca, version](SSL_CTX* context) {
    shown.with_chain({})(context);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), client_ca.get());
  };
}

void serve_no_content(tls_peer const& peer) {
  peer.receive();
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  peer.say_goodbye();
}

/// Certificate and key in one file.
void write_identity(std::string const& path, certified const& client) {
  tests::write_text(path, client.ca_pem() + client.key_pem());
}

https_options as_client(https_options options, std::string const& path) {
  options.client_certificate_file = path;
  options.client_key_file = path;
  return options;
}

}  // namespace

TEST_CASE("a server that wants a client certificate gets it, and without one it is an error of kind tls") {
  certified const shown("localhost", "DNS:localhost");
  certified const client_ca("client CA", "");
  certified const client("client", "client", &client_ca);
  certified const stranger("stranger", "client");
  ca_file const ca(shown);
  tests::folder const folder;
  write_identity(folder / "client.pem", client);
  write_identity(folder / "stranger.pem", stranger);
  std::string const small = "body";
  std::string const more_than_sockets_buffer(8 * 1024 * 1024, 'x');  // the server closes while we write
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    tls_server const server(serve_no_content, wanting_client(shown, client_ca, version));
    CHECK(https_transport(as_client(ca.trusting(), folder / "client.pem"))({"GET", server.url(), {}, ""}).status ==
          204);
    for (std::string const& body : {small, more_than_sockets_buffer}) {
      for (int i = 0; i < 5; ++i) {
        http_request const request("POST", server.url(), {}, body);
        error const missing = failure(request, ca.trusting());
        CHECK(missing.kind() == error_kind::tls);
        CHECK(contains(missing.what(), "wants a client certificate"));
        error const unknown = failure(request, as_client(ca.trusting(), folder / "stranger.pem"));
        CHECK(unknown.kind() == error_kind::tls);
        CHECK(contains(unknown.what(), "rejected the client certificate"));
        CHECK(unknown.was_sent() == (version == TLS1_3_VERSION));  // only there it is judged after we have sent
      }
    }
  }
}

TEST_CASE("each alert about a certificate is an error of kind tls, also after the handshake") {
  certified const shown("localhost", "DNS:localhost");
  certified const client("client", "client");
  ca_file const ca(shown);
  tests::folder const folder;
  write_identity(folder / "client.pem", client);
  static int verdict = X509_V_OK;  // alerts 42, 43, 44, 45, 46, 48
  for (int each : {X509_V_ERR_CERT_REJECTED, X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_CERT_REVOKED,
                   X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_INVALID_CA}) {
    CAPTURE(each);
    verdict = each;
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      CAPTURE(version);
      tls_server const server(serve_no_content, [&](SSL_CTX* context) {
        wanting_client(shown, client, version)(context);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, [](int, X509_STORE_CTX* chain) {
          X509_STORE_CTX_set_error(chain, verdict);
          return 0;
        });
      });
      error const rejected =
          failure(http_request("POST", server.url(), {}, "body"), as_client(ca.trusting(), folder / "client.pem"));
      CHECK(rejected.kind() == error_kind::tls);
      CHECK(contains(rejected.what(), "rejected the client certificate"));
    }
  }
}

TEST_CASE("a renewed client certificate is used by the next exchange") {
  certified const shown("localhost", "DNS:localhost");
  certified const client_ca("client CA", "");
  ca_file const ca(shown);
  tests::folder const folder;
  write_identity(folder / "client.pem", certified("expired", "client", &client_ca, -10, -1));
  tls_server const server(
      [](tls_peer const& peer) {
        peer.receive();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        peer.say_goodbye();
      },
      wanting_client(shown, client_ca, TLS1_3_VERSION));
  transport const https = https_transport(as_client(ca.trusting(), folder / "client.pem"));
  http_request const request("GET", server.url());
  CHECK(tests::error_of([&] { https(request); }).kind() == error_kind::tls);
  write_identity(folder / "client.pem", certified("renewed", "client", &client_ca));
  CHECK(https(request).status == 200);
}

TEST_CASE("files that have changed are read again, by a rename or in place, and without an error first") {
  certified const shown("localhost", "DNS:localhost");
  certified const other("localhost", "DNS:localhost");
  ca_file const ca(shown);
  std::string const path = ca.trusting().ca_file;
  tls_server const server(serve_no_content, shown.with_chain({}));
  tls_server const other_server(serve_no_content, other.with_chain({}));
  transport const https = https_transport(ca.trusting());
  CHECK(https({"GET", server.url(), {}, ""}).status == 204);
  tests::write_text(path, other.ca_pem());
  CHECK(https({"GET", other_server.url(), {}, ""}).status == 204);
  CHECK(tests::error_of([&] { https({"GET", server.url(), {}, ""}); }).kind() == error_kind::tls);
  tests::write_text(path + ".new", shown.ca_pem());
  REQUIRE(std::rename((path + ".new").c_str(), path.c_str()) == 0);
  CHECK(https({"GET", server.url(), {}, ""}).status == 204);
}

TEST_CASE("the CAs are read again after a server was not trusted") {
  certified const shown("localhost", "DNS:localhost");
  certified const other("localhost", "DNS:localhost");
  ca_file const ca(shown);
  ca_file const other_ca(other);
  tls_server const server(serve_no_content, shown.with_chain({}));
  transport const https = https_transport(direct());
  tests::variable const wrong("SSL_CERT_FILE", other_ca.trusting().ca_file.c_str());
  CHECK(tests::error_of([&] { https({"GET", server.url(), {}, ""}); }).kind() == error_kind::tls);
  tests::variable const right("SSL_CERT_FILE", ca.trusting().ca_file.c_str());
  CHECK(https({"GET", server.url(), {}, ""}).status == 204);
}

TEST_CASE("a CA file with only the intermediate or the server's own certificate is enough, as with curl") {
  certified const root("root", "");
  certified const intermediate("intermediate", "", &root);
  certified const shown("localhost", "DNS:localhost", &intermediate);
  for (bool sends_chain : {true, false}) {
    CAPTURE(sends_chain);
    tls_server const server(serve_no_content, sends_chain ? shown.with_chain({&intermediate}) : shown.with_chain({}));
    for (certified const* trusted : {&intermediate, &shown}) {
      ca_file const ca(*trusted);
      CHECK(https_transport(ca.trusting())({"GET", server.url(), {}, ""}).status == 204);
    }
  }
  tls_server const server(serve_no_content, shown.with_chain({&intermediate}));
  ca_file const system(intermediate);
  tests::variable const not_named_by_the_user("SSL_CERT_FILE", system.trusting().ca_file.c_str());
  CHECK(failure(server.url(), direct()).kind() == error_kind::tls);
}

TEST_CASE("a client certificate and its key must both be given, and may be in one file") {
  certified const client("client", "client");
  tests::folder const folder;
  tests::write_text(folder / "certificate.pem", client.ca_pem());
  https_options options = direct();
  options.client_certificate_file = folder / "certificate.pem";
  error const without_key = failure("https://localhost:1/", options);
  CHECK(without_key.kind() == error_kind::configuration);
  CHECK(contains(without_key.what(), "client_certificate_file is set without its key"));
  options.client_certificate_file.swap(options.client_key_file);
  CHECK(contains(failure("https://localhost:1/", options).what(), "client_key_file is set without"));
  write_identity(folder / "both.pem", client);
  CHECK(failure("https://localhost:1/", as_client(direct(), folder / "both.pem")).kind() == error_kind::network);
}

TEST_CASE("a client key that cannot be used is a configuration error, and nobody is asked for a passphrase") {
  certified const client("client", "client");
  certified const other("other", "client");
  tests::folder const folder;
  EVP_PKEY* const key = client.key();
  tests::write_text(folder / "certificate.pem", client.ca_pem());
  tests::write_text(folder / "other.pem", other.key_pem());
  tests::write_text(folder / "empty.pem", "");
  tests::write_text(folder / "encrypted.pem", sandbox::detail::pem([key](BIO* out) {
                      char passphrase[] = "hunter2";
                      return PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), passphrase, 7, nullptr,
                                                           nullptr);
                    }));
  for (char const* name : {"other.pem", "empty.pem", "encrypted.pem", "certificate.pem", "missing.pem"}) {
    CAPTURE(name);
    https_options options = direct();
    options.client_certificate_file = folder / "certificate.pem";
    options.client_key_file = folder / name;
    error const failed = failure("https://localhost:1/", options);
    CHECK(failed.kind() == error_kind::configuration);
    CHECK(contains(failed.what(), "client_key_file " + folder / name));
    CHECK_FALSE(failed.was_sent());
  }
}

TEST_CASE("an error of TLS names the proxy if there is one") {
  certified const shown("localhost", "DNS:localhost");
  ca_file const ca(certified("another", ""));
  tls_server const server(serve_no_content, shown.with_chain({}));
  raw_server const proxy([&](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    peer.relay(connection(tests::connect_to(server.port())));
  });
  https_options through = ca.trusting();
  through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
  error const failed = failure(server.url(), through);
  CHECK(failed.kind() == error_kind::tls);
  CHECK(contains(failed.what(), "(through the proxy " + through.proxy + ")"));
}

TEST_CASE("an alert that nobody knows is an error like others") {
  for (int alert : {0, 10, 40, 41, 200, 255}) {
    CAPTURE(alert);
    raw_server const server([alert](connection const& peer) {
      peer.receive();
      peer.send(std::string("\x15\x03\x03\0\x02\x02", 6) + static_cast<char>(alert));
      peer.wait_for_close();
    });
    error const failed = failure(server.url("https"), direct());
    CHECK((failed.kind() == error_kind::tls || (alert == 0 && failed.kind() == error_kind::network)));
    CHECK_FALSE(failed.was_sent());
  }
}
#endif
