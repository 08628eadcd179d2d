// SPDX-License-Identifier: MIT
// Responses of token servers from public bug reports, real servers and real networks: cases/responses.jsonl.

#ifndef CIBMTR_AUTH_TESTS_CASES_HPP
#define CIBMTR_AUTH_TESTS_CASES_HPP

#include <doctest/doctest.h>
#include <picojson.h>

#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace tests {

/// One response to a request of the password grant.
struct response_case {
  std::string name;
  std::string response;          ///< the bytes that the server sends
  std::string then;              ///< how it ends: close_notify, close (without it), stall
  std::string expect;            ///< token, an error_kind, rejected_without_code or transient
  bool is_on_ladder = false;     ///< of an `unavailable` that is
  long long retry_after = 0;     ///< seconds
  std::string password;          ///< empty: any
  std::string oauth_error;       ///< empty: not checked
  std::string message_contains;  ///< empty: not checked
};

inline std::vector<response_case> response_cases() {
  std::string const here = __FILE__;
  std::ifstream file(here.substr(0, here.rfind('.')) + "/responses.jsonl");
  std::vector<response_case> cases;
  for (std::string line; std::getline(file, line);) {
    picojson::value row;
    REQUIRE(picojson::parse(row, line) == "");
    auto text = [&row](char const* name) { return row.contains(name) ? row.get(name).get<std::string>() : ""; };
    response_case one;
    one.name = text("name");
    one.response = text("response");
    one.then = text("then");
    one.expect = text("expect");
    one.is_on_ladder = row.contains("ladder") && row.get("ladder").get<bool>();
    one.retry_after = row.contains("retry_after") ? static_cast<long long>(row.get("retry_after").get<double>()) : 0;
    one.password = text("password");
    one.oauth_error = text("oauth_error");
    one.message_contains = text("message_contains");
    cases.push_back(one);
  }
  REQUIRE(cases.size() >= 20);
  return cases;
}

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_CASES_HPP
