// SPDX-License-Identifier: MIT
// Connects to the first of a host's addresses that answers, and sends and receives bytes until a deadline.

#ifndef CIBMTR_AUTH_DETAIL_NET_SOCKET_HPP
#define CIBMTR_AUTH_DETAIL_NET_SOCKET_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <system_error>
#include <vector>

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

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

#ifndef _WIN32  // the same names as in windows.hpp
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
  if (made == no_socket) {
    return made;
  }
  fcntl(made, F_SETFD, FD_CLOEXEC);
  fcntl(made, F_SETFL, fcntl(made, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
  int const yes = 1;
  setsockopt(made, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
#endif
  return made;
#endif
}
inline void close_socket(native_socket socket) { close(socket); }
inline int poll_sockets(pollfd* watched, std::size_t count, int milliseconds) {
  return poll(watched, static_cast<nfds_t>(count), milliseconds);
}
inline int socket_error() { return errno; }
inline bool must_wait(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINPROGRESS || code == EINTR;
}
inline char const* describe_lookup(int code) { return gai_strerror(code); }
#endif

/// For poll, rounded up; 0 if it is past.
inline int milliseconds_until(std::chrono::steady_clock::time_point then) {
  auto const left = then - std::chrono::steady_clock::now();
  return static_cast<int>(
      (std::max<long long>)(std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1, 0));
}

/// Ends an exchange after a time-out, or when the program cancels it.
class deadline {
 public:
  explicit deadline(std::chrono::milliseconds timeout, std::function<bool()> is_cancelled = nullptr)
      : end_(std::chrono::steady_clock::now() +
             (std::max)(std::chrono::milliseconds::zero(),
                        (std::min<std::chrono::milliseconds>)(timeout, std::chrono::hours(24)))),
        is_cancelled_(std::move(is_cancelled)) {}

  /// Called for every read and write. A callback that throws counts as cancelled, because some callers are C functions.
  bool is_over() const noexcept {
    try {
      was_cancelled_ = was_cancelled_ || (is_cancelled_ && is_cancelled_());
    } catch (...) {
      was_cancelled_ = true;
    }
    return was_cancelled_ || std::chrono::steady_clock::now() >= end_;
  }
  bool was_cancelled() const noexcept { return was_cancelled_; }

  /// How long poll may wait before `is_over` must be called again.
  int wait() const noexcept {
    int const left = milliseconds_until(end_);
    return is_cancelled_ ? (std::min)(left, 100) : left;
  }

 private:
  std::chrono::steady_clock::time_point const end_;
  std::function<bool()> const is_cancelled_;
  mutable bool was_cancelled_ = false;
};

/// An IP address and a port.
struct socket_address {
  sockaddr_storage bytes;
  socklen_t size;

  sockaddr const* get() const { return reinterpret_cast<sockaddr const*>(&bytes); }
  /// Without the port.
  std::string text() const {
    char host[NI_MAXHOST] = "";
    getnameinfo(get(), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
    return host;
  }
};

/// The addresses of a host that errors call `name`, best first. Not bounded in time. Throws `network`.
inline std::vector<socket_address> look_up(std::string const& host, int port, std::string const& name) {
  start_sockets();
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int const problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (problem != 0) {
    throw not_sent(error_kind::network, name + " has no address (" + describe_lookup(problem) +
                                            "): check the host name and this machine's name service");
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const released(found, freeaddrinfo);
  std::vector<socket_address> addresses;
  for (addrinfo const* each = found; each; each = each->ai_next) {
    socket_address address = {};
    address.size = static_cast<socklen_t>(each->ai_addrlen);
    std::memcpy(&address.bytes, each->ai_addr, each->ai_addrlen);
    addresses.push_back(address);
  }
  return addresses;
}

/// RFC 8305, section 4: the families take turns, the one of the first address first. At most 8.
inline std::vector<socket_address> interleave(std::vector<socket_address> const& addresses) {
  std::vector<socket_address> families[2];
  for (socket_address const& each : addresses) {
    families[each.bytes.ss_family == addresses[0].bytes.ss_family ? 0 : 1].push_back(each);
  }
  std::vector<socket_address> mixed;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    for (auto const& family : families) {
      if (i < family.size() && mixed.size() < 8) {
        mixed.push_back(family[i]);
      }
    }
  }
  return mixed;
}

/// Connects as RFC 8305, section 5, says: the next attempt starts after 250 ms, or at once after a failure, and the
/// first connection wins. All attempts stop at `end`, or after `connect_timeout`. Throws `network` and `timed_out`.
inline native_socket connect_to_first(std::vector<socket_address> const& addresses, std::string const& name,
                                      deadline const& end, std::chrono::milliseconds connect_timeout) {
  using std::chrono::steady_clock;
  struct attempts : std::vector<pollfd> {  // one for each address; poll ignores those without a socket
    ~attempts() {
      for (pollfd const& each : *this) {
        each.fd == no_socket ? void() : close_socket(each.fd);
      }
    }
  } sockets;
  pollfd none = {};
  none.fd = no_socket;
  none.events = POLLOUT;
  sockets.resize(addresses.size(), none);
  deadline const connecting(connect_timeout);
  auto next_start = steady_clock::now();
  std::size_t next = 0;
  std::size_t open = 0;
  int problem = 0;
  while (next < addresses.size() || open > 0) {
    if (end.is_over() || connecting.is_over()) {
      std::string silent;
      for (std::size_t i = 0; i < addresses.size(); ++i) {
        silent += sockets[i].fd == no_socket ? "" : (silent.empty() ? "" : ", ") + addresses[i].text();
      }
      silent += silent.empty() ? name : " (" + name + ")";
      throw not_sent(error_kind::timed_out, end.was_cancelled()
                                                ? "connecting to " + name + " was cancelled"
                                                : "nothing answered at " + silent +
                                                      ": a firewall may drop the packets, or a proxy may be missing or "
                                                      "wrong");
    }
    if (next < addresses.size() && (open == 0 || steady_clock::now() >= next_start)) {
      socket_address const& to = addresses[next];
      native_socket& made = sockets[next++].fd;
      made = make_socket(to.bytes.ss_family, SOCK_STREAM, IPPROTO_TCP);
      problem = made != no_socket && connect(made, to.get(), to.size) == 0 ? 0 : socket_error();
      bool const is_open = made != no_socket && (problem == 0 || must_wait(problem));
      if (!is_open && made != no_socket) {
        close_socket(made);
        made = no_socket;
      }
      open += is_open ? 1 : 0;
      next_start = steady_clock::now() + std::chrono::milliseconds(is_open ? 250 : 0);
      continue;
    }
    int const wait = (std::min)(end.wait(), connecting.wait());
    poll_sockets(sockets.data(), sockets.size(),
                 next < addresses.size() ? (std::min)(wait, milliseconds_until(next_start)) : wait);
    for (pollfd& each : sockets) {
      if (each.fd == no_socket || each.revents == 0) {
        continue;
      }
      native_socket const done = each.fd;
      each.fd = no_socket;
      --open;
      socklen_t size = sizeof problem;
      getsockopt(done, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&problem), &size);
      if (problem == 0) {
        int const yes = 1;
        setsockopt(done, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<char const*>(&yes), sizeof yes);
        return done;
      }
      close_socket(done);
      next_start = steady_clock::now();
    }
  }
  throw not_sent(error_kind::network, name + " cannot be reached (" + std::system_category().message(problem) +
                                          "): check the network, the host name and the proxy");
}

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
  std::string peer_address() const {
    socket_address peer = {};
    peer.size = sizeof peer.bytes;
    getpeername(socket_, reinterpret_cast<sockaddr*>(&peer.bytes), &peer.size);
    return peer.text();
  }
  std::string const& name() const { return name_; }
  void rename(std::string name) { name_ = std::move(name); }
  /// What the peer has to do next: "respond".
  void expect(char const* step) { step_ = step; }
  /// From now on errors say that the request may have been processed.
  void expect_response() {
    step_ = "respond";
    was_sent_ = true;
  }

  bool is_over() const noexcept { return end_.is_over(); }
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

  /// At least one byte, or 0 if the peer has closed.
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
  void require_time() const {
    if (is_over()) {
      throw timed_out();
    }
  }
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

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_SOCKET_HPP
