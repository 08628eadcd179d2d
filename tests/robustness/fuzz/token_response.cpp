// SPDX-License-Identifier: MIT
// Any answer becomes a token that keeps its promises, or an error that gives nothing away.

#define CIBMTR_AUTH_HTTPS 0
#include "response.hpp"

namespace {

using namespace cibmtr_auth;
using fuzz::promise;

/// None of what was sent in confidence, encoded in whatever way.
bool is_discreet(std::string const& text) {
  for (std::string const& form : {text, fuzz::decoded(text, false), fuzz::decoded(text, true)}) {
    for (char const* secret : {"s3cr3t-of-client", "pa55 w&rd", "MG9hMWNsaWVudDpzM2NyM3Qtb2YtY2xpZW50"}) {
      if (form.find(secret) != std::string::npos) {
        return false;
      }
    }
  }
  return true;
}

void check_error(error const& thrown, http_response const& answer) {
  std::string const message = thrown.what();
  promise(fuzz::is_printable_ascii(message) && message.size() < 1000, "a message is one short line");
  promise(is_discreet(message), "a message repeats no secret");
  promise(is_discreet(thrown.oauth_error()), "a code repeats no secret");
  promise(thrown.http_status() == answer.status, "an error tells the status");
  auto const wait = thrown.retry_after().count();
  promise(wait >= 0 && wait <= 86400, "a wait is a day at the most");

  int const status = answer.status;
  bool const is_transient = status == 408 || status == 429 || (status >= 500 && status <= 599);
  switch (thrown.kind()) {
    case error_kind::rejected:
      promise(!is_transient && (status == 200 || (status >= 400 && status <= 499)), "only a 4xx or a 200 rejects");
      promise(wait == 0, "a rejection names no time");
      break;
    case error_kind::rate_limited: promise(status == 429, "only a 429 is a rate limit"); break;
    case error_kind::unavailable:
      promise(status != 429 && (is_transient || thrown.oauth_error() == "temporarily_unavailable"), "unavailable");
      break;
    case error_kind::network: promise(status == 407, "only a proxy is the network's trouble"); break;
    case error_kind::malformed: promise(!is_transient && status != 407, "malformed"); break;
    default: promise(false, "no answer is a configuration, TLS or timeout error");
  }
}

void check_token(token const& granted, http_response const& answer, credentials const& asked,
                 boot_clock::time_point sent_at) {
  promise(answer.status == 200, "only a 200 grants");
  promise(answer.body.reveal().size() <= 65536, "no answer over 64 KiB grants");
  promise(fuzz::json_grammar::is_object(answer.body.reveal()), "only JSON grants");

  std::string const& value = granted.value();
  std::size_t padding = 0;
  for (char const c : value) {
    bool const is_letter = std::isalnum(static_cast<unsigned char>(c)) || std::strchr("-._~+/", c);
    padding += c == '=';
    promise(c != '\0' && (c == '=' || (is_letter && padding == 0)), "a token is a b64token");
  }
  promise(padding < value.size(), "a token is not empty");
  promise(granted.authorization() == "Bearer " + value, "an authorization is Bearer and the token");

  auto const life = granted.expires_at() - sent_at;
  promise(granted.obtained_at() == sent_at, "a life counts from before the request");
  promise(life >= std::chrono::seconds(1) && life <= std::chrono::hours(365 * 24), "a life is 1 s to a year");
  promise(life % std::chrono::seconds(1) == boot_clock::duration(0), "a life is in whole seconds");
  promise(granted.renew_at() > sent_at && granted.renew_at() < granted.expires_at(), "renewed within the life");

  std::string const& scope = granted.scope();
  promise(scope == asked.scope || (!scope.empty() && fuzz::is_printable_ascii(scope) && is_discreet(scope)),
          "a scope is well-formed and repeats no secret");
}

void token_response(std::string const& input) {
  http_response const answer = fuzz::response(input);
  credentials const asked = tests::some_credentials();
  boot_clock::time_point const sent_at(std::chrono::hours(1));
  fuzz::check_json(answer.body.reveal());
  token granted;
  auto const thrown = fuzz::error_of([&] { granted = read_token_response(answer, asked, sent_at); });
  if (thrown) {
    check_error(*thrown, answer);
  } else {
    check_token(granted, answer, asked, sent_at);
  }
}

fuzz::registered const here("token_response", token_response);

}  // namespace
