// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <chrono>
#include <type_traits>

#include <doctest/doctest.h>

#if defined(__linux__)
#include <time.h>
#endif

namespace {

using cibmtr_auth::boot_clock;
using std::chrono::steady_clock;

static_assert(boot_clock::is_steady, "setting the system clock does not move it");
static_assert(noexcept(boot_clock::now()), "reading it cannot fail");
static_assert(std::is_same<decltype(boot_clock::now() - boot_clock::now()), boot_clock::duration>::value,
              "it works with std::chrono");

}  // namespace

TEST_CASE("the boot clock never goes back") {
  auto last = boot_clock::now();
  for (int i = 0; i < 10000; ++i) {
    auto const now = boot_clock::now();
    REQUIRE((now >= last));
    last = now;
  }
}

TEST_CASE("the boot clock runs at the pace of the steady clock") {
  auto const before_start = steady_clock::now();
  auto const start = boot_clock::now();
  auto const after_start = steady_clock::now();
  for (int i = 0; i < 10000; ++i) {
    auto const before_end = steady_clock::now();
    auto const end = boot_clock::now();
    auto const after_end = steady_clock::now();
    // Both clocks round.
    REQUIRE((end - start >= before_end - after_start - std::chrono::microseconds(1)));
    REQUIRE((end - start <= after_end - before_start + std::chrono::microseconds(1)));
  }
}

#if defined(__linux__)
TEST_CASE("on Linux the boot clock is the kernel's CLOCK_BOOTTIME") {
  auto kernel = [] {
    timespec time;
    REQUIRE(clock_gettime(CLOCK_BOOTTIME, &time) == 0);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  auto const before = kernel();
  auto const now = boot_clock::now().time_since_epoch();
  auto const after = kernel();
  CHECK((before <= now));
  CHECK((now <= after));
}
#endif

TEST_CASE("is_steady can be bound to a reference, also before C++17") {
  auto copy = [](bool const& value) { return value; };
  CHECK(copy(boot_clock::is_steady));
}

TEST_CASE("the boot clock can be passed as the clock of everything that takes one") {
  cibmtr_auth::detail::clock_function const clock = boot_clock::now;
  auto const before = boot_clock::now();
  CHECK((clock() >= before));
}
