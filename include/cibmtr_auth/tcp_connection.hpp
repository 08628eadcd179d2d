// SPDX-License-Identifier: MIT
// Bytes to and from a host, until a deadline.

#ifndef CIBMTR_AUTH_TCP_CONNECTION_HPP
#define CIBMTR_AUTH_TCP_CONNECTION_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>

#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/deadline.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/native_socket.hpp>
#include <cibmtr_auth/owned.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
namespace detail {

/// Every wait ends at the deadline, whatever the peer does, with `timed_out`; only the name look-up is not bounded.
class tcp_connection {
 public:
  /// Tries each of the host's addresses for at most `connect_timeout`. Throws `network` or `timed_out`.
  tcp_connection(std::string const& host, int port, std::string const& name, deadline const& end,
                 std::chrono::milliseconds connect_timeout)
      : name_(name), end_(end) {
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int const problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (problem != 0) {
      throw error(error_kind::network, name_ + " has no address (" + gai_strerror(problem) +
                                           "): check the host name and this machine's name service");
    }
    owned<addrinfo> const addresses(found, freeaddrinfo);
    int failure = 0;
    for (addrinfo const* one = found; one && socket_ == no_socket; one = one->ai_next) {
      failure = connect_to(*one, (std::min)(connect_timeout, end_.left()));
    }
    if (socket_ == no_socket && failure == 0) {
      throw out_of_time();
    }
    if (socket_ == no_socket) {
      throw error(error_kind::network, name_ + " cannot be reached (" + std::system_category().message(failure) +
                                           "): check the network, the host name and the proxy");
    }
  }
  tcp_connection(tcp_connection const&) = delete;
  tcp_connection& operator=(tcp_connection const&) = delete;
  ~tcp_connection() { close_socket(socket_); }

  native_socket socket() const { return socket_; }
  /// What errors call the peer.
  std::string const& name() const { return name_; }
  void rename(std::string const& name) { name_ = name; }

  /// The peer's IP address.
  std::string address() const {
    sockaddr_storage peer = {};
    socklen_t size = sizeof peer;
    char text[NI_MAXHOST] = "";
    if (getpeername(socket_, reinterpret_cast<sockaddr*>(&peer), &size) == 0) {
      getnameinfo(reinterpret_cast<sockaddr*>(&peer), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    }
    return text;
  }

  /// Until the socket is ready for `events`, POLLIN or POLLOUT.
  void wait_for(short events) const {
    if (!is_ready(socket_, events, end_.left())) {
      throw out_of_time();
    }
  }

  void send(char const* bytes, std::size_t size) {
    while (size > 0) {
      auto const sent = ::send(socket_, bytes, static_cast<chunk>(size), 0);
      if (sent >= 0) {
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
      } else {
        wait_or_throw(POLLOUT);
      }
    }
  }

  /// At least one byte, or 0 when the peer has closed.
  std::size_t receive(char* to, std::size_t size) {
    for (;;) {
      auto const received = recv(socket_, to, static_cast<chunk>(size), 0);
      if (received >= 0) {
        return static_cast<std::size_t>(received);
      }
      wait_or_throw(POLLIN);
    }
  }

  bool is_out_of_time() const { return end_.left() == std::chrono::milliseconds::zero(); }
  error out_of_time() const {
    return error(error_kind::timed_out, name_ + " did not answer in time: try again, or allow more (timeout)");
  }
  error broken_off() const {
    return error(error_kind::network, name_ + " broke off the exchange: check the network and the proxy");
  }

 private:
#ifdef _WIN32
  using chunk = int;
#else
  using chunk = std::size_t;
#endif

  static bool is_ready(native_socket socket, short events, std::chrono::milliseconds patience) {
    deadline const end(patience);
    for (;;) {
      pollfd watched = {};
      watched.fd = socket;
      watched.events = events;
      int const ready = poll_socket(watched, static_cast<int>(end.left().count()));
      if (ready > 0) {
        return true;
      }
      if (end.left() == std::chrono::milliseconds::zero()) {
        return false;
      }
    }
  }

  /// 0 when it is connected or the time is up, else why it is not.
  int connect_to(addrinfo const& address, std::chrono::milliseconds patience) {
    native_socket const made = ::socket(address.ai_family, address.ai_socktype, address.ai_protocol);
    if (made == no_socket) {
      return socket_error();
    }
    make_nonblocking(made);
    int const yes = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<char const*>(&yes), sizeof yes);
    int failure = connect(made, address.ai_addr, static_cast<socklen_t>(address.ai_addrlen)) == 0 ? 0 : socket_error();
    bool is_connected = failure == 0;
    if (must_wait(failure)) {
      socklen_t size = sizeof failure;
      failure = 0;
      is_connected = is_ready(made, POLLOUT, patience) &&
                     getsockopt(made, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&failure), &size) == 0 &&
                     failure == 0;
    }
    if (is_connected) {
      socket_ = made;
    } else {
      close_socket(made);
    }
    return failure;
  }

  void wait_or_throw(short events) const {
    if (!must_wait(socket_error())) {
      throw broken_off();
    }
    wait_for(events);
  }

  std::string name_;
  deadline const& end_;
  native_socket socket_ = no_socket;
};

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_TCP_CONNECTION_HPP
