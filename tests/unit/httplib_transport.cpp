// SPDX-License-Identifier: MIT
// A program of its own, with CIBMTR_AUTH_HTTPLIB 1; tests/portability/generations.sh builds it with each generation of cpp-httplib.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/folder.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"
#include "support/tls_server.hpp"

#if !CIBMTR_AUTH_HTTPLIB
#error "CIBMTR_AUTH_HTTPLIB=1 did not arrive"
#endif

using namespace cibmtr_auth;
using tests::connection;
using tests::error_of;
using tests::raw_server;
using tests::tls_peer;
using tests::tls_server;

namespace {

bool const is_oldest = std::string(CPPHTTPLIB_VERSION).compare(0, 5, "0.11.") == 0;

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

/// What a server received, from whichever thread.
class record {
 public:
  void add(std::string const& bytes) {
    std::lock_guard<std::mutex> const lock(mutex_);
    bytes_ += bytes;
  }
  std::string text() const {
    std::lock_guard<std::mutex> const lock(mutex_);
    return bytes_;
  }

 private:
  mutable std::mutex mutex_;
  std::string bytes_;
};

/// A server on localhost that sends the same bytes to everybody once it has received a request.
class tls_localhost {
 public:
  explicit tls_localhost(std::string const& response)
      : server_(shown_, [this, response](tls_peer const& peer) {
          std::string request;
          for (std::string more = "-"; !more.empty() && !contains(request, "\r\n\r\n") && !contains(request, "END");) {
            more = peer.receive();
            request += more;
          }
          received_.add(request);
          peer.send(response);
          peer.say_goodbye();
        }) {
    tests::write_text(ca_path(), shown_.ca_pem());
  }

  int port() const { return server_.port(); }
  std::string url() const { return server_.url(); }
  std::string received() const { return received_.text(); }
  std::string ca_path() const { return folder_ / "ca.pem"; }
  transport trusting_client() const {
    std::string const path = ca_path();
    return httplib_transport([path](httplib::Client& client) { client.set_ca_cert_path(path.c_str()); });
  }

 private:
  tests::folder folder_;
  sandbox::certificate shown_{"DNS:localhost"};
  record received_;
  tls_server server_;
};

/// Over plain HTTP to loopback.
class localhost {
 public:
  explicit localhost(std::string const& response)
      : server_([this, response](connection const& peer) {
          std::string received = peer.receive_head();
          while (contains(received, "Content-Length: 4") && !contains(received, "body")) {
            std::string const more = peer.receive();
            received += more.empty() ? "body" : more;
          }
          received_.add(received);
          peer.send(response);
        }) {}

  std::string url() const { return server_.url("http"); }
  int port() const { return server_.port(); }
  std::string received() const { return received_.text(); }

 private:
  record received_;
  raw_server server_;
};

http_request post(std::string const& url) {
  return http_request("POST", url, {{"Authorization", "Basic abc"}, {"Content-Type", "text/x-test"}}, "body");
}

std::string const no_content = "HTTP/1.1 204 No Content\r\n\r\n";

volatile std::sig_atomic_t signals = 0;
void count_signal(int) { signals = signals + 1; }

}  // namespace

TEST_CASE("a request travels as it was written, and the response comes back") {
  localhost const server("HTTP/1.1 200 OK\r\nX-Answer: 42\r\nContent-Length: 3\r\n\r\nabc");
  http_response const response = httplib_transport()(post(server.url()));
  CHECK(response.status == 200);
  CHECK(response.header("x-answer") == "42");
  CHECK(response.body == "abc");
  std::string const received = server.received();
  CHECK(received.compare(0, 22, "POST /token HTTP/1.1\r\n") == 0);
  for (char const* line : {"\r\nAuthorization: Basic abc\r\n", "\r\nContent-Type: text/x-test\r\n",
                           "\r\nContent-Length: 4\r\n", "\r\nUser-Agent: cibmtr_auth/" CIBMTR_AUTH_VERSION "\r\n"}) {
    CHECK(contains(received, line));
  }
  CHECK(contains(received, "\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  CHECK(received.substr(received.size() - 4) == "body");
  CHECK_FALSE(contains(received, "Cibmtr-Auth"));
}

TEST_CASE("a verified server gets the request over TLS") {
  tls_localhost const server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(server.trusting_client()(http_request("GET", server.url())).body == "abc");
}

TEST_CASE("any status is a response, and a redirect is not followed") {
  for (int const status : {204, 302, 400, 401, 503}) {
    CAPTURE(status);
    localhost const server("HTTP/1.1 " + std::to_string(status) +
                           " Reason\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    auto const follows = [](httplib::Client& client) { client.set_follow_location(true); };
    CHECK(httplib_transport(follows)(post(server.url())).status == status);
    CHECK_FALSE(contains(server.received(), "elsewhere"));
  }
}

TEST_CASE("a response to HEAD has no body") {
  localhost const server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
  http_response const response = httplib_transport()(http_request("HEAD", server.url()));
  CHECK(response.status == 200);
  CHECK(response.body.empty());
}

TEST_CASE("a plus sign in a query stays a space") {
  localhost const server(no_content);
  httplib_transport()(http_request("GET", server.url() + "?name=a+b"));
  std::string const received = server.received();
  CHECK((contains(received, "GET /token?name=a%20b HTTP/1.1\r\n") ||
         contains(received, "GET /token?name=a+b HTTP/1.1\r\n")));
}

TEST_CASE("a request that a line break would split is refused before anything is sent") {
  localhost const server(no_content);
  for (http_request const& request :
       {http_request("GET", server.url(), {{"X-Field", "a\r\nX-Other: b"}}),
        http_request("GET", server.url(), {{"X-Field\r\nX-Other", "a"}}), http_request("GET /\r\n", server.url()),
        http_request("GET", server.url(), {{"Content-Length", "1"}}), http_request("GET", server.url() + "\r\n")}) {
    error const refused = error_of([&] { httplib_transport()(request); });
    CHECK(refused.kind() == error_kind::configuration);
    CHECK_FALSE(refused.was_sent());
  }
  CHECK(server.received().empty());
}

TEST_CASE("plain HTTP to another machine is refused") {
  error const refused = error_of([] { httplib_transport()(post("http://example.org/token")); });
  CHECK(refused.kind() == error_kind::configuration);
}

TEST_CASE("if nobody listens, nothing was sent") {
  for (char const* url : {"http://127.0.0.1:1/", "https://127.0.0.1:1/"}) {
    error const failed = error_of([&] { httplib_transport()(post(url)); });
    CHECK(failed.kind() == error_kind::network);
    CHECK_FALSE(failed.was_sent());
    CHECK(contains(failed.what(), "127.0.0.1:1"));
  }
}

TEST_CASE("a server whose CA is not trusted gets nothing") {
  tls_localhost const server(no_content);
  error const refused = error_of([&] { httplib_transport()(post(server.url())); });
  CHECK(refused.kind() == error_kind::tls);
  CHECK_FALSE(refused.was_sent());
  CHECK(server.received().empty());
}

TEST_CASE("a connection that is lost after the request was sent is not retried") {
  sandbox::certificate const shown("DNS:localhost");
  tests::folder const folder;
  tests::write_text(folder / "ca.pem", shown.ca_pem());
  for (bool const says_goodbye : {false, true}) {
    record received;
    {
      tls_server const server(shown, [&](tls_peer const& peer) {
        received.add(peer.receive());
        if (says_goodbye) {
          peer.say_goodbye();
        }
      });
      std::string const path = folder / "ca.pem";
      transport const send =
          httplib_transport([path](httplib::Client& client) { client.set_ca_cert_path(path.c_str()); });
      int announced = 0;
      http_request request = http_request("GET", server.url());
      request.before_sending = [&] { ++announced; };
      error const lost = error_of([&] { send(request); });
      CHECK(lost.kind() == error_kind::network);
      CHECK(lost.was_sent());
      CHECK(announced == 1);
    }
    std::string const text = received.text();
    CHECK(text.find("GET ") == text.rfind("GET "));
  }
}

TEST_CASE("before_sending is called once; if it throws, nothing is sent and the exception passes") {
  tls_localhost const server(no_content);
  struct private_exception {};
  http_request request = http_request("GET", server.url());
  request.before_sending = [] { throw private_exception(); };
  CHECK_THROWS_AS(server.trusting_client()(request), private_exception);
  int calls = 0;
  request.before_sending = [&calls] { ++calls; };
  CHECK(server.trusting_client()(request).status == 204);
  CHECK(calls == 1);
  std::string const received = server.received();
  CHECK(received.find("GET ") == received.rfind("GET "));
}

TEST_CASE("before_sending is not called before the server is verified") {
  if (is_oldest) {
    return;  // it has no hook after the handshake
  }
  tls_localhost const server(no_content);
  int calls = 0;
  http_request request = post(server.url());
  request.before_sending = [&calls] { ++calls; };
  error_of([&] { httplib_transport()(request); });
  request.url = "https://127.0.0.1:1/";
  error_of([&] { httplib_transport()(request); });
  CHECK(calls == 0);
}

TEST_CASE("a body over 16 MiB is an error; if the status is a failure, the status is enough") {
  std::string const head = " Reason\r\nContent-Length: 17000000\r\n\r\n";
  localhost const long_answer("HTTP/1.1 200" + head + std::string(17000000, 'x'));
  error const refused = error_of([&] { httplib_transport()(post(long_answer.url())); });
  CHECK(refused.kind() == error_kind::invalid_response);
  CHECK(refused.was_sent());
  localhost const long_failure("HTTP/1.1 401" + head + std::string(17000000, 'x'));
  CHECK(httplib_transport()(post(long_failure.url())).status == 401);
  localhost const cut_failure("HTTP/1.1 400" + head + R"({"error":"invalid_grant"})");
  CHECK(httplib_transport()(post(cut_failure.url())).status == 400);
}

TEST_CASE("what set_up configures holds: a read timeout") {
  raw_server const server([](connection const& peer) { peer.wait_for_close(); });
  auto const impatient = [](httplib::Client& client) { client.set_read_timeout(0, 100000); };
  error const late = error_of([&] { httplib_transport(impatient)(post(server.url("http"))); });
  CHECK((late.kind() == error_kind::network || late.kind() == error_kind::timed_out));
  CHECK(late.was_sent());
}

TEST_CASE("SIGPIPE does not reach the program") {
  signals = 0;
  auto const before = std::signal(SIGPIPE, count_signal);
  raw_server const server([](connection const& peer) { peer.receive(); });  // closes during the handshake
  for (int round = 0; round < 20; ++round) {
    error const lost = error_of([&] { httplib_transport()(post(server.url("https"))); });
    CHECK((lost.kind() == error_kind::tls || lost.kind() == error_kind::network));
    CHECK_FALSE(lost.was_sent());
  }
  std::signal(SIGPIPE, before);
  CHECK(signals == 0);
}

TEST_CASE("a proxy's refusal is not the server's") {
  for (int const status : {401, 403, 407}) {
    if (is_oldest && status != 407) {
      continue;  // it goes on as if the proxy had agreed
    }
    CAPTURE(status);
    localhost const proxy("HTTP/1.1 " + std::to_string(status) + " Reason\r\nContent-Length: 0\r\n\r\n");
    auto const through = [&proxy](httplib::Client& client) { client.set_proxy("127.0.0.1", proxy.port()); };
    error const refused = error_of([&] { httplib_transport(through)(post("https://localhost:1/token")); });
    CHECK(refused.kind() == error_kind::network);
    CHECK(refused.http_status() == status);
    CHECK_FALSE(refused.was_sent());
    CHECK_FALSE(contains(proxy.received(), "Basic abc"));
  }
  localhost const proxy("HTTP/1.1 407 Reason\r\nContent-Length: 0\r\n\r\n");
  auto const through = [&proxy](httplib::Client& client) { client.set_proxy("127.0.0.1", proxy.port()); };
  CHECK_THROWS_AS(httplib_transport(through)(post("https://localhost:1/token")), detail::proxy_login_rejected);
}

TEST_CASE("the proxy's password does not travel on to the server") {
  tls_localhost const server(no_content);
  record at_proxy;
  raw_server const proxy([&](connection const& client) {
    at_proxy.add(client.receive_head());
    connection const onward(tests::connect_to(server.port()));
    client.send("HTTP/1.1 200 Connected\r\n\r\n");
    client.relay(onward);
  });
  int const port = proxy.port();
  std::string const ca = server.ca_path();
  auto const through = [port, ca](httplib::Client& client) {
    client.set_ca_cert_path(ca.c_str());
    client.set_proxy("127.0.0.1", port);
    client.set_proxy_basic_auth("user", "secret");
  };
  CHECK(httplib_transport(through)(http_request("GET", server.url())).status == 204);
  CHECK(contains(at_proxy.text(), "Proxy-Authorization: Basic "));
  CHECK(contains(server.received(), "GET "));
  if (!is_oldest) {
    CHECK_FALSE(contains(server.received(), "Proxy-Authorization"));
  }
}

TEST_CASE("one transport serves several threads") {
  localhost const server(no_content);
  transport const send = httplib_transport();
  std::vector<std::thread> threads;
  std::vector<int> statuses(8);
  for (int& status : statuses) {
    threads.emplace_back([&send, &server, &status] { status = send(http_request("GET", server.url())).status; });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(statuses == std::vector<int>(8, 204));
}
