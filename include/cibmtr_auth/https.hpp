// SPDX-License-Identifier: MIT
// The bundled transport: one exchange over cpp-httplib and OpenSSL.

#ifndef CIBMTR_AUTH_HTTPS_HPP
#define CIBMTR_AUTH_HTTPS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/https_client.hpp>
#include <cibmtr_auth/https_options.hpp>
#include <cibmtr_auth/proxy.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/sigpipe_guard.hpp>
#include <cibmtr_auth/transport.hpp>
#include <cibmtr_auth/url.hpp>
#include <cibmtr_auth/watchdog.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
namespace detail {

/// The header fields, each on one line: cpp-httplib sends a line break in a value as it is, and so a second field.
inline httplib::Headers checked_headers(http_request const& sent, url const& to) {
  auto is_word = [](std::string const& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != ':'; });
  };
  std::string const line_breaks("\r\n\0", 3);
  bool is_sound = is_word(sent.method);
  httplib::Headers headers = {{"Host", to.authority()}};
  for (auto const& field : sent.headers) {
    is_sound = is_sound && is_word(field.first) && !same_text(field.first, "Host") &&
               !same_text(field.first, "Content-Length") &&
               field.second.reveal().find_first_of(line_breaks) == std::string::npos;
    headers.emplace(field.first, field.second.reveal());
  }
  if (!is_sound) {
    throw error(error_kind::configuration,
                "the request's method or a header holds a line break or another character that would split it, or the "
                "headers name Host or Content-Length, which are set for you");
  }
  return headers;
}

/// Leaves the thread's OpenSSL errors as the host had them.
class openssl_error_guard {
 public:
  openssl_error_guard() { ERR_set_mark(); }
  ~openssl_error_guard() { ERR_pop_to_mark(); }
  openssl_error_guard(openssl_error_guard const&) = delete;
  openssl_error_guard& operator=(openssl_error_guard const&) = delete;
};

/// Why `client.send` gave no answer.
inline error no_answer(std::string const& host, httplib::Error problem, long verify_result, bool time_is_up) {
  if (verify_result != X509_V_OK) {
    return error(error_kind::tls, "the certificate of " + host +
                                      " is not to be trusted: " + X509_verify_cert_error_string(verify_result) +
                                      ". Check the host name, the clock and the CAs (ca_file); nothing was sent");
  }
  if (problem == httplib::Error::SSLServerVerification) {
    return error(error_kind::tls,
                 "the certificate of " + host + " is for another host: check the URL; nothing was sent");
  }
  if (time_is_up || problem == httplib::Error::ConnectionTimeout) {
    return error(error_kind::timed_out, host + " did not answer in time: try again, or allow more (timeout)");
  }
  if (problem == httplib::Error::SSLConnection) {
    return error(error_kind::tls,
                 "the TLS handshake with " + host + " failed: it must speak TLS 1.2 or newer on this port");
  }
  bool const was_reached = problem != httplib::Error::Connection;
  return error(error_kind::network, host + (was_reached ? " broke off the exchange" : " cannot be reached") +
                                        ": check the network, the host name and the proxy");
}

/// One exchange over a client that is set up.
inline http_response exchange(httplib::ClientImpl& client, http_request const& sent, url const& to,
                              https_options const& options, watchdog& deadline, long const& verify_result) {
  limit_time(client, deadline, options);
  httplib::Request request;
  request.method = sent.method;
  request.path = to.target;
  request.headers = checked_headers(sent, to);
  request.body = sent.body.reveal();
  std::string body;
  body.reserve((std::min)(options.max_response_size, std::size_t{64 * 1024}));
  bool is_too_long = false;
  request.content_receiver = [&](char const* data, std::size_t length, std::uint64_t, std::uint64_t) {
    is_too_long = length > options.max_response_size - body.size();
    if (!is_too_long) {
      body.append(data, length);
    }
    return !is_too_long;
  };

  httplib::Response response;
  httplib::Error problem = httplib::Error::Success;
  bool const is_answered = client.send(request, response, problem);

  http_response answer;
  answer.status = response.status;
  answer.headers.assign(response.headers.begin(), response.headers.end());
  answer.body = is_too_long ? std::string() : std::move(body);
  wipe(request.body);
  for (auto& field : request.headers) {
    wipe(field.second);
  }
  if (is_too_long && answer.status != 200) {
    return answer;  // a status tells enough
  }
  if (is_too_long) {
    throw error(error_kind::malformed,
                to.authority() + " sent more than the " + std::to_string(options.max_response_size) +
                    " bytes that are allowed (max_response_size)",
                response.status);
  }
  if (!is_answered) {
    throw no_answer(to.authority(), problem, verify_result, deadline.time_is_up());
  }
  return answer;
}

inline http_response exchange(http_request const& sent, https_options const& options) {
  url const to = parse_secure_url(sent.url, "request URL");
  std::string const proxy_url = options.proxy.empty()     ? proxy_from_env(to)
                                : options.proxy == "none" ? ""
                                                          : options.proxy;
  sigpipe_guard const no_signal;
  openssl_error_guard const no_traces;
  watchdog deadline(options.timeout);
  if (to.scheme == "http") {
    httplib::ClientImpl client(to.host, to.port);
    return exchange(client, sent, to, options, deadline, X509_V_OK);
  }

  httplib::SSLClient client(to.host, to.port);
  certificate_check check = {client, X509_V_OK};
  require_trust(client, check, options, to.host);
  if (!proxy_url.empty()) {
    url const proxy = parse_proxy_url(proxy_url);
    std::string const user = proxy.user_info.substr(0, proxy.user_info.find(':'));
    client.set_proxy(proxy.host, proxy.port);
    client.set_proxy_basic_auth(
        percent_decode(user),
        percent_decode(proxy.user_info.substr((std::min)(user.size() + 1, proxy.user_info.size()))));
    require_tunnel(proxy, to, deadline, options);
  }
  return exchange(client, sent, to, options, deadline, check.result);
}

}  // namespace detail

/// A transport over HTTPS (and over HTTP to this very machine). Throws `configuration`, `network`, `tls`, `timed_out` or, for a body
/// that is too long, `malformed`; any HTTP status is an answer. Reads the CAs anew for each exchange.
inline transport https_transport(https_options options = https_options()) {
  return [options](http_request const& request) { return detail::exchange(request, options); };
}

}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_HTTPS_HPP
