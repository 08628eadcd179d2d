// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <string>

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

error unavailable(seconds retry_after = seconds(0)) {
  return error(error_kind::unavailable, "down.", 503, "", retry_after);
}

}  // namespace

TEST_CASE("a rejection pauses for 15 minutes, doubling up to a day, whatever chance says") {
  error const rejected(error_kind::rejected, "no.");
  int const in_minutes[] = {15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440};
  int failures = 0;
  for (int pause : in_minutes) {
    ++failures;
    CHECK((detail::pause_after(rejected, failures, 0) == minutes(pause)));
    CHECK((detail::pause_after(rejected, failures, 0.999) == minutes(pause)));
  }
  CHECK((detail::pause_after(rejected, 1000000, 0.5) == hours(24)));
}

TEST_CASE(
    "any other failure pauses for half of 1, 2, 4 seconds and so on up to 5 minutes, and up to as much again by "
    "chance") {
  int const in_seconds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
  for (error_kind kind : {error_kind::rate_limited, error_kind::unavailable, error_kind::network, error_kind::tls,
                          error_kind::timed_out, error_kind::malformed}) {
    error const failure(kind, "no.");
    int failures = 0;
    for (int pause : in_seconds) {
      ++failures;
      CHECK((detail::pause_after(failure, failures, 0) == seconds(pause) / 2.0));
      CHECK((detail::pause_after(failure, failures, 0.5) == seconds(pause) * 0.75));
      CHECK((detail::pause_after(failure, failures, 1) == seconds(pause)));
    }
    CHECK((detail::pause_after(failure, 1000000, 1) == minutes(5)));
  }
}

TEST_CASE("a pause is never shorter than the server asked, and a tenth longer at the most") {
  for (seconds asked : {seconds(1), seconds(60), seconds(3600), seconds(86400)}) {
    CAPTURE(asked.count());
    for (int failures : {1, 2, 20}) {
      for (double chance : {0.0, 0.1, 0.5, 0.999999}) {
        auto const pause = detail::pause_after(unavailable(asked), failures, chance);
        CHECK((pause >= asked));
        CHECK((pause <= (std::max)(asked + asked / 10 + seconds(1), seconds(300))));
      }
    }
  }
}

TEST_CASE("chance is from 0 up to but not 1, spread evenly, and other a nanosecond later") {
  int in_tenth[10] = {};
  double last = -1;
  for (int i = 0; i < 100000; ++i) {
    double const chance = detail::chance_at(boot_clock::time_point(hours(1) + nanoseconds(i)));
    REQUIRE(chance >= 0);
    REQUIRE(chance < 1);
    REQUIRE(chance != last);
    last = chance;
    ++in_tenth[static_cast<int>(chance * 10)];
  }
  for (int count : in_tenth) {
    CHECK(count > 9500);
    CHECK(count < 10500);
  }
}

TEST_CASE("the time of the next try is told in UTC, never too early and by less than a second too late") {
  auto day_ms = [] {
    auto const now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<milliseconds>(now).count() % 86400000;
  };
  for (int i = 0; i < 200; ++i) {
    milliseconds const wait(1000 + 7 * i);
    long long const before = day_ms();
    std::string const text = detail::with_next_try(unavailable(), wait, false).what();
    long long const after = day_ms();
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, length = 0;
    REQUIRE(std::sscanf(text.c_str(), "down. Next try not before %4d-%2d-%2dT%2d:%2d:%2dZ.%n", &year, &month, &day,
                        &hour, &minute, &second, &length) == 6);
    CHECK(static_cast<std::size_t>(length) == text.size());
    CHECK(year >= 2026);
    long long const told = ((hour * 60 + minute) * 60 + second) * 1000LL;
    if (told > before && before <= after) {  // else midnight is between
      CHECK(told >= before + wait.count());
      CHECK(told <= after + wait.count() + 1000);
    }
  }
}

TEST_CASE("a failure of an earlier request says that nothing was sent now") {
  std::string const now = detail::with_next_try(unavailable(), std::chrono::seconds(9), false).what();
  std::string const later = detail::with_next_try(unavailable(), std::chrono::seconds(9), true).what();
  CHECK(now.find("nothing was sent") == std::string::npos);
  CHECK(later.find("nothing was sent, since an earlier request failed: down.") == 0);
}
