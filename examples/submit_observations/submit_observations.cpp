// SPDX-License-Identifier: MIT
// Sends Observations to CIBMTR's Direct FHIR API, and reports what happened to each.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "../exit_status.hpp"
#include "journal.hpp"
#include "observations.hpp"
#include "submission.hpp"

namespace {

namespace auth = cibmtr_auth;

struct arguments {
  std::string input;
  submission_options submission;
  std::string environment = auth::default_environment().name;
  std::string token_url;
  std::string api_url;
  std::string credentials_file;
  auth::https_options https;
  double timeout = 60;
  bool no_cache = false;
};

/// Reads the whole input: half of a file must not be sent.
std::string read_input(std::string const& path) {
  int const file = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  std::vector<char> buffer(64 * 1024);
  ssize_t size = file < 0 ? -1 : 1;
  while (size > 0) {
    size = read(file, buffer.data(), buffer.size());
    text.append(buffer.data(), static_cast<std::size_t>(size > 0 ? size : 0));
  }
  if (size < 0) {
    throw stop(2, "the input " + path + " cannot be read (" + std::generic_category().message(errno) + ")");
  }
  close(file);
  return text;
}

/// In one spelling, because the journal is bound to it.
std::string normalize_root(std::string const& text) {
  auth::detail::url const api = auth::detail::parse_secure_url(text, "API URL");
  if (api.target.find('?') != std::string::npos) {
    throw stop(2, "the API URL has a query (?...): remove it");
  }
  return api.scheme + "://" + api.authority() + api.target.substr(0, api.target.find_last_not_of('/') + 1);
}

auth::environment chosen_environment(arguments const& given) {
  auth::environment chosen = auth::default_environment();
  if (given.environment != chosen.name) {
    chosen = given.environment == "production"      ? auth::production_environment()
             : given.environment == "external-test" ? auth::external_test_environment()
                                                    : auth::test_environment();
  }
  if (!given.token_url.empty()) {
    chosen.password_token_url = chosen.client_credentials_token_url = given.token_url;
    chosen.api_url = given.api_url;
  }
  chosen.api_url = normalize_root(chosen.api_url);
  return chosen;
}

void note(std::string const& text) { std::fprintf(stderr, "submit_observations: note: %s\n", text.c_str()); }

/// If a standard stream is closed, the journal would get its number, and output would be written there.
void occupy_standard_streams() {
  int file = open("/dev/null", O_RDONLY);
  while (file >= 0 && file <= STDERR_FILENO) {
    file = open("/dev/null", O_RDONLY);
  }
  close(file);
}

void run(arguments const& given) {
  auth::environment const environment = chosen_environment(given);
  auth::credentials const credentials = given.credentials_file.empty()
                                            ? auth::credentials_from_env()
                                            : auth::credentials_from_file(given.credentials_file);
  auth::token_cache_options options;
  options.https = given.https;
  options.https.timeout = std::chrono::milliseconds(static_cast<long long>(given.timeout * 1000));
  options.observer = [](auth::token_event const& event) {
    if (event.kind == auth::token_event_kind::sharing_failed) {
      note(event.message);
    }
  };
  try {
    options.cache_directory = given.no_cache ? "" : auth::default_cache_directory();
  } catch (auth::error const& problem) {
    note(std::string("the token is not shared: ") + problem.what());
  }

  std::vector<observation> const observations = observation_reader::read(read_input(given.input));
  std::vector<std::string> checksums;
  for (observation const& one : observations) {
    checksums.push_back(one.checksum);
    if (given.submission.is_conditional && one.query.empty()) {
      throw stop(2, "entry " + std::to_string(checksums.size()) +
                        " of the input has no identifier with system and value, which --if-none-exist needs");
    }
  }
  journal progress(given.submission.journal, environment.api_url, checksums);
  auth::transport const api = auth::authorized(auth::make_token_cache(environment, credentials, options));
  submission(given.submission, observations, progress, api, environment.api_url).run();
}

void describe(CLI::App& app, arguments& given) {
  app.description(
      "Sends Observations to CIBMTR's Direct FHIR API in transactions of at most 50, and reports\n"
      "what happened to each. Entries are numbered from 1 in the order of the input. The whole\n"
      "input is checked before anything is sent. The credentials come from the CIBMTR_* variables\n"
      "or a file, as with cibmtr-token.");
  app.footer(
      "The journal has a line for each step of each entry: sending, accepted (with the server's\n"
      "status and location), rejected, unsent or unknown. The program stops at the first rejection.\n"
      "The same command continues where it stopped, and sends no accepted entry again. An entry is\n"
      "unknown if it was sent and no response came, or if the program was killed. It is sent again\n"
      "only with --if-none-exist, or if you found that it is lost and give --unknown lost.\n\n"
      "Exit status: 0 all accepted; 2 usage, configuration or input; 3 credentials or token rejected;\n"
      "4 rate limited or unavailable; 5 network, TLS or time-out before anything was sent; 6 invalid\n"
      "response of the token server; 7 the API rejected an entry; 8 some entries are unknown.");
  app.set_version_flag("--version", "submit_observations " CIBMTR_AUTH_VERSION);
  app.add_option("INPUT", given.input,
                 "A file, or - for standard input: Observations as JSON, one after another (NDJSON) or in\n"
                 "an array, or a Bundle of type collection, searchset, batch or transaction")
      ->required();
  app.add_option("--journal", given.submission.journal, "What happened to each entry; default: INPUT.journal");
  app.add_flag("--if-none-exist", given.submission.is_conditional,
               "Create conditionally: the server skips an Observation whose first identifier it has");
  app.add_option("--unknown", given.submission.unknown, "What you found out about unknown entries: accepted or lost")
      ->check(CLI::IsMember({"accepted", "lost"}));
  app.add_option("--environment", given.environment, "test, external-test or production")
      ->check(CLI::IsMember({"test", "external-test", "production"}))
      ->capture_default_str();
  auto* const token_url = app.add_option("--token-url", given.token_url, "Request the token there instead");
  auto* const api_url = app.add_option("--api-url", given.api_url, "Send there instead, to /r4 below this URL");
  token_url->needs(api_url);  // one environment's token must not be sent to another's API
  api_url->needs(token_url);
  app.add_option("--credentials", given.credentials_file,
                 "A JSON file with client_id, client_secret, scope, username and password");
  app.add_option("--ca", given.https.ca_file, "Trust only the CAs in this PEM file");
  app.add_option("--timeout", given.timeout, "Seconds for each exchange")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  app.add_flag("--no-cache", given.no_cache, "Share no token with cibmtr-token and other runs");
}

void check_usage(CLI::App const& app, arguments& given) {
  for (CLI::Option const* option : app.get_options()) {
    for (std::string const& value : option->results()) {
      if (value.empty()) {
        throw stop(2, option->get_name() + " has an empty value");
      }
    }
  }
  if (given.input == "-" && given.submission.journal.empty()) {
    throw stop(2, "standard input needs a journal (--journal)");
  }
  if (given.submission.journal.empty()) {
    given.submission.journal = given.input + ".journal";
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  signal(SIGXFSZ, SIG_IGN);  // with a file size limit (systemd: LimitFSIZE=) a write must fail, not end the program
  CLI::App app;
  arguments given;
  describe(app, given);
  try {
    app.parse(argc, argv);
    check_usage(app, given);
    run(given);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw stop(2, "cannot write to standard output; the journal is complete");
    }
    return 0;
  } catch (CLI::Success const& help_or_version) {
    int const status = app.exit(help_or_version);
    return std::cout.flush() ? status : 2;
  } catch (CLI::ParseError const& usage) {
    std::fprintf(stderr, "submit_observations: %s; see --help\n", usage.what());
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "submit_observations: %s: %s\n", auth::to_string(failure.kind()).c_str(), failure.what());
    return exit_status(failure.kind());
  } catch (stop const& reason) {
    std::fprintf(stderr, "submit_observations: %s\n", reason.what());
    return reason.status;
  } catch (std::exception const& failure) {
    std::fprintf(stderr, "submit_observations: %s\n", failure.what());
  }
  return 2;
}
