// SPDX-License-Identifier: MIT
// Fields as an application/x-www-form-urlencoded body.

#ifndef CIBMTR_AUTH_FORM_HPP
#define CIBMTR_AUTH_FORM_HPP

#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace cibmtr_auth { inline namespace v1_0 {

/// Names and values in the order in which they are sent; any bytes.
using form_fields = std::vector<std::pair<std::string, std::string>>;

namespace detail {

/// Appends in place: a temporary would be a copy of a password that is never wiped.
inline void append_form_encoded(std::string& text, std::string const& bytes) {
  static char const unchanged[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._";
  static char const hex[] = "0123456789ABCDEF";
  for (char const byte : bytes) {
    auto const code = static_cast<unsigned char>(byte);
    if (std::memchr(unchanged, code, sizeof unchanged - 1)) {
      text += byte;
    } else if (byte == ' ') {
      text += '+';
    } else {
      text += '%';
      text += hex[code >> 4U];
      text += hex[code & 15U];
    }
  }
}

/// One name or value.
inline std::string form_encode_text(std::string const& bytes) {
  std::string text;
  text.reserve(3 * bytes.size());
  append_form_encoded(text, bytes);
  return text;
}

}  // namespace detail

/// The whole body: `name=value` pairs joined by `&`, empty if there are no fields. Letters, digits, `*`, `-`, `.` and
/// `_` stay as they are, a space becomes `+`, every other byte becomes `%` and two upper-case hexadecimal digits.
/// Allocates once, so that no copy of a secret is left behind. Source: WHATWG URL, application/x-www-form-urlencoded
/// serializing.
inline std::string form_encode(form_fields const& fields) {
  std::size_t max_size = 0;
  for (auto const& field : fields) {
    max_size += 3 * (field.first.size() + field.second.size()) + 2;
  }

  std::string body;
  body.reserve(max_size);
  for (auto const& field : fields) {
    if (!body.empty()) {
      body += '&';
    }
    detail::append_form_encoded(body, field.first);
    body += '=';
    detail::append_form_encoded(body, field.second);
  }
  return body;
}

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_FORM_HPP
