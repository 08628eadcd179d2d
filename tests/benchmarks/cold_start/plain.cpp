// SPDX-License-Identifier: MIT
// One token by a plain cpp-httplib client and picojson; with an argument, that many more by fresh clients and their median time.

#include <httplib.h>
#include <picojson.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

bool get_token() {
  std::string const url = std::getenv("TOKEN_URL");
  std::size_t const path = url.find('/', 8);
  httplib::Client client(url.substr(0, path));
  client.set_ca_cert_path(std::getenv("CA_BUNDLE"));
  client.set_basic_auth(std::getenv("CIBMTR_CLIENT_ID"), std::getenv("CIBMTR_CLIENT_SECRET"));
  auto const answer = client.Post(
      url.substr(path), httplib::Params{{"grant_type", "client_credentials"}, {"scope", std::getenv("CIBMTR_SCOPE")}});
  picojson::value body;
  return answer && answer->status == 200 && picojson::parse(body, answer->body).empty() &&
         !body.get("access_token").get<std::string>().empty();
}

}  // namespace

int main(int argc, char** argv) {
  bool is_granted = get_token();
  std::vector<double> times;
  for (int i = 0; argc > 1 && i < std::atoi(argv[1]); ++i) {
    auto const start = std::chrono::steady_clock::now();
    is_granted = get_token() && is_granted;
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  if (!times.empty()) {
    std::sort(times.begin(), times.end());
    std::printf("%.2f\n", times[times.size() / 2]);
  }
  return is_granted ? 0 : 1;
}
