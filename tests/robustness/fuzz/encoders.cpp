// SPDX-License-Identifier: MIT
// Other decoders read back what the form and base64 encoders write.

#include <openssl/evp.h>

#define CIBMTR_AUTH_HTTPS 0
#include "fuzz.hpp"

namespace {

using namespace cibmtr_auth;
using fuzz::promise;

std::string base64_decoded(std::string const& text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  int const length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(&bytes[0]), reinterpret_cast<unsigned char const*>(text.data()),
                      static_cast<int>(text.size()));
  promise(length == static_cast<int>(bytes.size()), "base64 is base64");
  bytes.resize(bytes.size() - static_cast<std::size_t>(text.size() - text.find_last_not_of('=') - 1));
  return bytes;
}

void check_base64(std::string const& bytes) {
  std::string const text = base64_encode(bytes);
  promise(text.size() == (bytes.size() + 2) / 3 * 4, "base64 has 4 characters for 3 bytes");
  for (char const c : text) {
    promise(c != '\0' && (std::isalnum(static_cast<unsigned char>(c)) || std::strchr("+/=", c)), "base64's alphabet");
  }
  promise(text.empty() ? bytes.empty() : base64_decoded(text) == bytes, "base64 is read back");
}

void check_form(std::string const& input) {
  form_fields fields;
  for (std::string const& line : fuzz::lines(input)) {
    std::size_t const equals = line.find('=');
    fields.emplace_back(line.substr(0, equals), equals == std::string::npos ? "" : line.substr(equals + 1));
  }
  std::string const body = form_encode(fields);
  for (char const c : body) {
    promise(c != '\0' && (std::isalnum(static_cast<unsigned char>(c)) || std::strchr("*-._+%&=", c)),
            "form's alphabet");
  }
  form_fields found;
  for (std::size_t start = 0; start < body.size();) {
    std::size_t const end = (std::min)(body.find('&', start), body.size());
    std::size_t const equals = body.find('=', start);
    promise(equals < end, "each field has a =");
    promise(body.find('=', equals + 1) >= end, "each field has one =");
    found.emplace_back(fuzz::decoded(body.substr(start, equals - start), true),
                       fuzz::decoded(body.substr(equals + 1, end - equals - 1), true));
    start = end + 1;
  }
  promise(found == fields, "a form is read back");
}

void check_basic(std::string const& input) {
  std::size_t const colon = (std::min)(input.find(':'), input.size());
  std::string const id = input.substr(0, colon);
  std::string const password = input.substr((std::min)(colon + 1, input.size()));
  std::string const plain = detail::basic_auth(id, password, basic_encoding::plain).reveal();
  promise(plain.compare(0, 6, "Basic ") == 0 && base64_decoded(plain.substr(6)) == id + ":" + password, "Basic");
  std::string const encoded =
      base64_decoded(detail::basic_auth(input, input, basic_encoding::form_encoded).reveal().substr(6));
  std::size_t const middle = encoded.find(':');
  promise(fuzz::decoded(encoded.substr(0, middle), true) == input, "a form-encoded id may contain a colon");
  promise(fuzz::decoded(encoded.substr(middle + 1), true) == input, "so may a secret");
}

void encoders(std::string const& input) {
  check_base64(input);
  check_form(input);
  check_basic(input);
  std::string const text = detail::form_encode_text(input);
  promise(fuzz::decoded(text, true) == input, "a form value is read back");
  promise(detail::percent_decode(fuzz::replaced(text, "+", "%20")) == input, "our own decoder reads it too");
}

fuzz::registered const here("encoders", encoders);

}  // namespace
