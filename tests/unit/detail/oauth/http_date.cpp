// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::parse_http_date;

#ifndef _WIN32  // whose C library knows neither %e nor the year 3001

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

}  // namespace

TEST_CASE("the three forms of RFC 9110, section 5.6.7, name the same second") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994") == 784111777);
}

TEST_CASE("dates at the edges of the calendar are read right") {
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
  for (auto const& date : dates) {
    CAPTURE(date.text);
    CHECK(parse_http_date(date.text) == date.time);
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

TEST_CASE("each day of a hundred years is read right, leap days included") {
  for (long long time = 43200; time < within_time_t(3155760000); time += 86400) {
    REQUIRE(parse_http_date(written(imf_fixdate, static_cast<std::time_t>(time))) == time);
  }
}
#endif

TEST_CASE("anything else is no date") {
  for (std::string const& text :
       {// not a date at all
        std::string(), std::string(" "), std::string("0"), std::string("-1"), std::string("120"), std::string("soon"),
        std::string(","), std::string("Sun"), std::string("Sun,"), std::string("GMT"), std::string("784111777"),
        std::string("1994-11-06T08:49:37Z"), std::string(100000, 'S'), std::string(100000, ' '),
        // cut off, or with something behind it
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
        // a month that is none
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
