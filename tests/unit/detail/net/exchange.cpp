// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <cibmtr_auth.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "support/cases.hpp"
#include "support/certificates.hpp"
#include "support/exchange.hpp"
#include "support/fake_server.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"
#include "support/tls_server.hpp"

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

TEST_CASE("a success that somebody on the way may have cut off or changed is none") {
  std::string const response = "HTTP/1.1 200 OK\r\n\r\n{}";
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  {
    tls_server const server(shown, [&](tls_peer const& peer) {
      peer.receive();
      peer.send(response);
      peer.say_goodbye();
    });
    CHECK(https_transport(ca.trusting())({"GET", server.url(), {}, ""}).status == 200);
  }
  struct row {
    std::string what;
    std::function<void(tls_peer const&)> serve;
  };
  row const rows[] = {
      {"its end is missing", [&](tls_peer const& peer) { peer.send(response); }},
      {"a record that was not made by the server",
       [](tls_peer const& peer) { peer.below().send(std::string("\x17\x03\x03\0\x40", 5) + std::string(0x40, 'x')); }},
      {"such a record after an answer without a length",
       [&](tls_peer const& peer) {
         peer.send(response);
         peer.below().send(std::string("\x17\x03\x03\0\x40", 5) + std::string(0x40, 'x'));
       }},
      {"its end is not encrypted",
       [&](tls_peer const& peer) {
         peer.send(response);
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

TEST_CASE("a response that comes before the whole request was sent is the response") {
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

TEST_CASE("the observer learns whom the exchange talks to, before anything is sent") {
  bool was_sent = false;
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  {
    tls_server const server(shown, [&was_sent](tls_peer const& peer) {
      was_sent = !peer.receive().empty();
      peer.send("HTTP/1.1 204 No Content\r\n\r\n");
      peer.say_goodbye();
    });
    detail::https_peer seen;
    auto const note = [&seen](detail::https_peer const& peer) { seen = peer; };
    CHECK(detail::https_transport_with_observer(ca.trusting(), note)({"GET", server.url(), {}, ""}).status == 204);
    CHECK(seen.proxy.empty());
    CHECK((seen.address == "127.0.0.1" || seen.address == "::1"));
    CHECK(seen.tls_version == "TLSv1.3");
    CHECK(seen.subject == "CN=localhost");
    CHECK(seen.issuer == "CN=cibmtr_auth sandbox");
    CHECK(contains(seen.expires_at, "GMT"));
    CHECK(seen.authorities == ca.trusting().ca_file);
    was_sent = false;
    auto const refuse = [](detail::https_peer const&) { throw std::runtime_error("not to this one"); };
    transport const refusing = detail::https_transport_with_observer(ca.trusting(), refuse);
    CHECK_THROWS_WITH(refusing({"POST", server.url(), {}, "body"}), "not to this one");
  }
  CHECK_FALSE(was_sent);
}

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

TEST_CASE("no OpenSSL errors are left to the host") {
  https_options missing = direct();
  missing.ca_file = "/nonexistent/ca.pem";
  failure("https://localhost:1/", missing);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("http is spoken to localhost only") {
  CHECK(failure("http://example.org/", direct()).kind() == error_kind::configuration);
}

TEST_CASE("a failure is returned as far as it arrived, over TLS too, however the connection ends") {
  std::string const whole =
      "HTTP/1.1 400 Bad Request\r\nRetry-After: 600\r\nContent-Length: 25\r\n\r\n{\"error\":\"invalid_grant\"}";
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  for (std::size_t size : {whole.find("Content"), whole.find('{'), whole.size() - 5, whole.size()}) {
    CAPTURE(size);
    std::string const part = whole.substr(0, size);
    for (std::string const& then : {std::string("close_notify"), std::string("close"), std::string("reset"),
                                    std::string("stall"), std::string("a record that is none")}) {
      CAPTURE(then);
      tls_server const server(shown, [&](tls_peer const& peer) {
        peer.receive();
        peer.send(part);
        linger const at_once = {1, 0};
        if (then == "close_notify") {
          peer.say_goodbye();
        } else if (then == "reset") {
          setsockopt(peer.below().socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        } else if (then == "stall") {
          peer.below().wait_for_close();
        } else if (then != "close") {
          peer.below().send(std::string("\x17\x03\x03\0\x40", 5) + std::string(0x40, 'x'));
        }
      });
      auto const timeout = std::chrono::milliseconds(then == "stall" ? 500 : 10000);
      http_response const response = https_transport(ca.trusting(timeout))({"POST", server.url(), {}, "body"});
      CHECK(response.status == 400);
      CHECK(response.header("Retry-After") == "600");
      CHECK(response.body == part.substr((std::min)(size, whole.find('{'))));
    }
  }
}

TEST_CASE("every response from outside leads to its outcome, over TLS") {
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  for (tests::response_case const& each : tests::response_cases()) {
    CAPTURE(each.name);
    tls_server const server(shown, [&](tls_peer const& peer) {
      peer.receive();
      peer.send(each.response);
      if (each.then == "close_notify") {
        peer.say_goodbye();
      } else if (each.then == "stall") {
        peer.below().wait_for_close();
      }
    });
    credentials with = tests::some_credentials();
    with.password = each.password.empty() ? with.password : secret(each.password);
    transport const https = https_transport(ca.trusting(std::chrono::milliseconds(each.then == "stall" ? 500 : 10000)));
    std::string outcome = "token";
    try {
      http_request const request =
          detail::make_token_request({"test", server.url(), "", ""}, with, basic_encoding::plain);
      detail::read_token_response(https(request), with, boot_clock::now(), "localhost", &boot_clock::now);
    } catch (error const& failed) {
      outcome = to_string(failed.kind());
      CHECK((each.oauth_error.empty() || failed.oauth_error() == each.oauth_error));
      CHECK(failed.retry_after().count() == each.retry_after);
      CHECK(contains(failed.what(), each.message_contains));
    }
    CHECK(outcome == (each.expect == "rejected_without_code" ? "rejected"
                      : each.expect == "transient"           ? "unavailable"
                                                             : each.expect));
  }
}

namespace {

struct private_exception {};  // like the cache's own, not derived from anything

}  // namespace

TEST_CASE("before_sending is called once, when the server is verified, just before the first byte of the request") {
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  std::atomic<bool> has_arrived{false};
  std::atomic<bool> has_shaken_hands{false};
  tls_server const server(shown, [&](tls_peer const& peer) {
    has_shaken_hands = true;
    has_arrived = !peer.receive().empty();
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    peer.say_goodbye();
  });
  http_request request("POST", server.url(), {}, "body");
  int calls = 0;
  request.before_sending = [&] {
    ++calls;
    while (!has_shaken_hands) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK_FALSE(has_arrived);
  };
  CHECK(https_transport(ca.trusting())(request).status == 204);
  CHECK(calls == 1);
  CHECK(has_arrived);
}

TEST_CASE("what before_sending throws passes unchanged, and nothing is sent") {
  sandbox::certificate const shown("DNS:localhost");
  ca_file const ca(shown);
  std::string over_tls;
  std::string over_tcp;
  {
    tls_server const server(shown, [&](tls_peer const& peer) { over_tls = peer.receive(); });
    raw_server const plain([&](connection const& peer) { over_tcp = peer.receive(); });
    for (std::string const& url : {server.url(), plain.url("http")}) {
      http_request request("POST", url, {}, "body");
      request.before_sending = [] { throw private_exception(); };
      CHECK_THROWS_AS(https_transport(ca.trusting())(request), private_exception);
    }
  }
  CHECK(over_tls.empty());
  CHECK(over_tcp.empty());
}

TEST_CASE("an error says whether the request may have been processed, and before_sending is called only then") {
  certified const shown("localhost", "DNS:localhost");
  ca_file const ca(shown);
  ca_file const other_ca(certified("other", ""));
  std::string then;
  tls_server const server(
      [&](tls_peer const& peer) {
        peer.receive();
        peer.send(then);
      },
      shown.with_chain({}));
  raw_server const plain([&](connection const& peer) {
    peer.receive();
    peer.send(then);
  });
  https_options through = ca.trusting();
  through.proxy = "127.0.0.1:" + std::to_string(plain.port());
  struct row {
    char const* what;
    std::string url;
    https_options options;
    std::string then;
    bool was_sent;
  };
  for (row const& r : std::vector<row>{
           {"no such host", "https://no-such-host.invalid/", ca.trusting(), "", false},
           {"nobody there", "https://localhost:1/", ca.trusting(), "", false},
           {"not trusted", server.url(), other_ca.trusting(), "", false},
           {"no TLS", plain.url("https"), ca.trusting(), "HTTP/1.1 400 No\r\n\r\n", false},
           {"no proxy", "https://okta.example/", through, "HTTP/1.1 403 No\r\n\r\n", false},
           {"no URL", "ftp://localhost/", ca.trusting(), "", false},
           {"http to elsewhere", "http://example.org/", ca.trusting(), "", false},
           {"connection lost", server.url(), ca.trusting(), "", true},
           {"cut short", server.url(), ca.trusting(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true},
           {"not HTTP", server.url(), ca.trusting(), "SSH-2.0\r\n", true},
           {"too long", plain.url("http"), direct(), "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", true}}) {
    CAPTURE(r.what);
    then = r.then;
    http_request request("POST", r.url, {}, "body");
    int calls = 0;
    request.before_sending = [&calls] { ++calls; };
    error const failed = failure(request, r.options);
    CHECK(failed.was_sent() == r.was_sent);
    CHECK(calls == (r.was_sent ? 1 : 0));
  }
}

TEST_CASE("a request asks for no content coding, unless it says so itself") {
  std::string received;
  {
    raw_server const server([&](connection const& peer) {
      received = peer.receive_head();
      peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    });
    https_transport(direct())({"GET", server.url("http"), {}, ""});
    CHECK(contains(received, "\r\nAccept-Encoding: identity\r\n"));
    CHECK_FALSE(contains(received, "Content-Length"));
    https_transport(direct())({"GET", server.url("http"), {{"accept-encoding", "gzip"}}, ""});
    CHECK_FALSE(contains(received, "identity"));
    CHECK(contains(received, "\r\naccept-encoding: gzip\r\n"));
  }
}
#endif
