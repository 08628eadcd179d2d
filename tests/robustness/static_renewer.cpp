// SPDX-License-Identifier: MIT
// A program that ends while its static background renewer waits for a response over TLS. What OpenSSL keeps until the end of a program must
// outlive the renewer, which would otherwise read freed memory (overwritten by MALLOC_PERTURB_). Exit status 0 if the last response was
// understood.

#include <unistd.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <string>
#include <thread>

#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/tls_server.hpp"

namespace {

/// In a process that this program forks before it uses OpenSSL itself, until `from_parent` ends.
void serve(std::string const& folder, int to_parent, int from_parent) {
  alarm(60);
  sandbox::certificate const shown("DNS:localhost");
  tests::write_text(folder + "/ca.pem", shown.ca_pem());
  int requests = 0;
  tests::tls_server const server(shown, [&](tests::tls_peer const& peer) {
    peer.receive();
    if (++requests == 1) {
      std::string const body = R"({"access_token":"abc","token_type":"Bearer","expires_in":1})";
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    } else {
      static_cast<void>(write(to_parent, "!", 1) == 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(300));  // meanwhile the program's main returns
      peer.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    }
    peer.say_goodbye();
    peer.below().wait_for_close();
  });
  int const port = server.port();
  static_cast<void>(write(to_parent, &port, sizeof port) == sizeof port);
  char byte = 0;
  static_cast<void>(read(from_parent, &byte, 1) == 0);
  tests::remove_all(folder);
  _exit(0);
}

void observe(cibmtr_auth::token_event const& event) {
  if (event.kind == cibmtr_auth::token_event_kind::failed) {
    _exit(event.message.find("HTTP 503") != std::string::npos ? 0 : 1);
  }
}

}  // namespace

int main() {
  std::string const folder = tests::make_new_folder();
  int from_server[2];
  int to_server[2];
  if (pipe(from_server) != 0 || pipe(to_server) != 0) {
    return 3;
  }
  if (fork() == 0) {
    close(to_server[1]);
    serve(folder, from_server[1], to_server[0]);
  }
  alarm(30);
  int port = 0;
  if (read(from_server[0], &port, sizeof port) != sizeof port) {
    return 4;
  }
  std::string const url = "https://localhost:" + std::to_string(port) + "/token";
  cibmtr_auth::token_cache_options options;
  options.https.ca_file = folder + "/ca.pem";
  options.observer = observe;
  static cibmtr_auth::token_cache const tokens =
      cibmtr_auth::make_token_cache({"test", url, url, ""}, tests::some_credentials(), options);
  static cibmtr_auth::background_renewer const renewer(tokens);
  char byte = 0;
  return read(from_server[0], &byte, 1) == 1 ? 5 : 2;  // observe ends the program with 0
}
