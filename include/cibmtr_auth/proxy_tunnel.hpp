// SPDX-License-Identifier: MIT
// A way through an HTTP proxy (RFC 9110, section 9.3.6).

#ifndef CIBMTR_AUTH_PROXY_TUNNEL_HPP
#define CIBMTR_AUTH_PROXY_TUNNEL_HPP

#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

#include <cibmtr_auth/base64.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/tcp_connection.hpp>
#include <cibmtr_auth/url.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
namespace detail {

/// The status in the head of the next answer, 0 for none. Read byte by byte: what follows is the server's.
inline int read_status(tcp_connection& from) {
  std::string head;
  auto ends_in = [&head](std::string const& text) {
    return head.size() >= text.size() && head.compare(head.size() - text.size(), text.size(), text) == 0;
  };
  char byte = 0;
  while (!ends_in("\n\r\n") && !ends_in("\n\n")) {
    if (head.size() == 16 * 1024 || from.receive(&byte, 1) == 0) {
      return 0;
    }
    head += byte;
  }
  bool const is_http = head.size() > 12 && head.compare(0, 7, "HTTP/1.") == 0 && head[8] == ' ';
  return is_http ? std::atoi(head.substr(9, 3).c_str()) : 0;
}

/// The status that the proxy answers with; its credentials go to it alone.
inline int ask_for_tunnel(tcp_connection& to_proxy, url const& proxy, std::string const& destination) {
  std::string request = "CONNECT " + destination + " HTTP/1.1\r\nHost: " + destination + "\r\n";
  if (!proxy.user_info.empty()) {
    secret const credentials(percent_decode(proxy.user_info));
    secret const encoded(base64_encode(credentials.reveal()));
    request.reserve(request.size() + encoded.reveal().size() + 64);
    request += "Proxy-Authorization: Basic " + encoded.reveal() + "\r\n";
  }
  request += "\r\n";
  secret const sent(std::move(request));
  to_proxy.send(sent.reveal().data(), sent.reveal().size());

  int status = 0;
  do {
    status = read_status(to_proxy);
  } while (status >= 100 && status <= 199);
  return status;
}

/// Throws `network` when the proxy refuses.
inline void open_tunnel(tcp_connection& to_proxy, url const& proxy, url const& to) {
  std::string const destination =
      (to.host.find(':') == std::string::npos ? to.host : "[" + to.host + "]") + ":" + std::to_string(to.port);
  int const status = ask_for_tunnel(to_proxy, proxy, destination);
  if (status >= 200 && status <= 299) {
    return;
  }
  std::string const refusal = to_proxy.name() + " refuses the tunnel to " + destination;
  if (status == 0) {
    throw error(error_kind::network, to_proxy.name() + " is no HTTP proxy, or broke off: check its host and port");
  }
  if (status == 401 || status == 407) {
    throw error(error_kind::network,
                refusal + " with HTTP " + std::to_string(status) +
                    (proxy.user_info.empty() ? ": put its user and password into the proxy URL"
                                             : ": it does not take the user and password of the proxy URL"),
                status);
  }
  throw error(
      error_kind::network,
      refusal + " with HTTP " + std::to_string(status) +
          (status >= 500 ? ": it cannot reach that host, check the name" : ": ask its administrator to allow it"),
      status);
}

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_PROXY_TUNNEL_HPP
