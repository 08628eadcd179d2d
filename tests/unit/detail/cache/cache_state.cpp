// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/refusal.hpp"
#include "support/token_server.hpp"

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::steady_clock;
using tests::gate;
using tests::memory_store;
using tests::some_credentials;
using tests::token_server;

namespace {

error failure_of(token_cache const& tokens) {
  return tests::error_of([&tokens] { tokens.get(); });
}

credentials with_password(std::string const& password) {
  credentials changed = some_credentials();
  changed.password = password;
  return changed;
}

/// The token's value, or what was thrown.
std::string result_of(token_cache const& tokens) {
  try {
    return tokens.get().value();
  } catch (error const& failure) {
    return to_string(failure.kind());
  } catch (std::exception const& failure) {
    return failure.what();
  }
}

void wait_for_waiting_callers(token_cache const& tokens, std::uint64_t number) {
  while (tokens.status().waits < number) {
    std::this_thread::yield();
  }
}

/// Throws at one of its calls.
struct tripwire {
  int trips_at = 0;
  int calls = 0;
  void operator()() {
    if (++calls == trips_at) {
      throw std::runtime_error("tripped");
    }
  }
};

}  // namespace

TEST_CASE("64 threads with an empty cache or an expired token make one request") {
  for (bool is_expired : {false, true}) {
    CAPTURE(is_expired);
    token_server server;
    token_cache const tokens = server.cache();
    if (is_expired) {
      tokens.get();
      server.clock.advance(minutes(31));
    }
    gate responses;
    server.while_requested = [&responses] { responses.pass(); };
    int const before = server.requests;
    std::atomic<int> served{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 64; ++i) {
      callers.emplace_back([&] { served += tokens.get().value() == "token-" + std::to_string(before + 1) ? 1 : 0; });
    }
    wait_for_waiting_callers(tokens, 63);
    responses.open();
    for (std::thread& caller : callers) {
      caller.join();
    }
    CHECK(server.requests == before + 1);
    CHECK(served == 64);
    CHECK(tokens.status().hits == 0);
  }
}

TEST_CASE("64 threads share one request that fails, and its error") {
  token_server server;
  gate responses;
  server.while_requested = [&responses] { responses.pass(); };
  server.respond_with(tests::unavailable());
  token_cache const tokens = server.cache();
  std::atomic<int> informed{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 64; ++i) {
    callers.emplace_back([&] {
      try {
        tokens.get();
      } catch (error const& failure) {
        bool const is_same = failure.kind() == error_kind::unavailable && failure.http_status() == 503 &&
                             failure.retry_after() == seconds(1) && !failure.was_sent();
        informed += is_same ? 1 : 0;
      }
    });
  }
  wait_for_waiting_callers(tokens, 63);
  responses.open();
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(informed == 64);
  CHECK(server.requests == 1);
  CHECK(tokens.status().failures == 1);
}

TEST_CASE("while one caller renews, the others get the living token at once") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  server.clock.advance(minutes(26));
  gate responses;
  server.while_requested = [&responses] { responses.pass(); };
  std::string renewed;
  std::thread renewer([&] { renewed = tokens.get().value(); });
  responses.wait_until_reached();
  CHECK(tokens.get().value() == "token-1");  // would wait for ever if it waited for the renewer
  responses.open();
  renewer.join();
  CHECK(renewed == "token-2");
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("no member but get() waits for a request that is in flight") {
  token_server server;
  gate responses;
  server.while_requested = [&responses] { responses.pass(); };
  token_cache const tokens = server.cache();
  std::thread requester([&tokens] { tokens.get(); });
  responses.wait_until_reached();
  CHECK(tokens.try_get().empty());
  CHECK_FALSE(tokens.invalidate(token()));
  CHECK_FALSE(tokens.set_credentials(some_credentials()));
  CHECK_FALSE(tokens.retry_now());
  CHECK_FALSE(tokens.status().has_token);
  responses.open();
  requester.join();
}

TEST_CASE("threads may use a cache whose other handles are gone") {
  token_server server;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::thread> threads;
    {
      token_cache const tokens = server.cache();
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([tokens] {
          tokens.get();
          tokens.get();
        });
      }
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  CHECK(server.requests == 200);
}

TEST_CASE("a transport that calls get() of its own cache gets an error and does not wait for ever") {
  std::unique_ptr<token_cache> tokens;
  token_server server;
  server.while_requested = [&tokens] { tokens->get(); };
  tokens.reset(new token_cache(server.cache()));
  error const failure = failure_of(*tokens);
  CHECK(failure.kind() == error_kind::configuration);
  CHECK(std::string(failure.what()).find("must not call get() of the cache that is calling it") != std::string::npos);
}

TEST_CASE("a transport that calls get() of its own cache while the old token lives gets the old token") {
  token_server server;
  token_cache const tokens = server.cache();
  tokens.get();
  server.clock.advance(minutes(26));
  std::string found;
  server.while_requested = [&] { found = tokens.get().value(); };
  CHECK(tokens.get().value() == "token-2");
  CHECK(found == "token-1");
}

TEST_CASE("whatever a transport throws is a failure of get(), and the next attempt works") {
  struct row {
    void (*raise)();
    char const* message;
  };
  for (row const& r : {row{[] { throw std::runtime_error("socket 7"); }, "socket 7"},
                       row{[] { throw 42; }, "exception"}, row{[] { throw std::bad_alloc(); }, ""}}) {
    for (bool was_sent : {true, false}) {
      CAPTURE(was_sent);
      token_server server;
      (was_sent ? server.while_requested : server.connect) = r.raise;
      token_cache const tokens = server.cache();
      error const failure = failure_of(tokens);
      CHECK(failure.kind() == error_kind::network);
      CHECK(std::string(failure.what()).find(r.message) != std::string::npos);
      CHECK(failure.retry_after() == seconds(5));  // the credentials may have been sent
      CHECK(tokens.status().failures == 1);
      server.while_requested = server.connect = nullptr;
      server.clock.advance(seconds(5));
      CHECK_FALSE(tokens.get().empty());
    }
  }
}

TEST_CASE("a transport that throws frees the callers who wait for its response") {
  token_server server;
  gate responses;
  server.while_requested = [&responses] {
    responses.pass();
    throw 42;
  };
  token_cache const tokens = server.cache();
  std::vector<std::string> results(8);
  std::vector<std::thread> callers;
  for (std::string& result : results) {
    callers.emplace_back([&] { result = result_of(tokens); });
  }
  wait_for_waiting_callers(tokens, 7);
  responses.open();
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(results == std::vector<std::string>(8, "network"));
  CHECK(server.requests == 1);
}

TEST_CASE("a clock that throws never leaves a request in flight, and the next get() works") {
  for (bool has_store : {false, true}) {
    CAPTURE(has_store);
    int trips = 0;
    for (bool has_tripped = true; has_tripped; ++trips) {
      token_server server;
      auto const wire = std::make_shared<tripwire>();
      wire->trips_at = trips + 1;
      token_cache_options options;
      options.store = has_store ? std::make_shared<memory_store>() : nullptr;
      options.clock = [&server, wire] {
        (*wire)();
        return server.clock();
      };
      token_cache const tokens = server.cache(options);
      std::string const first = result_of(tokens);
      has_tripped = wire->calls > trips;
      wire->trips_at = 0;
      CAPTURE(trips);
      CAPTURE(first);
      CHECK((!has_tripped || first == "tripped" || first == "network" || first == "token-1"));
      server.clock.advance(hours(1));
      std::string next;
      std::thread([&] { next = result_of(tokens); }).join();
      CHECK(next.find("token-") == 0);
    }
    CHECK(trips > 4);
  }
}

TEST_CASE("a store that throws at any of its calls costs the sharing, never a token, and leaves nothing in flight") {
  for (bool is_failing : {false, true}) {
    CAPTURE(is_failing);
    int trips = 0;
    for (bool has_tripped = true; has_tripped; ++trips) {
      CAPTURE(trips);
      token_server server;
      auto const wire = std::make_shared<tripwire>();
      wire->trips_at = trips + 1;
      auto const store = std::make_shared<memory_store>();
      store->before_load = store->before_replace = [wire] { (*wire)(); };
      token_cache const tokens = server.cache(store);
      if (is_failing) {
        server.respond_with(tests::rejected());
      }
      CHECK(result_of(tokens) == (is_failing ? "rejected" : "token-1"));
      has_tripped = wire->calls > trips;
      CHECK((tokens.status().sharing_problem == "tripped") == has_tripped);
      server.clock.advance(minutes(14));
      CHECK(result_of(tokens) == (is_failing ? "rejected" : "token-1"));
      CHECK(server.requests == 1);
      server.grant();
      server.clock.advance(hours(1));
      CHECK(result_of(tokens) == "token-2");
    }
    CHECK(trips > 3);
  }
}

TEST_CASE("an is_cancelled that throws leaves nothing in flight, and nothing was sent") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache_options options;
  options.store = store;
  bool is_throwing = true;
  options.https.is_cancelled = [&is_throwing] { return is_throwing ? throw std::runtime_error("tripped") : false; };
  token_cache const tokens = server.cache(options);
  other_server.while_requested = [&] {
    CHECK(result_of(tokens) == "tripped");
    CHECK(result_of(tokens) == "tripped");
  };
  CHECK(other_server.cache(store).get().value() == "token-1");
  CHECK(tokens.get().value() == "token-1");
  CHECK(server.requests == 0);
}

TEST_CASE("callers without a token wait for another process's token and share it") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache const tokens = server.cache(store);
  std::string found[4];
  std::vector<std::thread> callers;
  other_server.while_requested = [&] {
    for (std::string& one : found) {
      callers.emplace_back([&] { one = result_of(tokens); });
    }
    wait_for_waiting_callers(tokens, 3);
  };
  other_server.cache(store).get();
  for (std::thread& caller : callers) {
    caller.join();
  }
  for (std::string const& one : found) {
    CHECK(one == "token-1");
  }
  CHECK(server.requests == 0);
  CHECK(tokens.status().gets == 4);
  CHECK(tokens.status().waits == 3);
  CHECK(tokens.status().hits == 0);
  CHECK_FALSE(tokens.status().last_error);
}

TEST_CASE("callers without a token wait for another process's request and share its failure") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache const tokens = server.cache(store);
  std::string found[4];
  std::vector<std::thread> callers;
  other_server.respond_with(tests::rejected());
  other_server.while_requested = [&] {
    for (std::string& one : found) {
      callers.emplace_back([&] { one = result_of(tokens); });
    }
    wait_for_waiting_callers(tokens, 3);
  };
  CHECK(failure_of(other_server.cache(store)).kind() == error_kind::rejected);
  for (std::thread& caller : callers) {
    caller.join();
  }
  for (std::string const& one : found) {
    CHECK(one == "rejected");
  }
  CHECK(server.requests == 0);
  REQUIRE(tokens.status().last_error);
  CHECK(tokens.status().last_error->kind() == error_kind::rejected);
  CHECK(tokens.status().retry_in == minutes(15));
  CHECK(tokens.status().failures == 0);  // the attempt was another process's
}

TEST_CASE("get() waits for another process for https.timeout, then throws timed_out and has sent nothing") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache_options options;
  options.store = store;
  options.https.timeout = milliseconds(120);
  token_cache const tokens = server.cache(options);
  other_server.while_requested = [&] {
    auto const start = steady_clock::now();
    error const failure = failure_of(tokens);
    CHECK(failure.kind() == error_kind::timed_out);
    CHECK_FALSE(failure.was_sent());
    CHECK(steady_clock::now() - start >= milliseconds(120));
    CHECK(steady_clock::now() - start < seconds(20));
  };
  other_server.cache(store).get();
  CHECK(server.requests == 0);
  CHECK(tokens.status().failures == 0);
  CHECK(tokens.get().value() == "token-1");
}

TEST_CASE("is_cancelled ends a wait for another process with timed_out, and nothing was sent") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache_options options;
  options.store = store;
  options.https.timeout = minutes(5);
  int polls = 0;
  options.https.is_cancelled = [&polls] { return ++polls >= 3; };
  token_cache const tokens = server.cache(options);
  other_server.while_requested = [&] {
    auto const start = steady_clock::now();
    error const failure = failure_of(tokens);
    CHECK(failure.kind() == error_kind::timed_out);
    CHECK(std::string(failure.what()).find("cancelled") != std::string::npos);
    CHECK_FALSE(failure.was_sent());
    CHECK(steady_clock::now() - start < minutes(1));
  };
  other_server.cache(store).get();
  CHECK(polls == 3);
  CHECK(server.requests == 0);
  CHECK(tokens.get().value() == "token-1");
}

TEST_CASE("a token that the API refused is not given while another process requests the next one") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_server other_server;
  other_server.clock = server.clock;
  token_cache_options options;
  options.store = store;
  options.https.timeout = milliseconds(1);
  token_cache const tokens = server.cache(options);
  token_cache const other = other_server.cache(store);
  token const old = tokens.get();
  other.get();
  server.clock.advance(minutes(26));  // the other process renews because the token is due, and leaves it in the store
  other_server.while_requested = [&] {
    CHECK(tokens.invalidate(old));
    CHECK(result_of(tokens) == "timed_out");
    CHECK(tokens.try_get().empty());
  };
  other_server.respond_with(tests::unavailable());
  CHECK(other.get().value() == "token-1");
  CHECK(result_of(tokens) == "unavailable");
  CHECK(server.requests == 1);
}

TEST_CASE("the response to a request with the old credentials does not undo set_credentials") {
  for (bool is_granted : {true, false}) {
    CAPTURE(is_granted);
    token_server server;
    gate old_responses;
    token_cache const tokens = server.cache();
    server.while_requested = [&] {
      if (server.requests == 1) {
        old_responses.pass();
        if (!is_granted) {
          throw tests::no_response();
        }
      }
    };
    std::string old_result;
    std::thread old_caller([&] { old_result = result_of(tokens); });
    old_responses.wait_until_reached();
    CHECK(tokens.set_credentials(with_password("new")));
    CHECK(tokens.get().value() == "token-2");
    old_responses.open();
    old_caller.join();
    CHECK(old_result == (is_granted ? "token-1" : "timed_out"));
    CHECK(tokens.get().value() == "token-2");
    CHECK_FALSE(tokens.status().last_error);
    CHECK(tokens.status().retry_in == seconds(0));
    CHECK(tokens.status().requests == 2);
  }
}

TEST_CASE("set_credentials frees those who wait for a request with the old credentials") {
  token_server server;
  gate old_responses;
  token_cache const tokens = server.cache();
  server.while_requested = [&] {
    if (server.requests == 1) {
      old_responses.pass();
      throw error(error_kind::rejected, "old password");
    }
  };
  std::string requester_got;
  std::string waiter_got;
  std::thread requester([&] { requester_got = result_of(tokens); });
  old_responses.wait_until_reached();
  std::thread waiter([&] { waiter_got = result_of(tokens); });
  wait_for_waiting_callers(tokens, 1);
  tokens.set_credentials(with_password("new"));
  waiter.join();  // would wait for the old request, which gets no response
  old_responses.open();
  requester.join();
  CHECK(requester_got == "rejected");
  CHECK(waiter_got == "token-2");
  CHECK(tokens.get().value() == "token-2");
  CHECK_FALSE(tokens.status().last_error);
}

TEST_CASE("a request with the old credentials stores its result under its old key") {
  auto const store = std::make_shared<memory_store>();
  token_server server;
  token_cache const tokens = server.cache(store);
  server.while_requested = [&] { tokens.set_credentials(with_password("new")); };
  CHECK(tokens.get().value() == "token-1");
  server.while_requested = nullptr;
  CHECK(tokens.get().value() == "token-2");
  CHECK(server.cache(store).get().value() == "token-1");
  CHECK(server.requests == 2);
}
