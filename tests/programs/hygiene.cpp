// SPDX-License-Identifier: MIT
// Gets a token, fails in every way, and ends its use of the library; then waits to be looked into.
// Usage: hygiene TOKEN_URL CA_FILE CREDENTIALS_FILE WRONG_CREDENTIALS_FILE CACHE_DIRECTORY

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <string>

namespace {

using namespace cibmtr_auth;

/// What came of it: `granted`, or the error's kind.
std::string outcome(std::string const& token_url, std::string const& credentials_file,
                    token_cache_options const& options) {
  environment const here = {"sandbox", token_url.c_str(), token_url.c_str(), ""};
  try {
    token_cache const tokens = make_token_cache(here, credentials_from_file(credentials_file), options);
    token const granted = tokens.get();
    bearer_header(granted);
    tokens.invalidate(granted);
    tokens.reset(make_token_source(here, credentials_from_file(credentials_file), https_transport(options.https)));
    tokens.get();
    return "granted";
  } catch (error const& failure) {
    return to_string(failure.kind());
  }
}

token_cache_options options_with(std::string const& ca_file) {
  token_cache_options options;
  options.https.ca_file = ca_file;
  options.https.proxy = "none";
  options.https.timeout = std::chrono::seconds(10);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    return 2;
  }
  std::string const url = argv[1];
  std::string const account = argv[3];
  token_cache_options const plain = options_with(argv[2]);
  token_cache_options form_encoded = plain;
  form_encoded.encoding = basic_encoding::form_encoded;
  token_cache_options shared = plain;
  environment const here = {"sandbox", url.c_str(), url.c_str(), ""};
  shared.store = std::make_shared<token_file>(argv[5], fingerprint(here, credentials_from_file(account)));
  token_cache_options through_nobody = plain;
  through_nobody.https.proxy = "127.0.0.1:1";

  std::printf("%s\n", outcome(url, account, plain).c_str());
  std::printf("%s\n", outcome(url, account, shared).c_str());
  std::printf("%s\n", outcome(url, account, form_encoded).c_str());
  std::printf("%s\n", outcome(url, argv[4], plain).c_str());
  std::printf("%s\n", outcome(url, account, token_cache_options()).c_str());
  std::printf("%s\n", outcome(url, account, through_nobody).c_str());
  std::printf("ready\n");
  std::fflush(stdout);
  return std::getchar() == EOF ? 0 : 1;
}
