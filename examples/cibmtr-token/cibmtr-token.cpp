// SPDX-License-Identifier: MIT
// Prints a bearer token for CIBMTR's Direct FHIR API, or says why it cannot.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "../exit_status.hpp"

namespace {

namespace auth = cibmtr_auth;

struct arguments {
  std::string environment = auth::default_environment.name;
  std::string token_url;
  std::string scope;
  std::string credentials_file;
  auth::https_options https;
  double timeout = 30;
  std::string cache_directory = auth::default_cache_directory();
  bool without_cache = false;
  bool renew = false;
  bool as_header = false;
  bool as_json = false;
  bool check = false;
};

struct cannot_write : std::exception {
  char const* what() const noexcept override { return "cannot write to standard output"; }
};

/// Unbuffered, so that no copy of a token waits in a buffer, and checked: a full disk must not pass for success.
void print(std::string const& line) {
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0) {
    throw cannot_write();
  }
}

void print_finding(std::string const& subject, std::string const& finding, bool is_ok = true) {
  std::string const padding(subject.size() < 14 ? 14 - subject.size() : 1, ' ');
  print((is_ok ? "ok  " : "no  ") + subject + padding + finding + "\n");
}

auth::environment chosen_environment(arguments const& given) {
  auth::environment chosen = auth::default_environment;
  if (given.environment != chosen.name) {
    chosen = given.environment == "production" ? auth::production_environment : auth::test_environment;
  }
  if (!given.token_url.empty()) {
    chosen.password_token_url = given.token_url.c_str();
    chosen.client_credentials_token_url = given.token_url.c_str();
  }
  return chosen;
}

auth::credentials chosen_credentials(arguments const& given) {
  auth::credentials chosen = given.credentials_file.empty() ? auth::credentials_from_env()
                                                            : auth::credentials_from_file(given.credentials_file);
  if (!given.scope.empty()) {
    chosen.scope = given.scope;
  }
  return chosen;
}

std::string token_url(auth::environment const& where, auth::credentials const& who) {
  return who.uses_password_grant() ? where.password_token_url : where.client_credentials_token_url;
}

/// Whether every scope token that was asked for was granted.
bool grants_all(std::string const& granted, std::string const& asked) {
  std::istringstream tokens(asked);
  for (std::string token; tokens >> token;) {
    if ((" " + granted + " ").find(" " + token + " ") == std::string::npos) {
      return false;
    }
  }
  return true;
}

long long seconds_until(auth::boot_clock::time_point then) {
  return std::chrono::duration_cast<std::chrono::seconds>(then - auth::boot_clock::now()).count();
}

auth::secret as_asked(auth::token const& token, arguments const& given) {
  if (given.as_header) {
    return "Authorization: " + token.authorization() + "\n";
  }
  if (given.as_json) {
    return "{\"access_token\":\"" + token.value() +
           "\",\"token_type\":\"Bearer\",\"expires_in\":" + std::to_string(seconds_until(token.expires_at())) +
           ",\"scope\":\"" + token.scope() + "\"}\n";
  }
  return token.value() + "\n";
}

void print_preparations(arguments const& given, auth::environment const& where, auth::credentials const& who) {
  print_finding("environment", std::string(where.name) + ", token URL " + token_url(where, who));
  print_finding("credentials", given.credentials_file.empty() ? "complete, from CIBMTR_* variables"
                                                              : "complete, from " + given.credentials_file);
  print_finding("grant", who.uses_password_grant() ? "password" : "client_credentials");
}

void print_clock(auth::http_response const& answer) {
  std::vector<std::string> const dates = answer.header_values("Date");
  long long const servers = dates.empty() ? -1 : auth::parse_http_date(dates.front());
  if (servers < 0) {
    print_finding("clock", answer.status == 0 ? "unknown: the server did not answer a HEAD request"
                                              : "unknown: the server does not say what time it is");
    return;
  }
  long long const ahead = static_cast<long long>(std::time(nullptr)) - servers;
  bool const is_close = std::llabs(ahead) <= 60;
  print_finding("clock",
                std::to_string(std::llabs(ahead)) + " s " + (ahead < 0 ? "behind" : "ahead of") + " the server's" +
                    (is_close ? "" : ": set this machine's clock, or certificates will seem invalid"),
                is_close);
}

/// Whom the token request will go to, found out by a request without credentials.
void print_connection(arguments const& given, std::string const& token_url) {
  auth::url const to = auth::parse_secure_url(token_url, "token URL");
  auth::https_options https = given.https;
  auth::https_peer peer;
  https.observer = [&peer](auth::https_peer const& seen) { peer = seen; };
  std::string const proxy = https.proxy.empty() ? auth::proxy_from_env(to) : https.proxy;
  bool const is_direct = proxy.empty() || proxy == "none" || to.scheme == "http";
  print_finding("proxy", is_direct ? "none" : auth::parse_proxy_url(proxy).authority());
  auth::http_response answer;
  try {
    answer = auth::https_transport(https)({"HEAD", to.scheme + "://" + to.authority() + "/", {}, ""});
  } catch (auth::error const& failure) {
    if (peer.address.empty()) {
      print_finding("connection", failure.what(), false);
      throw;
    }  // else it was made, and a server need not answer this
  }
  print_finding("connection", to.authority() + (is_direct ? " at " : " through the proxy at ") + peer.address +
                                  (peer.tls_version.empty() ? ", without TLS" : ", " + peer.tls_version));
  if (!peer.tls_version.empty()) {
    print_finding("trust", peer.authorities);
    print_finding("certificate", peer.subject + ", from " + peer.issuer + ", until " + peer.expires_at);
  }
  print_clock(answer);
}

std::shared_ptr<auth::token_file> shared_tokens(arguments const& given, auth::environment const& where,
                                                auth::credentials const& who) {
  if (given.without_cache) {
    return nullptr;
  }
  return std::make_shared<auth::token_file>(given.cache_directory, auth::fingerprint(where, who));
}

/// Why this run shares neither its token nor its pause; empty when it does.
std::string sharing_problem(arguments const& given, auth::token_file const& store) {
  if (store.is_shared()) {
    return "";
  }
  return given.cache_directory.empty()
             ? "HOME is not set, give --cache"
             : given.cache_directory + " is not a folder that only you can enter and write to";
}

void print_cache(arguments const& given, std::shared_ptr<auth::token_file> const& store) {
  if (!store) {
    print_finding("cache", "none");
    return;
  }
  std::string const problem = sharing_problem(given, *store);
  print_finding("cache", problem.empty() ? given.cache_directory : "none: " + problem, problem.empty());
}

void print_status(auth::token_cache_status const& told) {
  auto text = [](unsigned long long number) { return std::to_string(number); };
  print_finding("calls",
                text(told.gets) + ", " + text(told.hits) + " from memory, " + text(told.joins) + " waited for another");
  std::string const why = told.requests > 0 ? std::string("; the reason: ") + told.last_reason : "";
  print_finding("requests", text(told.requests) + " sent, " + text(told.failures) + " failed" + why,
                told.failures == 0);
  if (told.expires_at != auth::boot_clock::time_point()) {
    print_finding("times", "obtained " + std::to_string(-seconds_until(told.obtained_at)) + " s ago, renews in " +
                               std::to_string(seconds_until(told.renew_at)) + " s, ends in " +
                               std::to_string(seconds_until(told.expires_at)) + " s");
  }
  bool const is_ok = told.last_error.empty();
  print_finding("last error", is_ok ? "none" : told.last_error, is_ok);
}

/// So that nobody takes a job that asks on every run for one that shares.
void note_if_alone(arguments const& given, auth::token_file const* store, char const* loss) {
  std::string const problem = store ? sharing_problem(given, *store) : "";
  if (!problem.empty()) {
    std::fprintf(stderr, "cibmtr-token: note: the next run will %s: %s\n", loss, problem.c_str());
  }
}

auth::token get(auth::token_cache const& tokens, arguments const& given, auth::token_file const* store) {
  try {
    return tokens.get(given.https.timeout + std::chrono::minutes(1));  // another run may be asking, or stopped
  } catch (auth::error const&) {
    if (given.check) {
      print_status(tokens.status());
    }
    note_if_alone(given, store, "not know of this failure");
    throw;
  }
}

void run(arguments given) {
  auth::environment const where = chosen_environment(given);
  auth::credentials const who = chosen_credentials(given);
  given.https.timeout = std::chrono::milliseconds(static_cast<long long>(given.timeout * 1000));
  std::shared_ptr<auth::token_file> const store = shared_tokens(given, where, who);
  auth::token_cache_options options;
  options.https = given.https;
  options.store = store;
  auth::token_cache const tokens = auth::make_token_cache(where, who, options);
  if (given.check) {
    print_preparations(given, where, who);
    print_cache(given, store);
    print_connection(given, token_url(where, who));
  }

  auth::token refused;
  if (given.renew) {
    refused = get(tokens, given, store.get());
    tokens.invalidate(refused);
  }
  auth::token const token = get(tokens, given, store.get());
  if (given.renew && token.value() == refused.value()) {
    std::fputs("cibmtr-token: note: the same token as before, since it was renewed less than 30 s ago\n", stderr);
  }
  if (given.check) {
    auto const life = std::chrono::duration_cast<std::chrono::seconds>(token.expires_at() - token.obtained_at());
    std::string const how = tokens.status().requests > 0 ? "granted" : "kept by an earlier run";
    print_finding("token", how + ", lives " + std::to_string(life.count()) + " s, " +
                               std::to_string(seconds_until(token.expires_at())) + " s left");
    print_finding("scope", token.scope(), grants_all(token.scope(), who.scope));
    print_status(tokens.status());
  } else {
    print(as_asked(token, given).reveal());
  }
  note_if_alone(given, store.get(), "ask for another token");
  if (!tokens.status().last_error.empty()) {
    std::fprintf(stderr, "cibmtr-token: note: a token that still lives, since renewing failed: %s\n",
                 tokens.status().last_error.c_str());
  }
  if (!grants_all(token.scope(), who.scope)) {
    std::fprintf(stderr, "cibmtr-token: note: the server granted less than was asked for: %s\n", token.scope().c_str());
  }
}

/// The whole of --help, so that it reads as one page; the tests compare its options with those that are parsed.
std::string help() {
  std::string const default_environment = auth::default_environment.name;
  return R"(Usage: cibmtr-token [OPTION]...

Prints a bearer token for CIBMTR's Direct FHIR API. Runs of one user share a
token until shortly before it ends: call this before every API call.

Whom to ask, and for what:
  --environment NAME         test or production; else )" +
         default_environment + R"(
  --token-url URL            ask there instead of at the environment's token URL
  --credentials FILE         a JSON file, instead of the variables below
  --scope SCOPE              ask for this scope instead of the credentials'

How to get there:
  --ca FILE                  trust only the CAs in this PEM file
  --client-certificate FILE  PEM, for a server that asks who calls (mutual TLS)
  --client-key FILE          its key, PEM, without a passphrase
  --proxy URL                http://[user:password@]host:port, or none
  --timeout SECONDS          for the whole exchange, 0.001 to 3600; else 30

Sharing the token with other runs:
  --cache DIR                through this folder, which only you may enter
  --renew                    the API refuses the shared token (HTTP 401): ask
                             for another in its place, at most one in 30 s
  --no-cache                 not at all: ask for a token of its own, at once

What to print, one of these or else the bare token:
  --header                   "Authorization: Bearer ...", for curl
  --json                     access_token, token_type, expires_in, scope
  --check                    a diagnosis line by line, and no token
  -h, --help                 this page
  --version                  the version

Credentials, by their names in JSON and as variables. A variable with _FILE
behind its name holds the path of a file with the value instead.
  client_id                  CIBMTR_CLIENT_ID
  client_secret              CIBMTR_CLIENT_SECRET
  scope                      CIBMTR_SCOPE
  username, password         CIBMTR_USERNAME, CIBMTR_PASSWORD: for the older
                             password grant; without them client_credentials

Other variables:
  HTTPS_PROXY, ALL_PROXY     the proxy, unless --proxy names it
  NO_PROXY                   what is reached without one
  SSL_CERT_FILE              the system's CAs as a PEM file,
  SSL_CERT_DIR               as a directory
  XDG_CACHE_HOME             see the next line

Files:
  ~/.cache/cibmtr_auth       the folder of --cache when it is not given
                             ($XDG_CACHE_HOME/cibmtr_auth where that is set,
                             %LOCALAPPDATA%\cibmtr_auth on Windows). It holds
                             tokens, never a client secret or a password.

Exit status:
  0  there is a token        4  rate limited, or the server is in trouble
  2  usage or configuration  5  network, TLS or timeout
  3  credentials rejected    6  the answer was not a token
After a refusal runs that share a folder send nothing until the pause is over;
the message tells when that is. Remove the folder's files to end it sooner.

Examples:
  cibmtr-token --check
  cibmtr-token --credentials account.json --header | curl -H @- \
    https://int-api.nmdp.org/cibmtr-fhir-backend/v1/r4/metadata
)";
}

void describe(CLI::App& app, arguments& given) {
  app.formatter_fn([](CLI::App const*, std::string const&, CLI::AppFormatMode) { return help(); });
  app.set_version_flag("--version", "cibmtr-token " CIBMTR_AUTH_VERSION);
  app.add_option("--environment", given.environment)->check(CLI::IsMember({"test", "production"}));
  app.add_option("--token-url", given.token_url);
  app.add_option("--credentials", given.credentials_file);
  app.add_option("--scope", given.scope);
  app.add_option("--ca", given.https.ca_file);
  app.add_option("--client-certificate", given.https.client_certificate);
  app.add_option("--client-key", given.https.client_key);
  app.add_option("--proxy", given.https.proxy);
  app.add_option("--timeout", given.timeout)->check(CLI::Range(0.001, 3600.0))->check([](std::string const& text) {
    return text.find_first_of("nN") == std::string::npos ? "" : "not a number";
  });
  auto* const cache = app.add_option("--cache", given.cache_directory);
  auto* const renew = app.add_flag("--renew", given.renew);
  app.add_flag("--no-cache", given.without_cache)->excludes(cache)->excludes(renew);
  auto* const header = app.add_flag("--header", given.as_header);
  auto* const json = app.add_flag("--json", given.as_json);
  auto* const check = app.add_flag("--check", given.check);
  json->excludes(header);
  check->excludes(header)->excludes(json);
}

/// An unset shell variable must not silently select a default.
void refuse_empty_values(CLI::App const& app) {
  for (CLI::Option const* option : app.get_options()) {
    for (std::string const& value : option->results()) {
      if (value.empty()) {
        throw auth::error(auth::error_kind::configuration, option->get_name() + " is given an empty value");
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  CLI::App app;
  arguments given;
  describe(app, given);
  try {
    app.parse(argc, argv);
    refuse_empty_values(app);
    run(given);
    return 0;
  } catch (CLI::Success const& help_or_version) {
    int const status = app.exit(help_or_version);
    return std::cout.flush() ? status : 2;
  } catch (CLI::ExtrasError const&) {
    std::fputs(
        "cibmtr-token: there is an argument that it does not know (not repeated here, it may be a secret); see "
        "--help\n",
        stderr);
  } catch (CLI::ParseError const& usage) {
    std::fprintf(stderr, "cibmtr-token: %s; see --help\n", usage.what());
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "cibmtr-token: %s: %s\n", auth::to_string(failure.kind()), failure.what());
    return exit_status(failure.kind());
  } catch (std::exception const& failure) {
    std::fprintf(stderr, "cibmtr-token: %s\n", failure.what());
  }
  return 2;
}
