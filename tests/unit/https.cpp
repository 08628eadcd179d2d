// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../examples/sandbox/sandbox.hpp"
#include "support/exchange.hpp"
#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"
#include "support/tls_server.hpp"

using namespace cibmtr_auth;
using tests::ca_file;
using tests::connection;
using tests::contains;
using tests::direct;
using tests::failure;
using tests::raw_server;
using tests::tls_peer;
using tests::tls_server;

namespace {

credentials as_client(sandbox::account const& user) {
  return {user.client_id, user.client_secret, user.scope, "", ""};
}

credentials as_user(sandbox::account const& user) {
  return {user.client_id, user.client_secret, user.scope, user.username, user.password};
}

token ask(std::string const& url, credentials const& who, https_options const& options) {
  environment const here = {"sandbox", url.c_str(), url.c_str(), ""};
  return make_token_source(here, who, https_transport(options))();
}

volatile std::sig_atomic_t noted_signals = 0;
void note_signal(int) {
  noted_signals = noted_signals + 1;
}

}  // namespace

TEST_CASE("either grant gets a token over TLS") {
  sandbox::server const server;
  ca_file const ca(server);
  for (credentials const& who : {as_client(server.user()), as_user(server.user())}) {
    token const granted = ask(server.token_url(), who, ca.trusting());
    CHECK(granted.value().size() > 1000);
    CHECK(granted.scope() == server.user().scope);
  }
  CHECK(server.token_requests() == 2);
}

TEST_CASE("what arrives is the request of the guide and nothing more") {
  sandbox::server const server;
  ca_file const ca(server);
  ask(server.token_url(), as_user(server.user()), ca.trusting());
  sandbox::recorded_request const arrived = server.last_token_request();
  CHECK(arrived.method == "POST");
  std::map<std::string, std::string> fields;
  for (auto const& field : arrived.headers) {
    bool const is_the_servers_own =
        field.first.compare(0, 7, "REMOTE_") == 0 || field.first.compare(0, 6, "LOCAL_") == 0;
    if (!is_the_servers_own) {
      CHECK(fields.emplace(field.first, field.second).second);
    }
  }
  CHECK((fields["Authorization"] == basic_auth(server.user().client_id, server.user().client_secret).reveal()));
  CHECK(fields["Accept"] == "application/json");
  CHECK(fields["Content-Type"] == "application/x-www-form-urlencoded");
  CHECK(fields["User-Agent"] == "cibmtr_auth/" CIBMTR_AUTH_VERSION);
  CHECK(fields["Host"] == "localhost:" + std::to_string(server.port()));
  CHECK(fields["Connection"] == "close");
  CHECK(fields["Content-Length"] == std::to_string(arrived.body.size()));
  CHECK(fields.size() == 7);
}

TEST_CASE("a server whose CA is not trusted gets nothing") {
  sandbox::server const server;
  error const refused = failure(server.token_url(), direct());
  CHECK(refused.kind() == error_kind::tls);
  CHECK(server.token_requests() == 0);
}

TEST_CASE("a trusted certificate for another host is refused") {
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
    bool was_asked = false;
    sandbox::certificate const shown(r.names);
    ca_file const ca(shown);
    {
      tls_server const server(shown, [&was_asked](tls_peer const& peer) {
        was_asked = !peer.receive().empty();
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
    CHECK(was_asked == r.is_trusted);
  }
}

TEST_CASE("an answer that somebody on the way may have cut off or changed is none") {
  std::string const answer = "HTTP/1.1 200 OK\r\n\r\n{}";
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  {
    tls_server const server(shown, [&](tls_peer const& peer) {
      peer.receive();
      peer.send(answer);
      peer.say_goodbye();
    });
    CHECK(https_transport(ca.trusting())({"GET", server.url(), {}, ""}).status == 200);
  }
  struct row {
    std::string what;
    std::function<void(tls_peer const&)> serve;
  };
  row const rows[] = {
      {"its end is missing", [&](tls_peer const& peer) { peer.send(answer); }},
      {"a record that was not made by the server",
       [](tls_peer const& peer) { peer.below().send(std::string("\x17\x03\x03\0\x40", 5) + std::string(0x40, 'x')); }},
      {"such a record after an answer without a length",
       [&](tls_peer const& peer) {
         peer.send(answer);
         peer.below().send(std::string("\x17\x03\x03\0\x40", 5) + std::string(0x40, 'x'));
       }},
      {"its end is not encrypted",
       [&](tls_peer const& peer) {
         peer.send(answer);
         peer.below().send(std::string("\x15\x03\x03\0\x02\x01\0", 7));
       }},
  };
  for (row const& r : rows) {
    CAPTURE(r.what);
    tls_server const server(shown, [&r](tls_peer const& peer) {
      peer.receive();
      r.serve(peer);
    });
    error const failed = failure(http_request{"GET", server.url(), {}, ""}, ca.trusting());
    CHECK(failed.kind() == error_kind::network);  // and not tls, which means that nothing was sent
  }
}

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

  setenv("SSL_CERT_FILE", "/nonexistent/ca.pem", 1);
  setenv("SSL_CERT_DIR", "/nonexistent/certs", 1);
  std::string const without_authorities = failure(server.token_url(), direct()).what();
  CHECK(contains(without_authorities, "none found in /nonexistent/ca.pem /nonexistent/certs"));
  unsetenv("SSL_CERT_FILE");
  unsetenv("SSL_CERT_DIR");
}

TEST_CASE("the CAs are read once, and again after a server was not trusted") {
  sandbox::server const server;
  ca_file const ca(server);
  transport const https = https_transport(ca.trusting());
  http_request const request = {"GET", server.api_url(), {}, ""};
  CHECK(https(request).status == 401);
  sandbox::server const renewed;  // its CA has replaced the other in the file
  std::ofstream(ca.trusting().ca_file) << renewed.ca_pem();
  CHECK(https(request).status == 401);
  http_request const request_to_renewed = {"GET", renewed.api_url(), {}, ""};
  CHECK_THROWS_AS(https(request_to_renewed), error);
  CHECK(https(request_to_renewed).status == 401);
}

TEST_CASE("the observer is told whom the exchange talks to, before anything is sent") {
  sandbox::server const server;
  ca_file const ca(server);
  https_options options = ca.trusting();
  https_peer seen;
  options.observer = [&seen](https_peer const& peer) { seen = peer; };
  https_transport(options)({"GET", server.api_url(), {}, ""});
  CHECK(seen.proxy.empty());
  CHECK((seen.address == "127.0.0.1" || seen.address == "::1"));
  CHECK(seen.tls_version == "TLSv1.3");
  CHECK(seen.subject == "CN=localhost");
  CHECK(seen.issuer == "CN=cibmtr_auth sandbox");
  CHECK(contains(seen.expires_at, "GMT"));
  CHECK(seen.authorities == options.ca_file);

  options.observer = [](https_peer const&) { throw std::runtime_error("not to this one"); };
  CHECK_THROWS_WITH(ask(server.token_url(), as_client(server.user()), options), "not to this one");
  CHECK(server.token_requests() == 0);
}

TEST_CASE("a client certificate that cannot be used is refused before anything is sent") {
  sandbox::server const server;
  ca_file const ca(server);
  https_options options = ca.trusting();
  options.client_certificate = "/nonexistent/certificate.pem";
  error const missing = failure(server.token_url(), options);
  CHECK(missing.kind() == error_kind::configuration);
  CHECK(contains(missing.what(), "client_certificate /nonexistent/certificate.pem"));
  options.client_certificate = options.ca_file;  // a certificate, but without its key
  options.client_key = options.ca_file;
  error const keyless = failure(server.token_url(), options);
  CHECK(keyless.kind() == error_kind::configuration);
  CHECK(contains(keyless.what(), "client_key"));
  CHECK(server.token_requests() == 0);
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
  setenv("SSL_CERT_FILE", system.trusting().ca_file.c_str(), 1);
  CHECK(https_transport(direct())({"GET", known_to_the_system.api_url(), {}, ""}).status == 401);
  sandbox::server const other;
  ca_file const ca(other);
  CHECK(failure(known_to_the_system.api_url(), ca.trusting()).kind() == error_kind::tls);
  unsetenv("SSL_CERT_FILE");
}

TEST_CASE("TLS 1.2 is the oldest that is spoken") {
  // Debian's OpenSSL speaks nothing older by itself, so ask the context too.
  CHECK(SSL_CTX_get_min_proto_version(detail::tls_context(https_options()).get()) == TLS1_2_VERSION);

  sandbox::options old;
  old.newest_tls = TLS1_1_VERSION;
  sandbox::server const server(old);
  ca_file const ca(server);
  CHECK(failure(server.token_url(), ca.trusting()).kind() == error_kind::tls);
  CHECK(server.token_requests() == 0);
}

TEST_CASE("redirects are reported, not followed") {
  bool second_host_was_asked = false;
  raw_server const second([&](connection const&) { second_host_was_asked = true; });
  for (int status : {301, 302, 303, 307, 308}) {
    CAPTURE(status);
    raw_server const first([&](connection const& peer) {
      peer.receive_head();
      peer.send("HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + second.url("http") +
                "\r\nContent-Length: 0\r\n\r\n");
    });
    CHECK(https_transport(direct())({"POST", first.url("http"), {}, "grant_type=password"}).status == status);
    try {
      ask(first.url("http"), tests::some_credentials(), direct());
      FAIL("a redirect was taken for a token");
    } catch (error const& refused) {
      CHECK(refused.kind() == error_kind::malformed);
      CHECK(contains(refused.what(), "not followed"));
    }
  }
  CHECK_FALSE(second_host_was_asked);
}

TEST_CASE("the timeout bounds the whole exchange, whatever the peer does") {
  struct row {
    std::string what;
    char const* scheme;
    std::function<void(connection const&)> serve;
  };
  auto drip = [](connection const& peer, std::string const& bytes) {
    for (char c : bytes) {
      if (!peer.send(std::string(1, c))) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  };
  row const rows[] = {
      {"silence after connect", "http", [](connection const& peer) { peer.wait_for_close(); }},
      {"silence in the handshake", "https", [](connection const& peer) { peer.wait_for_close(); }},
      {"headers, a byte at a time", "http",
       [drip](connection const& peer) { drip(peer, "HTTP/1.1 200 OK\r\nX-Long: " + std::string(10000, 'x')); }},
      {"a body, a byte at a time", "http",
       [drip](connection const& peer) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
         drip(peer, std::string(10000, 'x'));
       }},
      {"a chunk header, a byte at a time", "http",
       [drip](connection const& peer) {
         peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
         drip(peer, std::string(10000, '0'));
       }},
      {"an endless handshake message, a byte at a time", "https",
       [drip](connection const& peer) {
         drip(peer, std::string("\x16\x03\x03\x3f\xff\x02", 6) + std::string(10000, 'x'));
       }},
      {"handshake messages that mean nothing, faster than they are read", "https",
       [](connection const& peer) {
         std::string const hello_requests = std::string("\x16\x03\x03\x3f\xfc", 5) + std::string(0x3ffc, '\0');
         std::string many;
         for (int i = 0; i < 256; ++i) {
           many += hello_requests;
         }
         peer.receive();
         auto const end = std::chrono::steady_clock::now() + 2 * tests::grace;
         while (std::chrono::steady_clock::now() < end && peer.send(many)) {
         }
       }},
      {"a request that nobody reads", "http",
       [](connection const&) { std::this_thread::sleep_for(std::chrono::seconds(1)); }},
  };
  std::string const more_than_sockets_buffer(8 * 1024 * 1024, 'x');
  for (row const& r : rows) {
    CAPTURE(r.what);
    raw_server const server(r.serve);
    auto const start = std::chrono::steady_clock::now();
    error const failed = failure(http_request{"POST", server.url(r.scheme), {}, more_than_sockets_buffer},
                                 direct(std::chrono::milliseconds(400)));
    auto const took = std::chrono::steady_clock::now() - start;
    CHECK(failed.kind() == error_kind::timed_out);
    CHECK(took >= std::chrono::milliseconds(390));
    CHECK(took < std::chrono::milliseconds(400) + tests::grace);
  }
}

TEST_CASE("a body over the limit is refused while it comes") {
  for (char const* framing : {"Content-Length: 1000000000\r\n", "Transfer-Encoding: chunked\r\n", ""}) {
    CAPTURE(framing);
    raw_server const server([framing](connection const& peer) {
      peer.receive_head();
      peer.send(std::string("HTTP/1.1 200 OK\r\n") + framing + "\r\n");
      bool const is_chunked = contains(framing, "chunked");
      while (peer.send((is_chunked ? "4000\r\n" : "") + std::string(0x4000, 'x') + (is_chunked ? "\r\n" : ""))) {
      }
    });
    error const refused = failure(server.url("http"), direct());
    CHECK(refused.kind() == error_kind::malformed);
    CHECK(contains(refused.what(), "65536"));
  }
}

TEST_CASE("a token's answer is cut off at 64 KiB, whatever the options allow for API calls") {
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    while (peer.send(std::string(0x4000, 'x'))) {
    }
  });
  std::string const url = server.url("http");
  environment const here = {"raw", url.c_str(), url.c_str(), ""};
  try {
    make_token_cache(here, tests::some_credentials()).get();
    FAIL("there was an answer");
  } catch (error const& refused) {
    CHECK(refused.kind() == error_kind::malformed);
    CHECK(contains(refused.what(), "65536"));
  }
}

TEST_CASE("an answer of the API may be longer than a token's") {
  std::string const page(200000, 'x');
  raw_server const server([&page](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + page);
  });
  http_response const answer = https_transport()({"GET", server.url("http"), {}, ""});
  CHECK(answer.status == 200);
  CHECK((answer.body.reveal() == page));
}

TEST_CASE("an answer that comes before the whole request was sent is the answer") {
  std::string const refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
  std::string const more_than_sockets_buffer(8 * 1024 * 1024, 'x');
  auto status_from = [&](std::string const& url, https_options const& options) {
    return https_transport(options)(http_request{"POST", url, {}, more_than_sockets_buffer}).status;
  };
  for (int seconds_to_reset : {-1, 0}) {  // -1: close, which resets all the same since there is more to read
    CAPTURE(seconds_to_reset);
    auto prepare_close = [seconds_to_reset](connection const& peer) {
      linger const how = {seconds_to_reset == 0 ? 1 : 0, 0};
      setsockopt(peer.socket(), SOL_SOCKET, SO_LINGER, &how, sizeof how);
    };
    raw_server const plain([&](connection const& peer) {
      peer.receive_head();
      peer.send(refusal);
      prepare_close(peer);
    });
    CHECK(status_from(plain.url("http"), direct()) == 401);

    sandbox::certificate const shown("DNS:localhost");
    ca_file const ca(shown);
    tls_server const secured(shown, [&](tls_peer const& peer) {
      peer.receive();
      peer.send(refusal);
      prepare_close(peer.below());
    });
    CHECK(status_from(secured.url(), ca.trusting()) == 401);
  }
}

TEST_CASE("a timeout of nothing or less ends the exchange at once, the longest never does") {
  raw_server const silent([](connection const& peer) {
    timeval const patience = {2 * tests::grace.count() / 1000, 0};
    setsockopt(peer.socket(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    peer.wait_for_close();
  });
  using std::chrono::milliseconds;
  for (milliseconds timeout :
       {milliseconds(0), milliseconds(-1), milliseconds(-10000000000000), (milliseconds::min)()}) {
    CAPTURE(timeout.count());
    for (char const* scheme : {"http", "https"}) {
      auto const start = std::chrono::steady_clock::now();
      CHECK(failure(silent.url(scheme), direct(timeout)).kind() == error_kind::timed_out);
      CHECK(std::chrono::steady_clock::now() - start < tests::grace);
    }
  }
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    std::this_thread::sleep_for(milliseconds(20));
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  for (milliseconds timeout : {milliseconds(10000000000000), (milliseconds::max)()}) {
    CAPTURE(timeout.count());
    https_options patient = direct(timeout);
    patient.connect_timeout = timeout;
    CHECK(https_transport(patient)({"GET", server.url("http"), {}, ""}).status == 204);
  }
}

TEST_CASE("a program that the host starts meanwhile inherits no connection") {
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  int connections = 0;
  https_options options = direct();
  options.observer = [&](https_peer const&) {
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
      sockaddr_in peer = {};
      socklen_t size = sizeof peer;
      bool const is_ours = getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
                           peer.sin_family == AF_INET && ntohs(peer.sin_port) == server.port();
      connections += is_ours ? 1 : 0;
      CHECK((!is_ours || (fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0));
    }
  };
  https_transport(options)({"GET", server.url("http"), {}, ""});
  CHECK(connections == 1);
}

TEST_CASE("a host that cannot be reached is a network error that names it") {
  int closed_port = 0;
  {
    raw_server const gone([](connection const&) {});
    closed_port = gone.port();
  }
  error const failed = failure("https://localhost:" + std::to_string(closed_port) + "/", direct());
  CHECK(failed.kind() == error_kind::network);
  CHECK(contains(failed.what(), "localhost:" + std::to_string(closed_port)));
  CHECK(failure("https://no-such-host.invalid/", direct()).kind() == error_kind::network);
}

TEST_CASE("the connect timeout bounds connecting, to each of the host's addresses") {
  std::vector<std::unique_ptr<connection>> sockets;
  auto open = [&sockets](int flags) {
    sockets.emplace_back(new connection(::socket(AF_INET, SOCK_STREAM | flags, 0)));
    return sockets.back()->socket();
  };
  sockaddr_in here = {};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof here;
  auto* const address = reinterpret_cast<sockaddr*>(&here);
  int const full = open(0);
  REQUIRE(bind(full, address, size) == 0);
  REQUIRE(listen(full, 0) == 0);
  REQUIRE(getsockname(full, address, &size) == 0);
  for (int waiting = 0; waiting < 4; ++waiting) {
    static_cast<void>(connect(open(SOCK_NONBLOCK), address, size));  // until nobody else is let in
  }

  https_options options = direct();
  options.connect_timeout = std::chrono::milliseconds(200);
  auto const start = std::chrono::steady_clock::now();
  error const failed = failure("http://127.0.0.1:" + std::to_string(ntohs(here.sin_port)), options);
  auto const took = std::chrono::steady_clock::now() - start;
  CHECK(failed.kind() == error_kind::timed_out);
  CHECK(took >= std::chrono::milliseconds(190));
  CHECK(took < std::chrono::seconds(5));
}

TEST_CASE("a peer that closes at any moment raises no signal in the host") {
  struct moment {
    char const* what;
    char const* scheme;
    std::function<void(connection const&)> serve;
  };
  auto reset = [](connection const& peer) {
    linger const at_once = {1, 0};
    setsockopt(peer.socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  };
  moment const moments[] = {
      {"at once", "http", [](connection const&) {}},
      {"at once", "https", [](connection const&) {}},
      {"at once, by a reset", "https", [reset](connection const& peer) { reset(peer); }},
      {"in the handshake", "https", [](connection const& peer) { peer.receive(); }},
      {"in the handshake, by a reset", "https",
       [reset](connection const& peer) {
         peer.receive();
         reset(peer);
       }},
      {"in the handshake, with half a message", "https",
       [](connection const& peer) {
         peer.receive();
         peer.send(std::string("\x16\x03\x03\x00\x7a\x02", 6));
       }},
      {"while we write", "http", [](connection const& peer) { peer.receive(); }},
      {"while we write, by a reset", "http",
       [reset](connection const& peer) {
         peer.receive();
         reset(peer);
       }},
      {"in the headers", "http",
       [](connection const& peer) {
         peer.receive_head();
         peer.send("HTTP/1.1 200 OK\r\nConten");
       }},
  };
  std::string const more_than_sockets_buffer(8 * 1024 * 1024, 'x');
  sigset_t mask_before;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
  REQUIRE(sigismember(&mask_before, SIGPIPE) == 0);
  struct sigaction const defaults = {};  // the default action would end this test program
  struct sigaction before;
  sigaction(SIGPIPE, &defaults, &before);
  for (moment const& m : moments) {
    CAPTURE(m.what);
    for (int i = 0; i < 6; ++i) {
      raw_server const server(m.serve);
      error const failed = failure(
          http_request{"POST", server.url(m.scheme), {}, i % 2 == 0 ? "body" : more_than_sockets_buffer}, direct());
      CHECK(failed.kind() == error_kind::network);
    }
  }
  sigset_t mask_after;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
  CHECK(sigismember(&mask_after, SIGPIPE) == 0);
  struct sigaction after;
  sigaction(SIGPIPE, &before, &after);
  CHECK((after.sa_handler == SIG_DFL));
}

TEST_CASE("the host's own handling of SIGPIPE is afterwards what it was") {
  struct moment {
    std::string what;
    bool is_before_we_write;
    std::size_t body;
    std::function<void(tls_peer const&)> serve;
  };
  auto reset = [](tls_peer const& peer) {
    linger const at_once = {1, 0};
    setsockopt(peer.below().socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  };
  std::size_t const more_than_sockets_buffer = 8 * 1024 * 1024;
  moment const moments[] = {
      {"it closes before we write", true, 256 * 1024,
       [](tls_peer const& peer) { shutdown(peer.below().socket(), SHUT_RDWR); }},
      {"it resets while we write", false, more_than_sockets_buffer,
       [reset](tls_peer const& peer) {
         peer.receive();
         reset(peer);
       }},
      {"it resets while we read", false, 4,
       [reset](tls_peer const& peer) {
         peer.receive();
         reset(peer);
       }},
      {"it answers, closes and resets", false, 4,
       [reset](tls_peer const& peer) {
         peer.receive();
         peer.send("HTTP/1.1 204 No Content\r\n\r\n");
         shutdown(peer.below().socket(), SHUT_WR);
         reset(peer);
       }},
  };
  enum { is_open, is_blocked, is_pending };
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  for (auto disposition : {SIG_DFL, SIG_IGN, &note_signal}) {
    for (int state : {is_open, is_blocked, is_pending}) {
      for (moment const& m : moments) {
        CAPTURE(m.what);
        CAPTURE(disposition == SIG_DFL ? "SIG_DFL" : disposition == SIG_IGN ? "SIG_IGN" : "a handler");
        CAPTURE(state == is_open ? "open" : state == is_blocked ? "blocked" : "blocked, one pending");
        CHECK(tests::in_child([&] {
                std::atomic<bool> has_served{false};
                tls_server const server(shown, [&](tls_peer const& peer) {
                  m.serve(peer);
                  has_served = true;
                });
                struct sigaction chosen = {};
                chosen.sa_handler = disposition;
                sigaction(SIGPIPE, &chosen, nullptr);
                sigset_t mask;
                sigemptyset(&mask);
                sigaddset(&mask, SIGPIPE);
                sigaddset(&mask, SIGUSR1);
                pthread_sigmask(SIG_SETMASK, &mask, nullptr);
                if (state == is_pending) {
                  raise(SIGPIPE);
                } else if (state == is_open) {
                  sigdelset(&mask, SIGPIPE);
                  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
                }
                https_options options = ca.trusting();
                options.observer = [&](https_peer const&) {
                  while (m.is_before_we_write && !has_served) {
                    std::this_thread::yield();
                  }
                };
                try {
                  https_transport(options)({"POST", server.url(), {}, std::string(m.body, 'x')});
                } catch (error const&) {
                }
                sigset_t mask_after;
                sigset_t pending;
                struct sigaction after;
                pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
                sigpending(&pending);
                sigaction(SIGPIPE, nullptr, &after);
                return (sigismember(&mask_after, SIGPIPE) == (state == is_open ? 0 : 1) ? 0 : 1) +
                       (sigismember(&mask_after, SIGUSR1) == 1 ? 0 : 2) +
                       (sigismember(&pending, SIGPIPE) == (state == is_pending ? 1 : 0) ? 0 : 4) +
                       (after.sa_handler == disposition ? 0 : 8) + (noted_signals == 0 ? 0 : 16);
              }) == 0);
      }
    }
  }
}

#ifdef __linux__
TEST_CASE("no answer costs more than 10 MB of memory" * doctest::skip(tests::is_sanitized)) {
  auto kilobytes = [](std::string const& field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.compare(0, field.size(), field) == 0) {
        return std::stol(line.substr(field.size() + 1));
      }
    }
    return 0L;
  };
  std::string const block(64 * 1024, 'x');
  std::string const zeros =
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08" + std::string(64 * 1024, '\0');
  struct row {
    char const* what;
    std::string head;
    std::string more;
  };
  row const rows[] = {
      {"a body of 1 GiB", "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", block},
      {"endless chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n" + block + "\r\n"},
      {"endless headers", "HTTP/1.1 200 OK\r\n", "X-" + block + ": y\r\n"},
      {"an endless status line", "HTTP/1.1 200 ", block},
      {"a compressed bomb", zeros, zeros},
  };
  for (row const& r : rows) {
    CAPTURE(r.what);
    // In a child, whose peak starts with what it has.
    CHECK(tests::in_child([&] {
            raw_server const server([&r](connection const& peer) {
              peer.receive_head();
              peer.send(r.head);
              for (int i = 0; i < 16384 && peer.send(r.more); ++i) {
              }
            });
            long const before = kilobytes("VmRSS:");
            bool const is_refused = failure(server.url("http"), direct()).kind() == error_kind::malformed;
            bool const is_cheap = kilobytes("VmHWM:") - before < 10 * 1000;
            return (is_refused ? 0 : 1) + (is_cheap ? 0 : 2);
          }) == 0);
  }
}
#endif

TEST_CASE("a header value cannot smuggle in a second header") {
  for (std::string const& value : {std::string("a\r\nX: y"), std::string("a\n"), std::string("a\0b", 3)}) {
    error const refused = failure(http_request{"GET", "https://localhost/", {{"Authorization", value}}, ""}, direct());
    CHECK(refused.kind() == error_kind::configuration);
  }
  CHECK(failure(http_request{"GET", "https://localhost/", {{"X\r\nY", "v"}}, ""}, direct()).kind() ==
        error_kind::configuration);
}

TEST_CASE("a request cannot be split by its method, nor name its host or length twice") {
  for (http_request const& request :
       std::vector<http_request>{{"GET / HTTP/1.1\r\nX:", "https://localhost/", {}, ""},
                                 {"", "https://localhost/", {}, ""},
                                 {"GET", "https://localhost/", {{"host", "x"}}, ""},
                                 {"GET", "https://localhost/", {{"Content-Length", "0"}}, ""}}) {
    CHECK(failure(request, direct()).kind() == error_kind::configuration);
  }
}

TEST_CASE("an error page of any length tells its status") {
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n");
    while (peer.send(std::string(0x4000, 'x'))) {
    }
  });
  try {
    ask(server.url("http"), tests::some_credentials(), direct());
    FAIL("there was a token");
  } catch (error const& refused) {
    CHECK(refused.kind() == error_kind::unavailable);
    CHECK(refused.retry_after() == std::chrono::seconds(7));
  }
}

TEST_CASE("no OpenSSL errors are left to the host") {
  https_options missing = direct();
  missing.ca_file = "/nonexistent/ca.pem";
  failure("https://localhost:1/", missing);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("http is spoken to this very machine only") {
  CHECK(failure("http://example.org/", direct()).kind() == error_kind::configuration);
}

TEST_CASE("a proxy opens the tunnel, and the server never sees its credentials") {
  sandbox::server const server;
  ca_file const ca(server);
  std::string asked;
  raw_server const proxy([&](connection const& peer) {
    asked = peer.receive_head();
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    peer.relay(connection(tests::connect_to(server.port())));
  });
  https_options through = ca.trusting();
  through.proxy = "http://alice:p%40ss%20word@127.0.0.1:" + std::to_string(proxy.port());
  CHECK_FALSE(ask(server.token_url(), as_user(server.user()), through).empty());
  std::string const destination = "localhost:" + std::to_string(server.port());
  CHECK(contains(asked, "CONNECT " + destination + " HTTP/1.1\r\n"));
  CHECK(contains(asked, "Proxy-Authorization: Basic " + base64_encode("alice:p@ss word") + "\r\n"));
  CHECK((!contains(asked, server.user().password) && !contains(asked, "grant_type")));
  CHECK(server.last_token_request().headers.count("Proxy-Authorization") == 0);
}

TEST_CASE("a proxy may open the tunnel in any version and words of HTTP") {
  sandbox::server const server;
  ca_file const ca(server);
  for (std::string const& yes : {std::string("HTTP/1.0 200 Connection Established\r\n\r\n"),
                                 std::string("HTTP/1.1 200 OK\r\nConnection: close\r\nProxy-Agent: x\r\n\r\n"),
                                 std::string("HTTP/1.1 299 \r\n\r\n"),
                                 std::string("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                                             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")}) {
    CAPTURE(yes);
    raw_server const proxy([&](connection const& peer) {
      peer.receive_head();
      peer.send(yes);
      peer.relay(connection(tests::connect_to(server.port())));
    });
    https_options through = ca.trusting();
    through.proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
    CHECK_FALSE(ask(server.token_url(), as_user(server.user()), through).empty());
  }
}

TEST_CASE("a proxy that refuses the tunnel is a network error that names it, at once") {
  for (std::string const& refusal :
       {std::string(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nConnection: close\r\n\r\n"),
        std::string("HTTP/1.0 407 Proxy Authentication Required\r\n\r\n"),
        std::string("HTTP/1.0 401 Unauthorized\r\n\r\n"), std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string(),
        std::string(100000, 'x'), std::string("HTTP/1.1 103 Early Hints\r\n\r\n"),
        std::string("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200"),
        std::string("HTTP/1.1 403 Filtered\r\nConnection: close\r\n\r\n"),
        std::string("HTTP/1.1 502 Bad Gateway\r\n\r\n")}) {
    CAPTURE(refusal);
    raw_server const proxy([&](connection const& peer) {
      peer.receive_head();
      peer.send(refusal);
    });
    https_options through = direct();
    through.proxy = "alice:pr0xy-pa55@127.0.0.1:" + std::to_string(proxy.port());
    auto const start = std::chrono::steady_clock::now();
    error const failed = failure("https://localhost/", through);
    CHECK(failed.kind() == error_kind::network);
    CHECK(contains(failed.what(), "127.0.0.1:" + std::to_string(proxy.port())));
    CHECK_FALSE(contains(failed.what(), "pr0xy-pa55"));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  }
}

TEST_CASE("a proxy that ends its lines as it should not is understood or refused, and not waited for") {
  sandbox::server const server;
  ca_file const ca(server);
  raw_server const proxy([&](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.0 200 OK\n\n");
    peer.relay(connection(tests::connect_to(server.port())));
  });
  https_options through = ca.trusting(std::chrono::seconds(3));
  through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
  try {
    CHECK_FALSE(ask(server.token_url(), as_user(server.user()), through).empty());
  } catch (error const& refused) {
    CHECK(refused.kind() == error_kind::network);
  }
}

TEST_CASE("a proxy that never answers is timed out") {
  raw_server const proxy([](connection const& peer) { peer.wait_for_close(); });
  https_options through = direct(std::chrono::milliseconds(300));
  through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
  CHECK(failure("https://localhost/", through).kind() == error_kind::timed_out);
}
