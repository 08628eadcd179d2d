// SPDX-License-Identifier: MIT
// Makes an API call every second, leaves the token to the library, and logs each renewal.
// Usage: interface_engine TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE CALLS

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace auth = cibmtr_auth;

namespace {

/// One line per event. The library's messages contain no secrets.
void log_event(auth::token_event const& event) {
  std::printf("log: %s: %s; request %llu", auth::to_string(event.kind).c_str(), event.message.c_str(),
              static_cast<unsigned long long>(event.status.requests));
  if (event.status.has_token) {
    std::printf("; expires in %lld s, the next renewal in %lld s",
                static_cast<long long>(event.status.expires_in.count()),
                static_cast<long long>(event.status.renews_in.count()));
  }
  std::printf("\n");
}

bool run(std::string const& token_url, std::string const& api_url, char const* ca_file, char const* credentials_file,
         int calls) {
  auth::environment const sandbox = {"sandbox", token_url, token_url, api_url};
  auth::token_cache_options options;
  options.https.ca_file = ca_file;
  options.observer = log_event;
  auth::token_cache const tokens =
      auth::make_token_cache(sandbox, auth::credentials_from_file(credentials_file), options);
  auth::transport const api = auth::authorized(tokens);

  bool is_ok = true;
  for (int call = 1; call <= calls; ++call) {
    auto const requests_before = tokens.status().requests;
    try {
      int const status = api({"GET", api_url + "/r4/Patient"}).status;
      std::printf("call %d: HTTP %d, token %s\n", call, status,
                  tokens.status().requests == requests_before ? "from the cache" : "newly requested");
      is_ok = is_ok && status == 200;
    } catch (auth::error const& failure) {  // go on: the cache knows when to request a token again
      std::printf("call %d: no response: %s\n", call, auth::to_string(failure.kind()).c_str());
      is_ok = false;
    }
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(call < calls ? 1 : 0));
  }
  return is_ok;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 6) {
    std::fputs("usage: interface_engine TOKEN_URL API_URL CA_FILE CREDENTIALS_FILE CALLS\n", stderr);
    return 2;
  }
  return run(argv[1], argv[2], argv[3], argv[4], std::atoi(argv[5])) ? 0 : 1;
} catch (auth::error const& failure) {
  std::fprintf(stderr, "interface_engine: %s\n", failure.what());
  return 1;
}
