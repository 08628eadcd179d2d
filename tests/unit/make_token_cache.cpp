// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/folder.hpp"
#include "support/refusal.hpp"
#include "support/token_server.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::memory_store;
using tests::refusal;
using tests::some_credentials;
using tests::token_server;

namespace {

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

token request(token_server& server, token_cache_options const& base = {}) {
  return request_token(test_environment(), some_credentials(), server.options(base));
}

error failure_of_request(token_server& server, token_cache_options const& base = {}) {
  return tests::error_of([&] { request(server, base); });
}

token_cache_options with_store(std::shared_ptr<token_store> const& store) {
  token_cache_options options;
  options.store = store;
  return options;
}

}  // namespace

TEST_CASE("make_token_cache sends nothing until a token is needed, and then one request") {
  token_server server;
  server.keeps_last = true;
  token_cache const tokens = server.cache();
  CHECK(server.requests == 0);
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.last.url == test_environment().password_token_url);
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests == 1);
}

TEST_CASE("make_token_cache uses the environment that it is given, and the token URL of the grant") {
  token_server server;
  server.keeps_last = true;
  make_token_cache(production_environment(), some_credentials(), server.options()).get();
  CHECK(server.last.url == production_environment().password_token_url);
  make_token_cache(default_environment(), {"id", "secret", "scope"}, server.options()).get();
  CHECK(server.last.url == default_environment().client_credentials_token_url);
}

TEST_CASE("the encoding of Basic is an option") {
  token_server server;
  server.keeps_last = true;
  token_cache_options options = server.options();
  options.encoding = basic_encoding::form_encoded;
  credentials account = some_credentials();
  account.client_secret = "a+b";
  make_token_cache(test_environment(), account, options).get();
  CHECK((server.last.headers.at(0).second.reveal() ==
         detail::basic_auth(account.client_id, "a+b", basic_encoding::form_encoded).reveal()));
}

TEST_CASE("credentials that cannot be right are rejected when the cache is made") {
  token_server server;
  credentials account = some_credentials();
  account.scope.clear();
  CHECK(contains(refusal([&] { make_token_cache(test_environment(), account, server.options()); }), "scope"));
  CHECK(contains(refusal([&] { request_token(test_environment(), account, server.options()); }), "scope"));
  CHECK(server.requests == 0);
}

TEST_CASE("only the token URL that the grant needs must be set, and to https") {
  token_server server;
  credentials const without_account("id", "secret", "scope");
  environment password_only = test_environment();
  password_only.client_credentials_token_url.clear();
  password_only.api_url.clear();
  environment client_only = test_environment();
  client_only.password_token_url.clear();
  CHECK(make_token_cache(password_only, some_credentials(), server.options()).get().value() == "token-1");
  CHECK(make_token_cache(client_only, without_account, server.options()).get().value() == "token-2");
  CHECK(contains(refusal([&] { make_token_cache(password_only, without_account, server.options()); }),
                 "client_credentials_token_url"));
  CHECK(contains(refusal([&] { make_token_cache(client_only, some_credentials(), server.options()); }),
                 "password_token_url"));
  CHECK(contains(refusal([&] { request_token(client_only, some_credentials(), server.options()); }),
                 "password_token_url"));
  client_only.password_token_url = "http://okta.nmdp.org/token";
  CHECK(contains(refusal([&] { make_token_cache(client_only, some_credentials(), server.options()); }), "https"));
}

TEST_CASE("a store and a folder at once are a configuration error") {
  token_server server;
  token_cache_options options = server.options(with_store(std::make_shared<memory_store>()));
  options.cache_directory = "/tmp/never-made";
  CHECK(contains(refusal([&] { make_token_cache(test_environment(), some_credentials(), options); }), "both set"));
  CHECK(contains(refusal([&] { request_token(test_environment(), some_credentials(), options); }), "both set"));
}

TEST_CASE("a time-out that is not longer than 0 ms is a configuration error") {
  token_server server;
  for (milliseconds const timeout : {milliseconds(0), milliseconds(-1), (milliseconds::min)()}) {
    token_cache_options options;
    options.https.timeout = timeout;
    CHECK(contains(refusal([&] { server.cache(options); }), "timeout"));
  }
}

TEST_CASE("the longest time-out is no overflow") {
  token_server server;
  token_cache_options options = with_store(std::make_shared<memory_store>());
  options.https.timeout = (milliseconds::max)();
  token_cache const tokens = server.cache(options);
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.status().sharing_problem == "");
}

#if !CIBMTR_AUTH_HTTPS
TEST_CASE("without the bundled transport an empty transport is a configuration error") {
  CHECK(contains(refusal([] { make_token_cache(test_environment(), some_credentials()); }), "transport"));
  CHECK(contains(refusal([] { request_token(test_environment(), some_credentials()); }), "transport"));
}
#else
TEST_CASE("an empty transport stands for the bundled one") {
  environment const nowhere = {"nowhere", "https://localhost:1/token", "https://localhost:1/token", ""};
  token_cache_options options;
  options.https.proxy = "none";
  token_cache const tokens = make_token_cache(nowhere, some_credentials(), options);
  CHECK(tests::error_of([&] { tokens.get(); }).kind() == error_kind::network);
  CHECK(tests::error_of([&] { request_token(nowhere, some_credentials(), options); }).kind() == error_kind::network);
  CHECK(tokens.status().requests == 0);
}
#endif

#if __cplusplus >= 202002L
TEST_CASE("options may be given by name") {
  token_server server;
  token_cache const tokens =
      make_token_cache(test_environment(), some_credentials(),
                       {.store = std::make_shared<memory_store>(),
                        .https = {.timeout = seconds(5), .ca_file = "ca.pem", .proxy = "none"},
                        .transport = [&server](http_request const& sent) { return server.send(sent); },
                        .observer = [](token_event const&) {}});
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.status().is_shared);
  CHECK(request_token(test_environment(), some_credentials(),
                      {.transport = [&server](http_request const& sent) { return server.send(sent); }})
            .value() == "token-2");
}
#endif

TEST_CASE("caches that are given the same folder share a token") {
  tests::folder const place;
  token_server server;
  token_cache_options options;
  options.cache_directory = place / "cache";
  CHECK(server.cache(options).get().value() == "token-1");
  token_cache const other = server.cache(options);
  CHECK(other.get().value() == "token-1");
  CHECK(other.status().is_shared);
  CHECK(server.requests == 1);
}

TEST_CASE("a folder that cannot be used costs the sharing, never the token, and status says why") {
  tests::folder const place;
  tests::write_text(place / "file", "");
  token_server server;
  token_cache_options options;
  options.cache_directory = place / "file";
  token_cache const tokens = server.cache(options);
  CHECK(tokens.get().value() == "token-1");
  CHECK_FALSE(tokens.status().is_shared);
  CHECK(contains(tokens.status().sharing_problem, place / "file"));
}

TEST_CASE("a cache, its options and its transport may be used after what they were made from is gone") {
  std::unique_ptr<token_cache> tokens;
  auto const server = std::make_shared<token_server>();
  {
    environment const where = test_environment();
    credentials const account = some_credentials();
    token_cache_options options;
    options.clock = server->clock;
    options.transport = [server](http_request const& sent) { return server->send(sent); };
    tokens.reset(new token_cache(make_token_cache(where, account, options)));
  }
  CHECK(tokens->get().value() == "token-1");
}

// request_token

TEST_CASE("request_token sends one request each time, and caches nothing") {
  token_server server;
  CHECK(request(server).value() == "token-1");
  CHECK(request(server).value() == "token-2");
  CHECK(server.requests == 2);
  auto const store = std::make_shared<memory_store>();
  CHECK(request(server, with_store(store)).value() == "token-3");
  CHECK(request(server, with_store(store)).value() == "token-4");
  CHECK(server.cache(store).get().value() == "token-5");
}

TEST_CASE("request_token uses no token of the store, and leaves it there") {
  token_server server;
  auto const store = std::make_shared<memory_store>();
  CHECK(server.cache(store).get().value() == "token-1");
  CHECK(request(server, with_store(store)).value() == "token-2");
  CHECK(server.cache(store).get().value() == "token-1");
  CHECK(server.requests == 2);
}

TEST_CASE("request_token obeys and updates the backoff of its store, as get() does") {
  token_server server;
  server.respond_with(tests::rejected());
  auto const store = std::make_shared<memory_store>();
  error const first = failure_of_request(server, with_store(store));
  CHECK(first.retry_after() == minutes(15));
  CHECK(contains(first.what(), "Next attempt not before 1970-01-01T01:15:0"));
  error const second = failure_of_request(server, with_store(store));
  CHECK(second.kind() == error_kind::rejected);
  CHECK(contains(second.what(), "no token was requested"));
  CHECK(tests::error_of([&] { server.cache(store).get(); }).kind() == error_kind::rejected);
  CHECK(server.requests == 1);
  server.clock.advance(minutes(15));
  CHECK(tests::error_of([&] { server.cache(store).get(); }).retry_after() == minutes(30));
  CHECK(failure_of_request(server, with_store(store)).retry_after() == minutes(30));
  CHECK(server.requests == 2);
  server.clock.advance(minutes(30));
  server.grant();
  CHECK(request(server, with_store(store)).value() == "token-3");
  server.fail_with(tests::no_response());
  CHECK(failure_of_request(server, with_store(store)).retry_after() == seconds(5));  // the ladder starts again
}

TEST_CASE("without a store request_token reports how long the server asks to wait, and promises no next attempt") {
  token_server server;
  server.respond_with(http_response(429, "", {{"Retry-After", "600"}}));
  error const failure = failure_of_request(server);
  CHECK(failure.kind() == error_kind::rate_limited);
  CHECK(failure.retry_after() == minutes(10));
  CHECK_FALSE(contains(failure.what(), "Next attempt"));
}

TEST_CASE("request_token is rejected at once in a backoff, although the store holds a living token") {
  token_server server;
  auto const store = std::make_shared<memory_store>();
  token_cache const tokens = server.cache(store);
  tokens.get();
  server.respond_with(tests::rejected());
  server.clock.advance(minutes(26));
  CHECK(tokens.get().value() == "token-1");
  CHECK(failure_of_request(server, with_store(store)).kind() == error_kind::rejected);
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests == 2);
}

TEST_CASE("request_token without a store promises no time that nothing enforces") {
  token_server server;
  server.respond_with(tests::rejected());
  error const failure = failure_of_request(server);
  CHECK(failure.kind() == error_kind::rejected);
  CHECK(failure.retry_after() == seconds(0));
  CHECK_FALSE(contains(failure.what(), "Next attempt"));
  CHECK_FALSE(failure.was_sent());
}

TEST_CASE("request_token waits for the request of another process, and then sends its own") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache_options options = with_store(store);
  options.https.timeout = milliseconds(1);
  other_server.while_requested = [&] {
    CHECK(failure_of_request(server, options).kind() == error_kind::timed_out);
    CHECK(server.requests == 0);
  };
  other_server.cache(store).get();
  CHECK(request(server, options).value() == "token-1");
  CHECK(server.cache(store).try_get().empty());
}

TEST_CASE("a token of request_token expires by the clock of the options") {
  token_server server;
  token const found = request(server);
  CHECK(found.expires_in() == minutes(30));
  server.clock.advance(minutes(29));
  CHECK(found.expires_in() == minutes(1));
  server.clock.advance(hours(1));
  CHECK(found.expires_in() == seconds(0));
}
