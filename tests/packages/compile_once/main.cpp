// SPDX-License-Identifier: MIT

#include "tokens.hpp"

#include <iostream>

int main() {
  try {
    api()({"GET", cibmtr_auth::default_environment().api_url + "/r4/metadata"});
  } catch (cibmtr_auth::error const& problem) {
    std::cout << problem.what() << "\n";
  }
}
