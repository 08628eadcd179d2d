// SPDthat is to be-License-Identifier: MIT
// Each allocation of OpenSSL during an exchange fails in turn: the host never crashes, and nothing is sent to a server that is not
// trusted. CIBMTR_AUTH_EVERY_ALLOCATION=1 leaves none out, and starts with the reading of the CAs.

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdlib>

namespace {

/// Of this thread: the allocation that fails, counted from the next; zero for none.
thread_local long failing_allocation = 0;
thread_local long allocations = 0;

bool fails() {
  ++allocations;
  return failing_allocation > 0 && --failing_allocation == 0;
}
void* allocate(std::size_t size, char const*, int) { return fails() ? nullptr : std::malloc(size); }
void* reallocate(void* memory, std::size_t size, char const*, int) {
  return fails() ? nullptr : std::realloc(memory, size);
}
void release(void* memory, char const*, int) { std::free(memory); }

bool are_in_place = false;
__attribute__((no_sanitize("address", "thread", "undefined"))) void put_in_place() {
  are_in_place = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}
/// OpenSSL takes them before its first allocation only, and Debian's libcpp-httplib.so makes that when it is loaded.
__attribute__((section(".preinit_array"), used)) void (*const before_all_libraries)() = put_in_place;

}  // namespace

#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <cibmtr_auth.hpp>
#include <exception>

#include "support/exchange.hpp"
#include "support/tls_server.hpp"

using namespace cibmtr_auth;

namespace {

bool is_thorough() { return std::getenv("CIBMTR_AUTH_EVERY_ALLOCATION") != nullptr; }

struct outcome {
  long allocations = 0;
  bool has_failed = false;  ///< the allocation
  bool has_response = false;
  bool was_sent = false;  ///< the server
};

/// An exchange in which OpenSSL's n-th allocation fails, counted from the connection, or from the reading of the CAs.
outcome exchange(sandbox::certificate const& shown, https_options const& options, long n) {
  outcome seen;
  std::atomic<bool> was_sent{false};
  {
    tests::tls_server const server(shown, [&was_sent](tests::tls_peer const& peer) {
      was_sent = !peer.receive().empty();
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
      peer.say_goodbye();
    });
    transport const https = https_transport(options);
    if (!is_thorough()) {
      try {
        https({"GET", "https://127.0.0.1:1/", {}, ""});  // reads the CAs, and reaches nobody
      } catch (error const&) {
      }
    }
    http_request const request = {"POST", server.url(), {{"Authorization", "Basic c2VjcmV0"}}, "body"};
    allocations = 0;
    failing_allocation = n;
    try {
      seen.has_response = https(request).status == 200;
    } catch (std::exception const&) {
    }
    seen.has_failed = n > 0 && failing_allocation == 0;
    failing_allocation = 0;
    seen.allocations = allocations;
  }
  seen.was_sent = was_sent;
  return seen;
}

/// Each n in a child of its own. Without thoroughness, most of those are left out that are neither among the first, where
/// the connection is told what to verify, nor among the last, where it verifies.
template <typename Judge>
void with_each_allocation(sandbox::certificate const& shown, long step_at_the_ends, Judge is_right) {
  REQUIRE(are_in_place);
  tests::ca_file const ca(shown);
  https_options const options = ca.trusting();
  exchange(shown, options, 0);  // what OpenSSL sets up once is not counted
  outcome const whole = exchange(shown, options, 0);
  CHECK(whole.allocations > 100);
  CHECK(is_right(whole));
  long step = 1;
  for (long n = 1; n <= whole.allocations; n += step) {
    bool const is_at_an_end = n < whole.allocations / 20 || n > whole.allocations * 9 / 10;
    step = is_thorough() ? 1 : is_at_an_end && !tests::is_sanitized ? step_at_the_ends : 97;
    CAPTURE(n);
    CHECK(tests::in_child([&] {
            signal(SIGSEGV, SIG_DFL);  // doctest's would report it here too
            return is_right(exchange(shown, options, n)) ? 0 : 1;
          }) == 0);
  }
}

}  // namespace

TEST_CASE("whichever allocation of OpenSSL fails, nothing is sent to a server that is not trusted") {
  with_each_allocation(sandbox::certificate("DNS:other.example"), 1,
                       [](outcome const& seen) { return !seen.has_response && !seen.was_sent; });
}

TEST_CASE("whichever allocation of OpenSSL fails, the host gets a response or an error") {
  with_each_allocation(sandbox::certificate("DNS:localhost"), 4,
                       [](outcome const& seen) { return seen.has_response || seen.has_failed; });
}
