// SPDX-License-Identifier: MIT
// The sandbox's responses, and its JSON, base64 and form encoding.

#ifndef CIBMTR_AUTH_SANDBOX_MESSAGE_HPP
#define CIBMTR_AUTH_SANDBOX_MESSAGE_HPP

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <picojson.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sandbox {

struct response {
  using header_list = std::vector<std::pair<std::string, std::string>>;

  response(int status_ = 200, header_list headers_ = {}, std::string content_type_ = "", std::string body_ = "",
           std::chrono::milliseconds delay_ = {})
      : status(status_),
        headers(std::move(headers_)),
        content_type(std::move(content_type_)),
        body(std::move(body_)),
        delay(delay_) {}

  int status;
  header_list headers;
  std::string content_type;
  std::string body;
  std::chrono::milliseconds delay;
  std::string note;  ///< for the log only
};

using json = picojson::object;

inline picojson::value text(std::string const& value) { return picojson::value(value); }

inline picojson::value number(double value) { return picojson::value(value); }

inline response json_response(int status, json const& body, std::string const& content_type = "application/json") {
  return response(status, {}, content_type, picojson::value(body).serialize());
}

/// Null if `body` is not JSON.
inline picojson::value parse_json(std::string const& body) {
  picojson::value value;
  return picojson::parse(value, body).empty() ? value : picojson::value();
}

/// `otherwise` unless `object` has a member of that name and type.
template <class T>
T member(picojson::value const& object, char const* name, T const& otherwise) {
  bool const found = object.is<json>() && object.get(name).is<T>();
  return found ? object.get(name).get<T>() : otherwise;
}

/// The same for a member of any type.
inline picojson::value member(picojson::value const& object, char const* name) {
  return object.is<json>() ? object.get(name) : picojson::value();
}

inline std::string base64_encode(std::string const& bytes) {
  std::vector<unsigned char> encoded(4 * (bytes.size() / 3 + 1) + 1);
  int const size = EVP_EncodeBlock(encoded.data(), reinterpret_cast<unsigned char const*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  return std::string(encoded.begin(), encoded.begin() + size);
}

/// Empty unless `encoded` is canonical: no line break, no stray bits in the padding.
inline std::string base64_decode(std::string const& encoded) {
  std::vector<unsigned char> bytes(encoded.size() + 1);
  int const size = EVP_DecodeBlock(bytes.data(), reinterpret_cast<unsigned char const*>(encoded.data()),
                                   static_cast<int>(encoded.size()));
  auto const padding = std::count(encoded.begin(), encoded.end(), '=');
  if (size < padding) {
    return "";
  }
  std::string const decoded(bytes.begin(), bytes.begin() + (size - padding));
  return base64_encode(decoded) == encoded ? decoded : "";
}

/// `size` random bytes as base64url.
inline std::string random_text(std::size_t size) {
  std::vector<unsigned char> bytes(size);
  if (RAND_bytes(bytes.data(), static_cast<int>(size)) != 1) {
    throw std::runtime_error("OpenSSL has no random bytes");
  }
  std::string made = base64_encode(std::string(bytes.begin(), bytes.end()));
  made.erase(std::remove(made.begin(), made.end(), '='), made.end());
  std::replace(made.begin(), made.end(), '+', '-');
  std::replace(made.begin(), made.end(), '/', '_');
  return made;
}

/// Appends to `plain`. False for a bad escape, a control character or a byte that is not ASCII.
inline bool form_decode(std::string const& encoded, std::string& plain) {
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    char const c = encoded[i];
    if (c == '%') {
      std::string const digits = encoded.substr(i + 1, 2);
      if (digits.size() != 2 || digits.find_first_not_of("0123456789ABCDEFabcdef") != digits.npos) {
        return false;
      }
      plain += static_cast<char>(std::stoi(digits, nullptr, 16));
      i += 2;
    } else if (c > ' ' && c <= '~') {
      plain += c == '+' ? ' ' : c;
    } else {
      return false;
    }
  }
  return true;
}

/// Adds to `fields`. False as above, and for a field without `=` or one given twice, which cpp-httplib's parser
/// accepts.
inline bool form_decode(std::string const& body, std::map<std::string, std::string>& fields) {
  std::istringstream pairs(body);
  for (std::string pair; std::getline(pairs, pair, '&');) {
    auto const equals = pair.find('=');
    std::string name;
    std::string value;
    if (equals == pair.npos || !form_decode(pair.substr(0, equals), name) ||
        !form_decode(pair.substr(equals + 1), value) || !fields.emplace(name, value).second) {
      return false;
    }
  }
  return true;
}

}  // namespace sandbox

#endif  // CIBMTR_AUTH_SANDBOX_MESSAGE_HPP
