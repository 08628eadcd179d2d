// SPDX-License-Identifier: MIT
// One HTTP exchange: request, response, and the function that makes it.

#ifndef CIBMTR_AUTH_TRANSPORT_HPP
#define CIBMTR_AUTH_TRANSPORT_HPP

#include <algorithm>
#include <functional>
#include <vector>

#include <cibmtr_auth/detail/encoding/text.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// A request to the token server or to the API. Header values and body are secrets because most of them are.
struct http_request {
  http_request() = default;
  http_request(std::string method_name, std::string absolute_url,
               std::vector<std::pair<std::string, secret>> header_fields = {}, secret content = {})
      : method(std::move(method_name)),
        url(std::move(absolute_url)),
        headers(std::move(header_fields)),
        body(std::move(content)) {}

  std::string method;                                   ///< `GET`, `POST`, upper case
  std::string url;                                      ///< absolute
  std::vector<std::pair<std::string, secret>> headers;  ///< names and values, without `Host` and `Content-Length`
  secret body;                                          ///< any bytes; empty for none
  std::function<void()> before_sending;  ///< see `transport`; never empty in requests that the cache makes
};

/// What the server returned.
struct http_response {
  http_response() = default;
  http_response(int status_code, std::string content,
                std::vector<std::pair<std::string, std::string>> header_fields = {})
      : status(status_code), headers(std::move(header_fields)), body(std::move(content)) {}

  int status = 0;                                            ///< 200 to 599
  std::vector<std::pair<std::string, std::string>> headers;  ///< names and values; a name may be repeated
  std::string body;                                          ///< without transfer coding

  /// The value of the first field of that name, in any case (RFC 9110, section 5.1); empty if there is none.
  std::string header(std::string const& name) const {
    for (auto const& field : headers) {
      if (detail::iequals(field.first, name)) {
        return detail::trim(field.second);
      }
    }
    return std::string();
  }
};

/// Makes one exchange and returns the response, whatever its status, or throws, preferably an `error` of kind
/// `network`, `tls` or `timed_out`. It must verify the server, end in bounded time and follow no redirect, which would
/// send the password on. It may be called from several threads. It calls `request.before_sending()`, if set, when it is
/// connected and the server is verified, just before the first byte of the request; if that throws, it sends nothing
/// and lets the exception pass. A transport that does not call it still works, but processes cannot agree on one
/// request.
using transport = std::function<http_response(http_request const&)>;

/// How the bundled transport connects and whom it trusts. The defaults are right for CIBMTR's servers.
struct https_options {
  std::chrono::milliseconds timeout{30000};          ///< for the whole exchange; only the name look-up is not bounded
  std::chrono::milliseconds connect_timeout{10000};  ///< for connecting, all addresses of the host together
  std::string ca_file{};                  ///< PEM file of certificate authorities to trust instead of the system's
  std::string ca_directory{};             ///< the same as a directory, made by `openssl rehash`; both may be given
  std::string client_certificate_file{};  ///< for mutual TLS: PEM file, the certificate with its chain
  std::string client_key_file{};          ///< its key: PEM file without a passphrase
  std::string proxy{};  ///< `http://[user:password@]host:port`; `none`; or empty for what the environment says
  std::size_t max_response_size = 16 * 1024 * 1024;  ///< bytes; a longer body is `invalid_response`
  std::function<bool()> is_cancelled{};  ///< polled at least every 100 ms while waiting; true ends it with `timed_out`
};

namespace detail {

/// Throws `configuration` for a request that would not arrive as one request: a line break in a value would begin
/// another field or another request (RFC 9112, section 11.2).
inline void require_valid(http_request const& request) {
  auto is_word = [](std::string const& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != ':'; });
  };
  auto is_valid = [&](std::pair<std::string, secret> const& field) {
    return is_word(field.first) && !iequals(field.first, "Host") && !iequals(field.first, "Content-Length") &&
           !iequals(field.first, "Transfer-Encoding") &&
           field.second.reveal().find_first_of(std::string("\r\n\0", 3)) == std::string::npos;
  };
  require(is_word(request.method) && std::all_of(request.headers.begin(), request.headers.end(), is_valid),
          "the request's method or a header",
          "has a line break or another character that would split it, or names Host, Content-Length or "
          "Transfer-Encoding, which are set for you");
}

/// Whether the request has a field of that name.
inline bool has_header(http_request const& request, std::string const& name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&name](std::pair<std::string, secret> const& field) { return iequals(field.first, name); });
}

}  // namespace detail
}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_TRANSPORT_HPP
