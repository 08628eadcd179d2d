// SPDX-License-Identifier: MIT
// What a call throws.

#ifndef CIBMTR_AUTH_TESTS_REFUSAL_HPP
#define CIBMTR_AUTH_TESTS_REFUSAL_HPP

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>

namespace tests {

/// Ends the test when nothing is thrown.
template <typename Call>
cibmtr_auth::error error_of(Call call) {
  try {
    call();
  } catch (cibmtr_auth::error const& thrown) {
    return thrown;
  }
  FAIL("nothing was thrown");
  throw;
}

/// The message with which a configuration is refused; empty when it is not.
template <typename Call>
std::string refusal(Call call) {
  try {
    call();
    return "";
  } catch (cibmtr_auth::error const& thrown) {
    CHECK((thrown.kind() == cibmtr_auth::error_kind::configuration));
    return thrown.what();
  }
}

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_REFUSAL_HPP
