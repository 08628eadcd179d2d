// SPDX-License-Identifier: MIT
// How one request travels.

#ifndef CIBMTR_AUTH_TRANSPORT_HPP
#define CIBMTR_AUTH_TRANSPORT_HPP

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {

/// A request to the token server or to the API. Header values and body are secrets: most of them are.
struct http_request {
  std::string method;                                   ///< `GET`, `POST`, in capitals
  std::string url;                                      ///< absolute
  std::vector<std::pair<std::string, secret>> headers;  ///< names and values, without `Host` and `Content-Length`
  secret body;                                          ///< any bytes; empty for none
};

/// An answer, whatever its status.
struct http_response {
  int status = 0;                                            ///< 100 to 599
  std::vector<std::pair<std::string, std::string>> headers;  ///< names and values; a name may come twice
  secret body;                                               ///< without transfer and content encoding

  /// The values of every field of that name, in any case (RFC 9110, section 5.1), without white space around them.
  std::vector<std::string> header_values(std::string const& name) const {
    std::vector<std::string> values;
    for (auto const& field : headers) {
      if (detail::same_text(field.first, name)) {
        values.push_back(detail::trimmed(field.second));
      }
    }
    return values;
  }
};

/// One exchange. The library comes with one (`https_transport`); a program that has an HTTP client already gives
/// its own, and a test gives three lines. It must verify the server, end within a bounded time, not follow redirects
/// (they would re-send the password), and either return the answer or throw, best an `error` of kind `network`,
/// `tls` or `timed_out`. It may be called from several threads at once.
using transport = std::function<http_response(http_request const&)>;

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TRANSPORT_HPP
