// SPDX-License-Identifier: MIT
// Simulates two hours of a job that calls once a minute, through a server's trouble and an API's 401, and draws whose turn it was.

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_server.hpp"
#include "support/picture.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using tests::svg_text;

namespace {

constexpr int end_of_story = 110;
constexpr int trouble_starts = 48;
constexpr int trouble_ends = 53;
constexpr int api_refuses = 65;
constexpr int life = 30;

/// Minutes of the story.
struct life_of_token {
  int granted;
  int served_until;
  bool was_refused;
};

struct story {
  std::vector<life_of_token> tokens;
  std::vector<int> failed_requests;
};

story play() {
  story told;
  tests::fake_clock clock;
  int now = 0;
  token_cache const tokens(
      [&] {
        if (now >= trouble_starts && now < trouble_ends) {
          told.failed_requests.push_back(now);
          throw error(error_kind::unavailable, "in trouble");
        }
        told.tokens.push_back({now, now, false});
        return token("token-" + std::to_string(told.tokens.size()), "", clock(), clock() + minutes(life));
      },
      clock);
  for (; now < end_of_story; ++now) {
    token const held = tokens.get();
    if (now == api_refuses) {
      told.tokens.back().was_refused = tokens.invalidate(held);
      tokens.get();
    }
    std::string const number = tokens.get().value().substr(6);
    told.tokens[std::stoul(number) - 1].served_until = now + 1;
    clock.advance(minutes(1));
  }
  return told;
}

constexpr int left = 24;
constexpr int top = 96;
constexpr int row = 34;

int x_of(int minute) {
  return left + 7 * minute;
}

std::string bar(int from, int to, int y, std::string const& style) {
  return "<rect x=\"" + std::to_string(x_of(from)) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
         std::to_string(x_of(to) - x_of(from)) + "\" height=\"18\" rx=\"3\" " + style + "/>\n";
}

std::string dot(int minute, int y, std::string const& style) {
  return "<circle class=\"" + style + "\" cx=\"" + std::to_string(x_of(minute)) + "\" cy=\"" + std::to_string(y) +
         "\" r=\"4\" fill=\"none\" stroke-width=\"2.5\"/>\n";
}

/// Serving while fresh, serving while the next one is asked for, and the rest of its life.
std::string drawn(life_of_token const& one, int y) {
  int const renews = one.granted + life * 5 / 6;
  int const fresh_until = one.served_until < renews ? one.served_until : renews;
  int const ends = one.granted + life < end_of_story ? one.granted + life : end_of_story;
  std::string text = bar(one.granted, ends, y, "class=\"memory\" fill=\"none\"");
  text += bar(one.granted, fresh_until, y, "class=\"file\" fill=\"#0969da\"");
  if (one.served_until > renews) {
    text += bar(renews, one.served_until, y, "class=\"file\" fill=\"#0969da\" fill-opacity=\"0.35\"");
  }
  return text;
}

std::string picture() {
  story const told = play();
  std::string body =
      svg_text(24, 34, "heading", "The life of a token") +
      svg_text(24, 56, "", "a job that calls once a minute; each token lives for 30 minutes, and is renewed after 25");
  int const bottom = top + row * static_cast<int>(told.tokens.size()) + 24;
  for (int minute = 0; minute <= end_of_story; minute += 10) {
    body += "<path class=\"grid\" d=\"M" + std::to_string(x_of(minute)) + " " + std::to_string(top - 10) + "V" +
            std::to_string(bottom + 14) + "\"/>\n";
    body += svg_text(x_of(minute), bottom + 34, "middle", std::to_string(minute));
  }
  body += svg_text(x_of(end_of_story) + 18, bottom + 34, "", "minutes");

  std::vector<std::string> const why = {"the first call asks", "renewed 5 minutes before the end",
                                        "the server was in trouble, the old one served",
                                        "the API said 401: renewed at once", "renewed 5 minutes before the end"};
  for (std::size_t i = 0; i < told.tokens.size(); ++i) {
    life_of_token const& one = told.tokens[i];
    int const y = top + row * static_cast<int>(i);
    body += drawn(one, y);
    body += dot(one.granted, bottom, "file");
    bool const is_left = one.granted < trouble_ends;
    body += is_left ? svg_text(x_of(one.granted + life) + 10, y + 14, "", why.at(i))
                    : svg_text(x_of(one.granted) - 10, y + 14, "end", why.at(i));
    if (one.was_refused) {
      body += svg_text(x_of(one.served_until) + 4, y + 14, "script number", "&#215;");
    }
  }
  for (int const minute : told.failed_requests) {
    body += dot(minute, bottom, "script");
  }
  std::string const asked = std::to_string(told.tokens.size() + told.failed_requests.size());
  body += svg_text(x_of(end_of_story) + 18, bottom + 5, "", "requests");
  return tests::svg_picture(
      bottom + 56, "The life of a token",
      std::to_string(end_of_story) + " calls, a minute apart, are served by " + std::to_string(told.tokens.size()) +
          " tokens and cause " + asked + " requests, " + std::to_string(told.failed_requests.size()) +
          " of which fail while the old token still lives; a token that the API refuses is replaced at once.",
      body);
}

}  // namespace

int main(int argc, char** argv) {
  return tests::draw_or_check(argc, argv, picture());
}
