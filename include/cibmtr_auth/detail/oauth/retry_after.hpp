// SPDX-License-Identifier: MIT
// How long a server asks not to be asked again.

#ifndef CIBMTR_AUTH_RETRY_AFTER_HPP
#define CIBMTR_AUTH_RETRY_AFTER_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/http_date.hpp>
#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth {
namespace detail {

/// The smallest whole number in a field that may be repeated or comma-joined; -1 when it holds none.
inline long long smallest_number(http_response const& response, std::string const& name) {
  long long smallest = -1;
  for (std::string const& value : response.header_values(name)) {
    for (std::size_t start = 0; start <= value.size();) {
      std::size_t const end = (std::min)(value.find(',', start), value.size());
      std::string const item = trimmed(value.substr(start, end - start));
      start = end + 1;
      if (!item.empty() && item.size() <= 15 && item.find_first_not_of("0123456789") == std::string::npos) {
        long long const number = std::stoll(item);
        smallest = smallest < 0 ? number : (std::min)(smallest, number);
      }
    }
  }
  return smallest;
}

inline long long server_time(http_response const& response) {
  for (std::string const& value : response.header_values("Date")) {
    long long const time = parse_http_date(value);
    if (time >= 0) {
      return time;
    }
  }
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace detail

/// The longer of what `Retry-After` (RFC 9110, section 10.2.3) and Okta's `X-Rate-Limit-Reset` (UTC seconds) ask for; zero
/// when neither does, a day at the most. Times are read against the answer's own `Date`, so a wrong local clock does
/// no harm. Okta's concurrency limit (`Limit` and `Remaining` both 0) names a time that means nothing: zero.
inline std::chrono::seconds read_retry_after(http_response const& response) {
  long long const now = detail::server_time(response);
  long long wait = (std::max)(0LL, detail::smallest_number(response, "Retry-After"));
  for (std::string const& value : response.header_values("Retry-After")) {
    wait = (std::max)(wait, parse_http_date(value) - now);
  }

  long long const remaining = detail::smallest_number(response, "X-Rate-Limit-Remaining");
  long long const reset = detail::smallest_number(response, "X-Rate-Limit-Reset");
  bool const is_concurrency_limit = remaining == 0 && detail::smallest_number(response, "X-Rate-Limit-Limit") == 0;
  if (reset >= 0 && remaining <= 0 && !is_concurrency_limit) {
    wait = (std::max)(wait, reset - now + 1);
  }
  return std::chrono::seconds((std::min)(wait, 86400LL));
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_RETRY_AFTER_HPP
