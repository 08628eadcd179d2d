// SPDX-License-Identifier: MIT
// A token endpoint with Okta's responses.

#ifndef CIBMTR_AUTH_SANDBOX_OKTA_HPP
#define CIBMTR_AUTH_SANDBOX_OKTA_HPP

#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "message.hpp"

namespace sandbox {

/// The one account, for both grants. Its client id and secret are as long as Okta's; its password needs form encoding.
struct account {
  std::string client_id = "0oasandboxclientid01";
  std::string client_secret = "not_a_real-secret-0123456789abcdefABCDEF";
  std::string username = "svc-sandbox@example.org";
  std::string password = "p&=%+ \xC2\xA3";
  std::string scope = "api_cibmtr_fhir_ehr_client";  ///< all scope tokens that may be requested
};

namespace detail {

inline response oauth_error(int status, char const* error, char const* description) {
  return json_response(status, {{"error", text(error)}, {"error_description", text(description)}});
}

/// The shape of Okta's management API, which its token endpoint sometimes uses.
inline response okta_error(int status, char const* code, char const* summary) {
  return json_response(status, {{"errorCode", text(code)},
                                {"errorSummary", text(summary)},
                                {"errorLink", text(code)},
                                {"errorId", text("oae" + random_text(18))},
                                {"errorCauses", picojson::value(picojson::array())}});
}

/// IMF-fixdate. Source: RFC 9110 5.6.7.
inline std::string http_date(std::time_t when) {
  std::tm utc;
  char date[32];
  gmtime_r(&when, &utc);
  return std::string(date, std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc));
}

inline std::set<std::string> words(std::string const& scope) {
  std::istringstream in(scope);
  return {std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()};
}

}  // namespace detail

/// One authorization server with one account. Not thread-safe.
class authorization_server {
 public:
  static char const* path() { return "/oauth2/aussandbox/v1/token"; }

  authorization_server(account user, std::chrono::seconds lifetime, int rate_limit)
      : user_(std::move(user)), lifetime_(lifetime), rate_limit_(rate_limit) {}

  response reply(httplib::Request const& request) {
    std::time_t const now = std::time(nullptr);
    if (now >= minute_end_) {
      minute_end_ = now + 60;
      remaining_ = rate_limit_;
    }
    response made =
        remaining_ > 0 ? grant(request) : detail::okta_error(429, "E0000047", "API call exceeded rate limit.");
    remaining_ = (std::max)(remaining_ - 1, 0);
    made.headers.emplace_back("X-Rate-Limit-Limit", std::to_string(rate_limit_));
    made.headers.emplace_back("X-Rate-Limit-Remaining", std::to_string(remaining_));
    made.headers.emplace_back("X-Rate-Limit-Reset", std::to_string(minute_end_));
    return made;
  }

  /// Whether `authorization` has a token that has not expired.
  bool accepts(std::string const& authorization) const {
    auto const found = bearers_.find(authorization);
    return found != bearers_.end() && std::chrono::steady_clock::now() < found->second;
  }

  void revoke_all() { bearers_.clear(); }
  void unlock() { wrong_passwords_ = 0; }

  /// The lifetime of tokens issued from now on.
  void lifetime(std::chrono::seconds chosen) { lifetime_ = chosen; }

  /// In a row. At 10 the account is locked, and the right password looks as wrong as any.
  int wrong_passwords() const { return wrong_passwords_; }

 private:
  response grant(httplib::Request const& request) {
    using detail::oauth_error;
    using detail::okta_error;

    if (request.path != path()) {
      return okta_error(404, "E0000007", "Not found: no such authorization server.");
    }
    if (request.method != "POST") {
      return okta_error(405, "E0000022", "The endpoint does not support this HTTP method.");
    }
    std::string const type = request.get_header_value("Content-Type");
    if (type.substr(0, type.find(';')) != "application/x-www-form-urlencoded") {
      return oauth_error(400, "invalid_request", "The content type must be that of a form.");
    }
    if (request.has_header("Origin")) {
      return oauth_error(400, "invalid_request", "A browser must use PKCE.");
    }
    std::map<std::string, std::string> fields;
    if (!form_decode(request.body, fields)) {
      return oauth_error(400, "invalid_request", "The body is not a form, or repeats a field.");
    }

    std::string const client = basic_credentials(request);
    auto const colon = client.find(':');
    if (colon == client.npos) {
      return oauth_error(401, "invalid_client", "The Basic header is missing or invalid.");
    }
    if (fields.count("client_id") || fields.count("client_secret")) {
      return oauth_error(401, "invalid_request", "The client authenticates twice.");
    }
    if (client.substr(0, colon) != user_.client_id) {
      return okta_error(401, "invalid_client", "Invalid value for 'client_id' parameter.");
    }
    if (client.substr(colon + 1) != user_.client_secret) {
      return oauth_error(401, "invalid_client", "The client secret is wrong.");
    }

    std::string const kind = fields["grant_type"];
    if (kind.empty()) {
      return oauth_error(400, "invalid_request", "The grant_type is missing.");
    }
    if (kind != "password" && kind != "client_credentials") {
      return oauth_error(400, "unsupported_grant_type", "This grant_type is not supported.");
    }
    if (!allows(fields["scope"])) {
      return oauth_error(400, "invalid_scope", "The scope is missing or not allowed.");
    }
    if (kind == "password" && !login(fields["username"], fields["password"])) {
      return oauth_error(400, "invalid_grant", "The credentials provided were invalid.");
    }
    response issued = issue(fields["scope"]);
    issued.note = kind + " grant, " + std::to_string(lifetime_.count()) + " s";
    return issued;
  }

  static std::string basic_credentials(httplib::Request const& request) {
    std::string const scheme = "Basic ";
    std::string const value = request.get_header_value("Authorization");
    bool const usable =
        request.get_header_value_count("Authorization") == 1 && value.compare(0, scheme.size(), scheme) == 0;
    return usable ? base64_decode(value.substr(scheme.size())) : "";
  }

  bool allows(std::string const& scope) const {
    auto const requested = detail::words(scope);
    auto const allowed = detail::words(user_.scope);
    return !requested.empty() && std::includes(allowed.begin(), allowed.end(), requested.begin(), requested.end());
  }

  bool login(std::string const& username, std::string const& password) {
    bool const locked = wrong_passwords_ >= 10;
    bool const right = !locked && username == user_.username && password == user_.password;
    wrong_passwords_ = right ? 0 : wrong_passwords_ + 1;
    return right;
  }

  response issue(std::string const& scope) {
    std::string const header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
    std::string const token = header + '.' + random_text(600) + '.' + random_text(256);
    bearers_["Bearer " + token] = std::chrono::steady_clock::now() + lifetime_;

    response made = json_response(200, {{"token_type", text("Bearer")},
                                        {"expires_in", number(static_cast<double>(lifetime_.count()))},
                                        {"access_token", text(token)},
                                        {"scope", text(scope)}});
    made.headers = {{"Cache-Control", "no-store"},
                    {"Set-Cookie", "DT=" + random_text(24) + "; Path=/; Secure"},
                    {"Set-Cookie", "JSESSIONID=" + random_text(12) + "; Path=/; Secure; HttpOnly"}};
    return made;
  }

  account const user_;
  std::chrono::seconds lifetime_;
  int const rate_limit_;
  int remaining_ = 0;
  std::time_t minute_end_ = 0;
  int wrong_passwords_ = 0;
  std::map<std::string, std::chrono::steady_clock::time_point> bearers_;
};

}  // namespace sandbox

#endif  // CIBMTR_AUTH_SANDBOX_OKTA_HPP
