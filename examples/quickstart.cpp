#include <cibmtr_auth.hpp>
#include <iostream>

int main() {
  auto tokens = cibmtr_auth::make_token_cache(cibmtr_auth::credentials_from_env());
  auto https = cibmtr_auth::https_transport();
  auto url = std::string(cibmtr_auth::default_environment.api_url) + "/r4/Patient";
  cibmtr_auth::call_with_token(tokens, [&](cibmtr_auth::token const& token) {
    auto answer = https({"GET", url, {cibmtr_auth::bearer_header(token)}, ""});
    std::cout << "HTTP " << answer.status << "\n" << answer.body.reveal() << "\n";
    return answer.status;
  });
}
