// SPDX-License-Identifier: MIT
// When an exchange must have ended.

#ifndef CIBMTR_AUTH_DEADLINE_HPP
#define CIBMTR_AUTH_DEADLINE_HPP

#include <algorithm>
#include <chrono>

namespace cibmtr_auth {
namespace detail {

class deadline {
 public:
  explicit deadline(std::chrono::milliseconds timeout)
      : end_(std::chrono::steady_clock::now() +
             (std::max)(std::chrono::milliseconds::zero(),
                        (std::min<std::chrono::milliseconds>)(timeout, std::chrono::hours(24)))) {}

  /// Rounded up; zero when the time is up.
  std::chrono::milliseconds left() const {
    auto const left = end_ - std::chrono::steady_clock::now() + std::chrono::nanoseconds(999999);
    return (std::max)(std::chrono::duration_cast<std::chrono::milliseconds>(left), std::chrono::milliseconds::zero());
  }

 private:
  std::chrono::steady_clock::time_point const end_;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_DEADLINE_HPP
