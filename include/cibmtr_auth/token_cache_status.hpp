// SPDX-License-Identifier: MIT
// What a cache tells of itself.

#ifndef CIBMTR_AUTH_TOKEN_CACHE_STATUS_HPP
#define CIBMTR_AUTH_TOKEN_CACHE_STATUS_HPP

#include <exception>
#include <functional>
#include <string>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>

namespace cibmtr_auth {

/// What a cache has done and holds; never the token. Times are `boot_clock`'s, zero where there is nothing to tell.
struct token_cache_status {
  unsigned long long gets = 0;         ///< calls of `get()`
  unsigned long long hits = 0;         ///< of these, served at once from what was held
  unsigned long long joins = 0;        ///< of these, waited for another caller's request
  unsigned long long requests = 0;     ///< token requests sent
  unsigned long long failures = 0;     ///< of these, failed
  boot_clock::time_point obtained_at;  ///< of the token that is held
  boot_clock::time_point renew_at;     ///< when a caller will ask for the next one
  boot_clock::time_point expires_at;   ///< when it ends
  std::string last_error;              ///< of the last renewal: its kind and text; empty when it succeeded
  char const* last_reason = "none";    ///< why the last renewal was started
};

/// Told after each token request, and each token that another process or machine got, by the thread that asked. What it
/// throws is dropped.
using token_observer = std::function<void(token_cache_status const&)>;

namespace detail {

inline std::string text_of(std::exception_ptr const& failure) {
  try {
    if (failure) {
      std::rethrow_exception(failure);
    }
  } catch (error const& thrown) {
    return std::string(to_string(thrown.kind())) + ": " + thrown.what();
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
