// SPDX-License-Identifier: MIT
// A clock that counts sleep and ignores steps.

#ifndef CIBMTR_AUTH_BOOT_CLOCK_HPP
#define CIBMTR_AUTH_BOOT_CLOCK_HPP

#include <chrono>
#include <functional>

#if defined(__linux__)
#include <time.h>
#endif

namespace cibmtr_auth {

/// Time since boot, suspended hours included: a token ages while a machine sleeps, and does not when
/// somebody sets the wall clock. Linux: `CLOCK_BOOTTIME` (clock_gettime(2)); elsewhere `steady_clock`, which counts
/// sleep on Windows and macOS.
struct boot_clock {
  using duration = std::chrono::nanoseconds;               ///< what it counts in
  using rep = duration::rep;                               ///< as every clock of the C++ library has it
  using period = duration::period;                         ///< the same
  using time_point = std::chrono::time_point<boot_clock>;  ///< a moment of this boot; of another it means nothing
  static constexpr bool is_steady = true;                  ///< nobody can set it

  /// Nanoseconds since boot.
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

/// Where time comes from: `boot_clock::now`, or a test's own.
using clock_function = std::function<boot_clock::time_point()>;

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BOOT_CLOCK_HPP
