// SPDX-License-Identifier: MIT
// API calls with cpp-httplib's client, which many programs already have. The library provides the token only.
// Usage: httplib_client TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE

#include <httplib.h>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <string>

namespace auth = cibmtr_auth;

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fputs("usage: httplib_client TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE\n", stderr);
    return 2;
  }
  auth::environment const sandbox = {"sandbox", argv[1], argv[1], argv[2]};
  auth::token_cache_options options;
  options.https.ca_file = argv[3];
  auth::token_cache const tokens = auth::make_token_cache(sandbox, auth::credentials_from_file(argv[4]), options);

  std::size_t const path = sandbox.api_url.find('/', sandbox.api_url.find("//") + 2);
  httplib::Client api(sandbox.api_url.substr(0, path));
  api.set_ca_cert_path(argv[3]);
  api.enable_server_certificate_verification(true);
  api.set_keep_alive(true);

  httplib::Result const response = auth::call_with_token(tokens, [&](auth::token const& token) {
    return api.Get(sandbox.api_url.substr(path) + "/r4/Patient", httplib::Headers{auth::bearer_header(token)});
  });
  if (!response) {
    std::fprintf(stderr, "httplib_client: %s\n", httplib::to_string(response.error()).c_str());
    return 1;
  }
  std::printf("HTTP %d, token requests: %llu\n", response->status,
              static_cast<unsigned long long>(tokens.status().requests));
  return response->status == 200 ? 0 : 1;
} catch (auth::error const& failure) {
  std::fprintf(stderr, "httplib_client: %s\n", failure.what());
  return 1;
}
