// SPDX-License-Identifier: MIT
// Bytes as base64 text.

#ifndef CIBMTR_AUTH_BASE64_HPP
#define CIBMTR_AUTH_BASE64_HPP

#include <cstddef>
#include <string>

namespace cibmtr_auth { inline namespace v1_0 {

/// Padded base64 of any bytes, on one line: a line break would end the `Authorization` header that the text is used in.
/// Allocates once, so that no copy of a secret is left behind. Source: RFC 4648, section 4.
inline std::string base64_encode(std::string const& bytes) {
  static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto byte = [&bytes](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U; };

  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned const group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    text += alphabet[group >> 18U];
    text += alphabet[group >> 12U & 63U];
    text += i + 1 < bytes.size() ? alphabet[group >> 6U & 63U] : '=';
    text += i + 2 < bytes.size() ? alphabet[group & 63U] : '=';
  }
  return text;
}

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_BASE64_HPP
