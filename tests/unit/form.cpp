// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::form_encode;
using cibmtr_auth::form_fields;
using cibmtr_auth::detail::form_encode_text;

/// What a server does: split at `&`, then at the first `=`, then undo `+` and `%XX`.
std::string decode_text(std::string const& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      bytes += text[i] == '+' ? ' ' : text[i];
    }
  }
  return bytes;
}

form_fields decode(std::string const& body) {
  form_fields fields;
  for (std::size_t start = 0; start < body.size();) {
    std::size_t end = body.find('&', start);
    end = end == std::string::npos ? body.size() : end;
    std::string const field = body.substr(start, end - start);
    std::size_t const equals = field.find('=');
    fields.emplace_back(decode_text(field.substr(0, equals)), decode_text(field.substr(equals + 1)));
    start = end + 1;
  }
  return fields;
}

std::string random_bytes(std::mt19937& random, std::size_t max_size) {
  std::string bytes(random() % (max_size + 1), '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random() & 255U);
  }
  return bytes;
}

}  // namespace

TEST_CASE("a form value is encoded as in RFC 6749, appendix B") {
  CHECK(form_encode_text(" %&+\xC2\xA3\xE2\x82\xAC") == "+%25%26%2B%C2%A3%E2%82%AC");
  CHECK(form_encode_text("") == "");
}

TEST_CASE("a form body contains its fields in the order in which they were given") {
  CHECK(form_encode({{"grant_type", "password"},
                     {"scope", "api_cibmtr_fhir_ehr_client"},
                     {"username", "svc+a@x.org"},
                     {"password", "p&=%+ \xC2\xA3\xE2\x82\xAC"}}) ==
        "grant_type=password&scope=api_cibmtr_fhir_ehr_client&username=svc%2Ba%40x.org"
        "&password=p%26%3D%25%2B+%C2%A3%E2%82%AC");
  CHECK(form_encode({{"z", "1"}, {"a", "2"}, {"z", "3"}}) == "z=1&a=2&z=3");
}

TEST_CASE("a form body without fields is empty, and empty names and values keep their = and &") {
  CHECK(form_encode({}) == "");
  CHECK(form_encode({{"", ""}}) == "=");
  CHECK(form_encode({{"", ""}, {"a", ""}, {"", "b"}}) == "=&a=&=b");
}

TEST_CASE("form encoding leaves letters, digits and *-._ unchanged, and nothing else") {
  std::string const kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._";
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    std::string const byte(1, static_cast<char>(code));
    std::string const hex = "0123456789ABCDEF";
    std::string const escaped = {'%', hex[static_cast<std::size_t>(code / 16)],
                                 hex[static_cast<std::size_t>(code % 16)]};
    bool const is_kept = kept.find(byte) != std::string::npos;
    CHECK(form_encode_text(byte) == (is_kept ? byte : code == ' ' ? "+" : escaped));
    CHECK(form_encode({{byte, byte}}) == form_encode_text(byte) + "=" + form_encode_text(byte));
  }
}

TEST_CASE("a form body of random bytes is read back as it was") {
  unsigned const seed = 6749;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    form_fields fields;
    for (auto count = random() % 6; count > 0; --count) {
      std::string name = random_bytes(random, 40);
      fields.emplace_back(name, random_bytes(random, 4096));
    }
    std::string const body = form_encode(fields);
    CHECK(body.find_first_of("\r\n \"\\;") == std::string::npos);
    CHECK((decode(body) == fields));
  }
}
