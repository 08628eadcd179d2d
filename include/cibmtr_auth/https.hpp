// SPDX-License-Identifier: MIT
// The bundled transport: one exchange over OpenSSL, its answer read by cpp-httplib.

#ifndef CIBMTR_AUTH_HTTPS_HPP
#define CIBMTR_AUTH_HTTPS_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/deadline.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/http_answer.hpp>
#include <cibmtr_auth/https_options.hpp>
#include <cibmtr_auth/proxy.hpp>
#include <cibmtr_auth/proxy_tunnel.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/sigpipe_guard.hpp>
#include <cibmtr_auth/tcp_connection.hpp>
#include <cibmtr_auth/tls_connection.hpp>
#include <cibmtr_auth/tls_context.hpp>
#include <cibmtr_auth/transport.hpp>
#include <cibmtr_auth/url.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
namespace detail {

/// Whether the request is one request: a line break in a value would begin another field, or another request.
inline bool is_sound(http_request const& sent) {
  auto is_word = [](std::string const& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != ':'; });
  };
  std::string const line_breaks("\r\n\0", 3);
  return is_word(sent.method) &&
         std::all_of(sent.headers.begin(), sent.headers.end(), [&](std::pair<std::string, secret> const& field) {
           return is_word(field.first) && !same_text(field.first, "Host") &&
                  !same_text(field.first, "Content-Length") && !same_text(field.first, "Transfer-Encoding") &&
                  field.second.reveal().find_first_of(line_breaks) == std::string::npos;
         });
}

/// The request as it travels (RFC 9112), in memory that never moves, so that no copy of a secret is left behind.
inline secret request_bytes(http_request const& sent, url const& to) {
  if (!is_sound(sent)) {
    throw error(error_kind::configuration,
                "the request's method or a header holds a line break or another character that would split it, or the "
                "headers name Host, Content-Length or Transfer-Encoding, which are set for you");
  }
  std::string head =
      sent.method + " " + to.target + " HTTP/1.1\r\nHost: " + to.authority() + "\r\nConnection: close\r\n";
  std::size_t size = sent.body.reveal().size() + 4;
  auto has = [&sent](std::string const& name) {
    return std::any_of(sent.headers.begin(), sent.headers.end(),
                       [&name](std::pair<std::string, secret> const& field) { return same_text(field.first, name); });
  };
  if (!has("Accept")) {
    head += "Accept: */*\r\n";
  }
  if (!has("User-Agent")) {
    head += "User-Agent: cibmtr_auth/" CIBMTR_AUTH_VERSION "\r\n";
  }
  if (!sent.body.empty() || sent.method == "POST" || sent.method == "PUT" || sent.method == "PATCH") {
    head += "Content-Length: " + std::to_string(sent.body.reveal().size()) + "\r\n";
  }
  for (auto const& field : sent.headers) {
    size += field.first.size() + field.second.reveal().size() + 4;
  }
  head.reserve(head.size() + size);
  for (auto const& field : sent.headers) {
    head.append(field.first).append(": ").append(field.second.reveal()).append("\r\n");
  }
  head.append("\r\n").append(sent.body.reveal());
  return secret(std::move(head));
}

/// Leaves no errors of ours for the host's next use of OpenSSL in this thread.
struct openssl_error_guard {
  openssl_error_guard() = default;
  openssl_error_guard(openssl_error_guard const&) = delete;
  openssl_error_guard& operator=(openssl_error_guard const&) = delete;
  ~openssl_error_guard() { ERR_clear_error(); }
};

template <typename Connection>
http_response converse(Connection& peer, std::string const& name, http_request const& sent, secret const& bytes,
                       https_options const& options) {
  auto answer = [&] {
    return read_answer(
        name, [&peer](char* to, std::size_t size) { return peer.receive(to, size); }, sent.method,
        options.max_response_size);
  };
  try {
    peer.send(bytes.reveal().data(), bytes.reveal().size());
  } catch (error const& failure) {
    if (failure.kind() != error_kind::network) {
      throw;
    }
    try {
      return answer();  // given before it had read all, like a 401 or a 413
    } catch (error const&) {
      throw failure;
    }
  }
  return answer();
}

inline http_response exchange(http_request const& sent, https_options const& options,
                              shared_tls_context const& contexts) {
  url const to = parse_secure_url(sent.url, "request URL");
  secret const bytes = request_bytes(sent, to);
  openssl_error_guard const no_errors_left;
  bool const is_secure = to.scheme == "https";
  auto const context = is_secure ? contexts.get(options) : nullptr;
  bool const asks_environment = is_secure && options.proxy.empty();
  std::string const proxy_url = asks_environment ? proxy_from_env(to) : options.proxy == "none" ? "" : options.proxy;
  bool const is_direct = proxy_url.empty() || !is_secure;
  url const first = is_direct ? to : parse_proxy_url(proxy_url);

  sigpipe_guard const no_signal;
  deadline const end(options.timeout);
  https_peer facts;
  facts.proxy = is_direct ? "" : first.authority();
  tcp_connection below(first.host, first.port, (is_direct ? "" : "the proxy ") + first.authority(), end,
                       options.connect_timeout);
  facts.address = below.address();
  if (!is_direct) {
    open_tunnel(below, first, to);
    below.rename(to.authority() + " (through the proxy " + first.authority() + ")");
  }
  auto tell = [&] {
    if (options.observer) {
      options.observer(facts);
    }
  };
  if (!is_secure) {
    if (!is_loopback(facts.address)) {
      throw error(error_kind::configuration, to.authority() + " is not this machine but " + facts.address +
                                                 ", and http:// would send secrets there readable by anyone: use "
                                                 "https://, or mend the name service");
    }
    tell();
    return converse(below, below.name(), sent, bytes, options);
  }
  tls_connection secured(below, *context, to.host);
  secured.describe(facts);
  tell();
  return converse(secured, below.name(), sent, bytes, options);
}

/// What OpenSSL and cpp-httplib make when they are first used lives until the program ends. Used now, it outlives every static object
/// that is made later and asks until then.
inline void use_dependencies() {
  openssl_error_guard const no_errors_left;
  OPENSSL_init_ssl(0, nullptr);
  std::string rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  auto const give = [&rest](char* to, std::size_t size) {
    std::size_t const given = rest.copy(to, size);
    rest.erase(0, given);
    return given;
  };
  read_answer("", give, "GET", 0);
}

}  // namespace detail

/// A transport over HTTPS (and over HTTP to this very machine). Throws `configuration`, `network`, `tls`, `timed_out` or, for a body
/// that is too long or no HTTP, `malformed`; any HTTP status is an answer. Reads the CAs once, and again after an error
/// of kind `tls`.
inline transport https_transport(https_options const& options = https_options()) {
  detail::use_dependencies();
  auto const contexts = std::make_shared<detail::shared_tls_context>();
  return [options, contexts](http_request const& request) {
    try {
      return detail::exchange(request, options, *contexts);
    } catch (error const& failure) {
      if (failure.kind() == error_kind::tls) {
        contexts->forget();
      }
      throw;
    }
  };
}

}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_HTTPS_HPP
