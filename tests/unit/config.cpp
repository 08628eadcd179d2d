// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <string>

#include <doctest/doctest.h>

TEST_CASE("the version's numbers agree with its text") {
  CHECK(std::string(CIBMTR_AUTH_VERSION) == std::to_string(CIBMTR_AUTH_VERSION_MAJOR) + "." +
                                                std::to_string(CIBMTR_AUTH_VERSION_MINOR) + "." +
                                                std::to_string(CIBMTR_AUTH_VERSION_PATCH));
}
