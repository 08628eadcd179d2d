// SPDX-License-Identifier: MIT
// Prints a bearer token for CIBMTR's Direct FHIR API, or says why there is none.

#include <signal.h>

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
#include <stdexcept>
#include <string>

#include "../exit_status.hpp"

namespace {

namespace auth = cibmtr_auth;

struct arguments {
  std::string environment = auth::default_environment().name;
  std::string token_url;
  std::string scope;
  std::string credentials_file;
  auth::https_options https;
  double timeout = 30;
  std::string cache_directory;
  bool no_cache = false;
  bool renew = false;
  bool forget = false;
  bool as_header = false;
  bool as_json = false;
  bool check = false;
};

/// Unbuffered, so that no copy of a token stays in a buffer, and checked: a full disk must not look like success.
void print(std::string const& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw std::runtime_error("cannot write to standard output");
  }
}

void print_finding(std::string const& subject, std::string const& finding, bool is_ok = true) {
  std::string const padding(subject.size() < 14 ? 14 - subject.size() : 1, ' ');
  print((is_ok ? "ok  " : "no  ") + subject + padding + finding + "\n");
}

void note(std::string const& text) { std::fprintf(stderr, "cibmtr-token: note: %s\n", text.c_str()); }

auth::environment chosen_environment(arguments const& given) {
  auth::environment chosen = auth::default_environment();
  if (given.environment != chosen.name) {
    chosen = given.environment == "production"      ? auth::production_environment()
             : given.environment == "external-test" ? auth::external_test_environment()
                                                    : auth::test_environment();
  }
  if (!given.token_url.empty()) {
    chosen.password_token_url = chosen.client_credentials_token_url = given.token_url;
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

/// Whether `scope` contains every scope token of `requested`.
bool includes(std::string const& scope, std::string const& requested) {
  std::istringstream tokens(requested);
  for (std::string token; tokens >> token;) {
    if ((" " + scope + " ").find(" " + token + " ") == std::string::npos) {
      return false;
    }
  }
  return true;
}

auth::secret formatted(auth::token const& token, arguments const& given) {
  if (given.as_header) {
    return "Authorization: " + token.authorization() + "\n";
  }
  if (given.as_json) {
    return "{\"access_token\":\"" + token.value() +
           "\",\"token_type\":\"Bearer\",\"expires_in\":" + std::to_string(token.expires_in().count()) +
           ",\"scope\":\"" + token.scope() + "\"}\n";
  }
  return token.value() + "\n";
}

/// The token, if there is one, and how this run got it.
struct outcome {
  auth::token token;
  bool is_new = false;
  auth::token_cache_status status;
  std::shared_ptr<auth::error const> failure;
};

void get_token(arguments const& given, auth::environment const& environment, auth::credentials const& credentials,
               auth::token_cache_options const& options, outcome& result) {
  if (options.cache_directory.empty()) {
    try {
      result.token = auth::request_token(environment, credentials, options);
      result.is_new = true;
    } catch (auth::error const& failure) {
      result.failure = std::make_shared<auth::error const>(failure);
    }
    return;
  }
  auth::token_cache const tokens = auth::make_token_cache(environment, credentials, options);
  try {
    result.token = tokens.get();
    result.is_new = tokens.status().requests > tokens.status().failures;
    if (given.renew && !result.is_new) {
      if (!tokens.invalidate(result.token)) {
        note("this is the same token as before, because it was renewed less than 30 s ago");
      }
      result.token = tokens.get();
    }
  } catch (auth::error const& failure) {
    result.failure = std::make_shared<auth::error const>(failure);
  }
  result.status = tokens.status();
}

/// The latest exchange with the token server.
struct exchange {
  bool was_tried = false;
  auth::detail::https_peer peer;
  std::string date;
};

auth::transport observed_transport(auth::https_options const& https, std::shared_ptr<exchange> const& seen) {
  auth::transport const send = auth::detail::https_transport_with_observer(
      https, [seen](auth::detail::https_peer const& peer) { seen->peer = peer; });
  return [send, seen](auth::http_request const& request) {
    seen->was_tried = true;
    auth::http_response response = send(request);
    seen->date = response.header("Date");
    return response;
  };
}

void print_clock(std::string const& date) {
  long long const server_time = auth::detail::parse_http_date(date);
  if (server_time < 0) {
    print_finding("clock", "unknown: the server did not say what time it is");
    return;
  }
  long long const ahead = static_cast<long long>(std::time(nullptr)) - server_time;
  bool const is_close = std::llabs(ahead) <= 60;
  print_finding("clock",
                std::to_string(std::llabs(ahead)) + " s " + (ahead < 0 ? "behind" : "ahead of") + " the server's" +
                    (is_close ? "" : ": set this machine's clock, or certificates will seem invalid"),
                is_close);
}

/// With a cached token or during a backoff there was no connection. A request without credentials then makes one,
/// unless it would send a proxy login, which may be wrong and count towards a lockout.
void print_connection(auth::https_options const& https, std::string const& token_url,
                      std::shared_ptr<exchange> const& seen) {
  auth::detail::url const server = auth::detail::parse_secure_url(token_url, "token URL");
  if (!seen->was_tried && auth::detail::proxy_login_hash(https, token_url) != 0) {
    print_finding("connection", "not tried, because the proxy login is sent with token requests only");
    return;
  }
  std::string problem;
  try {
    if (!seen->was_tried) {
      observed_transport(https, seen)({"HEAD", server.scheme + "://" + server.authority() + "/"});
    }
  } catch (auth::error const& failure) {
    problem = failure.what();  // unless it was connected: a server may ignore this request
  }
  auth::detail::https_peer const& peer = seen->peer;
  if (peer.address.empty()) {
    print_finding("connection", problem.empty() ? "none: see the last error" : problem, false);
    return;
  }
  print_finding("proxy", peer.proxy.empty() ? "none" : peer.proxy);
  print_finding("connection", server.authority() + (peer.proxy.empty() ? " at " : " through the proxy at ") +
                                  peer.address +
                                  (peer.tls_version.empty() ? ", without TLS" : ", " + peer.tls_version));
  if (!peer.tls_version.empty()) {
    print_finding("trust", peer.authorities);
    print_finding("certificate", peer.subject + ", from " + peer.issuer + ", until " + peer.expires_at);
  }
  print_clock(seen->date);
}

void check(arguments const& given, auth::environment const& environment, auth::credentials const& credentials,
           auth::token_cache_options const& given_options, outcome& result) {
  auth::token_cache_options options = given_options;
  std::string const token_url = auth::detail::token_url(environment, credentials);
  print_finding("environment", environment.name + ", token URL " + token_url);
  credentials.validate();
  print_finding("credentials", given.credentials_file.empty() ? "complete, from CIBMTR_* variables"
                                                              : "complete, from " + given.credentials_file);
  print_finding("grant", auth::detail::uses_password_grant(credentials) ? "password" : "client_credentials");

  auto const seen = std::make_shared<exchange>();
  options.transport = observed_transport(options.https, seen);
  get_token(given, environment, credentials, options, result);
  print_connection(options.https, token_url, seen);

  auth::token_cache_status const& status = result.status;
  bool const is_alone = options.cache_directory.empty() || !status.sharing_problem.empty();
  print_finding("cache",
                (is_alone ? "none" : options.cache_directory) +
                    (status.sharing_problem.empty() ? "" : ": " + status.sharing_problem),
                status.sharing_problem.empty());
  if (!result.token.empty()) {
    print_finding("token",
                  std::string(result.is_new ? "requested" : "cached by an earlier run") + ", expires in " +
                      std::to_string(result.token.expires_in().count()) + " s" +
                      (status.has_token ? ", renewal due in " + std::to_string(status.renews_in.count()) + " s" : ""));
    print_finding("scope", result.token.scope(), includes(result.token.scope(), credentials.scope));
  }
  auto const& last_error = result.failure ? result.failure : status.last_error;
  print_finding("last error", last_error ? last_error->what() : "none", !last_error);
}

void forget(std::string const& directory, auth::environment const& environment, auth::credentials const& credentials) {
  auth::detail::require(!directory.empty(), "--forget", "needs a folder: give --cache, or set HOME");
  auth::detail::file_store store(directory);
  std::string const key = auth::detail::record_key(environment, credentials);
  bool is_removed = false;
  auth::secret stored;
  while (!is_removed && !(stored = store.load(key)).empty()) {
    is_removed = store.replace(key, stored, auth::secret(), std::chrono::seconds(0));  // unless it has just changed
  }
  print((is_removed ? "removed the shared token and backoff of these credentials from "
                    : "there is no shared token or backoff of these credentials in ") +
        directory + "\n");
}

void run(arguments const& given) {
  auth::environment const environment = chosen_environment(given);
  auth::credentials const credentials = chosen_credentials(given);
  auth::token_cache_options options;
  options.https = given.https;
  options.https.timeout = std::chrono::milliseconds(static_cast<long long>(given.timeout * 1000));
  outcome result;
  try {
    options.cache_directory = given.no_cache                   ? ""
                              : !given.cache_directory.empty() ? given.cache_directory
                                                               : auth::default_cache_directory();
  } catch (auth::error const&) {
    result.status.sharing_problem = "HOME and XDG_CACHE_HOME name no absolute path: set one of them, or give --cache";
  }
  if (given.forget) {
    forget(options.cache_directory, environment, credentials);
    return;
  }
  (given.check ? check : get_token)(given, environment, credentials, options, result);
  if (!result.status.sharing_problem.empty()) {
    note("nothing is shared with other runs: " + result.status.sharing_problem);
  }
  if (result.failure) {
    throw auth::error(*result.failure);
  }
  if (!given.check) {
    print(formatted(result.token, given).reveal());
  }
  if (result.status.last_error) {
    note(std::string("this is an older token, because the renewal failed: ") + result.status.last_error->what());
  }
  if (!includes(result.token.scope(), credentials.scope)) {
    note("the server allowed less than was requested: " + result.token.scope());
  }
}

/// The complete --help page; the tests compare its options with those that are parsed.
std::string help() {
  return R"(Usage: cibmtr-token [OPTION]...

Prints a bearer token for CIBMTR's Direct FHIR API. All runs of one user share a
token until shortly before it expires: call this before every API call.

Request:
  --environment NAME         test, external-test or production; default: )" +
         auth::default_environment().name + R"(
  --token-url URL            send the request here instead
  --credentials FILE         a JSON file, instead of the variables below
  --scope SCOPE              request this scope instead of the credentials'

Connection:
  --ca FILE                  trust only the CAs in this PEM file
  --client-certificate FILE  PEM, for a server that requires mutual TLS
  --client-key FILE          its key, PEM, without a passphrase
  --proxy URL                http://[user:password@]host:port, or none
  --timeout SECONDS          for the whole exchange, 0.001 to 3600; default: 30

Sharing the token with other runs:
  --cache DIR                through this folder, which only you may enter
  --renew                    the API rejects the shared token (HTTP 401):
                             replace it, at most once in 30 s
  --forget                   remove the shared token and the backoff of these
                             credentials, and request nothing
  --no-cache                 share nothing: request a token at once

Output (at most one of these; by default only the token):
  --header                   "Authorization: Bearer ...", for curl
  --json                     access_token, token_type, expires_in, scope
  --check                    a diagnosis line by line, and no token
  -h, --help                 this page
  --version                  the version

Credentials, as members of the JSON file and as variables. A variable with _FILE
appended to its name holds the path of a file with the value instead.
  client_id                  CIBMTR_CLIENT_ID
  client_secret              CIBMTR_CLIENT_SECRET
  scope                      CIBMTR_SCOPE
  username, password         CIBMTR_USERNAME, CIBMTR_PASSWORD: for the older
                             password grant; without them client_credentials

Other variables:
  HTTPS_PROXY, ALL_PROXY     the proxy, unless --proxy is given
  NO_PROXY                   hosts that are reached without a proxy
  SSL_CERT_FILE              the system's CAs as a PEM file,
  SSL_CERT_DIR               as a directory
  XDG_CACHE_HOME             see the next line

Files:
  ~/.cache/cibmtr_auth       the default folder of --cache
                             ($XDG_CACHE_HOME/cibmtr_auth if that is set,
                             %LOCALAPPDATA%\cibmtr_auth on Windows). It holds
                             tokens, never a client secret or a password.

Exit status:
  0  a token was printed     4  rate limited, or the server is unavailable
  2  usage or configuration  5  network, TLS or time-out
  3  credentials rejected    6  invalid response
After a failure, runs that share a folder send nothing until the backoff ends;
the message says when. Once the cause is fixed, --forget ends it.

Examples:
  cibmtr-token --check
  cibmtr-token --credentials account.json --header | curl -H @- \
    https://int-api.nmdp.org/cibmtr-fhir-backend/v1/r4/metadata
)";
}

void describe(CLI::App& app, arguments& given) {
  app.formatter_fn([](CLI::App const*, std::string const&, CLI::AppFormatMode) { return help(); });
  app.set_version_flag("--version", "cibmtr-token " CIBMTR_AUTH_VERSION);
  app.add_option("--environment", given.environment)->check(CLI::IsMember({"test", "external-test", "production"}));
  app.add_option("--token-url", given.token_url);
  app.add_option("--credentials", given.credentials_file);
  app.add_option("--scope", given.scope);
  app.add_option("--ca", given.https.ca_file);
  app.add_option("--client-certificate", given.https.client_certificate_file);
  app.add_option("--client-key", given.https.client_key_file);
  app.add_option("--proxy", given.https.proxy);
  app.add_option("--timeout", given.timeout)->check(CLI::Range(0.001, 3600.0))->check([](std::string const& text) {
    return text.find_first_of("nN") == std::string::npos ? "" : "not a number";
  });
  auto* const cache = app.add_option("--cache", given.cache_directory);
  auto* const renew = app.add_flag("--renew", given.renew);
  auto* const no_cache = app.add_flag("--no-cache", given.no_cache)->excludes(cache)->excludes(renew);
  auto* const header = app.add_flag("--header", given.as_header);
  auto* const json = app.add_flag("--json", given.as_json)->excludes(header);
  auto* const check = app.add_flag("--check", given.check)->excludes(header)->excludes(json);
  app.add_flag("--forget", given.forget)
      ->excludes(no_cache)
      ->excludes(renew)
      ->excludes(header)
      ->excludes(json)
      ->excludes(check);
}

/// An unset shell variable must not silently select a default.
void reject_empty_values(CLI::App const& app) {
  for (CLI::Option const* option : app.get_options()) {
    for (std::string const& value : option->results()) {
      if (value.empty()) {
        throw auth::error(auth::error_kind::configuration, option->get_name() + " has an empty value");
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
#ifdef SIGXFSZ
  signal(SIGXFSZ, SIG_IGN);  // with a file size limit (systemd: LimitFSIZE=) a write must fail, not end the program
#endif
  CLI::App app;
  arguments given;
  describe(app, given);
  try {
    app.parse(argc, argv);
    reject_empty_values(app);
    run(given);
    return 0;
  } catch (CLI::Success const& help_or_version) {
    int const status = app.exit(help_or_version);
    return std::cout.flush() ? status : 2;
  } catch (CLI::ExtrasError const&) {
    std::fputs("cibmtr-token: unknown argument (not repeated here, it may be a secret); see --help\n", stderr);
  } catch (CLI::ParseError const& usage) {
    std::fprintf(stderr, "cibmtr-token: %s; see --help\n", usage.what());
  } catch (auth::error const& failure) {
    std::fprintf(stderr, "cibmtr-token: %s: %s\n", auth::to_string(failure.kind()).c_str(), failure.what());
    return exit_status(failure.kind());
  } catch (std::exception const& failure) {
    std::fprintf(stderr, "cibmtr-token: %s\n", failure.what());
  }
  return 2;
}
