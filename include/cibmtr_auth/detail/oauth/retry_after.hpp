// SPDX-License-Identifier: MIT
// How long a server asks to wait before the next request.

#ifndef CIBMTR_AUTH_DETAIL_OAUTH_RETRY_AFTER_HPP
#define CIBMTR_AUTH_DETAIL_OAUTH_RETRY_AFTER_HPP

#include <cstdio>
#include <cstring>

#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years start in March here, so that a leap day comes last.
/// Month 13 is the next January.
inline long long days_since_epoch(long long year, int month, int day) {
  if (month <= 2) {
    year -= 1;
    month += 12;
  }
  return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}

/// Seconds since 1970-01-01 UTC of a date in one of HTTP's three forms (RFC 9110, section 5.6.7: IMF-fixdate, RFC 850,
/// asctime); -1 for other text. The weekday, spaces and leading zeros are not checked. A two-digit year is 1970 to
/// 2069.
inline long long parse_http_date(std::string const& text) {
  static char const month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  char const* const start = text.c_str();
  char weekday[10];
  char month[4] = "";
  int year = -1;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int length = -1;

  std::sscanf(start, "%3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", weekday, &day, month, &year, &hour, &minute,
              &second, &length);
  if (length < 0) {
    std::sscanf(start, "%9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", weekday, &day, month, &year, &hour, &minute,
                &second, &length);
    year += year < 0 ? 0 : year < 70 ? 2000 : 1900;
  }
  if (length < 0) {
    std::sscanf(start, "%3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", weekday, month, &day, &hour, &minute, &second,
                &year, &length);
  }

  char const* const name = std::strlen(month) == 3 ? std::strstr(month_names, month) : nullptr;
  if (length < 0 || static_cast<std::size_t>(length) != text.size() || !name || (name - month_names) % 3 != 0 ||
      year < 1970 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return -1;
  }
  int const month_number = static_cast<int>((name - month_names) / 3) + 1;
  long long const days = days_since_epoch(year, month_number, day);
  bool const is_in_month = days < days_since_epoch(year, month_number + 1, 1);
  return is_in_month ? days * 86400 + hour * 3600 + minute * 60 + second : -1;
}

/// A number of seconds, rounded up, at most 10^12; -1 for anything but digits with at most one point between them.
inline long long parse_seconds(std::string const& text) {
  std::size_t const point = (std::min)(text.find('.'), text.size());
  std::string const fraction = point == text.size() ? "0" : text.substr(point + 1);
  if (!is_number(text.substr(0, point)) || !is_number(fraction)) {
    return -1;
  }
  long long seconds = 0;
  for (std::size_t i = 0; i < point; ++i) {
    seconds = (std::min)(10 * seconds + (text[i] - '0'), 1000000000000LL);
  }
  return fraction.find_first_not_of('0') == std::string::npos ? seconds : seconds + 1;
}

/// The values of a field, which may be repeated.
inline std::vector<std::string> header_values(http_response const& response, std::string const& name) {
  std::vector<std::string> values;
  for (auto const& field : response.headers) {
    if (iequals(field.first, name)) {
      values.push_back(trim(field.second));
    }
  }
  return values;
}

/// The smallest number in a field that may be repeated or comma-joined; -1 if there is none.
inline long long smallest_number(http_response const& response, std::string const& name) {
  long long smallest = -1;
  for (std::string const& value : header_values(response, name)) {
    for (std::size_t start = 0; start <= value.size();) {
      std::size_t const end = (std::min)(value.find(',', start), value.size());
      long long const number = parse_seconds(trim(value.substr(start, end - start)));
      start = end + 1;
      smallest = number < 0 || (smallest >= 0 && smallest < number) ? smallest : number;
    }
  }
  return smallest;
}

/// By the response's own `Date`, so that a wrong local clock does no harm; without one, by the local clock.
inline long long server_time(http_response const& response) {
  for (std::string const& value : header_values(response, "Date")) {
    long long const time = parse_http_date(value);
    if (time >= 0) {
      return time;
    }
  }
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The longer of `Retry-After` (RFC 9110, section 10.2.3) and Okta's `X-Rate-Limit-Reset` (UTC seconds); zero if there
/// is neither, at most a day. For Okta's concurrency limit (`Limit` and `Remaining` both 0) the reset time means
/// nothing.
inline std::chrono::seconds read_retry_after(http_response const& response) {
  long long const now = server_time(response);
  long long wait = (std::max)(0LL, smallest_number(response, "Retry-After"));
  for (std::string const& value : header_values(response, "Retry-After")) {
    wait = (std::max)(wait, parse_http_date(value) - now);
  }

  long long const remaining = smallest_number(response, "X-Rate-Limit-Remaining");
  long long const reset = smallest_number(response, "X-Rate-Limit-Reset");
  bool const is_concurrency_limit = remaining == 0 && smallest_number(response, "X-Rate-Limit-Limit") == 0;
  if (reset >= 0 && remaining <= 0 && !is_concurrency_limit) {
    wait = (std::max)(wait, reset - now + 1);
  }
  return std::chrono::seconds((std::min)(wait, 86400LL));
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_OAUTH_RETRY_AFTER_HPP
