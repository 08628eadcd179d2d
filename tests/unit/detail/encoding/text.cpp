// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <string>

#include <doctest/doctest.h>

using namespace cibmtr_auth::detail;

TEST_CASE("only the case of ASCII letters is ignored") {
  CHECK(to_lower("AZaz09[`{\xC3\x84") == "azaz09[`{\xC3\x84");
  CHECK(iequals("Content-Type", "cONTENT-tYPE"));
  CHECK(iequals("", ""));
  CHECK_FALSE(iequals("a", "ab"));
  CHECK_FALSE(iequals("@", "`"));
  CHECK_FALSE(iequals("\xC3\x84", "\xC3\xA4"));
  CHECK_FALSE(iequals(std::string("a\0b", 3), std::string("a\0c", 3)));
}

TEST_CASE("white space is removed from both ends and from nowhere else") {
  CHECK(trim(" \t\r\na b\r\n ") == "a b");
  CHECK(trim("a") == "a");
  CHECK(trim("") == "");
  CHECK(trim(" \t ") == "");
  CHECK(trim("\v") == "\v");
}

TEST_CASE("a number is decimal digits, at least one") {
  for (char const* text : {"0", "00", "12345678901234567890"}) {
    CHECK(is_number(text));
  }
  for (char const* text : {"", " 1", "1 ", "+1", "-1", "1.0", "0x1", "\xD9\xA1"}) {
    CHECK_FALSE(is_number(text));
  }
}

TEST_CASE("printable ASCII is the bytes from space to tilde") {
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    CHECK(is_printable_ascii(std::string(1, static_cast<char>(code))) == (code >= 0x20 && code <= 0x7E));
  }
  CHECK(is_printable_ascii(""));
}
