// SPDX-License-Identifier: MIT
// An API call over libcurl instead of the bundled transport. Needs neither cpp-httplib nor OpenSSL's headers.
// Usage: own_transport TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE [TIMEOUT_SECONDS]

#define CIBMTR_AUTH_HTTPS 0
#include <curl/curl.h>
#include <signal.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "curl_transport.hpp"

namespace auth = cibmtr_auth;

int main(int argc, char** argv) try {
  if (argc != 5 && argc != 6) {
    std::fputs("usage: own_transport TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE [TIMEOUT_SECONDS]\n", stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);  // CURLOPT_NOSIGNAL leaves this to the program
  curl_global_init(CURL_GLOBAL_DEFAULT);

  auth::environment const sandbox = {"sandbox", argv[1], argv[1], argv[2]};
  auth::token_cache_options options;
  options.https.ca_file = argv[3];
  options.https.timeout = std::chrono::milliseconds(static_cast<long>(argc == 6 ? std::atof(argv[5]) * 1000 : 30000));
  options.transport = curl_transport(options.https);
  auth::token_cache const tokens = auth::make_token_cache(sandbox, auth::credentials_from_file(argv[4]), options);
  auth::transport const api = auth::authorized(tokens);

  auth::http_response const response = api({"GET", sandbox.api_url + "/r4/Patient"});
  std::printf("HTTP %d, %s, token requests: %llu\n", response.status, response.header("content-type").c_str(),
              static_cast<unsigned long long>(tokens.status().requests));
} catch (auth::error const& failure) {
  std::fprintf(stderr, "own_transport: %s: %s\n", auth::to_string(failure.kind()).c_str(), failure.what());
  return 1;
}
