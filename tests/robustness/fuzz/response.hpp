// SPDX-License-Identifier: MIT
// An input as an HTTP response.

#ifndef CIBMTR_AUTH_TESTS_FUZZ_RESPONSE_HPP
#define CIBMTR_AUTH_TESTS_FUZZ_RESPONSE_HPP

#include "fuzz.hpp"

namespace fuzz {

/// The status in a line, header fields in lines, an empty line, the body.
inline cibmtr_auth::http_response response(std::string const& input) {
  std::size_t const head_end = input.find("\n\n");
  cibmtr_auth::http_response result;
  for (std::string const& line : lines(input.substr(0, head_end))) {
    std::size_t const colon = line.find(':');
    if (colon == std::string::npos) {
      result.status = std::atoi(line.substr(0, 9).c_str());
    } else {
      result.headers.emplace_back(line.substr(0, colon), line.substr(colon + 1));
    }
  }
  if (head_end != std::string::npos) {
    result.body = input.substr(head_end + 2);
  }
  return result;
}

}  // namespace fuzz

#endif  // CIBMTR_AUTH_TESTS_FUZZ_RESPONSE_HPP
