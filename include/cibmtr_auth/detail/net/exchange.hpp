// SPDX-License-Identifier: MIT
// One exchange of the bundled transport: connect, verify, send one request, read one response.

#ifndef CIBMTR_AUTH_DETAIL_NET_EXCHANGE_HPP
#define CIBMTR_AUTH_DETAIL_NET_EXCHANGE_HPP

#include <cibmtr_auth/detail/net/proxy.hpp>
#include <cibmtr_auth/detail/net/signals.hpp>
#include <cibmtr_auth/detail/net/tls.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// The request as it is sent (RFC 9112), in memory that never moves, so that no copy of a secret is left behind.
inline secret request_bytes(http_request const& request, url const& to) {
  require_valid(request);
  std::string head =
      request.method + " " + to.target + " HTTP/1.1\r\nHost: " + to.authority() + "\r\nConnection: close\r\n";
  head += has_header(request, "Accept") ? "" : "Accept: */*\r\n";
  head += has_header(request, "Accept-Encoding") ? "" : "Accept-Encoding: identity\r\n";  // nothing else can be decoded
  head += has_header(request, "User-Agent") ? "" : "User-Agent: cibmtr_auth/" CIBMTR_AUTH_VERSION "\r\n";
  std::string const& body = request.body.reveal();
  if (!body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  std::size_t size = head.size() + body.size() + 2;
  for (auto const& field : request.headers) {
    size += field.first.size() + field.second.reveal().size() + 4;
  }
  head.reserve(size);
  for (auto const& field : request.headers) {
    head.append(field.first).append(": ").append(field.second.reveal()).append("\r\n");
  }
  head.append("\r\n").append(body);
  return secret(std::move(head));
}

/// Over a `tcp_connection` or a `tls_connection`.
template <typename Connection>
http_response send_and_receive(Connection& peer, std::string const& name, http_request const& request,
                               secret const& bytes, std::size_t max_size) {
  auto receive = [&] {
    return http_response_reader(name, [&peer](char* to, std::size_t size) { return peer.receive(to, size); })
        .read(request.method, max_size);
  };
  try {
    peer.send(bytes.reveal().data(), bytes.reveal().size());
  } catch (error const& not_written) {
    if (not_written.kind() == error_kind::timed_out) {
      throw;
    }
    try {
      return receive();  // sent before the server had read everything: a 401, a 413, a certificate alert
    } catch (error const& failure) {
      if (failure.kind() == error_kind::tls) {
        throw;
      }
    }
    throw;
  }
  return receive();
}

/// Removes our errors, so that the host's next use of OpenSSL in this thread does not find them.
struct openssl_error_guard {
  openssl_error_guard() = default;
  openssl_error_guard(openssl_error_guard const&) = delete;
  openssl_error_guard& operator=(openssl_error_guard const&) = delete;
  ~openssl_error_guard() { ERR_clear_error(); }
};

using peer_observer = std::function<void(https_peer const&)>;

/// `observer`, which may be empty, is called with the peer before anything is sent; what it throws ends the exchange.
inline http_response exchange(http_request const& request, https_options const& options,
                              shared_tls_context const& contexts, peer_observer const& observer) {
  url const to = parse_secure_url(request.url, "request URL");
  secret const bytes = request_bytes(request, to);
  openssl_error_guard const no_errors_left;
  bool const is_secure = to.scheme == "https";
  auto const context = is_secure ? contexts.get(options) : nullptr;
  url const proxy = proxy_for(to, options);
  bool const is_direct = proxy.host.empty();
  url const& first = is_direct ? to : proxy;
  std::string const first_name = (is_direct ? "" : "the proxy ") + first.authority();

  sigpipe_guard const no_signal;
  auto const addresses = look_up(first.host, first.port, first_name);
  deadline const end(options.timeout, options.is_cancelled);
  tcp_connection below(connect_to_first(interleave(addresses), first_name, end, options.connect_timeout), first_name,
                       end);
  https_peer facts;
  facts.proxy = is_direct ? "" : proxy.authority();
  facts.address = below.peer_address();
  if (!is_direct) {
    open_tunnel(below, proxy, to);
    below.rename(to.authority() + " (through the proxy " + proxy.authority() + ")");
  }
  auto start_request = [&] {
    if (observer) {
      observer(facts);
    }
    if (request.before_sending) {
      request.before_sending();
    }
    below.expect_response();
  };
  if (!is_secure) {
    require(is_loopback(facts.address), to.authority(),
            "is not localhost but " + facts.address +
                ", and over http:// anyone could read the secrets: use https://, or fix the name service");
    start_request();
    return send_and_receive(below, below.name(), request, bytes, options.max_response_size);
  }
  tls_connection secured(below, *context, to.host);
  secured.describe_to(facts);
  start_request();
  return send_and_receive(secured, below.name(), request, bytes, options.max_response_size);
}

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_EXCHANGE_HPP
