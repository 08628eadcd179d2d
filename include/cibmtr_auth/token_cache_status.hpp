// SPDX-License-Identifier: MIT
// What a cache tells of itself.

#ifndef CIBMTR_AUTH_TOKEN_CACHE_STATUS_HPP
#define CIBMTR_AUTH_TOKEN_CACHE_STATUS_HPP

#include <exception>
#include <functional>
#include <string>

#include <cibmtr_auth/boot_clock.hpp>

namespace cibmtr_auth {

/// What a cache has done and holds; never the token. Times are `boot_clock`'s, zero where there is nothing to tell.
struct token_cache_status {
  unsigned long long gets = 0;      ///< calls of `get()`
  unsigned long long hits = 0;      ///< of these, served at once from what was held
  unsigned long long joins = 0;     ///< of these, waited for another caller's request
  unsigned long long requests = 0;  ///< token requests sent
  unsigned long long failures = 0;  ///< of these, failed
  boot_clock::time_point obtained_at;
  boot_clock::time_point renews_at;
  boot_clock::time_point expires_at;
  std::string last_error;            ///< of the last renewal; empty when it succeeded
  char const* last_reason = "none";  ///< why the last renewal was started
};

/// Told after each renewal, by the thread that made it. Must not throw.
using token_observer = std::function<void(token_cache_status const&)>;

namespace detail {

inline std::string text_of(std::exception_ptr const& failure) {
  try {
    if (failure) {
      std::rethrow_exception(failure);
    }
  } catch (std::exception const& thrown) {
    return thrown.what();
  } catch (...) {
    return "the transport failed in a way of its own";
  }
  return std::string();
}

}  // namespace detail

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_CACHE_STATUS_HPP
