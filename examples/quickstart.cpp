#include <cibmtr_auth.hpp>
#include <iostream>

namespace auth = cibmtr_auth;

int main() try {
  auth::environment const environment = auth::default_environment();
  auth::token_cache_options options;
  options.cache_directory = auth::default_cache_directory();  // share the token, and a rejection, with other runs
  auth::token_cache const tokens = auth::make_token_cache(environment, auth::credentials_from_env(), options);
  auth::transport const api = auth::authorized(tokens);
  auth::http_response const response = api({"GET", environment.api_url + "/r4/metadata"});
  std::cout << "HTTP " << response.status << "\n" << response.body << "\n";
} catch (auth::error const& failure) {
  std::cerr << failure.what() << "\n";
  return 1;
}
