// SPDX-License-Identifier: MIT
// cibmtr-sandbox: the sandbox as a program, for clients in any language.

#include <picojson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "sandbox.hpp"

namespace {

/// Atomic: a reader never sees half a file. Does nothing without a name.
void write_file(std::string const& name, std::string const& content, mode_t mode) {
  if (name.empty()) {
    return;
  }
  std::string part = name + ".XXXXXX";
  int const file = mkstemp(&part[0]);
  bool const written = file >= 0 && fchmod(file, mode) == 0 &&
                       write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  bool const closed = file >= 0 && close(file) == 0;
  if (!written || !closed || std::rename(part.c_str(), name.c_str()) != 0) {
    std::remove(part.c_str());
    throw std::runtime_error("cannot write " + name);
  }
}

std::string as_json(sandbox::account const& user) {
  picojson::object const fields = {{"client_id", picojson::value(user.client_id)},
                                   {"client_secret", picojson::value(user.client_secret)},
                                   {"scope", picojson::value(user.scope)},
                                   {"username", picojson::value(user.username)},
                                   {"password", picojson::value(user.password)}};
  return picojson::value(fields).serialize(true);
}

/// Lines for a shell to source.
std::string as_shell(sandbox::server const& server) {
  return "TOKEN_URL=" + server.token_url() + "\nAPI_URL=" + server.api_url() +
         "\nPORT=" + std::to_string(server.port()) + '\n';
}

void print_with_time(std::string const& line) {
  std::time_t const now = std::time(nullptr);
  std::tm local;
  char clock[16];
  std::strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
  std::cout << clock << ' ' << line << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  sandbox::options chosen;
  chosen.log = print_with_time;
  auto lifetime = chosen.life.count();
  std::string ca_file;
  std::string credentials_file;
  std::string ready_file;

  CLI::App app("A sandbox for CIBMTR's token server and Direct FHIR API, on localhost.", "cibmtr-sandbox");
  app.add_option("--port", chosen.port, "port to listen on; 0 takes any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--life", lifetime, "lifetime of a token in seconds")
      ->check(CLI::Range(1, 31536000))
      ->capture_default_str();
  app.add_option("--rate-limit", chosen.rate_limit, "token requests a minute")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--ca-file", ca_file, "write the CA certificate that clients must trust here, as PEM");
  app.add_option("--credentials-file", credentials_file, "write the account here, as JSON that only you can read");
  app.add_option("--ready-file", ready_file,
                 "write TOKEN_URL, API_URL and PORT here when the sandbox is ready, for a shell to source");
  app.footer(
      "To provoke failures, POST to https://localhost:PORT/sandbox/..., for example\n"
      "curl --cacert ca.pem -d '' https://localhost:PORT/sandbox/revoke\n"
      "  revoke  no body: the API rejects every token issued so far\n"
      "  unlock  no body: unlock the account, which 10 wrong passwords in a row lock\n"
      "  life    a number: lifetime in seconds of tokens issued from now on\n"
      "  next    {\"status\": 503, \"body\": \"...\", \"headers\": {...}, \"delay_ms\": 0,\n"
      "          \"times\": 1, \"after\": 0, \"to\": \"token\"}: send this response \"times\" times,\n"
      "          after \"after\" usual ones; \"to\": \"api\" for API calls\n"
      "GET /sandbox returns its counters. An Observation with a meta.tag of the system\n"
      "urn:cibmtr-sandbox and the code refuse is rejected; with the code delay-1000 it is\n"
      "stored, and the response comes a second later.");
  CLI11_PARSE(app, argc, argv);
  chosen.life = std::chrono::seconds(lifetime);

  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);

  try {
    sandbox::server server(chosen);
    write_file(ca_file, server.ca_pem(), 0644);
    write_file(credentials_file, as_json(server.user()), 0600);
    print_with_time("tokens at " + server.token_url());
    print_with_time("API at " + server.api_url());
    write_file(ready_file, as_shell(server), 0644);
    int signal = 0;
    sigwait(&stop, &signal);
  } catch (std::exception const& problem) {
    std::cerr << "cibmtr-sandbox: " << problem.what() << '\n';
    return 1;
  }
}
