// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "support/certificates.hpp"
#include "support/exchange.hpp"
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

volatile std::sig_atomic_t noted_signals = 0;
void note_signal(int) { noted_signals = noted_signals + 1; }

}  // namespace

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

TEST_CASE("a timeout of nothing or less ends the exchange at once, the longest never does") {
  raw_server const silent([](connection const& peer) {
    timeval const longest = {2 * tests::grace.count() / 1000, 0};
    setsockopt(peer.socket(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
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
    https_options long_options = direct(timeout);
    long_options.connect_timeout = timeout;
    CHECK(https_transport(long_options)({"GET", server.url("http"), {}, ""}).status == 204);
  }
}

TEST_CASE("a program that the host starts meanwhile inherits no connection") {
  raw_server const server([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  int connections = 0;
  auto const count = [&](detail::https_peer const&) {
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
      sockaddr_in peer = {};
      socklen_t size = sizeof peer;
      bool const is_ours = getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
                           peer.sin_family == AF_INET && ntohs(peer.sin_port) == server.port();
      connections += is_ours ? 1 : 0;
      CHECK((!is_ours || (fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0));
    }
  };
  detail::https_transport_with_observer(direct(), count)({"GET", server.url("http"), {}, ""});
  CHECK(connections == 1);
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
                auto const wait = [&](detail::https_peer const&) {
                  while (m.is_before_we_write && !has_served) {
                    std::this_thread::yield();
                  }
                };
                try {
                  detail::https_transport_with_observer(ca.trusting(),
                                                        wait)({"POST", server.url(), {}, std::string(m.body, 'x')});
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

TEST_CASE("time-outs of connecting, of the handshake and of the response have different messages") {
  raw_server const silent([](connection const& peer) { peer.wait_for_close(); });
  auto const timeout = std::chrono::milliseconds(200);
  error const handshake = failure(silent.url("https"), direct(timeout));
  CHECK(handshake.kind() == error_kind::timed_out);
  CHECK(contains(handshake.what(), "did not finish the TLS handshake in time"));
  CHECK_FALSE(handshake.was_sent());
  error const response = failure(silent.url("http"), direct(timeout));
  CHECK(response.kind() == error_kind::timed_out);
  CHECK(contains(response.what(), "did not respond in time"));
  CHECK(response.was_sent());
}

TEST_CASE("is_cancelled ends the exchange soon, in every phase, also if it throws") {
  raw_server const silent([](connection const& peer) { peer.wait_for_close(); });
  raw_server const dripping([](connection const& peer) {
    peer.receive_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    while (peer.send("x")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  for (bool throws : {false, true}) {
    CAPTURE(throws);
    for (std::string const& url : {silent.url("http"), silent.url("https"), dripping.url("http")}) {
      CAPTURE(url);
      auto const start = std::chrono::steady_clock::now();
      https_options options = direct(std::chrono::seconds(30));
      options.is_cancelled = [start, throws] {
        bool const is_late = std::chrono::steady_clock::now() - start > std::chrono::milliseconds(300);
        if (is_late && throws) {
          throw 1;
        }
        return is_late;
      };
      error const failed = failure(url, options);
      CHECK(failed.kind() == error_kind::timed_out);
      CHECK(contains(failed.what(), "was cancelled"));
      CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(400) + tests::grace);
    }
  }
}

TEST_CASE("an exchange that is cancelled from the start sends nothing") {
  bool was_reached = false;
  {
    raw_server const server([&](connection const& peer) { was_reached = !peer.receive().empty(); });
    https_options options = direct();
    options.is_cancelled = [] { return true; };
    error const failed = failure(server.url("http"), options);
    CHECK(failed.kind() == error_kind::timed_out);
    CHECK_FALSE(failed.was_sent());
  }
  CHECK_FALSE(was_reached);
}

TEST_CASE("a peer that sends as fast as it can is timed out all the same") {
  for (char const* response : {"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    CAPTURE(response);
    raw_server const server([response](connection const& peer) {
      peer.receive_head();
      peer.send(response);
      std::string chunks;
      for (int i = 0; i < 1000; ++i) {
        chunks += "40\r\n" + std::string(64, 'x') + "\r\n";
      }
      while (peer.send(chunks)) {
      }
    });
    https_options options = direct(std::chrono::milliseconds(400));
    options.max_response_size = static_cast<std::size_t>(-1) / 2;
    auto const start = std::chrono::steady_clock::now();
    try {
      http_response const arrived = https_transport(options)({"GET", server.url("http"), {}, ""});
      CHECK(arrived.status == 503);
    } catch (error const& failed) {
      CHECK(failed.kind() == error_kind::timed_out);
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(400) + 2 * tests::grace);
  }
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

TEST_CASE("the connect timeout bounds connecting") {
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

namespace {

using addresses = std::vector<detail::socket_address>;

detail::socket_address ipv4(int last_byte, int port) {
  sockaddr_in here = tests::loopback(port);
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(last_byte) - 1);
  detail::socket_address made = {};
  std::memcpy(&made.bytes, &here, sizeof here);
  made.size = sizeof here;
  return made;
}

detail::socket_address ipv6(int last_byte) {
  sockaddr_in6 here = {};
  here.sin6_family = AF_INET6;
  here.sin6_addr.s6_addr[15] = static_cast<unsigned char>(last_byte);
  detail::socket_address made = {};
  std::memcpy(&made.bytes, &here, sizeof here);
  made.size = sizeof here;
  return made;
}

/// 127.0.0.N, where nobody answers: its queue of connections is full, and Linux drops what else comes.
class silent_address {
 public:
  explicit silent_address(int last_byte) : listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    address_ = ipv4(last_byte, 0);
    auto* const name = reinterpret_cast<sockaddr*>(&address_.bytes);
    REQUIRE(bind(listening_.socket(), name, address_.size) == 0);
    REQUIRE(listen(listening_.socket(), 0) == 0);
    REQUIRE(getsockname(listening_.socket(), name, &address_.size) == 0);
    for (int waiting = 0; waiting < 4; ++waiting) {
      waiting_.emplace_back(new connection(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
      static_cast<void>(connect(waiting_.back()->socket(), name, address_.size));
    }
  }
  detail::socket_address const& get() const { return address_; }

 private:
  connection listening_;
  std::vector<std::unique_ptr<connection>> waiting_;
  detail::socket_address address_;
};

/// The address that won, or the error's text.
std::string winner(addresses const& of, std::chrono::milliseconds connect_timeout = std::chrono::seconds(10),
                   std::function<bool()> const& is_cancelled = nullptr) {
  detail::deadline const end(std::chrono::seconds(20), is_cancelled);
  try {
    detail::native_socket const made =
        detail::connect_to_first(detail::interleave(of), "okta.example", end, connect_timeout);
    return detail::tcp_connection(made, "okta.example", end).peer_address();
  } catch (error const& failed) {
    CHECK_FALSE(failed.was_sent());
    return to_string(failed.kind()) + ": " + failed.what();
  }
}

int open_descriptors() {
  int open = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    open += fcntl(descriptor, F_GETFD) >= 0 ? 1 : 0;
  }
  return open;
}

}  // namespace

TEST_CASE("silent addresses before a working one do not use up the time-out") {
  raw_server const server([](connection const& peer) { peer.wait_for_close(); });
  silent_address const a(2);
  silent_address const b(3);
  silent_address const c(4);
  int const open = open_descriptors();
  auto const start = std::chrono::steady_clock::now();
  CHECK(winner({a.get(), ipv4(1, server.port())}) == "127.0.0.1");
  CHECK(winner({a.get(), b.get(), c.get(), ipv4(1, server.port())}) == "127.0.0.1");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1) + tests::grace);
  CHECK(open_descriptors() == open);
}

TEST_CASE("addresses that refuse are passed over at once") {
  raw_server const server([](connection const& peer) { peer.wait_for_close(); });
  int closed_port = 0;
  {
    raw_server const gone([](connection const&) {});
    closed_port = gone.port();
  }
  addresses many(7, ipv4(1, closed_port));
  many.push_back(ipv4(1, server.port()));
  auto fastest = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 5; ++i) {  // on a busy machine one may be slow
    auto const start = std::chrono::steady_clock::now();
    CHECK(winner(many) == "127.0.0.1");
    fastest = (std::min)(fastest, std::chrono::steady_clock::now() - start);
  }
  CHECK(fastest < std::chrono::milliseconds(1500));  // 7 * 250 ms otherwise
}

TEST_CASE("a failed address does not hide one where nothing answered") {
  silent_address const silent(2);
  int closed_port = 0;
  {
    raw_server const gone([](connection const&) {});
    closed_port = gone.port();
  }
  std::string const failed = winner({silent.get(), ipv4(1, closed_port)}, std::chrono::milliseconds(600));
  CHECK(failed.find("timed_out: nothing answered at 127.0.0.2 (okta.example)") == 0);
}

TEST_CASE("if nothing answers, the message names every address, a firewall and a proxy, and no option") {
  silent_address const a(2);
  silent_address const b(3);
  auto const start = std::chrono::steady_clock::now();
  std::string const failed = winner({a.get(), b.get()}, std::chrono::milliseconds(500));
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(490));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(500) + tests::grace);
  CHECK(failed.find("timed_out: nothing answered at 127.0.0.2, 127.0.0.3 (okta.example)") == 0);
  CHECK(contains(failed, "firewall"));
  CHECK(contains(failed, "proxy"));
  CHECK_FALSE(contains(failed, "timeout"));
}

TEST_CASE("connecting can be cancelled") {
  silent_address const silent(2);
  auto const start = std::chrono::steady_clock::now();
  std::string const failed = winner({silent.get()}, std::chrono::seconds(10), [start] {
    return std::chrono::steady_clock::now() - start > std::chrono::milliseconds(200);
  });
  CHECK(failed.find("timed_out: connecting to okta.example was cancelled") == 0);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(300) + tests::grace);
}

TEST_CASE("families take turns, the first address's first, at most eight addresses") {
  auto const texts = [](addresses const& of) {
    std::string list;
    for (auto const& each : detail::interleave(of)) {
      list += each.text() + " ";
    }
    return list;
  };
  CHECK(texts({}) == "");
  CHECK(texts({ipv6(1), ipv6(2), ipv6(3), ipv4(1, 1)}) == "::1 127.0.0.1 ::2 ::3 ");
  CHECK(texts({ipv4(1, 1), ipv4(2, 1), ipv6(1)}) == "127.0.0.1 ::1 127.0.0.2 ");
  CHECK(texts(addresses(20, ipv6(1))) == "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ");
  addresses many(20, ipv6(1));
  many.push_back(ipv4(1, 1));
  CHECK(texts(many) == "::1 127.0.0.1 ::1 ::1 ::1 ::1 ::1 ::1 ");
}

TEST_CASE("sockets are made non-blocking and with the close-on-exec flag") {
  connection const made(detail::make_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
  CHECK((fcntl(made.socket(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(made.socket(), F_GETFL) & O_NONBLOCK) != 0);
}
#endif
