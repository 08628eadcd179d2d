// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#if CIBMTR_AUTH_HTTPS
#include "support/exchange.hpp"
#include "support/raw_server.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using tests::connection;
using tests::contains;
using tests::direct;
using tests::failure;
using tests::raw_server;

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
    connection const made(detail::connection_race().run(detail::interleave(of), "okta.example", end, connect_timeout));
    return detail::peer_of(made.socket()).text();
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
  auto const start = std::chrono::steady_clock::now();
  CHECK(winner(many) == "127.0.0.1");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1500));  // 7 * 250 ms otherwise
}

TEST_CASE("a slow address wins if the faster ones fail") {
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
