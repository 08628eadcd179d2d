// SPDX-License-Identifier: MIT
// A program that ends while its static background renewer asks. What OpenSSL and cpp-httplib keep until the end of a program must outlive
// the renewer, which would else read freed memory (overwritten by MALLOC_PERTURB_). Exit status 0 when the last answer was understood.

#include <unistd.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <future>
#include <string>
#include <thread>

#include "support/fake_server.hpp"
#include "support/raw_server.hpp"

namespace {

std::promise<void>& asked_again() {
  static std::promise<void> made;
  return made;
}

void answer(tests::connection const& client) {
  static int requests = 0;
  client.receive_head();
  if (++requests == 1) {
    std::string const body = R"({"access_token":"abc","token_type":"Bearer","expires_in":1})";
    client.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  } else {
    asked_again().set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // meanwhile main returns
    client.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  }
  client.wait_for_close();
}

void look_at(cibmtr_auth::token_cache_status const& told) {
  bool const is_understood = told.last_error.find("HTTP 503") != std::string::npos;
  if (told.requests == 2 && !is_understood) {
    _exit(1);
  }
}

cibmtr_auth::token_cache& tokens() {
  static tests::raw_server const server(answer);
  static std::string const url = server.url("http");
  static cibmtr_auth::token_cache all = [] {
    cibmtr_auth::environment here = cibmtr_auth::test_environment;
    here.password_token_url = url.c_str();
    cibmtr_auth::token_cache_options options;
    options.observer = look_at;
    return cibmtr_auth::make_token_cache(here, tests::some_credentials(), options);
  }();
  return all;
}

}  // namespace

int main() {
  std::future<void> const again = asked_again().get_future();
  static cibmtr_auth::background_renewer const renewer(tokens());
  return again.wait_for(std::chrono::seconds(20)) == std::future_status::ready ? 0 : 2;
}
