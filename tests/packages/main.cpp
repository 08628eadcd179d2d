// SPDX-License-Identifier: MIT
// The program of every consumer: a token over HTTP of its own and, if it is compiled in, one try over the bundled transport.

#include <cibmtr_auth.hpp>

#include <iostream>

cibmtr_auth::http_response own_http(cibmtr_auth::http_request const&) {
  cibmtr_auth::http_response answer;
  answer.status = 200;
  answer.body = R"({"access_token":"abc","token_type":"Bearer","expires_in":1800})";
  return answer;
}

int main() {
  cibmtr_auth::credentials const who{"id", "secret", "scope"};
  std::cout << cibmtr_auth::make_token_cache(who, own_http).get().authorization() << "\n";
#if CIBMTR_AUTH_HTTPS
  cibmtr_auth::environment nowhere = cibmtr_auth::test_environment;
  nowhere.client_credentials_token_url = "https://127.0.0.1:1/token";
  try {
    cibmtr_auth::make_token_cache(nowhere, who).get();
  } catch (cibmtr_auth::error const& problem) {
    std::cout << (problem.kind() == cibmtr_auth::error_kind::network ? "nobody listens" : problem.what()) << "\n";
  }
#endif
}
