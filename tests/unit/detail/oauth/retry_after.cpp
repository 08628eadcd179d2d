// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::detail::parse_http_date;

#ifndef _WIN32  // its C library knows neither %e nor the year 3001

/// Where time_t has 32 bits it ends in 2038.
long long within_time_t(long long time) {
  return (std::min)(time, static_cast<long long>(std::numeric_limits<std::time_t>::max()));
}

/// Written by the C library, from its own calendar; in the C locale, in which tests run.
std::string written(char const* form, std::time_t time) {
  std::tm parts;
  gmtime_r(&time, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, form, &parts));
}

char const imf_fixdate[] = "%a, %d %b %Y %H:%M:%S GMT";
char const rfc_850[] = "%A, %d-%b-%y %H:%M:%S GMT";
char const asctime_form[] = "%a %b %e %H:%M:%S %Y";

#endif

using header_list = std::vector<std::pair<std::string, std::string>>;

/// The seconds to wait after a response with these headers.
long long wait(header_list const& headers) {
  cibmtr_auth::http_response response;
  response.status = 429;
  response.headers = headers;
  return cibmtr_auth::detail::read_retry_after(response).count();
}

long long local_time() { return static_cast<long long>(std::time(nullptr)); }

/// 784111777
std::pair<std::string, std::string> const date = {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"};

}  // namespace

TEST_CASE("the three forms of RFC 9110, section 5.6.7, name the same second") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994") == 784111777);
}

TEST_CASE("dates at the edges of the calendar are read correctly") {
  struct {
    char const* text;
    long long time;
  } const dates[] = {
      {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"Thu, 01 Jan 1970 00:00:01 GMT", 1},
      {"Thu, 31 Dec 1970 23:59:59 GMT", 31535999},
      {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
      {"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
      {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
      {"Fri, 01 Mar 2024 00:00:00 GMT", 1709251200},
      {"Sun, 28 Feb 2100 00:00:00 GMT", 4107456000},
      {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
      {"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648},
      {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
      {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
      {"Thursday, 01-Jan-70 00:00:00 GMT", 0},
      {"Tuesday, 31-Dec-69 23:59:59 GMT", 3155759999},
      {"Wednesday, 30-Nov-94 08:49:37 GMT", 786185377},
      {"Thu Jan  1 00:00:00 1970", 0},
      {"Fri Dec 31 23:59:59 9999", 253402300799},
      {"Wed Nov 16 08:49:37 1994", 784975777},
  };
  for (auto const& each : dates) {
    CAPTURE(each.text);
    CHECK(parse_http_date(each.text) == each.time);
  }
}

#ifndef _WIN32
TEST_CASE("what the C library writes is read back, in all three forms") {
  unsigned const seed = 9110;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    auto const any_year = static_cast<std::time_t>(random() % static_cast<std::uint64_t>(within_time_t(253402300800)));
    auto const two_digit_year =
        static_cast<std::time_t>(random() % static_cast<std::uint64_t>(within_time_t(3155760000)));
    CAPTURE(any_year);
    CAPTURE(two_digit_year);
    CHECK(parse_http_date(written(imf_fixdate, any_year)) == any_year);
    CHECK(parse_http_date(written(asctime_form, any_year)) == any_year);
    CHECK(parse_http_date(written(rfc_850, two_digit_year)) == two_digit_year);
  }
}

TEST_CASE("each day of a hundred years is read correctly, leap days included") {
  for (long long time = 43200; time < within_time_t(3155760000); time += 86400) {
    REQUIRE(parse_http_date(written(imf_fixdate, static_cast<std::time_t>(time))) == time);
  }
}
#endif

TEST_CASE("text in no form of RFC 9110 is not a date") {
  for (std::string const& text :
       {// not a date at all
        std::string(), std::string(" "), std::string("0"), std::string("-1"), std::string("120"), std::string("soon"),
        std::string(","), std::string("Sun"), std::string("Sun,"), std::string("GMT"), std::string("784111777"),
        std::string("1994-11-06T08:49:37Z"), std::string(100000, 'S'), std::string(100000, ' '),
        // cut short, or with something after it
        std::string("Sun, 06 Nov 1994 08:49:37"), std::string("Sun, 06 Nov 1994 08:49:37 GM"),
        std::string("Sun, 06 Nov 1994 08:49 GMT"), std::string("Sun, 06 Nov 1994"),
        std::string("Sunday, 06-Nov-94 08:49:37"), std::string("Sun Nov  6 08:49:37"),
        std::string("Sun, 06 Nov 1994 08:49:37 GMT "), std::string("Sun, 06 Nov 1994 08:49:37 GMT;"),
        std::string("Sun, 06 Nov 1994 08:49:37 GMT\n"), std::string("Sun, 06 Nov 1994 08:49:37 GMTx"),
        std::string("Sun, 06 Nov 1994 08:49:37 GMT\0", 30), std::string("Sun, 06 Nov 1994 08:49:37 GMT\0x", 31),
        std::string("Sunday, 06-Nov-94 08:49:37 GMT x"), std::string("Sun Nov  6 08:49:37 1994 GMT"),
        std::string("Sun Nov  6 08:49:37 19945"),
        // another time zone
        std::string("Sun, 06 Nov 1994 08:49:37 UTC"), std::string("Sun, 06 Nov 1994 08:49:37 +0000"),
        std::string("Sun, 06 Nov 1994 08:49:37 EST"), std::string("Sun, 06 Nov 1994 08:49:37 gmt"),
        // not a month
        std::string("Sun, 06 nov 1994 08:49:37 GMT"), std::string("Sun, 06 NOV 1994 08:49:37 GMT"),
        std::string("Sun, 06 anF 1994 08:49:37 GMT"), std::string("Sun, 06 No 1994 08:49:37 GMT"),
        std::string("Sun, 06 November 1994 08:49:37 GMT"), std::string("Sun, 06 11 1994 08:49:37 GMT"),
        // out of range
        std::string("Sun, 00 Nov 1994 08:49:37 GMT"), std::string("Sun, 32 Nov 1994 08:49:37 GMT"),
        std::string("Sun, 06 Nov 1994 24:00:00 GMT"), std::string("Sun, 06 Nov 1994 08:60:37 GMT"),
        std::string("Sun, 06 Nov 1994 08:49:61 GMT"), std::string("Wed, 31 Dec 1969 23:59:59 GMT"),
        std::string("Sun, 06 Nov 19941 08:49:37 GMT"), std::string("Sun, 006 Nov 1994 08:49:37 GMT"),
        std::string("Sun Nov 32 08:49:37 1994"), std::string("Sun Nov  6 08:49:37 1969"),
        std::string("Sunday, 32-Nov-94 08:49:37 GMT"), std::string("Thu, 29 Feb 2001 00:00:00 GMT"),
        std::string("Mon, 29 Feb 2100 00:00:00 GMT"), std::string("Wed, 30 Feb 2000 00:00:00 GMT"),
        std::string("Wednesday, 31-Nov-94 08:49:37 GMT"), std::string("Sat Jun 31 00:00:00 2000"),
        // negative
        std::string("Sun, -6 Nov 1994 08:49:37 GMT"), std::string("Sun, 06 Nov -994 08:49:37 GMT"),
        std::string("Sun, 06 Nov 1994 -8:49:37 GMT"), std::string("Sun, 06 Nov 1994 08:-9:37 GMT"),
        std::string("Sun, 06 Nov 1994 08:49:-7 GMT"), std::string("Sunday, 06-Nov--4 08:49:37 GMT"),
        std::string("Sunday, -6-Nov-94 08:49:37 GMT"), std::string("Sun Nov -6 08:49:37 1994"),
        std::string("Sun Nov  6 08:49:37 -994"),
        // the wrong parts in the right order
        std::string("Sun; 06 Nov 1994 08:49:37 GMT"), std::string("06 Nov 1994 08:49:37 GMT"),
        std::string("Sunday, 06 Nov 1994 08:49:37 GMT"), std::string("Sun, 06 Nov 1994 08.49.37 GMT"),
        std::string("S\xC3\xBCn, 06 Nov 1994 08:49:37 GMT")}) {
    CAPTURE(text.substr(0, 40));
    CHECK(parse_http_date(text) == -1);
  }
}

TEST_CASE("a response that asks for no wait gives none") {
  CHECK(wait({}) == 0);
  CHECK(wait({date}) == 0);
  CHECK(wait({date, {"Content-Type", "text/html"}, {"X-Retry-After", "60"}}) == 0);
}

TEST_CASE("Retry-After in seconds is taken as it is") {
  for (char const* const value : {"120", "0120", " 120", "120\t"}) {
    CAPTURE(value);
    CHECK(wait({{"Retry-After", value}}) == 120);
    CHECK(wait({date, {"Retry-After", value}}) == 120);
  }
  CHECK(wait({{"Retry-After", "0"}}) == 0);
}

TEST_CASE("a fraction of a second in Retry-After is rounded up") {
  CHECK(wait({{"Retry-After", "90.5"}}) == 91);
  CHECK(wait({{"Retry-After", "90.0001"}}) == 91);
  CHECK(wait({{"Retry-After", "90.000"}}) == 90);
  CHECK(wait({{"Retry-After", "0.1"}}) == 1);
  CHECK(wait({{"Retry-After", "90.5, 60.5"}}) == 61);
  CHECK(wait({{"Retry-After", "90." + std::string(1000, '5')}}) == 91);
}

TEST_CASE("a number of any length is the maximum, unless its digits are leading zeros") {
  for (std::size_t digits : {13U, 16U, 19U, 20U, 21U, 400U}) {
    CAPTURE(digits);
    CHECK(wait({{"Retry-After", std::string(digits, '9')}}) == 86400);
    CHECK(wait({{"Retry-After", std::string(digits, '9') + ".5"}}) == 86400);
    CHECK(wait({date, {"X-Rate-Limit-Reset", std::string(digits, '9')}}) == 86400);
    CHECK(wait({{"Retry-After", std::string(digits, '0') + "60"}}) == 60);
    CHECK(wait({{"Retry-After", std::string(digits, '9') + ", 60"}}) == 60);
  }
}

TEST_CASE("Retry-After as a date of any form counts from the response's own Date") {
  for (char const* const value :
       {"Sun, 06 Nov 1994 08:51:37 GMT", "Sunday, 06-Nov-94 08:51:37 GMT", "Sun Nov  6 08:51:37 1994"}) {
    CAPTURE(value);
    CHECK(wait({date, {"Retry-After", value}}) == 120);
  }
  for (char const* const own_date : {"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    CAPTURE(own_date);
    CHECK(wait({{"Date", own_date}, {"Retry-After", "Sun, 06 Nov 1994 08:51:37 GMT"}}) == 120);
  }
}

TEST_CASE("a time in the past means no wait") {
  CHECK(wait({date, {"Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"}}) == 0);
  CHECK(wait({date, {"Retry-After", "Sun, 06 Nov 1994 08:49:36 GMT"}}) == 0);
  CHECK(wait({date, {"Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"}}) == 0);
  CHECK(wait({{"Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"}}) == 0);
  CHECK(wait({date, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "784111776"}}) == 0);
  CHECK(wait({date, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "0"}}) == 0);
}

TEST_CASE("Okta's reset time counts from the response's own Date, one second added") {
  CHECK(
      wait(
          {date, {"X-Rate-Limit-Limit", "10"}, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "784111807"}}) ==
      31);
  CHECK(wait({date, {"X-Rate-Limit-Reset", "784111807"}}) == 31);
  CHECK(wait({date, {"X-Rate-Limit-Reset", "784111777"}}) == 1);
}

TEST_CASE("a reset time means nothing while requests remain") {
  CHECK(
      wait(
          {date, {"X-Rate-Limit-Limit", "10"}, {"X-Rate-Limit-Remaining", "9"}, {"X-Rate-Limit-Reset", "784111807"}}) ==
      0);
}

TEST_CASE("repeated and comma-joined limits give the smallest") {
  struct {
    char const* what;
    header_list headers;
    long long seconds;
  } const responses[] = {
      {"repeated", {{"X-Rate-Limit-Reset", "784111837"}, {"X-Rate-Limit-Reset", "784111807"}}, 31},
      {"repeated, the smaller first", {{"X-Rate-Limit-Reset", "784111807"}, {"X-Rate-Limit-Reset", "784111837"}}, 31},
      {"joined", {{"X-Rate-Limit-Reset", "784111837,784111807"}}, 31},
      {"joined with blanks", {{"X-Rate-Limit-Reset", " 784111837 ,\t784111807 , "}}, 31},
      {"joined and repeated",
       {{"X-Rate-Limit-Reset", "784111837, 784111827"}, {"X-Rate-Limit-Reset", "784111807"}},
       31},
      {"one of them none", {{"X-Rate-Limit-Reset", "x, ,784111807,-5"}}, 31},
      {"remaining of two limits", {{"X-Rate-Limit-Remaining", "7, 0"}, {"X-Rate-Limit-Reset", "784111807"}}, 31},
      {"remaining of both limits", {{"X-Rate-Limit-Remaining", "7, 8"}, {"X-Rate-Limit-Reset", "784111807"}}, 0},
      {"seconds to wait", {{"Retry-After", "60, 30"}, {"Retry-After", "90"}}, 30},
  };
  for (auto const& response : responses) {
    CAPTURE(response.what);
    header_list headers = response.headers;
    headers.push_back(date);
    CHECK(wait(headers) == response.seconds);
  }
}

TEST_CASE("header names are read in any case") {
  CHECK(wait({{"retry-after", "60"}}) == 60);
  CHECK(wait({{"RETRY-AFTER", "60"}}) == 60);
  CHECK(wait({{"date", date.second}, {"x-rate-limit-remaining", "0"}, {"x-rate-limit-reset", "784111807"}}) == 31);
  CHECK(wait({{"DATE", date.second}, {"X-RATE-LIMIT-REMAINING", "0"}, {"X-RATE-LIMIT-RESET", "784111807"}}) == 31);
  CHECK(wait({{"date", date.second},
              {"x-rate-limit-limit", "0"},
              {"X-Rate-limit-Remaining", "0"},
              {"x-rate-limit-reset", "784111890"}}) == 0);
}

TEST_CASE("the concurrency limit's reset time is ignored, a Retry-After beside it is not") {
  header_list headers = {
      date, {"X-Rate-Limit-Limit", "0"}, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "784111890"}};
  CHECK(wait(headers) == 0);
  headers.emplace_back("Retry-After", "5");
  CHECK(wait(headers) == 5);
}

TEST_CASE("the longer of Retry-After and the reset time counts") {
  CHECK(wait({date, {"Retry-After", "10"}, {"X-Rate-Limit-Reset", "784111807"}}) == 31);
  CHECK(wait({date, {"Retry-After", "60"}, {"X-Rate-Limit-Reset", "784111807"}}) == 60);
}

TEST_CASE("without a Date that can be read, times count from the local clock") {
  for (header_list const& headers : {header_list{}, header_list{{"Date", "today"}}, header_list{{"Date", ""}}}) {
    header_list with_reset = headers;
    long long const before = local_time();
    with_reset.emplace_back("X-Rate-Limit-Reset", std::to_string(before + 100));
    long long const seconds = wait(with_reset);
    long long const after = local_time();
    CHECK(seconds <= 101);
    CHECK(seconds >= before + 101 - after);
  }
  CHECK(wait({{"Date", "today"}, date, {"X-Rate-Limit-Reset", "784111807"}}) == 31);
}

TEST_CASE("no wait is longer than a day") {
  CHECK(wait({{"Retry-After", "86399"}}) == 86399);
  CHECK(wait({{"Retry-After", "86400"}}) == 86400);
  CHECK(wait({{"Retry-After", "86401"}}) == 86400);
  CHECK(wait({{"Retry-After", "999999999999999"}}) == 86400);
  CHECK(wait({date, {"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}}) == 86400);
  CHECK(wait({date, {"X-Rate-Limit-Reset", "999999999999999"}}) == 86400);
}

TEST_CASE("what is neither a number nor a date is ignored") {
  for (std::string const& value :
       {std::string(), std::string(" "), std::string(","), std::string("soon"), std::string("-1"), std::string("-60"),
        std::string("+60"), std::string("1.5.0"), std::string("90."), std::string(".5"), std::string("1.5s"),
        std::string("60s"), std::string("6 0"), std::string("0x3C"), std::string("1e3"), std::string("60\0", 3),
        std::string("\xC2\xB2"), std::string(10000, ','), std::string("Sun, 32 Nov 1994 08:51:37 GMT")}) {
    CAPTURE(value.substr(0, 40));
    CHECK(wait({date, {"Retry-After", value}}) == 0);
    CHECK(wait({date, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", value}}) == 0);
    CHECK(wait({date,
                {"X-Rate-Limit-Remaining", value},
                {"X-Rate-Limit-Limit", value},
                {"X-Rate-Limit-Reset", "784111807"}}) == 31);
  }
}
