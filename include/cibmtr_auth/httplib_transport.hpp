// SPDX-License-Identifier: MIT
// A transport over cpp-httplib's client, for programs that already use it.

#ifndef CIBMTR_AUTH_HTTPLIB_TRANSPORT_HPP
#define CIBMTR_AUTH_HTTPLIB_TRANSPORT_HPP

#include <cstdint>

#include <cibmtr_auth/detail/encoding/url.hpp>
#include <cibmtr_auth/detail/net/signals.hpp>
#include <cibmtr_auth/detail/oauth/attempts.hpp>
#include <cibmtr_auth/transport.hpp>

#if CIBMTR_AUTH_HTTPLIB
#include <httplib.h>

#if !defined(CPPHTTPLIB_OPENSSL_SUPPORT) && !defined(CPPHTTPLIB_SSL_ENABLED)
#error \
    "httplib_transport needs TLS: compile all files with -DCPPHTTPLIB_OPENSSL_SUPPORT; or set CIBMTR_AUTH_HTTPLIB to 0"
#endif

namespace cibmtr_auth { inline namespace v1_0 {
namespace detail {

struct wiped_httplib_request : httplib::Request {
  wiped_httplib_request() = default;
  wiped_httplib_request(wiped_httplib_request const&) = delete;
  wiped_httplib_request& operator=(wiped_httplib_request const&) = delete;
  ~wiped_httplib_request() {
    wipe(body);
    for (auto& field : headers) {
      wipe(field.second);
    }
  }
};

/// Marks our request for the header writer, which also writes the CONNECT to a proxy. Never sent.
constexpr char const* httplib_marker = "Cibmtr-Auth";

/// Has `announce` called once the server is verified, by the function that writes the header fields. Returns false if
/// cpp-httplib has no such function (0.11.4). Also keeps `Proxy-Authorization` from the server behind the proxy,
/// because cpp-httplib would send it there too.
template <typename Client>
auto announce_late(Client& client, httplib::Request& request, bool is_secure, std::function<void()> const& announce,
                   int) -> decltype(client.set_header_writer(nullptr), true) {
  request.headers.emplace(httplib_marker, "1");
  client.set_header_writer([is_secure, announce](httplib::Stream& to, httplib::Headers& fields) {
    bool const is_ours = fields.count(httplib_marker) != 0;
    if (is_ours) {
      announce();
    }
    std::string lines;
    for (auto const& field : fields) {
      if (field.first != httplib_marker && !(is_ours && is_secure && iequals(field.first, "Proxy-Authorization"))) {
        lines.append(field.first).append(": ").append(field.second).append("\r\n");
      }
    }
    lines += "\r\n";
    auto const written = to.write(lines.data(), lines.size());
    wipe(lines);
    return written;
  });
  return true;
}
template <typename Client>
bool announce_late(Client&, httplib::Request&, bool, std::function<void()> const&, long) {
  return false;
}

/// A limit for the whole exchange, where cpp-httplib has one (0.41).
template <typename Client>
auto limit_exchange(Client& client, int milliseconds) -> decltype(client.set_max_timeout(milliseconds), void()) {
  client.set_max_timeout(milliseconds);
}
template <typename Client>
void limit_exchange(Client&, long) {}

inline error httplib_error(std::string const& server, httplib::Error problem, bool is_announced) {
  std::string const text = httplib::to_string(problem);  // newer versions have enumerators that older ones lack
  bool const is_tls = text.find("SSL") != std::string::npos;
  bool const is_late = text.find("imeout") != std::string::npos || text.find("timed out") != std::string::npos;
  bool const was_sent = is_announced && !is_tls && problem != httplib::Error::Connection &&
                        problem != httplib::Error::BindIPAddress && problem != httplib::Error::ConnectionTimeout;
  return error(is_tls    ? error_kind::tls
               : is_late ? error_kind::timed_out
                         : error_kind::network,
               server + ": cpp-httplib reports: " + text, 0, std::string(), std::chrono::seconds(0), was_sent);
}

inline http_response exchange_over_httplib(http_request const& request,
                                           std::function<void(httplib::Client&)> const& set_up) {
  constexpr std::size_t max_response_size = 16 * 1024 * 1024;
  url const to = parse_secure_url(request.url, "request URL");
  require_valid(request);

  bool is_announced = false;
  auto const announce = [&] {
    if (is_announced) {  // cpp-httplib 0.18 repeats a request if the server closes the connection without a response
      throw error(error_kind::network, to.authority() + " closed the connection without a response");
    }
    is_announced = true;
    if (request.before_sending) {
      request.before_sending();
    }
  };

  wiped_httplib_request sent;
  sent.method = request.method;
  sent.path = to.target;
  for (std::size_t at = sent.path.find('?'); (at = sent.path.find('+', at)) != std::string::npos;) {
    sent.path.replace(at, 1, "%20");  // equivalent; cpp-httplib would turn + into a literal plus sign
  }
  sent.body = request.body.reveal();
  for (auto const& field : request.headers) {
    sent.headers.emplace(field.first, field.second.reveal());
  }
  if (!has_header(request, "User-Agent")) {
    sent.headers.emplace("User-Agent", "cibmtr_auth/" CIBMTR_AUTH_VERSION);
  }
  bool is_from_server = false;
  sent.response_handler = [&](httplib::Response const&) { return is_from_server = true; };
  std::string body;
  sent.content_receiver = [&](char const* data, std::size_t size, std::uint64_t, std::uint64_t) {
    bool const fits = size <= max_response_size - body.size();
    body.append(data, fits ? size : 0);
    return fits;
  };

  sigpipe_guard const no_signal;  // until the client has closed its connection
  httplib::Client client(to.origin());
  client.set_connection_timeout(10);
  client.set_read_timeout(30);
  client.set_write_timeout(30);
  limit_exchange(client, 30000);
  if (set_up) {
    set_up(client);
  }
  client.set_follow_location(false);
  if (!announce_late(client, sent, to.scheme == "https", announce, 0)) {
    announce();
  }
  httplib::Response received;
  httplib::Error problem = httplib::Error::Success;
  bool const is_complete = client.send(sent, received, problem);

  bool const is_bodiless = received.status == 204 || request.method == "HEAD";
  if (is_complete && !is_from_server &&
      (problem != httplib::Error::Success || received.status == 407 || !is_bodiless)) {
    std::string const message = "the proxy refuses to connect to " + to.authority();
    if (received.status == 407 || received.status == 401) {
      throw proxy_login_rejected(message + ": its login is missing or wrong", received.status, 1);
    }
    throw error(error_kind::network, message, received.status, std::string(), std::chrono::seconds(0), false);
  }
  bool const is_failure = is_from_server && received.status >= 300;  // its status is enough
  if (!is_complete && !is_failure) {
    bool const is_too_long = problem == httplib::Error::Canceled;
    wipe(body);
    if (is_too_long) {
      throw error(error_kind::invalid_response, to.authority() + " sent more than 16 MiB", received.status);
    }
    throw httplib_error(to.authority(), problem, is_announced);
  }
  if (received.status < 200 || received.status > 599) {
    throw error(error_kind::invalid_response, to.authority() + " sent an invalid status code", received.status);
  }
  return http_response(received.status, std::move(body), {received.headers.begin(), received.headers.end()});
}

}  // namespace detail

/// A transport over `httplib::Client`, with one client for each exchange. `set_up` may configure it (proxy, CAs,
/// time-outs) and must be callable from several threads. Unless it says otherwise, connecting may take 10 s, and each
/// read and write 30 s; from cpp-httplib 0.41 on, the whole exchange 30 s. Redirects are never followed. A response may
/// be at most 16 MiB long. Throws like `https_transport`, with cpp-httplib's own descriptions. cpp-httplib ignores the
/// proxy variables of the environment.
inline transport httplib_transport(std::function<void(httplib::Client&)> set_up = nullptr) {
  return [set_up](http_request const& request) { return detail::exchange_over_httplib(request, set_up); };
}

}}  // namespace cibmtr_auth::v1_0
#endif

#endif  // CIBMTR_AUTH_HTTPLIB_TRANSPORT_HPP
