// SPDX-License-Identifier: MIT
// The C interface: no exception and no C++ type leaves it.

#include "cibmtr_auth_c.h"

#include <cibmtr_auth.hpp>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "../exit_status.hpp"

namespace auth = cibmtr_auth;

struct cibmtr_tokens {
  auth::token_cache cache;
};

namespace {

std::string text(char const* value) { return value ? value : ""; }

auth::environment environment_named(std::string const& name) {
  auth::detail::require(name.empty() || name == "test" || name == "external-test" || name == "production",
                        "environment", "is not test, external-test or production");
  return name == "production"      ? auth::production_environment()
         : name == "external-test" ? auth::external_test_environment()
                                   : auth::test_environment();
}

/// Returns 0, or the status of the exception that `action` throws.
template <class Action>
int run(Action action, char* error, size_t error_size) {
  try {
    action();
    return 0;
  } catch (auth::error const& failure) {
    std::snprintf(error, error_size, "%s", failure.what());
    return exit_status(failure.kind());
  } catch (std::exception const& failure) {
    std::snprintf(error, error_size, "%s", failure.what());
  } catch (...) {
    std::snprintf(error, error_size, "unknown exception");
  }
  return 2;
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED cibmtr_tokens* cibmtr_tokens_create(cibmtr_options const* given, char* error, size_t error_size) {
  cibmtr_tokens* tokens = nullptr;
  auto const create = [&] {
    auth::environment environment = environment_named(text(given->environment));
    if (!text(given->token_url).empty()) {
      environment.password_token_url = environment.client_credentials_token_url = given->token_url;
    }
    auth::token_cache_options options;
    options.https.ca_file = text(given->ca_file);
    options.cache_directory = text(given->cache_directory);
    std::string const file = text(given->credentials_file);
    auth::credentials const credentials =
        file.empty() ? auth::credentials_from_env() : auth::credentials_from_file(file);
    tokens = new cibmtr_tokens{auth::make_token_cache(environment, credentials, options)};
  };
  run(create, error, error_size);
  return tokens;
}

EXPORTED void cibmtr_tokens_destroy(cibmtr_tokens* tokens) { delete tokens; }

EXPORTED int cibmtr_authorization(cibmtr_tokens* tokens, char* value, size_t value_size, char* error,
                                  size_t error_size) {
  auto const write = [&] {
    auth::token const token = tokens->cache.get();
    std::string const& bearer = token.authorization();
    auth::detail::require(bearer.size() < value_size, "the buffer",
                          "is too short: the value has " + std::to_string(bearer.size()) + " characters");
    std::memcpy(value, bearer.c_str(), bearer.size() + 1);
  };
  return run(write, error, error_size);
}

EXPORTED int cibmtr_rejected(cibmtr_tokens* tokens, char const* authorization) {
  bool is_worth_repeating = false;
  auto const invalidate = [&] {
    auth::token const cached = tokens->cache.try_get();
    is_worth_repeating = cached.authorization() != authorization || tokens->cache.invalidate(cached);
  };
  char ignored[1];
  return run(invalidate, ignored, sizeof ignored) == 0 && is_worth_repeating;
}
