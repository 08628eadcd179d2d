// SPDX-License-Identifier: MIT
// An API call over an HTTP client of one's own, libcurl here; needs neither cpp-httplib nor OpenSSL's headers.
// Usage: own_transport TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE [TIMEOUT_SECONDS]

#define CIBMTR_AUTH_HTTPS 0
#include <curl/curl.h>
#include <signal.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "curl_transport.hpp"

namespace auth = cibmtr_auth;

namespace {

void run(char const* token_url, std::string const& api_url, char const* ca_file, char const* credentials_file,
         double timeout) {
  curl_options options;
  options.ca_file = ca_file;
  options.timeout = std::chrono::milliseconds(static_cast<long long>(timeout * 1000));
  auth::environment const here = {"sandbox", token_url, token_url, api_url.c_str()};
  auth::token_cache const tokens =
      auth::make_token_cache(here, auth::credentials_from_file(credentials_file), curl_transport(options));

  options.max_response_size = 16 * 1024 * 1024;
  auth::transport const api = curl_transport(options);
  auth::http_response answer;
  int const status = auth::call_with_token(tokens, [&](auth::token const& token) {
    answer = api({"GET", api_url + "/r4/Patient", {auth::bearer_header(token)}, ""});
    return answer.status;
  });
  std::vector<std::string> const types = answer.header_values("content-type");
  std::printf("HTTP %d, %s, token requests: %llu\n", status, types.empty() ? "no content type" : types[0].c_str(),
              tokens.status().requests);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) {
    std::fputs("usage: own_transport TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE [TIMEOUT_SECONDS]\n", stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);  // CURLOPT_NOSIGNAL leaves this to the program
  curl_global_init(CURL_GLOBAL_DEFAULT);
  int exit_status = 0;
  try {
    run(argv[1], argv[2], argv[3], argv[4], argc == 6 ? std::atof(argv[5]) : 30);
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "own_transport: %s: %s\n", auth::to_string(failure.kind()), failure.what());
    exit_status = 1;
  }
  curl_global_cleanup();
  return exit_status;
}
