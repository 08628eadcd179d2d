// SPDX-License-Identifier: MIT
// Simulates a job that runs once a minute for a day, and draws how many token requests have been made by then.

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/fake_server.hpp"
#include "../support/folder.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;

namespace {

constexpr int runs = 24 * 60;

/// Grants tokens of 30 minutes, as production does.
class server {
 public:
  explicit server(tests::fake_clock clock) : clock_(clock) {}
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

std::string text(int x, int y, std::string const& style, std::string const& words) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" class=\"" + style + "\">" + words +
         "</text>\n";
}

std::string with_comma(int number) {
  std::string digits = std::to_string(number);
  return digits.size() > 3 ? digits.insert(digits.size() - 3, ",") : digits;
}

/// The last number of a line, and whose it is.
std::string label(int y, std::string const& style, std::vector<int> const& requests, std::string const& whose) {
  return text(beside - 8, y, "number end " + style, with_comma(requests.back())) + text(beside, y, style, whose);
}

std::string axes() {
  std::string drawn;
  for (int requests = 0; requests <= 1500; requests += 500) {
    drawn += "<path class=\"grid\" d=\"M" + std::to_string(left) + " " + y_of(requests) + "h" +
             std::to_string(24 * an_hour) + "\"/>\n";
    drawn += text(left - 10, bottom - requests / 5 + 5, "end", with_comma(requests));
  }
  for (int hour = 0; hour <= 24; hour += 6) {
    drawn += text(left + hour * an_hour, bottom + 24, "middle", std::to_string(hour) + (hour < 24 ? "" : " hours"));
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
  return R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 424" role="img" aria-labelledby="title desc">
<title id="title">Token requests over a day by a job that runs once a minute</title>
<desc id="desc">)" +
         summary + R"(</desc>
<style>
text { font: 14px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
.card { fill: #ffffff; stroke: #d0d7de; }
.grid { stroke: #d0d7de; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.heading { font-size: 18px; font-weight: 600; fill: #1f2328; }
.number { font-size: 22px; font-weight: 600; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.script { stroke: #cf222e; } text.script { stroke: none; fill: #cf222e; }
.memory { stroke: #6e7781; stroke-dasharray: 2 5; } text.memory { stroke: none; fill: #57606a; }
.file { stroke: #0969da; } text.file { stroke: none; fill: #0969da; }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1; }
.card { fill: #0d1117; stroke: #3d444d; }
.grid { stroke: #3d444d; }
.heading { fill: #f0f6fc; }
.script { stroke: #ff7b72; } text.script { fill: #ff7b72; }
.memory { stroke: #9198a1; } text.memory { fill: #9198a1; }
.file { stroke: #58a6ff; } text.file { fill: #58a6ff; }
}
</style>
<rect class="card" x="0.5" y="0.5" width="899" height="423" rx="6"/>
)" + text(24, 34, "heading", "Token requests over a day") +
         text(24, 56, "", "made so far by a job that runs once a minute; each token lives for 30 minutes") + axes() +
         line("script", script) + line("memory", memory) + line("file", file) +
         label(97, "script", script, "the guide's script") + text(beside, 117, "", "and any cache in memory, which") +
         text(beside, 135, "", "each run starts without a token") +
         label(352, "file", file, "cibmtr_auth: the runs share a file") +
         label(378, "memory", memory, "a cache in memory, if one process") +
         text(beside, 396, "memory", "runs all day") + "</svg>\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::string const file = argc > 1 ? argv[argc - 1] : "";
  if (argc == 2) {
    tests::write_text(file, picture());
    return 0;
  }
  if (argc == 3 && argv[1] == std::string("--check")) {
    bool const is_same = tests::text_of(file) == picture();
    if (is_same) {
      std::printf("%s is what the simulation draws\n", file.c_str());
    } else {
      std::printf("%s is out of step; draw it anew: %s %s\n", file.c_str(), argv[0], file.c_str());
    }
    return is_same ? 0 : 1;
  }
  std::fprintf(stderr, "usage: requests_over_a_day [--check] FILE.svg\n");
  return 2;
}
