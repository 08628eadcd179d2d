// SPDX-License-Identifier: MIT
// Requests tokens, fails in several ways, and stops using the library; then waits, so that its memory can be searched.
// Usage: hygiene TOKEN_URL CA_FILE CREDENTIALS_FILE WRONG_CREDENTIALS_FILE CACHE_DIRECTORY

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <string>

namespace {

using namespace cibmtr_auth;

/// `token`, or the error's kind.
std::string outcome(std::string const& token_url, std::string const& credentials_file,
                    token_cache_options const& options) {
  environment const sandbox = {"sandbox", token_url, token_url, ""};
  try {
    credentials const account = credentials_from_file(credentials_file);
    token_cache const tokens = make_token_cache(sandbox, account, options);
    token const first = tokens.get();
    bearer_header(first);
    tokens.invalidate(first);
    tokens.get();
    credentials narrower = account;
    narrower.username.clear();
    narrower.password = secret();
    tokens.set_credentials(narrower);
    tokens.get();
    request_token(sandbox, account, options);
    return "token";
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
  shared.cache_directory = argv[5];
  token_cache_options through_closed_port = plain;
  through_closed_port.https.proxy = "127.0.0.1:1";

  std::printf("%s\n", outcome(url, account, plain).c_str());
  std::printf("%s\n", outcome(url, account, shared).c_str());
  std::printf("%s\n", outcome(url, account, form_encoded).c_str());
  std::printf("%s\n", outcome(url, argv[4], plain).c_str());
  std::printf("%s\n", outcome(url, account, token_cache_options()).c_str());
  std::printf("%s\n", outcome(url, account, through_closed_port).c_str());
  std::printf("ready\n");
  std::fflush(stdout);
  return std::getchar() == EOF ? 0 : 1;
}
