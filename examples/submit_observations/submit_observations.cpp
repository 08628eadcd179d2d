// SPDX-License-Identifier: MIT
// Sends Observations to CIBMTR's Direct FHIR API, and tells of each what became of it.

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "direct_fhir.hpp"
#include "../exit_status.hpp"
#include "observations.hpp"
#include "submission.hpp"
#include "submission_journal.hpp"

namespace {

namespace auth = cibmtr_auth;

struct arguments {
  std::string input;
  submission_options how;
  std::string environment = auth::default_environment.name;
  std::string token_url;
  std::string api_url;
  std::string credentials_file;
  auth::https_options https;
  double timeout = 60;
  bool without_cache = false;
};

/// The whole of it, or none: half of a file must not pass for one.
std::string read_input(std::string const& path) {
  int const file = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  char buffer[64 * 1024];
  ssize_t got = file < 0 ? -1 : 1;
  while (got > 0) {
    got = read(file, buffer, sizeof buffer);
    text.append(buffer, static_cast<std::size_t>(got > 0 ? got : 0));
  }
  if (got < 0) {
    throw stop(2, "the input " + path + " cannot be read (" + std::generic_category().message(errno) + ")");
  }
  close(file);
  return text;
}

/// Always the same for the same server, since the journal is bound to it.
std::string api_root(std::string const& text) {
  auth::url const api = auth::parse_secure_url(text, "API URL");
  if (api.target.find('?') != std::string::npos) {
    throw stop(2, "the API URL has a query (?...): remove it");
  }
  return api.scheme + "://" + api.authority() + api.target.substr(0, api.target.find_last_not_of('/') + 1);
}

/// A standard stream that is closed would lend its number to the journal, and what is printed would be written there. Printing fails
/// with these as it does with a closed one.
void occupy_standard_streams() {
  int file = open("/dev/null", O_RDONLY);
  while (file >= 0 && file <= STDERR_FILENO) {
    file = open("/dev/null", O_RDONLY);
  }
  close(file);
}

void run(arguments given) {
  auth::environment where = given.environment == "production" ? auth::production_environment : auth::test_environment;
  if (given.environment == auth::default_environment.name) {
    where = auth::default_environment;
  }
  if (!given.token_url.empty()) {
    where.password_token_url = where.client_credentials_token_url = given.token_url.c_str();
  }
  std::string const root = api_root(given.api_url.empty() ? where.api_url : given.api_url);
  auth::credentials const who = given.credentials_file.empty() ? auth::credentials_from_env()
                                                               : auth::credentials_from_file(given.credentials_file);
  given.https.timeout = std::chrono::milliseconds(static_cast<long long>(given.timeout * 1000));
  auth::token_cache_options options;
  options.https = given.https;
  if (!given.without_cache && !auth::default_cache_directory().empty()) {
    options.store = std::make_shared<auth::token_file>(auth::default_cache_directory(), auth::fingerprint(where, who));
  }

  std::vector<observation> const observations = observation_reader::read(read_input(given.input));
  std::vector<std::string> checksums;
  for (observation const& one : observations) {
    checksums.push_back(one.checksum);
    if (given.how.conditionally && one.query.empty()) {
      throw stop(2, "entry " + std::to_string(checksums.size()) +
                        " of the input has no identifier with system and value, which --if-none-exist needs");
    }
  }
  submission_journal journal(given.how.journal, root, checksums);
  direct_fhir_api api(auth::make_token_cache(where, who, options), given.https, root);
  submission(given.how, observations, journal, api).run();
}

void describe(CLI::App& app, arguments& given) {
  app.description(
      "Sends Observations to CIBMTR's Direct FHIR API in transactions of at most 50, and tells of each what became of\n"
      "it. Entries are numbered from 1 in the order of the input. All of the input is checked before any of it is "
      "sent.\n"
      "The credentials come from the CIBMTR_* variables or a file, as with cibmtr-token.");
  app.footer(
      "The journal has a line for each step of each entry: sending, accepted (with the server's status and location),\n"
      "refused, unsent or unknown. It stops at the first refusal. The same command goes on where it stopped, and "
      "sends\n"
      "nothing again that was accepted. An entry is unknown when it was sent and no answer came (or the program died): "
      "it\n"
      "is sent again only with --if-none-exist, or once you have looked and said --unknown lost.\n\n"
      "Exit status: 0 all accepted; 2 usage, configuration or input; 3 the token or the account was refused; 4 rate\n"
      "limited or unavailable; 5 network, TLS or timeout before anything was sent; 6 the token server's answer was no\n"
      "token; 7 the API refused an entry; 8 some entries are unknown.");
  app.set_version_flag("--version", "submit_observations " CIBMTR_AUTH_VERSION);
  app.add_option(
         "INPUT", given.input,
         "A file, or - for standard input: Observations as JSON, behind each other (NDJSON) or in an array, or\n"
         "a Bundle of type collection, searchset, batch or transaction")
      ->required();
  app.add_option("--journal", given.how.journal,
                 "What became of each entry; else the input's name with .journal behind it");
  app.add_flag("--if-none-exist", given.how.conditionally,
               "Create conditionally: the server skips an Observation whose first identifier it has");
  app.add_option("--unknown", given.how.unknown, "What you found out about entries of unknown fate: accepted or lost")
      ->check(CLI::IsMember({"accepted", "lost"}));
  app.add_option("--environment", given.environment, "test or production")
      ->check(CLI::IsMember({"test", "production"}))
      ->capture_default_str();
  auto* const token_url = app.add_option("--token-url", given.token_url, "Ask there for the token instead");
  auto* const api_url = app.add_option("--api-url", given.api_url, "Send there instead, to /r4 below this URL");
  token_url->needs(api_url);  // or one environment's token would go to the other's API
  api_url->needs(token_url);
  app.add_option("--credentials", given.credentials_file,
                 "A JSON file with client_id, client_secret, scope, username and password");
  app.add_option("--ca", given.https.ca_file, "Trust only the CAs in this PEM file");
  app.add_option("--timeout", given.timeout, "Seconds for each exchange")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  app.add_flag("--no-cache", given.without_cache, "Share no token with cibmtr-token and other runs");
}

void check_usage(CLI::App const& app, arguments& given) {
  for (CLI::Option const* option : app.get_options()) {
    for (std::string const& value : option->results()) {
      if (value.empty()) {
        throw stop(2, option->get_name() + " is given an empty value");
      }
    }
  }
  if (given.input == "-" && given.how.journal.empty()) {
    throw stop(2, "for standard input a journal must be named (--journal)");
  }
  if (given.how.journal.empty()) {
    given.how.journal = given.input + ".journal";
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  CLI::App app;
  arguments given;
  describe(app, given);
  try {
    app.parse(argc, argv);
    check_usage(app, given);
    run(given);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw stop(2, "cannot write to standard output; the journal has it all");
    }
    return 0;
  } catch (CLI::Success const& help_or_version) {
    int const status = app.exit(help_or_version);
    return std::cout.flush() ? status : 2;
  } catch (CLI::ParseError const& usage) {
    std::fprintf(stderr, "submit_observations: %s; see --help\n", usage.what());
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "submit_observations: %s: %s\n", auth::to_string(failure.kind()), failure.what());
    return exit_status(failure.kind());
  } catch (stop const& reason) {
    std::fprintf(stderr, "submit_observations: %s\n", reason.what());
    return reason.status;
  } catch (std::exception const& failure) {
    std::fprintf(stderr, "submit_observations: %s\n", failure.what());
  }
  return 2;
}
