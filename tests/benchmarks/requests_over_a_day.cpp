// SPDX-License-Identifier: MIT
// Simulates a job that runs once a minute for a day, and draws how many token requests have been made by then.

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
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

/// Grants tokens of 30 minutes, as production does.
class server {
 public:
  explicit server(tests::fake_clock clock) : clock_(std::move(clock)) {}
  token answer() {
    ++requests_;
    return token("token-" + std::to_string(requests_), "", clock_(), clock_() + minutes(30));
  }
  int requests() const { return requests_; }

 private:
  tests::fake_clock clock_;
  int requests_ = 0;
};

/// One run of the job: a living token, wherever it comes from.
using job = std::function<token()>;

/// How many requests had been made after each run.
std::vector<int> requests_of(std::function<job(server&, tests::fake_clock const&)> const& start) {
  tests::fake_clock clock;
  server okta(clock);
  job const run = start(okta, clock);
  std::vector<int> requests;
  for (int i = 0; i < runs; ++i) {
    if (run().expires_at() <= clock()) {
      throw std::logic_error("a run got a dead token");
    }
    requests.push_back(okta.requests());
    clock.advance(minutes(1));
  }
  return requests;
}

/// The guide's script; a program with a cache in its memory, which is empty at each start, does no better.
std::vector<int> asking_each_time() {
  return requests_of([](server& okta, tests::fake_clock const&) -> job { return [&okta] { return okta.answer(); }; });
}

/// A cache in the memory of one process that never ends, with the early expiry of golang.org/x/oauth2.
std::vector<int> renewing_10_seconds_early() {
  return requests_of([](server& okta, tests::fake_clock const& clock) -> job {
    auto const held = std::make_shared<token>();
    return [&okta, clock, held] {
      if (clock() >= held->expires_at() - std::chrono::seconds(10)) {
        *held = okta.answer();
      }
      return *held;
    };
  });
}

/// Each run is a new process, which knows nothing but the folder.
std::vector<int> sharing_a_token_file() {
  tests::folder const place;
  return requests_of([&place](server& okta, tests::fake_clock const& clock) -> job {
    return [&okta, &place, clock] {
      fingerprint const whose(production_environment, tests::some_credentials());
      auto const store = std::make_shared<token_file>(place / "cache", whose, clock);
      return token_cache([&okta] { return okta.answer(); }, clock, store).get();
    };
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

/// The last number of a line, and whose it is.
std::string label(int y, std::string const& style, std::vector<int> const& requests, std::string const& whose) {
  return svg_text(beside - 8, y, "number end " + style, with_comma(requests.back())) +
         svg_text(beside, y, style, whose);
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
  std::vector<int> const script = asking_each_time();
  std::vector<int> const memory = renewing_10_seconds_early();
  std::vector<int> const file = sharing_a_token_file();
  std::string const summary = with_comma(script.back()) +
                              " requests by the guide's script, which asks at each run, and by a cache in memory, " +
                              "which each run starts anew; " + with_comma(file.back()) +
                              " by cibmtr_auth, whose runs share a file; " + with_comma(memory.back()) +
                              " by a cache in memory if one process runs all day.";
  return svg_picture(
      424, "Token requests over a day by a job that runs once a minute", summary,
      svg_text(24, 34, "heading", "Token requests over a day") +
          svg_text(24, 56, "", "made so far by a job that runs once a minute; each token lives for 30 minutes") +
          axes() + line("script", script) + line("memory", memory) + line("file", file) +
          label(97, "script", script, "the guide's script") +
          svg_text(beside, 117, "", "and any cache in memory, which") +
          svg_text(beside, 135, "", "each run starts without a token") +
          label(352, "file", file, "cibmtr_auth: the runs share a file") +
          label(378, "memory", memory, "a cache in memory, if one process") +
          svg_text(beside, 396, "memory", "runs all day"));
}

}  // namespace

int main(int argc, char** argv) {
  return tests::draw_or_check(argc, argv, picture());
}
