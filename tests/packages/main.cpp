// SPDX-License-Identifier: MIT
// The program of every consumer: a token over a transport of its own and, if they are compiled in, one try over each of the library's.

#include <cibmtr_auth.hpp>

#include <iostream>

namespace auth = cibmtr_auth;

auth::http_response own_http(auth::http_request const&) {
  return auth::http_response(200, R"({"access_token":"abc","token_type":"Bearer","expires_in":1800})");
}

void try_it(auth::transport const& send) {
  auth::token_cache_options options;
  options.transport = send;
  auth::environment nowhere = auth::test_environment();
  nowhere.client_credentials_token_url = "https://127.0.0.1:1/token";
  try {
    std::cout << auth::make_token_cache(nowhere, {"id", "secret", "scope"}, options).get().authorization() << "\n";
  } catch (auth::error const& problem) {
    std::cout << (problem.kind() == auth::error_kind::network ? "nobody listens" : problem.what()) << "\n";
  }
}

int main() {
  try_it(own_http);
#if CIBMTR_AUTH_HTTPS
  try_it(auth::https_transport());
#endif
#if CIBMTR_AUTH_HTTPLIB
  try_it(auth::httplib_transport());
#endif
}
