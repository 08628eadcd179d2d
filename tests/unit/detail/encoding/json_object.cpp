// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cmath>
#include <cstddef>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::detail::json_object;
using cibmtr_auth::detail::json_type;

bool is_accepted(std::string const& text) {
  json_object object;
  bool const accepted = object.read(text);
  CHECK(accepted == (object.problem() == std::string()));
  return accepted;
}

std::string problem(std::string const& text) {
  json_object object;
  object.read(text);
  return object.problem();
}

std::string repeat(std::string const& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

double number(std::string const& text) {
  json_object object;
  REQUIRE(object.read("{\"n\":" + text + "}"));
  REQUIRE((object.find("n")->type == json_type::number));
  return object.find("n")->number;
}

/// `text` is what is between the quotes.
std::string string(std::string const& text) {
  json_object object;
  REQUIRE(object.read("{\"s\":\"" + text + "\"}"));
  REQUIRE(object.string_member("s"));
  return *object.string_member("s");
}

/// One of everything.
std::string document() {
  return R"( { "access_token" : "ey\"J\u00e9\ud83d\ude00.x" , "expires_in":86400.5e-1, "list":[1,[2,{"a":[]}],"b"],)"
         "\r\n\t"
         R"("object":{"access_token":"inner","n":null}, "yes":true,"no":false,"none":null,"empty":"" } )";
}

}  // namespace

TEST_CASE("the members of an object are found by name, with their types") {
  json_object object;
  REQUIRE(object.read(document()));
  CHECK(object.problem() == std::string());
  CHECK(object.end() - object.begin() == 8);
  CHECK((*object.string_member("access_token") == "ey\"J\xC3\xA9\xF0\x9F\x98\x80.x"));
  CHECK((object.find("expires_in")->type == json_type::number));
  CHECK(object.find("expires_in")->number == 8640.05);
  CHECK((object.find("list")->type == json_type::nested));
  CHECK((object.find("object")->type == json_type::nested));
  CHECK((object.find("yes")->type == json_type::boolean));
  CHECK((object.find("no")->type == json_type::boolean));
  CHECK((object.find("none")->type == json_type::null));
  REQUIRE(object.string_member("empty"));
  CHECK(object.string_member("empty")->empty());
  CHECK(object.find("n") == nullptr);
  CHECK(object.find("") == nullptr);
}

TEST_CASE("a member of another type is not a string") {
  json_object object;
  REQUIRE(object.read(document()));
  for (char const* const name : {"expires_in", "list", "object", "yes", "none", "absent"}) {
    CAPTURE(name);
    CHECK(object.string_member(name) == nullptr);
  }
}

TEST_CASE("an empty object is an object, and white space around it is ignored") {
  for (char const* const text : {"{}", " {} ", "\r\n\t{ \n}\r\n", "{\"a\":1}\n", "{\"a\" : 1 } \t\r\n"}) {
    CAPTURE(text);
    CHECK(is_accepted(text));
  }
}

TEST_CASE("anything but one object is rejected") {
  for (std::string const& text : {std::string(),
                                  std::string(" "),
                                  std::string("[]"),
                                  std::string("[{}]"),
                                  std::string("1"),
                                  std::string("-1.5"),
                                  std::string("\"text\""),
                                  std::string("true"),
                                  std::string("false"),
                                  std::string("null"),
                                  std::string("nul"),
                                  std::string("{"),
                                  std::string("}"),
                                  std::string("{]"),
                                  std::string("<html>"),
                                  std::string("a=b"),
                                  std::string("\xEF\xBB\xBF{}"),
                                  std::string("\0", 1),
                                  std::string("\0{}", 3),
                                  std::string("{\0}", 3),
                                  std::string("\v{}"),
                                  std::string("\f{}")}) {
    CAPTURE(text);
    CHECK_FALSE(is_accepted(text));
    CHECK(problem(text) == "is not a JSON object");
  }
}

TEST_CASE("text after the object is rejected") {
  for (std::string const& text :
       {std::string("{}{}"), std::string("{},"), std::string("{}x"), std::string("{}]"), std::string("{} 1"),
        std::string("{}\n{}"), std::string("{}\0", 3), std::string("{} \0 ", 5), std::string("{}\xEF\xBB\xBF")}) {
    CAPTURE(text);
    CHECK_FALSE(is_accepted(text));
    CHECK(problem(text) == "has text after the object");
  }
}

TEST_CASE("text after something else than an object is not what is wrong") {
  CHECK(problem("1 2") == "is not a JSON object");
  CHECK(problem("null {}") == "is not a JSON object");
}

TEST_CASE("broken syntax inside an object is rejected") {
  for (char const* const text : {"{a:1}",
                                 "{'a':1}",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\"1}",
                                 "{\"a\":1,}",
                                 "{,\"a\":1}",
                                 "{\"a\":1 \"b\":2}",
                                 "{\"a\":1;\"b\":2}",
                                 "{\"a\":[1,]}",
                                 "{\"a\":[1}",
                                 "{\"a\":{]}",
                                 "{\"a\":[}]",
                                 "{\"a\":tru}",
                                 "{\"a\":True}",
                                 "{\"a\":nil}",
                                 "{\"a\":NaN}",
                                 "{\"a\":Infinity}",
                                 "{\"a\":-Infinity}",
                                 "{\"a\":+1}",
                                 "{\"a\":.5}",
                                 "{\"a\":-}",
                                 "{\"a\":1-2}",
                                 "{\"a\":1.2.3}",
                                 "{\"a\":1e}",
                                 "{\"a\":0x10}",
                                 "{\"a\":1 2}",
                                 "{\"a\":/**/1}",
                                 "{1:2}",
                                 "{null:2}",
                                 "{\"a\":\"b}",
                                 "{\"a\":\"b\nc\"}",
                                 "{\"a\":\"b\tc\"}",
                                 "{\"a\nb\":1}"}) {
    CAPTURE(text);
    CHECK_FALSE(is_accepted(text));
  }
}

TEST_CASE("two members of the same name are rejected, even if one name is written in escapes") {
  for (char const* const text :
       {R"({"a":1,"a":1})", R"({"a":1,"b":2,"a":{}})", R"({"a":"x","\u0061":"y"})", R"({"":1,"":2})"}) {
    CAPTURE(text);
    CHECK_FALSE(is_accepted(text));
    CHECK(problem(text) == "has the same member twice");
  }
  CHECK(is_accepted(R"({"a":1,"A":1})"));
}

TEST_CASE("an object has at most 64 members") {
  std::string text = "{";
  for (int i = 1; i < 64; ++i) {
    text += "\"" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  }
  json_object object;
  REQUIRE(object.read(text + R"("last":"x"})"));
  CHECK((*object.string_member("last") == "x"));
  CHECK(problem(text + R"("last":"x","one more":"x"})") == "has more than 64 members");
  CHECK(problem(text + R"("last":"x","1":"x"})") == "has the same member twice");
  CHECK(is_accepted(text + R"("last":{"one more":"x"}})"));
}

TEST_CASE("nested members do not count as members of the object") {
  json_object object;
  REQUIRE(object.read(R"({"a":{"token":"inner","token":"again"},"b":[{"token":"inner"}],"c":"x"})"));
  CHECK(object.end() - object.begin() == 3);
  CHECK(object.find("token") == nullptr);
  CHECK((*object.string_member("c") == "x"));
}

TEST_CASE("nesting up to 32 levels, the object itself counted, is skipped, deeper nesting is refused") {
  for (int levels : {2, 3, 31, 32, 33, 34}) {
    CAPTURE(levels);
    int const below = levels - 1;
    for (std::string const& text : {"{\"a\":" + repeat("[", below) + repeat("]", below) + "}",
                                    repeat("{\"a\":", below) + "{}" + repeat("}", below)}) {
      CHECK(is_accepted(text) == (levels <= 32));
      CHECK(problem(text) == (levels <= 32 ? "" : "is nested too deeply"));
    }
  }
}

TEST_CASE("nesting 100,000 deep neither crashes nor is accepted") {
  int const depth = 100000;
  for (std::string const& text :
       {repeat("{\"a\":", depth), repeat("{\"a\":", depth) + "1" + repeat("}", depth), "{\"a\":" + repeat("[", depth),
        "{\"a\":" + repeat("[", depth) + repeat("]", depth) + "}", "{\"a\":" + repeat("[{\"b\":", depth)}) {
    CHECK_FALSE(is_accepted(text));
    CHECK(problem(text) == "is nested too deeply");
  }
  CHECK_FALSE(is_accepted(repeat("[", depth)));
}

TEST_CASE("a number is read as it stands, one out of range as infinite") {
  CHECK(number("0") == 0);
  CHECK(number("-0") == 0);
  CHECK(std::signbit(number("-0.0")));
  CHECK(number("86400") == 86400);
  CHECK(number("-1") == -1);
  CHECK(number("0.5") == 0.5);
  CHECK(number("1e3") == 1000);
  CHECK(number("1E+3") == 1000);
  CHECK(number("1.5e-1") == 0.15);
  CHECK(number("9007199254740993") == 9007199254740992.0);
  CHECK(number("9223372036854775807") == 9223372036854775808.0);
  CHECK(number("9223372036854775808") == 9223372036854775808.0);
  CHECK(number("18446744073709551616") == 18446744073709551616.0);
  CHECK(number("1" + repeat("0", 300)) == 1e300);
  CHECK(std::isinf(number("1e400")));
  CHECK(std::isinf(number("-1e400")));
  CHECK(number("-1e400") < 0);
  CHECK(std::isinf(number("1" + repeat("0", 400))));
  CHECK(number("1e-400") == 0);
}

TEST_CASE("numbers are read as leniently as picojson reads them") {
  CHECK(number("01") == 1);
  CHECK(number("1.") == 1);
  CHECK(number("-.5") == -0.5);
}

TEST_CASE("a string's escapes are decoded, also to characters that its user must reject") {
  CHECK((string(R"(\u0000)") == std::string(1, '\0')));
  CHECK((string(R"(a\u000d\u000ab)") == "a\r\nb"));
  CHECK((string(R"(a\r\n\t\b\f\"\\\/)") == "a\r\n\t\b\f\"\\/"));
  CHECK((string(R"(\u00a3\u20AC\ud83D\uDe00)") == "\xC2\xA3\xE2\x82\xAC\xF0\x9F\x98\x80"));
  CHECK((string("\xC2\xA3\xE2\x82\xAC") == "\xC2\xA3\xE2\x82\xAC"));
  CHECK((string("\x7F") == "\x7F"));
  CHECK((string(repeat(R"(\")", 5000)) == repeat("\"", 5000)));
}

TEST_CASE("a string with escapes is read into memory reserved once, because growing would leave copies behind") {
  std::string const text = R"(a\"b\\)" + repeat("hunter2", 18);
  json_object object;
  REQUIRE(object.read("{\"s\":\"" + text + "\"}"));
  CHECK(object.string_member("s")->capacity() < text.size() + 16);
}

TEST_CASE("an invalid escape is rejected") {
  for (char const* const text : {R"(\u)", R"(\u1)", R"(\u12)", R"(\u123)", R"(\u12g4)", R"(\u 123)", R"(\U0041)",
                                 R"(\x41)", R"(\a)", R"(\')", R"(\0)", R"(\ud83d)", R"(\ud83dx)", R"(\ud83d\n)",
                                 R"(\ud83d\u0041)", R"(\ud83d\ud83d)", R"(\ude00)", R"(\ude00\ud83d)"}) {
    CAPTURE(text);
    CHECK_FALSE(is_accepted("{\"s\":\"" + std::string(text) + "\"}"));
    CHECK_FALSE(is_accepted("{\"" + std::string(text) + "\":1}"));
    CHECK_FALSE(is_accepted("{\"a\":[\"" + std::string(text) + "\"]}"));
  }
}

TEST_CASE("a raw control character inside a string is rejected") {
  for (char control = 0; control < ' '; ++control) {
    CAPTURE(int(control));
    CHECK_FALSE(is_accepted(std::string("{\"s\":\"a") + control + "b\"}"));
    CHECK_FALSE(is_accepted(std::string("{\"a") + control + "b\":1}"));
  }
}

TEST_CASE("a document that is cut short anywhere is rejected") {
  std::string const whole = document();
  std::size_t const end = whole.find_last_of('}') + 1;
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    CAPTURE(length);
    CHECK(is_accepted(whole.substr(0, length)) == (length >= end));
  }
}

TEST_CASE("a document with changed, missing or additional bytes never crashes the reader") {
  unsigned const seed = 8259;
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::string const whole = document();
  std::string const syntax = "{}[]\",:\\u0d8e-+.tfn \n";
  for (int round = 0; round < 5000; ++round) {
    CAPTURE(round);
    std::string text = whole;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      std::size_t const place = random() % text.size();
      char const byte = random() % 2 ? syntax[random() % syntax.size()] : static_cast<char>(random() & 255U);
      switch (random() % 3) {
        case 0: text[place] = byte; break;
        case 1: text.erase(place, 1 + random() % 4); break;
        default: text.insert(place, 1 + random() % 4, byte); break;
      }
    }
    json_object object;
    bool const accepted = object.read(text);
    CHECK(accepted == (object.problem() == std::string()));
    if (accepted) {
      CHECK(object.end() - object.begin() <= static_cast<std::ptrdiff_t>(whole.size()));
    }
  }
}

TEST_CASE("an object that is read again forgets its old members") {
  json_object object;
  REQUIRE(object.read(R"({"a":"x"})"));
  REQUIRE(object.read(R"({"b":"y"})"));
  CHECK(object.find("a") == nullptr);
  CHECK_FALSE(object.read("[]"));
  CHECK(object.begin() == object.end());
  CHECK(object.problem() == std::string("is not a JSON object"));
}

TEST_CASE("a problem never quotes the text") {
  for (char const* const text :
       {"hunter2", R"({"hunter2":1,"hunter2":2})", R"({"a":"hunter2"}hunter2)", R"({"a":"hunter2)"}) {
    CHECK(problem(text).find("hunter2") == std::string::npos);
  }
}
