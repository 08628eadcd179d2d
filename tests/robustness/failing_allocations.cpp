// SPDX-License-Identifier: MIT
// Each allocation on the way to a token fails in turn: no crash, no leak, no caller left waiting, no token lost, no request
// too many.

#if defined(__SANITIZE_THREAD__)
#define CIBMTR_AUTH_TESTS_KEEP_NEW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CIBMTR_AUTH_TESTS_KEEP_NEW 1
#endif
#endif
#ifndef CIBMTR_AUTH_TESTS_KEEP_NEW  // ThreadSanitizer's cannot be replaced

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "support/folder.hpp"
#include "support/token_server.hpp"

namespace {

std::atomic<long> live_allocations{0};
/// Of this thread: the allocation that fails, counted from the next; zero for none.
thread_local long failing_allocation = 0;

void* allocate(std::size_t size) {
  if (failing_allocation > 0 && --failing_allocation == 0) {
    return nullptr;
  }
  void* const memory = std::malloc(size > 0 ? size : 1);
  live_allocations += memory ? 1 : 0;
  return memory;
}

void* allocate_or_throw(std::size_t size) {
  void* const memory = allocate(size);
  return memory ? memory : throw std::bad_alloc();
}

void deallocate(void* memory) {
  live_allocations -= memory ? 1 : 0;
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { deallocate(memory); }
void operator delete[](void* memory) noexcept { deallocate(memory); }
void operator delete(void* memory, std::size_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::size_t) noexcept { deallocate(memory); }
void operator delete(void* memory, std::nothrow_t const&) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::nothrow_t const&) noexcept { deallocate(memory); }

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// Whether it ended well. Anything but an exception that is promised ends the test.
template <typename Work>
bool succeeds(Work work) {
  try {
    work();
    return true;
  } catch (std::bad_alloc const&) {
  } catch (error const&) {
  }
  return false;
}

/// Makes a scene and plays it with its first allocation failing, another one with its second, and so on until none fails.
/// A scene's `play()` is that part; `problem()` looks at what is left and says what is wrong, null for nothing.
template <typename Scene>
void fail_each_allocation() {
  bool has_failed = true;
  long plays = -1;  // first without any, which makes what is made once for all
  while (has_failed || plays == 0) {
    ++plays;
    char const* problem = nullptr;
    long const before = live_allocations;
    std::thread([&] {
      Scene scene;
      failing_allocation = plays;
      succeeds([&scene] { scene.play(); });
      has_failed = failing_allocation == 0;
      failing_allocation = 0;
      problem = scene.problem();
    }).join();
    long const leaked = live_allocations - before;
    CAPTURE(plays);
    CAPTURE(leaked);
    CHECK(std::string(problem ? problem : "") == "");
    CHECK((plays == 0 || leaked == 0));
  }
  MESSAGE((plays - 1) << " allocations");
}

enum class sharing { none, store, folder };

/// A cache in front of a server that grants long tokens, and what always holds: who has sent a request and got nothing
/// does not send another at once, and after a while there is a token.
struct scene {
  tests::folder place{};
  tests::token_server server{};
  int events = 0;
  token_cache tokens;

  explicit scene(sharing shared = sharing::none) : tokens(server.cache(options(shared))) {
    server.respond = [this] { return tests::grant_of(std::string(100, 'x') + std::to_string(server.requests)); };
  }
  token_cache_options options(sharing shared) {
    token_cache_options made;
    made.cache_directory = shared == sharing::folder ? place / "cache" : "";
    made.store = shared == sharing::store ? std::make_shared<tests::memory_store>() : nullptr;
    made.https.timeout = milliseconds(50);
    made.observer = [this](token_event const& event) { events += event.message.empty() ? 0 : 1; };
    return made;
  }
  void reject() {
    server.respond = [] {
      return http_response(401, R"({"error":"invalid_client","error_description":"Not the right secret."})");
    };
  }

  char const* problem_after(int requests_before) {
    bool const was_sent = server.requests > requests_before;
    succeeds([this] { tokens.get(); });
    if (was_sent && server.requests > requests_before + 1) {
      return "it sent another request at once";
    }
    server.grant();
    server.clock.advance(hours(25));
    return succeeds([this] { tokens.get(); }) ? nullptr : "there is no token after a while";
  }
};

template <sharing shared>
struct first_get : scene {
  bool was_granted = false;
  first_get() : scene(shared) {}
  void play() {
    tokens.get();
    was_granted = true;
  }
  char const* problem() {
    if (was_granted && (tokens.try_get().empty() || server.requests != 1)) {
      return "the token was lost";
    }
    return problem_after(0);
  }
};

/// A response that could not be read for want of memory is as good as none: one more request on the ladder.
template <sharing shared>
struct get_that_is_rejected : scene {
  get_that_is_rejected() : scene(shared) { reject(); }
  void play() { tokens.get(); }
  char const* problem() {
    for (int second = 0; second < 14 * 60; second += 5) {
      server.clock.advance(seconds(5));
      succeeds([this] { tokens.get(); });
    }
    return server.requests <= 2 ? problem_after(server.requests) : "it sent a wrong password again";
  }
};

/// Without a verdict, at most four requests in 18 minutes.
template <sharing shared>
struct get_without_response : scene {
  error const failure = tests::no_response();
  get_without_response() : scene(shared) {
    server.respond = [this]() -> http_response { throw error(failure); };
  }
  void play() { tokens.get(); }
  char const* problem() {
    for (int second = 0; second < 18 * 60; second += 5) {
      succeeds([this] { tokens.get(); });
      server.clock.advance(seconds(5));
    }
    return server.requests <= 4 ? problem_after(server.requests) : "it sent more than four requests";
  }
};

struct get_of_a_cached_token : scene {
  bool is_served = false;
  get_of_a_cached_token() { tokens.get(); }
  void play() { is_served = !tokens.get().empty() && !tokens.try_get().empty(); }
  char const* problem() { return is_served ? problem_after(1) : "a living token was not given"; }
};

template <sharing shared>
struct renewal_of_an_old_token : scene {
  explicit renewal_of_an_old_token(bool is_rejecting = false) : scene(shared) {
    tokens.get();
    server.clock.advance(minutes(26));
    if (is_rejecting) {
      reject();
    }
  }
  void play() { tokens.get(); }
  char const* problem() { return tokens.try_get().empty() ? "the living token was lost" : problem_after(1); }
};

template <sharing shared>
struct renewal_that_is_rejected : renewal_of_an_old_token<shared> {
  renewal_that_is_rejected() : renewal_of_an_old_token<shared>(true) {}
};

struct invalidation : scene {
  token dead = tokens.get();
  void play() { tokens.invalidate(dead); }
  char const* problem() {
    bool const was_dropped = tokens.get().value() != dead.value();
    return was_dropped == (server.requests == 2) ? problem_after(server.requests) : "it sent a request without need";
  }
};

struct change_of_credentials : scene {
  credentials next = tests::some_credentials();
  bool was_changed = false;
  change_of_credentials() {
    next.password = "another";
    tokens.get();
  }
  void play() { was_changed = tokens.set_credentials(next); }
  char const* problem() {
    server.keeps_last = true;
    tokens.get();
    bool const is_changed = server.last.body.reveal().find("password=another") != std::string::npos;
    if (is_changed != was_changed || tokens.set_credentials(next) == was_changed) {
      return "the credentials were changed by halves";
    }
    return problem_after(server.requests);
  }
};

template <sharing shared>
struct end_of_a_backoff : scene {
  bool has_ended = false;
  end_of_a_backoff() : scene(shared) {
    reject();
    succeeds([this] { tokens.get(); });
    server.grant();
  }
  void play() { has_ended = tokens.retry_now(); }
  char const* problem() {
    bool const has_token = succeeds([this] { tokens.get(); });
    // A store that cannot be read for want of memory still has the backoff a moment later.
    bool const is_as_promised = has_token || !has_ended || shared == sharing::store;
    return is_as_promised ? problem_after(server.requests) : "the backoff was ended by halves";
  }
};

struct status_of_a_failure : scene {
  status_of_a_failure() {
    reject();
    succeeds([this] { tokens.get(); });
  }
  void play() { tokens.status(); }
  char const* problem() { return tokens.status().failures == 1 ? problem_after(1) : "it forgot the failure"; }
};

struct call_with_a_dead_token : scene {
  int calls = 0;
  void play() {
    call_with_token(tokens, [this](token const& living) {
      bearer_header(living);
      return ++calls == 1 ? 401 : 200;
    });
  }
  char const* problem() {
    return calls > 2 || server.requests > 2 ? "more calls or requests than there may be"
                                            : problem_after(server.requests);
  }
};

struct authorized_call : scene {
  int calls = 0;
  void play() {
    transport const call =
        authorized(tokens, [this](http_request const&) { return http_response(++calls == 1 ? 401 : 200, ""); });
    call(http_request("GET", test_environment().api_url));
  }
  char const* problem() {
    return calls > 2 || server.requests > 2 ? "more calls or requests than there may be"
                                            : problem_after(server.requests);
  }
};

struct making_of_a_cache : scene {
  void play() {
    token_cache const made = server.cache(options(sharing::folder));
    token_cache const copy = made;
    copy.status();
  }
  char const* problem() { return server.requests == 0 ? nullptr : "it sent a request before a token was needed"; }
};

struct making_of_a_renewer : scene {
  making_of_a_renewer() { tokens.get(); }
  void play() { background_renewer const renewer(tokens); }
  char const* problem() { return problem_after(1); }
};

struct single_token : scene {
  token_cache_options used = options(sharing::store);
  void play() { request_token(test_environment(), tests::some_credentials(), server.options(used)); }
  char const* problem() {
    reject();
    used.store = nullptr;
    bool const is_rejected =
        !succeeds([this] { request_token(test_environment(), tests::some_credentials(), server.options(used)); });
    return is_rejected && server.requests <= 2 ? nullptr : "it sent more than one request";
  }
};

struct loading_from_a_folder : scene {
  loading_from_a_folder() {
    server.cache(options(sharing::folder)).get();
    tokens = server.cache(options(sharing::folder));
  }
  void play() { tokens.get(); }
  char const* problem() {  // a record that cannot be read for want of memory costs a request
    return succeeds([this] { tokens.get(); }) && server.requests <= 2 ? nullptr : "the token was lost";
  }
};

struct saving_to_a_folder {
  tests::folder place{};
  detail::file_store store{place / "cache"};
  bool is_saved = false;
  void play() { is_saved = store.replace("key", secret(), std::string(1000, 'x'), hours(1)); }
  char const* problem() {
    secret const found = store.load("key");
    if (is_saved == found.empty()) {
      return "half a record";
    }
    return store.replace("key", found, "y", hours(1)) ? nullptr : "the folder cannot be used any more";
  }
};

struct credentials_in_a_file {
  tests::folder place{};
  std::string path = place / "account.json";
  credentials_in_a_file() {
    tests::write_text(path, R"({"client_id":")" + std::string(20, 'i') + R"(","client_secret":")" +
                                std::string(64, 's') + R"(","scope":"a b","username":"u","password":")" +
                                std::string(30, 'p') + "\"}");
  }
  void play() { credentials_from_file(path); }
  char const* problem() { return credentials_from_file(path).username == "u" ? nullptr : "other credentials"; }
};

/// One caller waits for another, whose allocations fail.
struct caller_that_waits : scene {
  std::atomic<bool> is_joined{false};
  std::thread waiter{};

  caller_that_waits() {
    server.while_requested = [this] {
      while (!is_joined) {
        std::this_thread::yield();
      }
    };
  }
  void play() {
    long const armed = failing_allocation;
    failing_allocation = 0;
    waiter = std::thread([this] {
      while (server.requests == 0 && !is_joined) {
        std::this_thread::yield();
      }
      std::thread watching([this] {
        while (!is_joined && tokens.status().waits == 0) {
          std::this_thread::yield();
        }
        is_joined = true;
      });
      succeeds([this] { tokens.get(); });
      is_joined = true;
      watching.join();
    });
    failing_allocation = armed;
    tokens.get();
  }
  char const* problem() {
    is_joined = true;
    waiter.join();  // would wait for ever
    return server.requests <= 2 ? problem_after(server.requests) : "the waiting caller sent requests of its own";
  }
};

}  // namespace

TEST_CASE("a cache can be made or not when memory is short, and nothing leaks") {
  fail_each_allocation<making_of_a_cache>();
  fail_each_allocation<making_of_a_renewer>();
}
TEST_CASE("a first token is granted or not when memory is short, and no request is repeated at once") {
  fail_each_allocation<first_get<sharing::none>>();
  fail_each_allocation<first_get<sharing::store>>();
  fail_each_allocation<first_get<sharing::folder>>();
}
TEST_CASE("a wrong password is not sent more often when memory is short") {
  fail_each_allocation<get_that_is_rejected<sharing::none>>();
  fail_each_allocation<get_that_is_rejected<sharing::store>>();
  fail_each_allocation<renewal_that_is_rejected<sharing::none>>();
  fail_each_allocation<renewal_that_is_rejected<sharing::store>>();
}
TEST_CASE("the ladder's bound holds when memory is short") {
  fail_each_allocation<get_without_response<sharing::none>>();
  fail_each_allocation<get_without_response<sharing::store>>();
}
TEST_CASE("a living token is given however short memory is") { fail_each_allocation<get_of_a_cached_token>(); }
TEST_CASE("a living token survives a renewal when memory is short") {
  fail_each_allocation<renewal_of_an_old_token<sharing::none>>();
  fail_each_allocation<renewal_of_an_old_token<sharing::store>>();
  fail_each_allocation<renewal_of_an_old_token<sharing::folder>>();
}
TEST_CASE("a token is refused, credentials change and a backoff ends wholly or not at all when memory is short") {
  fail_each_allocation<invalidation>();
  fail_each_allocation<change_of_credentials>();
  fail_each_allocation<end_of_a_backoff<sharing::none>>();
  fail_each_allocation<end_of_a_backoff<sharing::store>>();
}
TEST_CASE("a status that cannot be made when memory is short changes nothing") {
  fail_each_allocation<status_of_a_failure>();
}
TEST_CASE("an API call renews at most once when memory is short") {
  fail_each_allocation<call_with_a_dead_token>();
  fail_each_allocation<authorized_call>();
}
TEST_CASE("a single token costs one request when memory is short") { fail_each_allocation<single_token>(); }
TEST_CASE("a folder that cannot be read or written when memory is short costs the sharing, never the token") {
  fail_each_allocation<loading_from_a_folder>();
  fail_each_allocation<saving_to_a_folder>();
}
TEST_CASE("credentials are read or not when memory is short, and nothing leaks") {
  fail_each_allocation<credentials_in_a_file>();
}
TEST_CASE("a caller that waits for another whose memory is short does not wait for ever") {
  fail_each_allocation<caller_that_waits>();
}

#endif
