// SPDX-License-Identifier: MIT
// A TCP server on loopback that may break every rule.

#ifndef CIBMTR_AUTH_TESTS_RAW_SERVER_HPP
#define CIBMTR_AUTH_TESTS_RAW_SERVER_HPP

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tests {

/// One end of a connection; closed with it.
class connection {
 public:
  explicit connection(int socket) : socket_(socket) {}
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection() { close(socket_); }

  int socket() const { return socket_; }
  bool send(std::string const& bytes) const {
    for (std::size_t sent = 0; sent < bytes.size();) {
      ssize_t const n = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) {
        return false;
      }
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  /// Some bytes; none when the peer has closed.
  std::string receive() const {
    char buffer[4096];
    ssize_t const n = recv(socket_, buffer, sizeof buffer, 0);
    return std::string(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
  }
  /// Up to the empty line, or what there is of it.
  std::string receive_head() const {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      std::string const more = receive();
      if (more.empty()) {
        break;
      }
      head += more;
    }
    return head;
  }
  void wait_for_close() const {
    while (!receive().empty()) {
    }
  }
  /// Passes bytes both ways until either side closes.
  void relay(connection const& other) const {
    for (;;) {
      pollfd ends[] = {{socket_, POLLIN, 0}, {other.socket_, POLLIN, 0}};
      poll(ends, 2, -1);
      connection const& from = ends[0].revents != 0 ? *this : other;
      std::string const bytes = from.receive();
      if (bytes.empty() || !(&from == this ? other : *this).send(bytes)) {
        return;
      }
    }
  }

 private:
  int socket_;
};

inline sockaddr_in loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(port));
  return address;
}

/// A socket that sends and receives nothing when there is nobody at that port.
inline int connect_to(int port) {
  int const made = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in const address = loopback(port);
  static_cast<void>(::connect(made, reinterpret_cast<sockaddr const*>(&address), sizeof address));
  return made;
}

/// Takes one connection after the other and hands each to `serve`.
class raw_server {
 public:
  explicit raw_server(std::function<void(connection const&)> serve)
      : serve_(std::move(serve)), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    if (bind(listening_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listening_, 16) != 0 ||
        getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("cannot listen on loopback");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~raw_server() {
    shutdown(listening_, SHUT_RDWR);
    thread_.join();
    close(listening_);
  }
  raw_server(raw_server const&) = delete;
  raw_server& operator=(raw_server const&) = delete;

  int port() const { return port_; }
  std::string url(std::string const& scheme) const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/token";
  }

 private:
  void run() {
    for (;;) {
      int const accepted = accept(listening_, nullptr, nullptr);
      if (accepted < 0) {
        return;
      }
      serve_(connection(accepted));
    }
  }

  std::function<void(connection const&)> serve_;
  int listening_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_RAW_SERVER_HPP
