// SPDX-License-Identifier: MIT
// Each allocation on the way to a token fails in turn: no crash, no leak, nobody left waiting, no token lost, no request too many.

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
#include <utility>

#include "support/fake_server.hpp"
#include "support/folder.hpp"

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

void* operator new(std::size_t size) {
  return allocate_or_throw(size);
}
void* operator new[](std::size_t size) {
  return allocate_or_throw(size);
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  return allocate(size);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  deallocate(memory);
}
void operator delete[](void* memory) noexcept {
  deallocate(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  deallocate(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  deallocate(memory);
}
void operator delete(void* memory, std::nothrow_t const&) noexcept {
  deallocate(memory);
}
void operator delete[](void* memory, std::nothrow_t const&) noexcept {
  deallocate(memory);
}

using namespace cibmtr_auth;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// Grants long tokens, or refuses as Okta does, and counts.
struct fake_okta {
  tests::fake_clock clock;
  std::atomic<int> requests{0};
  bool is_refusing = false;

  explicit fake_okta(tests::fake_clock now = tests::fake_clock()) : clock(std::move(now)) {}

  http_response answer_to(http_request const&) {
    ++requests;
    return is_refusing ? tests::answer(401, "{\"error\":\"invalid_client\",\"error_description\":\"Not you.\"}")
                       : tests::answer(200, "{\"access_token\":\"" + std::string(100, 'x') + std::to_string(requests) +
                                                "\",\"token_type\":\"Bearer\",\"expires_in\":1800,\"scope\":\"" +
                                                std::string(40, 's') + "\"}");
  }
  token_source source() {
    return make_token_source(
        test_environment, tests::some_credentials(), [this](http_request const& request) { return answer_to(request); },
        basic_encoding::plain, clock);
  }
  token_cache cache(std::shared_ptr<token_store> store = std::make_shared<memory_store>()) {
    return token_cache(source(), clock, std::move(store));
  }
};

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

/// Makes a scene and plays it with its first allocation failing, a new one with its second, and so on until none fails. A
/// scene's `play()` is that part; `problem()` looks at what is left and says what is wrong, null for nothing. In a thread of its own, whose
/// copies of tokens end with it.
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
    CHECK(std::string(problem ? problem : "") == "");
    CHECK((plays == 0 || leaked == 0));
  }
  MESSAGE((plays - 1) << " allocations");
}

/// A cache in front of the server, and what always holds: who has sent a request and got nothing does not send another
/// at once, and after a while there is a token.
struct scene {
  fake_okta okta;
  token_cache tokens;

  scene() : tokens(okta.cache()) {}
  scene(std::shared_ptr<token_store> store, tests::fake_clock clock)
      : okta(std::move(clock)), tokens(okta.cache(std::move(store))) {}

  char const* problem_after(int requests_before) {
    bool const was_sent = okta.requests > requests_before;
    succeeds([this] { tokens.get(); });
    if (was_sent && okta.requests > requests_before + 1) {
      return "it asked again at once";
    }
    okta.is_refusing = false;
    okta.clock.advance(hours(25));
    return succeeds([this] { tokens.get(); }) ? nullptr : "there is no token after a while";
  }
};

struct first_get : scene {
  void play() { tokens.get(); }
  char const* problem() { return problem_after(0); }
};

/// An answer that could not be read for want of memory is as good as none: one more try after a short pause.
struct get_that_is_rejected : scene {
  get_that_is_rejected() { okta.is_refusing = true; }
  void play() { tokens.get(); }
  char const* problem() {
    bool const was_read = tokens.status().last_error.find("invalid_client") != std::string::npos;
    for (int second = 0; second < 14 * 60; ++second) {
      okta.clock.advance(seconds(1));
      succeeds([this] { tokens.get(); });
    }
    return okta.requests <= (was_read ? 1 : 2) ? problem_after(okta.requests) : "it tried a wrong password again";
  }
};

struct source_that_is_rejected {
  tests::fake_clock clock;
  int requests = 0;
  error const rejected{error_kind::rejected, "no."};
  token_cache tokens{[this]() -> token {
                       ++requests;
                       throw error(rejected);
                     },
                     clock};
  void play() { tokens.get(); }
  char const* problem() {
    succeeds([this] { tokens.get(); });
    clock.advance(minutes(14));
    succeeds([this] { tokens.get(); });
    return requests == 1 ? nullptr : "it tried a wrong password again";
  }
};

struct get_of_a_held_token : scene {
  get_of_a_held_token() {
    std::thread([this] { tokens.get(); }).join();
  }  // so that this thread has no copy yet
  void play() { is_served = !tokens.get().empty(); }
  char const* problem() { return is_served ? problem_after(1) : "a living token was not given"; }
  bool is_served = false;
};

struct renewal_of_an_old_token : scene {
  explicit renewal_of_an_old_token(bool is_refusing = false) {
    tokens.get();
    okta.clock.advance(minutes(26));
    okta.is_refusing = is_refusing;
  }
  void play() { tokens.get(); }
  char const* problem() {
    bool const is_served = succeeds([this] { tokens.get(); });
    return is_served ? problem_after(1) : "the living token was lost";
  }
};

struct renewal_that_is_rejected : renewal_of_an_old_token {
  renewal_that_is_rejected() : renewal_of_an_old_token(true) {}
};

struct invalidation : scene {
  token dead = tokens.get();
  void play() { tokens.invalidate(dead); }
  char const* problem() {
    bool const was_dropped = tokens.get().value() != dead.value();
    return was_dropped == (okta.requests == 2) ? problem_after(okta.requests) : "it asked without need";
  }
};

struct reset_to_other_credentials : scene {
  fake_okta other;
  token before = tokens.get();
  void play() { tokens.reset(other.source()); }
  char const* problem() {
    bool const was_reset = tokens.get().value() != before.value() || other.requests == 1;
    return okta.requests == 1 && other.requests == (was_reset ? 1 : 0) ? nullptr : "half a reset";
  }
};

struct status_of_a_failure : scene {
  status_of_a_failure() {
    okta.is_refusing = true;
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
    return calls > 2 || okta.requests > 2 ? "more calls or requests than there may be" : problem_after(okta.requests);
  }
};

struct making_of_a_cache {
  fake_okta okta;
  void play() {
    token_cache const tokens = okta.cache();
    token_cache const copy = tokens;
    copy.status();
  }
  char const* problem() { return okta.requests == 0 ? nullptr : "it asked before it was told to"; }
};

struct shared_file {
  tests::folder place;
  tests::fake_clock clock;
  std::shared_ptr<token_file> store =
      std::make_shared<token_file>(place / "cache", fingerprint(test_environment, tests::some_credentials()), clock);
};

struct get_with_a_file : shared_file, scene {
  get_with_a_file() : scene(store, clock) {}
  void play() {
    tokens.get();
    was_granted = true;
  }
  char const* problem() {
    if (was_granted && !succeeds([this] { tokens.get(); })) {
      return "the token was lost";
    }
    if (!store->try_lock()) {
      return "the lock is still held";
    }
    return problem_after(okta.requests == 0 ? 0 : 1);
  }
  bool was_granted = false;
};

struct taking_from_a_file : shared_file, scene {
  taking_from_a_file() : scene(store, clock) {
    token_record record;
    record.granted = token("of-another", "scope", clock(), clock() + minutes(30));
    store->save(record);
  }
  void play() { tokens.get(); }
  char const* problem() {
    // The stream that reads which boot this is hides its want of memory, and a token of another boot is not taken.
    return succeeds([this] { tokens.get(); }) && okta.requests <= 1 ? nullptr : "the token was lost";
  }
};

struct saving_to_a_file : shared_file {
  void play() {
    token_record record;
    record.granted = token("abc", "scope", clock(), clock() + minutes(30));
    record.failure = std::make_shared<error const>(error_kind::unavailable, "down.");
    store->save(record);
  }
  char const* problem() {
    store->save(token_record());
    return store->try_lock() && store->load().granted.empty() ? nullptr : "the file cannot be used any more";
  }
};

struct credentials_in_a_file {
  tests::folder place;
  std::string path = place / "account.json";
  credentials_in_a_file() {
    tests::write_text(path, "{\"client_id\":\"" + std::string(20, 'i') + "\",\"client_secret\":\"" +
                                std::string(64, 's') + "\",\"scope\":\"a b\",\"username\":\"u\",\"password\":\"" +
                                std::string(30, 'p') + "\"}");
  }
  void play() { credentials_from_file(path); }
  char const* problem() { return credentials_from_file(path).username == "u" ? nullptr : "other credentials"; }
};

/// One caller waits for another, whose allocations fail.
struct caller_that_waits : scene {
  std::atomic<bool> is_joined{false};
  std::atomic<bool> is_served{false};
  std::thread follower;

  caller_that_waits() {
    tokens.reset([this] {
      while (!is_joined) {
        std::this_thread::yield();
      }
      boot_clock::time_point const now = okta.clock();
      return token(std::string(100, 'x'), "scope", now, now + minutes(30));
    });
  }
  void play() {
    long const armed = failing_allocation;
    failing_allocation = 0;
    follower = std::thread([this] {
      while (tokens.status().last_reason == std::string("none")) {
        std::this_thread::yield();
      }
      std::thread watching([this] {
        while (!is_joined && tokens.status().joins == 0) {
          std::this_thread::yield();
        }
        is_joined = true;
      });
      is_served = succeeds([this] { tokens.get(); });
      is_joined = true;
      watching.join();
    });
    failing_allocation = armed;
    tokens.get();
  }
  char const* problem() {
    is_joined = true;
    succeeds([this] { tokens.get(); });
    follower.join();
    return nullptr;
  }
};

}  // namespace

TEST_CASE("a cache can be made or not when memory is short, and nothing leaks") {
  fail_each_allocation<making_of_a_cache>();
}
TEST_CASE("a first token is granted or not when memory is short, and nobody asks twice") {
  fail_each_allocation<first_get>();
}
TEST_CASE("a wrong password is tried once when memory is short, too") {
  fail_each_allocation<get_that_is_rejected>();
  fail_each_allocation<source_that_is_rejected>();
  fail_each_allocation<renewal_that_is_rejected>();
}
TEST_CASE("a living token is given however short memory is") {
  fail_each_allocation<get_of_a_held_token>();
}
TEST_CASE("a living token survives a renewal when memory is short") {
  fail_each_allocation<renewal_of_an_old_token>();
}
TEST_CASE("a token is refused, and credentials are reset, wholly or not at all when memory is short") {
  fail_each_allocation<invalidation>();
  fail_each_allocation<reset_to_other_credentials>();
}
TEST_CASE("a status that cannot be told when memory is short changes nothing") {
  fail_each_allocation<status_of_a_failure>();
}
TEST_CASE("an API call renews once at most when memory is short, too") {
  fail_each_allocation<call_with_a_dead_token>();
}
TEST_CASE("a file that cannot be read or written when memory is short costs the sharing, never the token") {
  fail_each_allocation<get_with_a_file>();
  fail_each_allocation<taking_from_a_file>();
  fail_each_allocation<saving_to_a_file>();
}
TEST_CASE("credentials are read or not when memory is short, and nothing leaks") {
  fail_each_allocation<credentials_in_a_file>();
}
TEST_CASE("a caller that waits hears of another whose memory is short") {
  fail_each_allocation<caller_that_waits>();
}

#endif
