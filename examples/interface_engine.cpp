// SPDX-License-Identifier: MIT
// A program that makes an API call every second and leaves the token to the library.
// Usage: interface_engine TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE CALLS

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace auth = cibmtr_auth;

namespace {

void run(char const* token_url, std::string const& api_url, char const* ca_file, char const* credentials_file,
         int calls) {
  auth::https_options options;
  options.ca_file = ca_file;
  auth::transport const https = auth::https_transport(options);

  int token_requests = 0;
  auth::environment const here = {"sandbox", token_url, token_url, api_url.c_str()};
  auth::token_cache const tokens = auth::make_token_cache(here, auth::credentials_from_file(credentials_file),
                                                          [&](auth::http_request const& request) {
                                                            ++token_requests;
                                                            return https(request);
                                                          });

  for (int call = 1; call <= calls; ++call) {
    int const requests_before = token_requests;
    int const status = auth::call_with_token(tokens, [&](auth::token const& token) {
      return https({"GET", api_url + "/r4/Patient", {auth::bearer_header(token)}, ""}).status;
    });
    double const left = std::chrono::duration<double>(tokens.get().expires_at() - auth::boot_clock::now()).count();
    std::printf("call %d: HTTP %d, token %s, %.1f s left of it\n", call, status,
                token_requests == requests_before ? "from the cache" : "newly requested", left);
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(call < calls ? 1 : 0));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: interface_engine TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE CALLS\n", stderr);
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3], argv[4], std::atoi(argv[5]));
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "interface_engine: %s\n", failure.what());
    return 1;
  }
}
