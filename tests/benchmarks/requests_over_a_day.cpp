// SPDX-License-Identifier: MIT
// Simulates a job that runs once a minute for a day, and draws how many token requests it has made.

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/picture.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using tests::svg_picture;
using tests::svg_text;

namespace {

constexpr int runs = 24 * 60;
constexpr minutes lifetime(30);  // as in production

/// How many requests had been made after each run. A run may call `request`; `now` is the time since the start.
std::vector<int> requests_of(std::function<void(std::function<void()> const& request, minutes now)> const& run) {
  int requests = 0;
  std::vector<int> made;
  for (int i = 0; i < runs; ++i) {
    run([&requests] { ++requests; }, minutes(i));
    made.push_back(requests);
  }
  return made;
}

/// The guide's script; a program with a cache in memory, which is empty at each start, does no better.
std::vector<int> requesting_each_time() {
  return requests_of([](std::function<void()> const& request, minutes) { request(); });
}

/// A cache in the memory of one process that runs all day, with the early expiry of golang.org/x/oauth2.
std::vector<int> renewing_10_seconds_early() {
  minutes expires(0);
  return requests_of([&expires](std::function<void()> const& request, minutes now) {
    if (now >= expires - std::chrono::seconds(10)) {
      request();
      expires = now + lifetime;
    }
  });
}

/// Each run is a new process, which knows only the folder.
std::vector<int> sharing_a_folder() {
  tests::folder const place;
  tests::fake_clock clock;
  return requests_of([&](std::function<void()> const& request, minutes now) {
    token_cache_options options;
    options.cache_directory = place / "cache";
    options.clock = clock;
    options.transport = [&request, now](http_request const& sent) {
      sent.before_sending();
      request();
      return http_response(200, R"({"token_type":"Bearer","expires_in":1800,"access_token":"token-)" +
                                    std::to_string(now.count()) + "\"}");
    };
    if (make_token_cache(production_environment(), tests::some_credentials(), options).get().empty()) {
      throw std::logic_error("a run has no token");
    }
    clock.advance(minutes(1));
  });
}

constexpr int left = 64;
constexpr int bottom = 378;
constexpr int an_hour = 20;
constexpr int beside = left + 24 * an_hour + 90;

/// The height of so many requests, five to a pixel.
std::string y_of(int requests) {
  int const fifths = bottom * 5 - requests;
  return std::to_string(fifths / 5) + "." + std::to_string(fifths % 5 * 2);
}

/// A point an hour.
std::string line(char const* style, std::vector<int> const& requests) {
  std::string points;
  for (int hour = 0; hour <= 24; ++hour) {
    int const run = hour < 24 ? hour * 60 : runs - 1;
    points += (hour == 0 ? "" : " ") + std::to_string(left + hour * an_hour) + "," +
              y_of(requests[static_cast<std::size_t>(run)]);
  }
  return "<polyline class=\"line " + std::string(style) + "\" points=\"" + points + "\"/>\n";
}

std::string with_comma(int number) {
  std::string digits = std::to_string(number);
  return digits.size() > 3 ? digits.insert(digits.size() - 3, ",") : digits;
}

/// The last number of a line, and what made it.
std::string label(int y, std::string const& style, std::vector<int> const& requests, std::string const& name) {
  return svg_text(beside - 8, y, "number end " + style, with_comma(requests.back())) + svg_text(beside, y, style, name);
}

std::string axes() {
  std::string drawn;
  for (int requests = 0; requests <= 1500; requests += 500) {
    drawn += "<path class=\"grid\" d=\"M" + std::to_string(left) + " " + y_of(requests) + "h" +
             std::to_string(24 * an_hour) + "\"/>\n";
    drawn += svg_text(left - 10, bottom - requests / 5 + 5, "end", with_comma(requests));
  }
  for (int hour = 0; hour <= 24; hour += 6) {
    drawn += svg_text(left + hour * an_hour, bottom + 24, "middle", std::to_string(hour) + (hour < 24 ? "" : " hours"));
  }
  return drawn;
}

std::string picture() {
  std::vector<int> const script = requesting_each_time();
  std::vector<int> const memory = renewing_10_seconds_early();
  std::vector<int> const file = sharing_a_folder();
  std::string const summary = with_comma(script.back()) +
                              " requests by the guide's script, which makes one in each run, and by a cache in " +
                              "memory, which is empty at the start of each run; " + with_comma(file.back()) +
                              " by cibmtr_auth, if the runs share a folder; " + with_comma(memory.back()) +
                              " by a cache in memory if one process runs all day.";
  return svg_picture(
      424, "Token requests over a day by a job that runs once a minute", summary,
      svg_text(24, 34, "heading", "Token requests over a day") +
          svg_text(24, 56, "", "made by a job that runs once a minute; a token expires after 30 minutes") + axes() +
          line("script", script) + line("memory", memory) + line("file", file) +
          label(97, "script", script, "the guide's script") +
          svg_text(beside, 117, "", "and any cache in memory, which is") +
          svg_text(beside, 135, "", "empty at the start of each run") +
          label(352, "file", file, "cibmtr_auth: the runs share a folder") +
          label(378, "memory", memory, "a cache in memory, if one process") +
          svg_text(beside, 396, "memory", "runs all day"));
}

}  // namespace

int main(int argc, char** argv) { return tests::draw_or_check(argc, argv, picture()); }
