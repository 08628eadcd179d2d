// SPDX-License-Identifier: MIT
// Letters compared without their case, whatever the locale.

#ifndef CIBMTR_AUTH_ASCII_HPP
#define CIBMTR_AUTH_ASCII_HPP

#include <algorithm>
#include <string>

namespace cibmtr_auth {
namespace detail {

inline std::string to_lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

inline bool same_text(std::string const& a, std::string const& b) {
  return to_lower(a) == to_lower(b);
}

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_ASCII_HPP
