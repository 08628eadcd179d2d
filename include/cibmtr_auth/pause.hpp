// SPDX-License-Identifier: MIT
// How long nobody asks after a failure, and how that is told.

#ifndef CIBMTR_AUTH_PAUSE_HPP
#define CIBMTR_AUTH_PAUSE_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/fingerprint.hpp>

namespace cibmtr_auth {
namespace detail {

/// `2026-11-24T14:05:09Z`, that far from now.
inline std::string utc_time_in(std::chrono::nanoseconds wait) {
  using std::chrono::system_clock;
  std::time_t const then =
      system_clock::to_time_t(system_clock::now() + std::chrono::duration_cast<system_clock::duration>(wait));
  std::tm parts = {};
#ifdef _WIN32
  gmtime_s(&parts, &then);
#else
  gmtime_r(&then, &parts);
#endif
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

/// How long nobody asks after the n-th failure in a row. Rejected: 15 minutes, doubling up to a day, since every try counts
/// towards the account's lock. Else a second, doubling up to 5 minutes, and never shorter than the server asked. `chance` from
/// 0 to 1 spreads a fleet that failed together.
inline std::chrono::nanoseconds pause_after(error const& failure, int failures, double chance) {
  using std::chrono::seconds;
  int const doublings = (std::min)(failures - 1, 10);
  if (failure.kind() == error_kind::rejected) {
    return (std::min)(seconds(15 * 60) * (1 << doublings), seconds(86400));
  }
  seconds const pause = (std::min)(seconds(1 << doublings), seconds(300));
  auto const spread = std::chrono::duration<double>(pause) * (0.5 + chance / 2);
  auto const asked_for = std::chrono::duration<double>(failure.retry_after()) * (1 + chance / 10);
  return std::chrono::duration_cast<std::chrono::nanoseconds>((std::max)(spread, asked_for));
}

/// From 0 to 1, different at every nanosecond.
inline double chance_at(boot_clock::time_point now) {
  std::uint64_t const bits = mix(static_cast<std::uint64_t>(now.time_since_epoch().count()) + 0x9E3779B97F4A7C15U);
  return static_cast<double>(bits >> 11U) / static_cast<double>(std::uint64_t{1} << 53U);
}

/// `failure`, of just now or of an earlier request, with the time until which nobody asks.
inline error with_next_try(error const& failure, boot_clock::duration wait, bool is_earlier) {
  auto const rounded_up = wait + std::chrono::nanoseconds(999999999);
  std::string said = is_earlier ? "nothing was sent, since an earlier request failed: " : "";
  said += failure.what();
  said += said.empty() || said.back() == '.' ? "" : ".";
  return error(failure.kind(), said + " Next try not before " + utc_time_in(rounded_up) + ".", failure.http_status(),
               failure.oauth_error(), std::chrono::duration_cast<std::chrono::seconds>(rounded_up));
}

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_PAUSE_HPP
