// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <unistd.h>
#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "../examples/sandbox/sandbox.hpp"
#include "support/exchange.hpp"
#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using tests::ca_file;
using tests::connection;
using tests::contains;
using tests::direct;
using tests::failure;
using tests::raw_server;

namespace {

credentials as_client(sandbox::account const& user) { return {user.client_id, user.client_secret, user.scope, "", ""}; }

credentials as_user(sandbox::account const& user) {
  return {user.client_id, user.client_secret, user.scope, user.username, user.password};
}

token request_from(std::string const& url, credentials const& with, https_options const& options) {
  token_cache_options chosen;
  chosen.https = options;
  return request_token({"sandbox", url, url, ""}, with, chosen);
}

}  // namespace

TEST_CASE("either grant gets a token over TLS") {
  sandbox::server const server;
  ca_file const ca(server);
  for (credentials const& with : {as_client(server.user()), as_user(server.user())}) {
    token const received = request_from(server.token_url(), with, ca.trusting());
    CHECK(received.value().size() > 1000);
    CHECK(received.scope() == server.user().scope);
  }
  CHECK(server.token_requests() == 2);
}

TEST_CASE("what arrives is the request of the guide and nothing more") {
  sandbox::server const server;
  ca_file const ca(server);
  request_from(server.token_url(), as_user(server.user()), ca.trusting());
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
  CHECK((fields["Authorization"] ==
         detail::basic_auth(server.user().client_id, server.user().client_secret, basic_encoding::plain).reveal()));
  CHECK(fields["Accept"] == "application/json");
  CHECK(fields["Content-Type"] == "application/x-www-form-urlencoded");
  CHECK(fields["User-Agent"] == "cibmtr_auth/" CIBMTR_AUTH_VERSION);
  CHECK(fields["Host"] == "localhost:" + std::to_string(server.port()));
  CHECK(fields["Connection"] == "close");
  CHECK(fields["Content-Length"] == std::to_string(arrived.body.size()));
  CHECK(fields["Accept-Encoding"] == "identity");
  CHECK(fields.size() == 8);
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
      request_from(first.url("http"), tests::some_credentials(), direct());
      FAIL("a redirect was taken for a token");
    } catch (error const& refused) {
      CHECK(refused.kind() == error_kind::invalid_response);
      CHECK(contains(refused.what(), "not followed"));
    }
  }
  CHECK_FALSE(second_host_was_asked);
}

TEST_CASE("a body over the limit is rejected while it arrives") {
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
    CHECK(refused.kind() == error_kind::invalid_response);
    CHECK(contains(refused.what(), "65536"));
  }
}

TEST_CASE("a response of the API may be longer than a token's") {
  std::string const page(200000, 'x');
  raw_server const server([&page](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + page);
  });
  http_response const answer = https_transport()({"GET", server.url("http"), {}, ""});
  CHECK(answer.status == 200);
  CHECK((answer.body == page));
}

#ifdef __linux__
TEST_CASE("no response costs more than 10 MB of memory" * doctest::skip(tests::is_sanitized)) {
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
            bool const is_refused = failure(server.url("http"), direct()).kind() == error_kind::invalid_response;
            bool const is_cheap = kilobytes("VmHWM:") - before < 10 * 1000;
            return (is_refused ? 0 : 1) + (is_cheap ? 0 : 2);
          }) == 0);
  }
}
#endif

TEST_CASE("a proxy opens the tunnel, and the server never sees its credentials") {
  sandbox::server const server;
  ca_file const ca(server);
  std::string received;
  raw_server const proxy([&](connection const& peer) {
    received = peer.receive_head();
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    peer.relay(connection(tests::connect_to(server.port())));
  });
  https_options through = ca.trusting();
  through.proxy = "http://alice:p%40ss%20word@127.0.0.1:" + std::to_string(proxy.port());
  CHECK_FALSE(request_from(server.token_url(), as_user(server.user()), through).empty());
  std::string const destination = "localhost:" + std::to_string(server.port());
  CHECK(contains(received, "CONNECT " + destination + " HTTP/1.1\r\n"));
  CHECK(contains(received, "Proxy-Authorization: Basic " + base64_encode("alice:p@ss word") + "\r\n"));
  CHECK((!contains(received, server.user().password) && !contains(received, "grant_type")));
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
    CHECK_FALSE(request_from(server.token_url(), as_user(server.user()), through).empty());
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

TEST_CASE("an error page of any length reports its status and fields") {
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n");
    while (peer.send(std::string(0x4000, 'x'))) {
    }
  });
  http_response const response = https_transport(direct())({"GET", server.url("http"), {}, ""});
  CHECK(response.status == 503);
  CHECK(response.header("retry-after") == "7");
  CHECK(response.body.size() == direct().max_response_size);
}

TEST_CASE("a body that is announced as too long is rejected at once, not after the time-out") {
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    peer.wait_for_close();
  });
  auto const start = std::chrono::steady_clock::now();
  error const failed = failure(server.url("http"), direct(std::chrono::seconds(30)));
  CHECK(failed.kind() == error_kind::invalid_response);
  CHECK(contains(failed.what(), "max_response_size"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
}

TEST_CASE("a proxy that ends its lines in LF alone is rejected, and not waited for") {
  raw_server const proxy([&](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.0 200 OK\n\n");
    peer.wait_for_close();
  });
  https_options through = direct(std::chrono::seconds(30));
  through.proxy = "127.0.0.1:" + std::to_string(proxy.port());
  auto const start = std::chrono::steady_clock::now();
  CHECK(failure("https://okta.example/", through).kind() == error_kind::network);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
}

TEST_CASE("what the transport makes is usable from several threads") {
  sandbox::server const server;
  ca_file const ca(server);
  transport const https = https_transport(ca.trusting(std::chrono::seconds(30)));
  std::vector<std::thread> threads;
  std::atomic<int> responses{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { responses += https({"GET", server.api_url(), {}, ""}).status == 401 ? 1 : 0; });
  }
  for (std::thread& each : threads) {
    each.join();
  }
  CHECK(responses == 8);
}
#endif
