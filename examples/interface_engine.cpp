// SPDX-License-Identifier: MIT
// A program that makes an API call every second and leaves the token to the library, which tells its log of each renewal.
// Usage: interface_engine TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE CALLS

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace auth = cibmtr_auth;

namespace {

double seconds_until(auth::boot_clock::time_point then) {
  return std::chrono::duration<double>(then - auth::boot_clock::now()).count();
}

/// What a host's log should say of each renewal. It never holds the token.
void log(auth::token_cache_status const& told) {
  if (told.last_error.empty()) {
    std::printf("log: token renewed (%s), request %llu; the next in %.1f s, it ends in %.1f s\n", told.last_reason,
                told.requests, seconds_until(told.renew_at), seconds_until(told.expires_at));
  } else {
    std::printf("log: token not renewed (%s), request %llu, failure %llu: %s\n", told.last_reason, told.requests,
                told.failures, told.last_error.c_str());
  }
}

bool run(char const* token_url, std::string const& api_url, char const* ca_file, char const* credentials_file,
         int calls) {
  auth::environment const here = {"sandbox", token_url, token_url, api_url.c_str()};
  auth::token_cache_options options;
  options.https.ca_file = ca_file;
  options.observer = log;
  auth::token_cache const tokens = auth::make_token_cache(here, auth::credentials_from_file(credentials_file), options);
  auth::transport const https = auth::https_transport(options.https);

  int failed = 0;
  for (int call = 1; call <= calls; ++call) {
    auto const requests_before = tokens.status().requests;
    try {
      int const status = auth::call_with_token(tokens, [&](auth::token const& token) {
        return https({"GET", api_url + "/r4/Patient", {auth::bearer_header(token)}, ""}).status;
      });
      std::printf("call %d: HTTP %d, token %s, %.1f s left of it\n", call, status,
                  tokens.status().requests == requests_before ? "from the cache" : "newly requested",
                  seconds_until(tokens.status().expires_at));
      failed += status == 200 ? 0 : 1;
    } catch (auth::error const& failure) {  // an engine goes on; the cache knows when to ask again
      std::printf("call %d: not made: %s\n", call, auth::to_string(failure.kind()));
      ++failed;
    }
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(call < calls ? 1 : 0));
  }
  return failed == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: interface_engine TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE CALLS\n", stderr);
    return 2;
  }
  try {
    return run(argv[1], argv[2], argv[3], argv[4], std::atoi(argv[5])) ? 0 : 1;
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "interface_engine: %s\n", failure.what());
    return 1;
  }
}
