// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::base64_encode;

/// Bit by bit, as in RFC 4648, section 4.
std::string decode(std::string const& text) {
  std::string const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (char const character : text.substr(0, text.find('='))) {
    bits = bits << 6U | static_cast<unsigned>(alphabet.find(character));
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 255U);
    }
  }
  return bytes;
}

std::string every_byte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
  }
  return bytes;
}

}  // namespace

TEST_CASE("base64 gives the vectors of RFC 4648, section 10") {
  struct {
    char const* bytes;
    char const* text;
  } const vectors[] = {{"", ""},
                       {"f", "Zg=="},
                       {"fo", "Zm8="},
                       {"foo", "Zm9v"},
                       {"foob", "Zm9vYg=="},
                       {"fooba", "Zm9vYmE="},
                       {"foobar", "Zm9vYmFy"}};
  for (auto const& vector : vectors) {
    CAPTURE(vector.bytes);
    CHECK(base64_encode(vector.bytes) == vector.text);
  }
}

TEST_CASE("base64 carries every byte value, NUL included, at every place in a group") {
  CHECK(base64_encode(std::string(1, '\0')) == "AA==");
  CHECK(base64_encode(std::string(3, '\0')) == "AAAA");
  CHECK(base64_encode("\xFB\xFF\xFE") == "+//+");
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    for (std::size_t place = 0; place < 3; ++place) {
      std::string bytes(3, 'x');
      bytes[place] = static_cast<char>(byte);
      CHECK(decode(base64_encode(bytes)) == bytes);
    }
  }
  CHECK(decode(base64_encode(every_byte())) == every_byte());
}

TEST_CASE("base64 never breaks a line, whatever the length") {
  std::string const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t length = 0; length < 400; ++length) {
    CAPTURE(length);
    std::string const text = base64_encode(std::string(length, '\xA5'));
    CHECK(text.size() == (length + 2) / 3 * 4);
    std::size_t const padding = (3 - length % 3) % 3;
    CHECK(text.find_first_not_of(alphabet) == (padding ? text.size() - padding : std::string::npos));
  }
}

TEST_CASE("base64 of random bytes is read back by another decoder") {
  unsigned const seed = 4648;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 4097, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random() & 255U);
    }
    CAPTURE(round);
    std::string const text = base64_encode(bytes);
    CHECK(text.size() == (bytes.size() + 2) / 3 * 4);
    CHECK((decode(text) == bytes));
  }
}
