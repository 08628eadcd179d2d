// SPDX-License-Identifier: MIT
// Connects to the first of a host's addresses that answers.

#ifndef CIBMTR_AUTH_DETAIL_NET_CONNECT_HPP
#define CIBMTR_AUTH_DETAIL_NET_CONNECT_HPP

#include <cstring>
#include <system_error>
#include <vector>

#include <cibmtr_auth/detail/net/socket.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
inline namespace v1_0 {
namespace detail {

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

inline socket_address peer_of(native_socket connected) {
  socket_address peer = {};
  peer.size = sizeof peer.bytes;
  getpeername(connected, reinterpret_cast<sockaddr*>(&peer.bytes), &peer.size);
  return peer;
}

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
  for (socket_address const& address : addresses) {
    families[address.bytes.ss_family == addresses[0].bytes.ss_family ? 0 : 1].push_back(address);
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

/// RFC 8305, section 5: the next attempt starts after 250 ms, or at once after a failure; the first connection wins.
class connection_race {
 public:
  connection_race() { sockets_.reserve(8); }
  connection_race(connection_race const&) = delete;
  connection_race& operator=(connection_race const&) = delete;
  ~connection_race() {
    for (pollfd const& each : sockets_) {
      close_socket(each.fd);
    }
  }

  /// All attempts end together after `connect_timeout` or at `end`. Errors call the host `name`.
  native_socket run(std::vector<socket_address> const& addresses, std::string const& name, deadline const& end,
                    std::chrono::milliseconds connect_timeout) {
    using std::chrono::milliseconds;
    using std::chrono::steady_clock;
    deadline const connecting(connect_timeout);
    std::size_t next = 0;
    auto next_start = steady_clock::now();
    while (next < addresses.size() || !sockets_.empty()) {
      if (end.is_over() || connecting.is_over()) {
        throw not_sent(error_kind::timed_out,
                       end.was_cancelled() ? "connecting to " + name + " was cancelled"
                                           : "nothing answered at " + waiting_for(name) +
                                                 ": a firewall may drop the packets, or a proxy may be missing or "
                                                 "wrong");
      }
      auto const now = steady_clock::now();
      if (next < addresses.size() && (sockets_.empty() || now >= next_start)) {
        next_start = now + (start(addresses[next++]) ? milliseconds(250) : milliseconds(0));
        continue;
      }
      auto const until_next = std::chrono::duration_cast<milliseconds>(next_start - now) + milliseconds(1);
      auto const left = connecting.left();
      poll_sockets(sockets_.data(), sockets_.size(),
                   end.wait(next < addresses.size() ? (std::min)(until_next, left) : left));
      for (std::size_t i = sockets_.size(); i-- > 0;) {
        if (sockets_[i].revents != 0) {
          if (has_connected(i)) {
            return remove(i);
          }
          close_socket(remove(i));
          next_start = now;
        }
      }
    }
    throw not_sent(error_kind::network, name + " cannot be reached (" + std::system_category().message(problem_) +
                                            "): check the network, the host name and the proxy");
  }

 private:
  bool start(socket_address const& address) {
    pollfd made = {};
    made.fd = make_socket(address.bytes.ss_family, SOCK_STREAM, IPPROTO_TCP);
    made.events = POLLOUT;
    if (made.fd == no_socket) {
      problem_ = socket_error();
      return false;
    }
    sockets_.push_back(made);
    int const yes = 1;
    setsockopt(made.fd, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<char const*>(&yes), sizeof yes);
    bool const is_under_way = connect(made.fd, address.get(), address.size) == 0 || must_wait(socket_error());
    problem_ = is_under_way ? problem_ : socket_error();
    addresses_.push_back(address.text());
    if (!is_under_way) {
      close_socket(remove(sockets_.size() - 1));
    }
    return is_under_way;
  }

  bool has_connected(std::size_t i) {
    int code = 0;
    socklen_t size = sizeof code;
    bool const is_known = getsockopt(sockets_[i].fd, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&code), &size) == 0;
    problem_ = code;
    return is_known && code == 0;
  }

  native_socket remove(std::size_t i) {
    native_socket const removed = sockets_[i].fd;
    sockets_.erase(sockets_.begin() + static_cast<std::ptrdiff_t>(i));
    addresses_.erase(addresses_.begin() + static_cast<std::ptrdiff_t>(i));
    return removed;
  }

  /// "192.0.2.1, 192.0.2.2 (name)".
  std::string waiting_for(std::string const& name) const {
    std::string list;
    for (std::string const& address : addresses_) {
      list += (list.empty() ? "" : ", ") + address;
    }
    return list.empty() ? name : list + " (" + name + ")";
  }

  std::vector<pollfd> sockets_;
  std::vector<std::string> addresses_;  ///< of each socket
  int problem_ = 0;                     ///< of the last attempt that failed
};

}  // namespace detail
}  // namespace v1_0
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_CONNECT_HPP
