// SPDX-License-Identifier: MIT
// Token files of one set of credentials.

#ifndef CIBMTR_AUTH_TESTS_TOKEN_FILES_HPP
#define CIBMTR_AUTH_TESTS_TOKEN_FILES_HPP

#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <string>

#include "fake_server.hpp"

namespace tests {

inline cibmtr_auth::fingerprint ours() {
  return cibmtr_auth::fingerprint(cibmtr_auth::test_environment, some_credentials());
}

inline std::string file_in(std::string const& path) {
  return path + "/" + ours().name() + ".json";
}

inline std::shared_ptr<cibmtr_auth::token_file> store_in(
    std::string const& path, cibmtr_auth::clock_function const& now = cibmtr_auth::boot_clock::now) {
  return std::make_shared<cibmtr_auth::token_file>(path, ours(), now);
}

inline cibmtr_auth::token_record granted(std::string const& value,
                                         cibmtr_auth::boot_clock::time_point now = cibmtr_auth::boot_clock::now()) {
  cibmtr_auth::token_record record;
  record.granted = cibmtr_auth::token(value, "scope", now, now + std::chrono::minutes(30));
  return record;
}

inline bool holds(cibmtr_auth::token_file& store, std::string const& value) {
  return store.load().granted.value() == value;
}

/// Whether a cache around the store, which cannot share, gives tokens at once, backs off and latches all the same.
inline int works_alone(std::shared_ptr<cibmtr_auth::token_store> const& store, fake_clock clock = fake_clock()) {
  int requests = 0;
  bool is_failing = true;
  cibmtr_auth::token_cache const tokens(
      [&]() -> cibmtr_auth::token {
        ++requests;
        if (is_failing) {
          throw cibmtr_auth::error(cibmtr_auth::error_kind::rejected, "wrong password.");
        }
        return cibmtr_auth::token("alone", "", clock(), clock() + std::chrono::minutes(30));
      },
      clock, store);
  auto const start = std::chrono::steady_clock::now();
  for (int call = 0; call < 14; ++call) {
    try {
      tokens.get();
      return 1;
    } catch (cibmtr_auth::error const& failure) {
      if (failure.kind() != cibmtr_auth::error_kind::rejected) {
        return 2;
      }
    }
    clock.advance(std::chrono::minutes(1));
  }
  if (requests != 1) {
    return 3;
  }
  is_failing = false;
  clock.advance(std::chrono::minutes(1));
  if (tokens.get().value() != "alone" || tokens.get().value() != "alone" || requests != 2) {
    return 4;
  }
  return std::chrono::steady_clock::now() - start < std::chrono::seconds(5) ? 0 : 5;
}

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_TOKEN_FILES_HPP
