// SPDX-License-Identifier: MIT

#include "tokens.hpp"

#include <iostream>

int main() {
  try {
    https()({"GET", "https://127.0.0.1:1/", {}, ""});
  } catch (cibmtr_auth::error const& problem) {
    std::cout << problem.what() << "\n";
  }
  try {
    std::cout << tokens().get().authorization() << "\n";
  } catch (cibmtr_auth::error const& problem) {
    std::cout << problem.what() << "\n";
  }
}
