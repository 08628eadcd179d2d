// SPDX-License-Identifier: MIT
// A program with two such libraries: each asks its own environment, and what they throw is caught.

#define CIBMTR_AUTH_HTTPS 0

#include <cibmtr_auth.hpp>
#include <iostream>

#include "hidden_library.hpp"

namespace {

bool is_caught(void (*refuse)()) {
  try {
    refuse();
  } catch (cibmtr_auth::error const& refusal) {
    return refusal.kind() == cibmtr_auth::error_kind::configuration;
  } catch (std::exception const& other) {
    std::cerr << "not caught as an error: " << other.what() << '\n';
  }
  return false;
}

}  // namespace

int main() {
  bool const are_apart = first::environment() == "test" && second::environment() == "production";
  return are_apart && is_caught(first::refuse) && is_caught(second::refuse) ? 0 : 1;
}
