// SPDX-License-Identifier: MIT
// Waits and dates in any header.

#include <ctime>

#define CIBMTR_AUTH_HTTPS 0
#include "response.hpp"

namespace {

using namespace cibmtr_auth;
using fuzz::promise;

std::string written(char const* form, std::time_t time) {
  std::tm parts;
  gmtime_r(&time, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, form, &parts));
}

/// The numbers in a text, in order.
std::vector<long> numbers(std::string const& text) {
  std::vector<long> all;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(text[i]))) {
      char* end = nullptr;
      all.push_back(std::strtol(text.c_str() + i, &end, 10));
      i = static_cast<std::size_t>(end - text.c_str());
    }
  }
  return all;
}

/// A date agrees with the C library's calendar.
void check_date(std::string const& text) {
  long long const time = detail::parse_http_date(text);
  promise(time >= -1 && time <= 253402300800, "a date lies between 1970 and 9999");
  if (time < 0) {
    return;
  }
  std::vector<long> const said = numbers(text);
  if (said.size() != 5) {
    return;  // spaces may be missing: 31-Dec-6923:59:59
  }
  bool const is_asctime = text.find(',') == std::string::npos;
  long const year = said[is_asctime ? 4 : 1];
  long const second = said[is_asctime ? 3 : 4];
  std::time_t const without_leap_second = time - (second == 60);
  std::tm parts;
  gmtime_r(&without_leap_second, &parts);
  promise(parts.tm_mday == said[0], "the day is the text's");
  promise(parts.tm_year + 1900 == year || (year < 100 && parts.tm_year % 100 == year), "the year is the text's");
  promise(parts.tm_hour == said[is_asctime ? 1 : 2], "the hour is the text's");
  promise(parts.tm_min == said[is_asctime ? 2 : 3], "the minute is the text's");
  promise(parts.tm_sec == second - (second == 60), "the second is the text's");
  promise(text.find(written("%b", without_leap_second)) != std::string::npos, "the month is the text's");
}

void check_written_date(std::string const& input) {
  std::uint64_t number = 0;
  std::memcpy(&number, input.data(), (std::min)(input.size(), sizeof number));
  auto const time = static_cast<std::time_t>(number % 253402300800);
  promise(detail::parse_http_date(written("%a, %d %b %Y %H:%M:%S GMT", time)) == time, "IMF-fixdate");
  promise(detail::parse_http_date(written("%a %b %e %H:%M:%S %Y", time)) == time, "asctime");
  auto const short_time = static_cast<std::time_t>(number % 3155760000);
  promise(detail::parse_http_date(written("%A, %d-%b-%y %H:%M:%S GMT", short_time)) == short_time, "RFC 850");
}

long long wait(http_response const& response) {
  long long const seconds = detail::read_retry_after(response).count();
  promise(seconds >= 0 && seconds <= 86400, "a wait is at most a day");
  return seconds;
}

void retry_after(std::string const& input) {
  http_response response = fuzz::response(input);
  check_written_date(input);
  for (auto const& field : response.headers) {
    check_date(detail::trim(field.second));
  }

  // After all others, so that the local clock is never read.
  response.headers.emplace_back("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  long long const seconds = wait(response);
  bool asks = false;
  for (auto& field : response.headers) {
    asks = asks || detail::iequals(field.first, "Retry-After") || detail::iequals(field.first, "X-Rate-Limit-Reset");
    for (char& c : field.first) {
      c = std::isalpha(static_cast<unsigned char>(c)) ? static_cast<char>(c ^ 0x20) : c;
    }
    field.second = "\t " + field.second + " \r\n";
  }
  promise(asks || seconds == 0, "no wait unless a header asks for one");
  promise(wait(response) == seconds, "names are read in any case, values without the spaces around them");

  response.headers.emplace_back("X-Rate-Limit-Limit", "0");
  response.headers.emplace_back("X-Rate-Limit-Remaining", "0");
  long long const retry = wait(response);
  promise(retry <= seconds || seconds == 0, "the concurrency limit adds nothing");

  http_response alone;
  long long const delay = static_cast<unsigned char>(input.empty() ? 'x' : input[0]) * 1000LL;
  alone.headers.emplace_back("Retry-After", std::to_string(delay));
  promise(wait(alone) == (std::min)(delay, 86400LL), "a delay is taken as it is");
}

fuzz::registered const here("retry_after", retry_after);

}  // namespace
