// SPDX-License-Identifier: MIT
// Encodes or reads each line of standard input, for second_opinion_test.py: `form` or `base64` and bytes in hexadecimal, or
// `date` and a date.

#include <cstddef>
#include <iostream>
#include <string>

#define CIBMTR_AUTH_HTTPS 0
#include <cibmtr_auth.hpp>

namespace {

std::string bytes(std::string const& hex) {
  std::string all;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    all += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return all;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::size_t const blank = line.find(' ');
    std::string const question = line.substr(0, blank);
    std::string const text = line.substr(blank + 1);
    if (question == "form") {
      std::cout << cibmtr_auth::form_encode({{"value", bytes(text)}}) << '\n';
    } else if (question == "base64") {
      std::cout << cibmtr_auth::base64_encode(bytes(text)) << '\n';
    } else {
      std::cout << cibmtr_auth::detail::parse_http_date(text) << '\n';
    }
  }
}
