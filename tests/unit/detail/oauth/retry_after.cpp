// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace {

using header_list = std::vector<std::pair<std::string, std::string>>;

/// The seconds to wait after an answer with these headers.
long long wait(header_list const& headers) {
  cibmtr_auth::http_response response;
  response.status = 429;
  response.headers = headers;
  return cibmtr_auth::read_retry_after(response).count();
}

long long local_time() {
  return static_cast<long long>(std::time(nullptr));
}

/// 784111777, and what Okta would send then.
std::pair<std::string, std::string> const date = {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"};

}  // namespace

TEST_CASE("an answer that asks for no time gives none") {
  CHECK(wait({}) == 0);
  CHECK(wait({date}) == 0);
  CHECK(wait({date, {"Content-Type", "text/html"}, {"X-Retry-After", "60"}}) == 0);
}

TEST_CASE("Retry-After in seconds is taken as it stands") {
  for (char const* const value : {"120", "0120", " 120", "120\t"}) {
    CAPTURE(value);
    CHECK(wait({{"Retry-After", value}}) == 120);
    CHECK(wait({date, {"Retry-After", value}}) == 120);
  }
  CHECK(wait({{"Retry-After", "0"}}) == 0);
}

TEST_CASE("Retry-After as a date of any form counts from the answer's own Date") {
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

TEST_CASE("a time that has passed is no time") {
  CHECK(wait({date, {"Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"}}) == 0);
  CHECK(wait({date, {"Retry-After", "Sun, 06 Nov 1994 08:49:36 GMT"}}) == 0);
  CHECK(wait({date, {"Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"}}) == 0);
  CHECK(wait({{"Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"}}) == 0);
  CHECK(wait({date, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "784111776"}}) == 0);
  CHECK(wait({date, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "0"}}) == 0);
}

TEST_CASE("Okta's reset time counts from the answer's own Date, one second added") {
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
  } const answers[] = {
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
  for (auto const& answer : answers) {
    CAPTURE(answer.what);
    header_list headers = answer.headers;
    headers.push_back(date);
    CHECK(wait(headers) == answer.seconds);
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

TEST_CASE("the concurrency limit's reset time is not waited for, a Retry-After beside it is") {
  header_list headers = {
      date, {"X-Rate-Limit-Limit", "0"}, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", "784111890"}};
  CHECK(wait(headers) == 0);
  headers.emplace_back("Retry-After", "5");
  CHECK(wait(headers) == 5);
}

TEST_CASE("the longer of Retry-After and the reset time is waited for") {
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

TEST_CASE("nobody is kept waiting for more than a day") {
  CHECK(wait({{"Retry-After", "86399"}}) == 86399);
  CHECK(wait({{"Retry-After", "86400"}}) == 86400);
  CHECK(wait({{"Retry-After", "86401"}}) == 86400);
  CHECK(wait({{"Retry-After", "999999999999999"}}) == 86400);
  CHECK(wait({date, {"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}}) == 86400);
  CHECK(wait({date, {"X-Rate-Limit-Reset", "999999999999999"}}) == 86400);
}

TEST_CASE("what is neither a sensible number nor a date is ignored") {
  for (std::string const& value :
       {std::string(), std::string(" "), std::string(","), std::string("soon"), std::string("-1"), std::string("-60"),
        std::string("+60"), std::string("1.5"), std::string("60s"), std::string("6 0"), std::string("0x3C"),
        std::string("1e3"), std::string("60\0", 3), std::string("\xC2\xB2"), std::string(10000, ','),
        std::string(16, '9'), std::string(400, '9'), std::string("Sun, 32 Nov 1994 08:51:37 GMT")}) {
    CAPTURE(value.substr(0, 40));
    CHECK(wait({date, {"Retry-After", value}}) == 0);
    CHECK(wait({date, {"X-Rate-Limit-Remaining", "0"}, {"X-Rate-Limit-Reset", value}}) == 0);
    CHECK(wait({date,
                {"X-Rate-Limit-Remaining", value},
                {"X-Rate-Limit-Limit", value},
                {"X-Rate-Limit-Reset", "784111807"}}) == 31);
  }
}
