// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <cstdio>
#include <memory>
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
using tests::variable;

TEST_CASE("why a server is not trusted stands in the error") {
  sandbox::server const server;
  ca_file const ca(server);
  sandbox::server const stranger;
  error const unknown = failure(stranger.token_url(), ca.trusting());
  CHECK(contains(unknown.what(), "unknown CA (CN=cibmtr_auth sandbox)"));
  CHECK(contains(unknown.what(), ca.trusting().ca_file));

  error const other = failure("https://127.1:" + std::to_string(server.port()) + "/", ca.trusting());
  CHECK(contains(other.what(), "for another host (DNS:localhost"));

  raw_server const plain([](connection const& peer) {
    peer.receive();
    peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  CHECK(contains(failure(plain.url("https"), ca.trusting()).what(), "does not speak TLS"));

  variable const file("SSL_CERT_FILE", "/nonexistent/ca.pem");
  variable const directory("SSL_CERT_DIR", "/nonexistent/certs");
  std::string const without_authorities = failure(server.token_url(), direct()).what();
  CHECK(contains(without_authorities, "none found in /nonexistent/ca.pem /nonexistent/certs"));
}

TEST_CASE("a named CA file is trusted instead of the system's CAs, and must be one") {
  sandbox::server const server;
  ca_file const ca(server);
  sandbox::server const other;
  CHECK(failure(other.token_url(), ca.trusting()).kind() == error_kind::tls);

  https_options missing = direct();
  missing.ca_file = "/nonexistent/ca.pem";
  error const refused = failure(server.token_url(), missing);
  CHECK(refused.kind() == error_kind::configuration);
  CHECK(contains(refused.what(), "/nonexistent/ca.pem"));
}

TEST_CASE("a named CA directory is trusted instead of the system's CAs") {
  sandbox::server const server;
  std::string const text = server.ca_pem();
  std::unique_ptr<BIO, int (*)(BIO*)> const pem(BIO_new_mem_buf(text.c_str(), -1), BIO_free);
  std::unique_ptr<X509, void (*)(X509*)> const ca(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr), X509_free);
  char name[16];
  std::snprintf(name, sizeof name, "%08lx.0", X509_subject_name_hash(ca.get()));
  tests::folder const hashed;  // as openssl rehash makes it
  tests::write_text(hashed / name, text);

  https_options options = direct();
  options.ca_directory = hashed.path();
  CHECK(https_transport(options)({"GET", server.api_url(), {}, ""}).status == 401);
  sandbox::server const other;
  CHECK(failure(other.token_url(), options).kind() == error_kind::tls);
}

TEST_CASE("with a CA file named, the system's CAs are not trusted") {
  sandbox::server const known_to_the_system;
  ca_file const system(known_to_the_system);
  variable const file("SSL_CERT_FILE", system.trusting().ca_file.c_str());
  CHECK(https_transport(direct())({"GET", known_to_the_system.api_url(), {}, ""}).status == 401);
  sandbox::server const other;
  ca_file const ca(other);
  CHECK(failure(known_to_the_system.api_url(), ca.trusting()).kind() == error_kind::tls);
}

namespace {

/// What an exchange with a server that shows this certificate fails with.
std::string failure_with(certified const& shown, std::vector<certified const*> const& chain,
                         https_options const& options) {
  tls_server const server([](tls_peer const&) {}, shown.with_chain(chain));
  error const failed = failure(server.url(), options);
  CHECK(failed.kind() == error_kind::tls);
  CHECK_FALSE(failed.was_sent());
  return failed.what();
}

}  // namespace

TEST_CASE("an expired root in this machine's own store is recognised") {
  certified const root("old root", "", nullptr, -20, -10);
  certified const intermediate("intermediate", "", &root);
  certified const shown("localhost", "DNS:localhost", &intermediate);
  ca_file const ca(root);
  for (bool sends_root : {true, false}) {
    CAPTURE(sends_root);
    std::vector<certified const*> const chain =
        sends_root ? std::vector<certified const*>{&intermediate, &root} : std::vector<certified const*>{&intermediate};
    variable const store("SSL_CERT_FILE", ca.trusting().ca_file.c_str());
    std::string const message = failure_with(shown, chain, direct());
    CHECK(contains(message, "a CA (CN=old root) that this machine trusts (" + ca.trusting().ca_file));
    CHECK(contains(message, "update this machine's CA certificates"));
    CHECK(contains(message, "expired on"));
    CHECK(contains(message, "this machine's clock says"));
  }
}

TEST_CASE("an expired or future certificate of the server or of its chain is the server's matter") {
  certified const root("root", "");
  certified const expired_intermediate("intermediate", "", &root, -20, -10);
  certified const under_expired("localhost", "DNS:localhost", &expired_intermediate);
  certified const expired("localhost", "DNS:localhost", &root, -20, -10);
  certified const future("localhost", "DNS:localhost", &root, 10, 20);
  ca_file const ca(root);
  for (std::string const& message : {failure_with(expired, {}, ca.trusting()),
                                     failure_with(under_expired, {&expired_intermediate}, ca.trusting())}) {
    CAPTURE(message);
    CHECK(contains(message, "expired on"));
    CHECK(contains(message, "the server needs a new certificate"));
    CHECK_FALSE(contains(message, "update this machine"));
  }
  CHECK(contains(failure_with(future, {}, ca.trusting()), "is not valid before"));
}

TEST_CASE("an SSL_CERT_FILE that does not exist is named") {
  certified const shown("localhost", "DNS:localhost", nullptr);
  variable const file("SSL_CERT_FILE", "/nonexistent/ca.pem");
  for (bool has_directory : {true, false}) {
    CAPTURE(has_directory);
    tests::folder const directory;
    tests::write_text(directory / "01234567.0", shown.ca_pem());
    variable const other("SSL_CERT_DIR", has_directory ? directory.path().c_str() : "/nonexistent/certs");
    tests::write_text(directory / "x", "");
    certified const root("root", "");
    std::string const message = failure_with(certified("localhost", "DNS:localhost", &root), {}, direct());
    CHECK(contains(message, "SSL_CERT_FILE"));
    CHECK(contains(message, "/nonexistent/ca.pem"));
    CHECK(contains(message, "does not exist or cannot be read"));
    CHECK(contains(message, has_directory ? directory.path() : "none found in"));
  }
}

TEST_CASE("a certificate's text reaches a message without control characters") {
  certified const root("\x1B[2J root\r\n", "");
  ca_file const ca(certified("another", ""));
  std::string const message = failure_with(certified("localhost", "DNS:localhost", &root), {}, ca.trusting());
  CHECK(contains(message, "unknown CA"));
  for (char const c : message) {
    CHECK((c >= ' ' && c <= '~'));
  }
}

TEST_CASE("a self-signed server is called so") {
  ca_file const ca(certified("another", ""));
  CHECK(contains(failure_with(certified("localhost", "DNS:localhost"), {}, ca.trusting()), "is self-signed"));
}
#endif
