// SPDX-License-Identifier: MIT
// Any response becomes a token that keeps its promises, or an error that contains no secret.

#define CIBMTR_AUTH_HTTPS 0
#include "response.hpp"

namespace {

using namespace cibmtr_auth;
using detail::attempt_row;
using detail::token_error;
using fuzz::promise;

/// Whether a text contains none of the secrets that were sent, as they are or as a request encodes them.
bool is_discreet(std::string const& text, bool has_account) {
  for (char const* of_client : {"s3cr3t-of-client", "czNjcjN0LW9mLWNsaWVudA", "MG9hMWNsaWVudDpzM2NyM3Qtb2YtY2xpZW50"}) {
    if (text.find(of_client) != std::string::npos) {
      return false;
    }
  }
  for (char const* of_account : {"pa55 w&rd", "pa55+w%26rd", "cGE1NSB3JnJk"}) {
    if (has_account && text.find(of_account) != std::string::npos) {
      return false;
    }
  }
  return true;
}

void check_error(token_error const& thrown, http_response const& response, bool has_account) {
  std::string const message = thrown.what();
  promise(fuzz::is_printable_ascii(message) && message.size() < 1200, "a message is one short line");
  promise(is_discreet(message, has_account), "a message contains no secret");
  promise(thrown.oauth_error().empty() || detail::is_known_code(thrown.oauth_error()), "a code is a known one");
  promise(thrown.http_status() == response.status, "an error has the status");
  promise(thrown.was_sent(), "a response means that the request was sent");
  auto const wait = thrown.retry_after().count();
  promise(wait >= 0 && wait <= 86400, "a wait is at most a day");

  int const status = response.status;
  bool const is_verdict = (status >= 200 && status <= 299) || (status >= 400 && status <= 499);
  bool const is_outage = status == 408 || status == 429 || (status >= 500 && status <= 599 && status != 504);
  bool const has_code = !thrown.oauth_error().empty();
  switch (thrown.row()) {
    case attempt_row::transient:
      promise(is_outage || thrown.oauth_error() == "temporarily_unavailable", "row 2");
      promise(thrown.kind() == (status == 429 ? error_kind::rate_limited : error_kind::unavailable), "row 2's kind");
      break;
    case attempt_row::gateway:
      promise(!is_outage && !has_code && status >= 400 && status <= 499, "row 3");
      promise(thrown.kind() == error_kind::unavailable, "row 3's kind");
      break;
    case attempt_row::no_verdict:
      promise(!is_outage && (status < 400 || status > 499), "row 4");
      promise(thrown.kind() == (status == 504 ? error_kind::unavailable : error_kind::invalid_response),
              "row 4's kind");
      break;
    case attempt_row::rejected_without_code:
      promise(!has_code && (status == 400 || status == 401 || status == 403), "row 5");
      promise(thrown.kind() == (has_account ? error_kind::rejected : error_kind::unavailable), "row 5's kind");
      break;
    case attempt_row::rejected:
      promise(has_code && is_verdict && !is_outage, "row 6");
      promise(thrown.kind() == error_kind::rejected && wait == 0, "row 6's kind");
      break;
    default: promise(false, "no response means that nothing was sent");
  }
}

void check_token(token const& granted, http_response const& response, credentials const& sent,
                 boot_clock::time_point sent_at) {
  promise(response.status == 200, "only a 200 has a token");
  promise(response.body.size() <= 65536, "no response over 64 KiB has a token");
  promise(fuzz::json_grammar::is_object(response.body), "only JSON has a token");

  std::string const& value = granted.value();
  std::size_t padding = 0;
  for (char const c : value) {
    bool const is_letter = std::isalnum(static_cast<unsigned char>(c)) || std::strchr("-._~+/", c);
    padding += c == '=';
    promise(c != '\0' && (c == '=' || (is_letter && padding == 0)), "a token is a b64token");
  }
  promise(padding < value.size(), "a token is not empty");
  promise(granted.authorization() == "Bearer " + value, "an authorization is Bearer and the token");

  detail::token_data const& data = *detail::token_access::data(granted);
  auto const lifetime = data.expires_at - sent_at;
  promise(data.obtained_at == sent_at, "a lifetime counts from before the request");
  promise(lifetime >= std::chrono::seconds(1) && lifetime <= std::chrono::hours(365 * 24),
          "a lifetime is 1 s to a year");
  promise(lifetime % std::chrono::seconds(1) == boot_clock::duration(0), "a lifetime is in whole seconds");
  promise(data.renew_at > sent_at && data.renew_at < data.expires_at, "renewed within the lifetime");

  std::string const& scope = granted.scope();
  promise(scope == sent.scope || (detail::is_scope(scope) && is_discreet(scope, detail::uses_password_grant(sent)) &&
                                  scope.size() <= 4096),
          "a scope is well-formed and contains no secret");
}

void token_response(std::string const& input) {
  http_response const response = fuzz::response(input);
  fuzz::check_json(response.body);
  boot_clock::time_point const sent_at(std::chrono::hours(1));
  credentials without_account = tests::some_credentials();
  without_account.username.clear();
  without_account.password = secret();
  for (credentials const& sent : {tests::some_credentials(), without_account}) {
    try {
      check_token(detail::read_token_response(response, sent, sent_at, "the token server x", boot_clock::now), response,
                  sent, sent_at);
    } catch (token_error const& thrown) {
      check_error(thrown, response, detail::uses_password_grant(sent));
    }
  }
}

fuzz::registered const here("token_response", token_response);

}  // namespace
