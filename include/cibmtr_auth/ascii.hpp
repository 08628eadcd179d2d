// SPDX-License-Identifier: MIT
// Text compared and trimmed as protocols do it, whatever the locale.

#ifndef CIBMTR_AUTH_ASCII_HPP
#define CIBMTR_AUTH_ASCII_HPP

#include <cstddef>
#include <string>

namespace cibmtr_auth {
namespace detail {

inline std::string to_lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

inline bool is_printable_ascii(std::string const& text) {
  for (char const c : text) {
    if (c < ' ' || c > '~') {
      return false;
    }
  }
  return true;
}

/// Without white space at either end.
inline std::string trimmed(std::string const& text) {
  std::size_t const first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

inline bool same_text(std::string const& a, std::string const& b) {
  return to_lower(a) == to_lower(b);
}

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_ASCII_HPP
