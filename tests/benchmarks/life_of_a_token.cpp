// SPDX-License-Identifier: MIT
// Simulates two hours of a job that calls once a minute, through an outage of the server and a 401 of the API, and draws which token each
// call used.

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "support/fake_server.hpp"
#include "support/picture.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using tests::svg_text;

namespace {

// Minutes of the story.
constexpr int end_of_story = 110;
constexpr int outage_starts = 48;
constexpr int outage_ends = 53;
constexpr int api_rejects = 65;
constexpr int lifetime = 30;

struct used_token {
  int requested;
  int used_until;
  bool was_rejected;
};

struct story {
  std::vector<used_token> tokens;
  std::vector<int> failed_requests;
};

story play() {
  story s;
  tests::fake_clock clock;
  int now = 0;
  token_cache_options options;
  options.clock = clock;
  options.transport = [&](http_request const& request) {
    request.before_sending();
    if (now >= outage_starts && now < outage_ends) {
      s.failed_requests.push_back(now);
      return http_response(503, "");
    }
    s.tokens.push_back({now, now, false});
    return http_response(200, R"({"token_type":"Bearer","expires_in":1800,"access_token":"token-)" +
                                  std::to_string(s.tokens.size()) + "\"}");
  };
  token_cache const tokens = make_token_cache(test_environment(), tests::some_credentials(), options);
  for (; now < end_of_story; ++now) {
    token const first = tokens.get();
    if (now == api_rejects) {
      s.tokens.back().was_rejected = tokens.invalidate(first);
    }
    std::string const number = tokens.get().value().substr(6);
    s.tokens[std::stoul(number) - 1].used_until = now + 1;
    clock.advance(minutes(1));
  }
  return s;
}

constexpr int left = 24;
constexpr int top = 96;
constexpr int row = 34;

int x_of(int minute) { return left + 7 * minute; }

std::string bar(int from, int to, int y, std::string const& style) {
  return "<rect x=\"" + std::to_string(x_of(from)) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
         std::to_string(x_of(to) - x_of(from)) + "\" height=\"18\" rx=\"3\" " + style + "/>\n";
}

std::string dot(int minute, int y, std::string const& style) {
  return "<circle class=\"" + style + "\" cx=\"" + std::to_string(x_of(minute)) + "\" cy=\"" + std::to_string(y) +
         "\" r=\"4\" fill=\"none\" stroke-width=\"2.5\"/>\n";
}

/// Used while fresh, used while the next one is requested, and the rest of its lifetime.
std::string draw(used_token const& one, int y) {
  int const renews = one.requested + lifetime * 5 / 6;
  int const fresh_until = one.used_until < renews ? one.used_until : renews;
  int const ends = one.requested + lifetime < end_of_story ? one.requested + lifetime : end_of_story;
  std::string text = bar(one.requested, ends, y, "class=\"memory\" fill=\"none\"");
  text += bar(one.requested, fresh_until, y, "class=\"file\" fill=\"#0969da\"");
  if (one.used_until > renews) {
    text += bar(renews, one.used_until, y, "class=\"file\" fill=\"#0969da\" fill-opacity=\"0.35\"");
  }
  return text;
}

std::string picture() {
  story const s = play();
  std::string body =
      svg_text(24, 34, "heading", "The life of a token") +
      svg_text(24, 56, "", "a job that calls once a minute; a token expires after 30 minutes and is renewed after 25");
  int const bottom = top + row * static_cast<int>(s.tokens.size()) + 24;
  for (int minute = 0; minute <= end_of_story; minute += 10) {
    body += "<path class=\"grid\" d=\"M" + std::to_string(x_of(minute)) + " " + std::to_string(top - 10) + "V" +
            std::to_string(bottom + 14) + "\"/>\n";
    body += svg_text(x_of(minute), bottom + 34, "middle", std::to_string(minute));
  }
  body += svg_text(x_of(end_of_story) + 18, bottom + 34, "", "minutes");

  std::vector<std::string> const why = {
      "requested by the first call", "renewed 5 minutes before expiry", "renewed after an outage of the server",
      "rejected by the API (401): renewed at once", "renewed 5 minutes before expiry"};
  for (std::size_t i = 0; i < s.tokens.size(); ++i) {
    used_token const& one = s.tokens[i];
    int const y = top + row * static_cast<int>(i);
    body += draw(one, y);
    body += dot(one.requested, bottom, "file");
    bool const is_left = one.requested < outage_ends;
    body += is_left ? svg_text(x_of(one.requested + lifetime) + 10, y + 14, "", why.at(i))
                    : svg_text(x_of(one.requested) - 10, y + 14, "end", why.at(i));
    if (one.was_rejected) {
      body += svg_text(x_of(one.used_until) + 4, y + 14, "script number", "&#215;");
    }
  }
  for (int const minute : s.failed_requests) {
    body += dot(minute, bottom, "script");
  }
  std::string const requests = std::to_string(s.tokens.size() + s.failed_requests.size());
  body += svg_text(x_of(end_of_story) + 18, bottom + 5, "", "requests");
  return tests::svg_picture(
      bottom + 56, "The life of a token",
      std::to_string(end_of_story) + " calls, a minute apart, are served by " + std::to_string(s.tokens.size()) +
          " tokens and cause " + requests + " requests, " + std::to_string(s.failed_requests.size()) +
          " of which fail before the old token expires; a token that the API rejects is replaced at once.",
      body);
}

}  // namespace

int main(int argc, char** argv) { return tests::draw_or_check(argc, argv, picture()); }
