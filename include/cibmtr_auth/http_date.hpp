// SPDX-License-Identifier: MIT
// A date as HTTP writes it (RFC 9110, section 5.6.7).

#ifndef CIBMTR_AUTH_HTTP_DATE_HPP
#define CIBMTR_AUTH_HTTP_DATE_HPP

#include <cstdio>
#include <cstring>
#include <string>

namespace cibmtr_auth {
namespace detail {

/// Days from 1970-01-01 to a date of the Gregorian calendar, counted from the March before it, so that
/// a leap day comes last. A month 13 is the next January.
inline long long days_since_epoch(long long year, int month, int day) {
  if (month <= 2) {
    year -= 1;
    month += 12;
  }
  return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}

/// 1 to 12; 0 for anything but the three letters of a month.
inline int month_number(char const* name) {
  static char const names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  char const* const found = std::strlen(name) == 3 ? std::strstr(names, name) : nullptr;
  return found && (found - names) % 3 == 0 ? static_cast<int>((found - names) / 3) + 1 : 0;
}

}  // namespace detail

/// Seconds since 1970-01-01 UTC of any of the three forms (IMF-fixdate, RFC 850, asctime); -1 when `text` is none
/// of them. Neither the day's name nor blanks and leading zeros are checked. A two-digit year is taken as 1970 to 2069.
inline long long parse_http_date(std::string const& text) {
  char day_name[10];
  char month_name[4];
  int year = -1;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int length = -1;
  char const* const source = text.c_str();

  bool known = std::sscanf(source, "%3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", day_name, &day, month_name,
                           &year, &hour, &minute, &second, &length) == 7 &&
               length > 0;
  if (!known) {
    known = std::sscanf(source, "%9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", day_name, &day, month_name, &year,
                        &hour, &minute, &second, &length) == 7 &&
            length > 0;
    year += year < 0 ? 0 : year < 70 ? 2000 : 1900;
  }
  if (!known) {
    known = std::sscanf(source, "%3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", day_name, month_name, &day, &hour,
                        &minute, &second, &year, &length) == 7 &&
            length > 0;
  }

  int const month = known ? detail::month_number(month_name) : 0;
  bool const in_range = month > 0 && year >= 1970 && day >= 1 && hour >= 0 && hour <= 23 && minute >= 0 &&
                        minute <= 59 && second >= 0 && second <= 60;
  if (!in_range || static_cast<std::string::size_type>(length) != text.size()) {
    return -1;
  }
  long long const days = detail::days_since_epoch(year, month, day);
  bool const in_month = days < detail::days_since_epoch(year, month + 1, 1);
  return in_month ? days * 86400 + hour * 3600 + minute * 60 + second : -1;
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_HTTP_DATE_HPP
