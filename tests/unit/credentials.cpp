// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <string>

#include <doctest/doctest.h>

#include "support/refusal.hpp"

namespace {

using cibmtr_auth::check;
using cibmtr_auth::credentials;

credentials client_credentials() {
  credentials c;
  c.client_id = "0oa1B2c3D4e5F6g7h8i9";
  c.client_secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn";
  c.scope = "api_cibmtr_fhir_ehr_client";
  return c;
}

credentials password_credentials() {
  credentials c = client_credentials();
  c.username = "svc@center.example";
  c.password = "correct horse";
  return c;
}

/// The message with which `check` refuses; empty when it accepts.
std::string refusal(credentials const& c) {
  return tests::refusal([&c] { check(c); });
}

/// The field that the refusal names, its first word.
std::string refused_field(credentials const& c) {
  std::string const message = refusal(c);
  return message.substr(0, message.find(' '));
}

}  // namespace

TEST_CASE("credentials of either grant are accepted") {
  CHECK(refusal(client_credentials()) == "");
  CHECK_FALSE(client_credentials().uses_password_grant());
  CHECK(refusal(password_credentials()) == "");
  CHECK(password_credentials().uses_password_grant());
}

TEST_CASE("credentials with an empty field are refused by that field's name") {
  struct {
    char const* field;
    void (*empty)(credentials&);
  } const fields[] = {
      {"client_id", [](credentials& c) { c.client_id = ""; }},
      {"client_secret", [](credentials& c) { c.client_secret = ""; }},
      {"scope", [](credentials& c) { c.scope = ""; }},
      {"username", [](credentials& c) { c.username = ""; }},
      {"password", [](credentials& c) { c.password = ""; }},
  };
  for (auto const& each : fields) {
    CAPTURE(each.field);
    credentials c = password_credentials();
    each.empty(c);
    CHECK(refused_field(c) == each.field);
    CHECK(refusal(c).find("is empty") != std::string::npos);
  }
  CHECK(refused_field(credentials()) == "client_id");
}

TEST_CASE("a client id and a client secret are any printable ASCII, a space included") {
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    std::string const text = std::string("a") + static_cast<char>(code) + "b";
    bool const is_printable = code >= 0x20 && code <= 0x7E;
    credentials c = client_credentials();
    c.client_id = text;
    CHECK(refused_field(c) == (is_printable ? "" : "client_id"));
    c = client_credentials();
    c.client_secret = text;
    CHECK(refused_field(c) == (is_printable ? "" : "client_secret"));
  }
}

TEST_CASE("a scope is one or more scope tokens with one space between two of them") {
  for (char const* const scope : {"api_cibmtr_fhir_ehr_client", "system/*.crus",
                                  "system/*.crus system/Patient.r openid", "!", "#[]~", "a b", "urn:x:y/z?a=b&c"}) {
    CAPTURE(scope);
    credentials c = client_credentials();
    c.scope = scope;
    CHECK(refusal(c) == "");
  }
  for (std::string const scope :
       {" ", "  ", " a", "a ", "a  b", "a\tb", "a\nb", "a\n", "\"a\"", "a\\b", "a\x7F", "\xC2\xA3"}) {
    CAPTURE(scope);
    credentials c = client_credentials();
    c.scope = scope;
    CHECK(refused_field(c) == "scope");
  }
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    bool const is_scope_character = code == 0x21 || (code >= 0x23 && code <= 0x5B) || (code >= 0x5D && code <= 0x7E);
    credentials c = client_credentials();
    c.scope = std::string(1, static_cast<char>(code));
    CHECK(refused_field(c) == (is_scope_character ? "" : "scope"));
    c.scope = std::string("a") + static_cast<char>(code) + "b";
    CHECK(refused_field(c) == (is_scope_character || code == ' ' ? "" : "scope"));
  }
}

TEST_CASE("a username and a password are any UTF-8 but control characters") {
  struct {
    char const* what;
    std::string text;
    bool accepted;
  } const texts[] = {
      {"printable ASCII", " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", true},
      {"pound and euro", "p&=%+ \xC2\xA3\xE2\x82\xAC", true},
      {"U+00A0, the first after the C1 controls", "\xC2\xA0", true},
      {"U+07FF, the last of two bytes", "\xDF\xBF", true},
      {"U+0800, the first of three bytes", "\xE0\xA0\x80", true},
      {"U+D7FF, the last before the surrogates", "\xED\x9F\xBF", true},
      {"U+E000, the first after the surrogates", "\xEE\x80\x80", true},
      {"U+FFFF, the last of three bytes", "\xEF\xBF\xBF", true},
      {"U+10000, the first of four bytes", "\xF0\x90\x80\x80", true},
      {"U+1F600, an emoji", "\xF0\x9F\x98\x80", true},
      {"U+FFFFF", "\xF3\xBF\xBF\xBF", true},
      {"U+10FFFF, the last of all", "\xF4\x8F\xBF\xBF", true},
      {"NUL", std::string("a\0b", 3), false},
      {"line feed", "a\n", false},
      {"carriage return", "a\r", false},
      {"tab", "a\tb", false},
      {"U+001F", "\x1F", false},
      {"DEL", "a\x7F", false},
      {"U+0080, the first C1 control", "\xC2\x80", false},
      {"U+0085, next line", "\xC2\x85", false},
      {"U+009F, the last C1 control", "\xC2\x9F", false},
      {"Latin-1", "caf\xE9", false},
      {"Latin-1 in the middle", "caf\xE9s", false},
      {"a lone continuation byte", "a\x80", false},
      {"two continuation bytes", "\xBF\xBF", false},
      {"overlong slash of two bytes", "\xC0\xAF", false},
      {"overlong of two bytes", "\xC1\xBF", false},
      {"overlong of three bytes", "\xE0\x9F\xBF", false},
      {"overlong NUL of three bytes", "\xE0\x80\x80", false},
      {"overlong of four bytes", "\xF0\x8F\xBF\xBF", false},
      {"U+D800, the first surrogate", "\xED\xA0\x80", false},
      {"U+DFFF, the last surrogate", "\xED\xBF\xBF", false},
      {"U+110000, past the end", "\xF4\x90\x80\x80", false},
      {"a lead byte past the end", "\xF5\x80\x80\x80", false},
      {"five bytes", "\xF8\x88\x80\x80\x80", false},
      {"FE and FF", "\xFE\xFF", false},
      {"one of two bytes", "\xC2", false},
      {"one of three bytes", "\xE2", false},
      {"two of three bytes", "\xE2\x82", false},
      {"two of three bytes, then ASCII",
       "\xE2\x82"
       "a",
       false},
      {"three of four bytes", "\xF0\x9F\x98", false},
      {"three of four bytes, then a lead byte", "\xF0\x9F\x98\xC2\xA3", false},
      {"text, then a truncated character", "hunter\xF0\x9F", false},
  };
  for (auto const& each : texts) {
    CAPTURE(each.what);
    credentials c = password_credentials();
    c.username = each.text;
    CHECK(refused_field(c) == (each.accepted ? "" : "username"));
    c = password_credentials();
    c.password = each.text;
    CHECK(refused_field(c) == (each.accepted ? "" : "password"));
  }
}

TEST_CASE("a refusal never holds the value of any field") {
  std::string const value = "hunter2";
  std::string const spoilt[] = {value + "\n", value + "\x7F", value + "\xE9", value + "  x\\",
                                value + std::string(1, '\0')};
  for (std::string const& text : spoilt) {
    for (int field = 0; field < 5; ++field) {
      CAPTURE(field);
      credentials c = password_credentials();
      c.client_id = value;
      c.client_secret = value;
      c.scope = value;
      c.username = value;
      c.password = value;
      switch (field) {
        case 0: c.client_id = text; break;
        case 1: c.client_secret = text; break;
        case 2: c.scope = text; break;
        case 3: c.username = text; break;
        default: c.password = text; break;
      }
      CHECK((refusal(c).find(value) == std::string::npos));
    }
  }
}
