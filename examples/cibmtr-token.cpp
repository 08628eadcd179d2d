// SPDX-License-Identifier: MIT
// Prints a bearer token for CIBMTR's Direct FHIR API, or says why it cannot.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

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

int exit_status(auth::error_kind kind) {
  switch (kind) {
    case auth::error_kind::configuration: return 2;
    case auth::error_kind::rejected: return 3;
    case auth::error_kind::rate_limited:
    case auth::error_kind::unavailable: return 4;
    case auth::error_kind::network:
    case auth::error_kind::tls:
    case auth::error_kind::timed_out: return 5;
    case auth::error_kind::malformed: break;
  }
  return 6;
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
    print_finding("clock", "unknown: the server does not say what time it is");
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
  bool const is_direct = proxy.empty() || proxy == "none";
  print_finding("proxy", is_direct ? "none" : auth::parse_proxy_url(proxy).authority());
  auth::http_response const answer =
      auth::https_transport(https)({"HEAD", to.scheme + "://" + to.authority() + "/", {}, ""});
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
  if (given.without_cache || given.cache_directory.empty()) {
    return nullptr;
  }
  return std::make_shared<auth::token_file>(given.cache_directory, auth::fingerprint(where, who));
}

void print_cache(arguments const& given, std::shared_ptr<auth::token_file> const& store) {
  if (!store) {
    print_finding("cache", "none");
  } else if (store->is_shared()) {
    print_finding("cache", given.cache_directory);
  } else {
    print_finding("cache", "none: " + given.cache_directory + " is not a folder that only you can enter");
  }
}

void print_status(auth::token_cache_status const& told) {
  auto text = [](unsigned long long number) { return std::to_string(number); };
  print_finding("calls",
                text(told.gets) + ", " + text(told.hits) + " from memory, " + text(told.joins) + " waited for another");
  std::string const why = told.requests > 0 ? std::string("; the last since: ") + told.last_reason : "";
  print_finding("requests", text(told.requests) + " sent, " + text(told.failures) + " failed" + why);
  if (told.expires_at != auth::boot_clock::time_point()) {
    print_finding("times", "obtained " + std::to_string(-seconds_until(told.obtained_at)) + " s ago, renews in " +
                               std::to_string(seconds_until(told.renews_at)) + " s, ends in " +
                               std::to_string(seconds_until(told.expires_at)) + " s");
  }
  bool const is_ok = told.last_error.empty();
  print_finding("last error", is_ok ? "none" : told.last_error, is_ok);
}

auth::token get(auth::token_cache const& tokens, arguments const& given) {
  try {
    return tokens.get(given.https.timeout);
  } catch (auth::error const&) {
    if (given.check) {
      print_status(tokens.status());
    }
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

  auth::token const token = get(tokens, given);
  if (given.check) {
    auto const life = std::chrono::duration_cast<std::chrono::seconds>(token.expires_at() - token.obtained_at());
    std::string const how = tokens.status().requests > 0 ? "granted" : "kept by an earlier run";
    print_finding("token", how + ", lives " + std::to_string(life.count()) + " s, " +
                               std::to_string(seconds_until(token.expires_at())) + " s left");
    print_finding("scope", token.scope());
    print_status(tokens.status());
  } else {
    print(as_asked(token, given).reveal());
  }
  if (!tokens.status().last_error.empty()) {
    std::fprintf(stderr, "cibmtr-token: note: a token that still lives, since renewing failed: %s\n",
                 tokens.status().last_error.c_str());
  }
  if (!grants_all(token.scope(), who.scope)) {
    std::fprintf(stderr, "cibmtr-token: note: the server granted less than was asked for: %s\n", token.scope().c_str());
  }
}

void describe(CLI::App& app, arguments& given) {
  app.description(
      "Prints a bearer token for CIBMTR's Direct FHIR API.\n"
      "The credentials come from CIBMTR_CLIENT_ID, CIBMTR_CLIENT_SECRET, CIBMTR_SCOPE and, for the password grant,\n"
      "CIBMTR_USERNAME and CIBMTR_PASSWORD (or each from the file named by the same variable with _FILE behind it).");
  app.footer(
      "Exit status: 0 a token was granted; 2 usage or configuration; 3 the credentials were rejected (they are not\n"
      "tried again until the pause that is named has passed); 4 rate limited or unavailable; 5 network, TLS or\n"
      "timeout; 6 the answer was not a token.\n\n"
      "Example: cibmtr-token --header | curl -H @- https://int-api.nmdp.org/cibmtr-fhir-backend/v1/r4/metadata");
  app.set_version_flag("--version", "cibmtr-token " CIBMTR_AUTH_VERSION);
  app.add_option("--environment", given.environment, "test or production")
      ->check(CLI::IsMember({"test", "production"}))
      ->capture_default_str();
  app.add_option("--token-url", given.token_url, "Ask there instead of the environment's token URL");
  app.add_option("--scope", given.scope, "Ask for this scope");
  app.add_option("--credentials", given.credentials_file,
                 "A JSON file with client_id, client_secret, scope, username and password");
  app.add_option("--ca", given.https.ca_file, "Trust only the CAs in this PEM file");
  app.add_option("--client-certificate", given.https.client_certificate,
                 "A PEM file to show to a server that asks who calls; needs --client-key");
  app.add_option("--client-key", given.https.client_key, "Its key, a PEM file without a passphrase");
  app.add_option("--proxy", given.https.proxy,
                 "http://[user:password@]host:port, or none; else HTTPS_PROXY and NO_PROXY count");
  app.add_option("--timeout", given.timeout, "Seconds for the whole exchange")
      ->check(CLI::Range(0.001, 3600.0))
      ->check(
          [](std::string const& text) { return text.find_first_of("nN") == std::string::npos ? "" : "not a number"; })
      ->capture_default_str();
  auto* const cache = app.add_option("--cache", given.cache_directory,
                                     "Share the token with other runs through this folder, which only you may enter")
                          ->capture_default_str();
  app.add_flag("--no-cache", given.without_cache, "Ask for a token of its own, at once")->excludes(cache);
  auto* const header = app.add_flag("--header", given.as_header, "Print \"Authorization: Bearer ...\"");
  auto* const json = app.add_flag("--json", given.as_json, "Print a JSON object with token, seconds left and scope");
  auto* const check = app.add_flag("--check", given.check, "Print a diagnosis, and no token");
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
    return app.exit(help_or_version);
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
