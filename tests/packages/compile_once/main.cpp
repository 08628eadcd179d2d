// SPDX-License-Identifier: MIT

#include "tokens.hpp"

#include <iostream>

int main() {
  try {
    std::cout << tokens().get().authorization() << "\n";
  } catch (cibmtr_auth::error const& problem) {
    std::cout << problem.what() << "\n";
  }
}
