// SPDX-License-Identifier: MIT
// Small helpers for ASCII and UTF-8 text.

#ifndef CIBMTR_AUTH_DETAIL_ENCODING_TEXT_HPP
#define CIBMTR_AUTH_DETAIL_ENCODING_TEXT_HPP

#include <cstddef>
#include <string>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

inline std::string to_lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

/// Equal, ignoring the case of ASCII letters.
inline bool iequals(std::string const& a, std::string const& b) { return to_lower(a) == to_lower(b); }

/// Removes white space at both ends.
inline std::string trim(std::string const& text) {
  std::size_t const first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// Not empty, decimal digits only.
inline bool is_number(std::string const& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

inline bool is_printable_ascii(std::string const& text) {
  for (char const c : text) {
    if (c < ' ' || c > '~') {
      return false;
    }
  }
  return true;
}

/// Well-formed UTF-8 (RFC 3629, section 4) without control characters.
inline bool is_utf8_text(std::string const& text) {
  auto byte = [&text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  for (std::size_t i = 0; i < text.size();) {
    unsigned const lead = byte(i);
    std::size_t const length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < ' ' || (lead >= 0x7F && lead < 0xC2) || lead > 0xF4) {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0U) != 0x80) {
        return false;
      }
    }
    unsigned const second = byte(i + 1);
    bool const is_c1_control = lead == 0xC2 && second < 0xA0;
    bool const is_overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    bool const is_surrogate = lead == 0xED && second >= 0xA0;
    bool const is_past_unicode = lead == 0xF4 && second >= 0x90;
    if (is_c1_control || is_overlong || is_surrogate || is_past_unicode) {
      return false;
    }
    i += length;
  }
  return true;
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_ENCODING_TEXT_HPP
