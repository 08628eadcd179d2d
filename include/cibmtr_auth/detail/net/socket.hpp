// SPDX-License-Identifier: MIT
// Bytes to and from a host, until a deadline.

#ifndef CIBMTR_AUTH_DETAIL_NET_SOCKET_HPP
#define CIBMTR_AUTH_DETAIL_NET_SOCKET_HPP

#include <algorithm>
#include <cstddef>
#include <functional>

#include <cibmtr_auth/detail/net/windows.hpp>
#include <cibmtr_auth/error.hpp>

#if CIBMTR_AUTH_HTTPS
#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace cibmtr_auth {
inline namespace v1_0 {
namespace detail {

#ifndef _WIN32
using native_socket = int;
using socket_chunk = std::size_t;  ///< the type of a length
constexpr native_socket no_socket = -1;
#ifdef MSG_NOSIGNAL
constexpr int send_flags = MSG_NOSIGNAL;
#else
constexpr int send_flags = 0;
#endif

inline void start_sockets() {}
/// Non-blocking, and closed in programs that the host executes. `no_socket` if it cannot be made.
inline native_socket make_socket(int family, int type, int protocol) {
#ifdef SOCK_CLOEXEC
  return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
#else
  native_socket const made = socket(family, type, protocol);
  if (made != no_socket) {
    fcntl(made, F_SETFD, FD_CLOEXEC);
    fcntl(made, F_SETFL, fcntl(made, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
    int const yes = 1;
    setsockopt(made, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
#endif
  }
  return made;
#endif
}
inline void close_socket(native_socket socket) {
  close(socket);
}
inline int poll_sockets(pollfd* watched, std::size_t count, int milliseconds) {
  return poll(watched, static_cast<nfds_t>(count), milliseconds);
}
inline int socket_error() {
  return errno;
}
inline bool must_wait(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINPROGRESS || code == EINTR;
}
inline char const* describe_lookup(int code) {
  return gai_strerror(code);
}
#endif

/// Ends an exchange: after a time-out, or when the program cancels it.
class deadline {
 public:
  explicit deadline(std::chrono::milliseconds timeout, std::function<bool()> is_cancelled = nullptr)
      : end_(std::chrono::steady_clock::now() +
             (std::max)(std::chrono::milliseconds::zero(),
                        (std::min<std::chrono::milliseconds>)(timeout, std::chrono::hours(24)))),
        is_cancelled_(std::move(is_cancelled)) {}

  /// Rounded up; zero if the time is up or the exchange was cancelled. Called for every read and write. A callback that
  /// throws cancels: among the callers are C functions.
  std::chrono::milliseconds left() const noexcept {
    try {
      was_cancelled_ = was_cancelled_ || (is_cancelled_ && is_cancelled_());
    } catch (...) {
      was_cancelled_ = true;
    }
    auto const left = end_ - std::chrono::steady_clock::now() + std::chrono::nanoseconds(999999);
    auto const rounded = std::chrono::duration_cast<std::chrono::milliseconds>(left);
    return was_cancelled_ ? std::chrono::milliseconds::zero() : (std::max)(rounded, std::chrono::milliseconds::zero());
  }
  bool is_over() const noexcept { return left() == std::chrono::milliseconds::zero(); }
  bool was_cancelled() const noexcept { return was_cancelled_; }

  /// For poll: how long to wait before `left` must be called again, at most `max_wait`.
  int wait(std::chrono::milliseconds max_wait = std::chrono::hours(24)) const noexcept {
    auto const slice = is_cancelled_ ? (std::min)(max_wait, std::chrono::milliseconds(100)) : max_wait;
    return static_cast<int>((std::min)(left(), slice).count());
  }

 private:
  std::chrono::steady_clock::time_point const end_;
  std::function<bool()> const is_cancelled_;
  mutable bool was_cancelled_ = false;
};

/// Every wait ends at the deadline, whatever the peer does. Throws `network` and `timed_out`.
class tcp_connection {
 public:
  /// Takes over a connected socket; errors call the peer `name`.
  tcp_connection(native_socket connected, std::string name, deadline const& end)
      : socket_(connected), name_(std::move(name)), end_(end) {}
  tcp_connection(tcp_connection const&) = delete;
  tcp_connection& operator=(tcp_connection const&) = delete;
  ~tcp_connection() { close_socket(socket_); }

  native_socket socket() const { return socket_; }
  std::string const& name() const { return name_; }
  void rename(std::string name) { name_ = std::move(name); }
  /// What the peer has to do next: "respond".
  void expect(char const* step) { step_ = step; }
  /// From now on errors say that the request may have been processed.
  void expect_response() {
    expect("respond");
    was_sent_ = true;
  }

  /// Until the socket is ready for `events`, POLLIN or POLLOUT.
  void wait_for(short events) const {
    pollfd watched = {};
    watched.fd = socket_;
    watched.events = events;
    do {
      require_time();
    } while (poll_sockets(&watched, 1, end_.wait()) <= 0);
  }

  void send(char const* bytes, std::size_t size) {
    while (size > 0) {
      require_time();
      auto const sent = ::send(socket_, bytes, static_cast<socket_chunk>(size), send_flags);
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
      require_time();
      auto const received = recv(socket_, to, static_cast<socket_chunk>(size), 0);
      if (received >= 0) {
        return static_cast<std::size_t>(received);
      }
      wait_or_throw(POLLIN);
    }
  }

  bool is_over() const noexcept { return end_.is_over(); }
  void require_time() const {
    if (is_over()) {
      throw timed_out();
    }
  }

  error failure(error_kind kind, std::string const& message) const {
    return error(kind, message, 0, std::string(), std::chrono::seconds(0), was_sent_);
  }
  error timed_out() const {
    return failure(error_kind::timed_out,
                   end_.was_cancelled() ? "the exchange with " + name_ + " was cancelled"
                                        : name_ + " did not " + step_ + " in time: try again, or allow more (timeout)");
  }
  error connection_lost() const {
    return failure(error_kind::network,
                   name_ + " closed the connection and did not " + step_ + ": check the network and the proxy");
  }

 private:
  void wait_or_throw(short events) const {
    if (!must_wait(socket_error())) {
      throw connection_lost();
    }
    wait_for(events);
  }

  native_socket const socket_;
  std::string name_;
  deadline const& end_;
  char const* step_ = "respond";
  bool was_sent_ = false;
};

}  // namespace detail
}  // namespace v1_0
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_SOCKET_HPP
