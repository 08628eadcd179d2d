// SPDX-License-Identifier: MIT
// A clock that counts time asleep and ignores changes to the system clock.

#ifndef CIBMTR_AUTH_BOOT_CLOCK_HPP
#define CIBMTR_AUTH_BOOT_CLOCK_HPP

#include <chrono>

#if defined(__linux__)
#include <time.h>
#endif

namespace cibmtr_auth { inline namespace v1_0 {

/// Time since boot, including time asleep: a token ages while the machine sleeps, but not when somebody sets the system
/// clock. `CLOCK_BOOTTIME` on Linux (clock_gettime(2)); elsewhere `steady_clock`, which counts sleep on Windows and
/// macOS.
struct boot_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<boot_clock>;  ///< a moment since this boot; meaningless after a reboot
  enum : bool { is_steady = true };                        // no static data member: it would need a definition in C++11

  static time_point now() noexcept {
#if defined(__linux__)
    timespec since_boot;
    if (clock_gettime(CLOCK_BOOTTIME, &since_boot) == 0) {
      return time_point(std::chrono::seconds(since_boot.tv_sec) + std::chrono::nanoseconds(since_boot.tv_nsec));
    }
#endif
    return time_point(std::chrono::duration_cast<duration>(std::chrono::steady_clock::now().time_since_epoch()));
  }
};

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_BOOT_CLOCK_HPP
