// SPDX-License-Identifier: MIT
// JSON values with their source text, read more strictly than picojson does.

#ifndef CIBMTR_AUTH_EXAMPLES_JSON_HPP
#define CIBMTR_AUTH_EXAMPLES_JSON_HPP

#include <picojson.h>

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

/// A JSON value (RFC 8259), valid as long as the text it was read from. A number is never converted: 7.10 would become
/// 7.0999999999999996, and a decimal's precision is part of its value (FHIR R4, data types, "decimal").
class json {
 public:
  using input = picojson::input<std::string::const_iterator>;

  explicit json(int depth = 0) : depth_(depth) {}

  /// Calls `use` with each of the values that follow one another in `text`. Throws `std::runtime_error`, which names a
  /// problem and a line, and never quotes the text.
  template <class Use>
  static void read_each(std::string const& text, Use use) {
    check_characters(text);
    input in(text.begin() + (text.compare(0, 3, "\xEF\xBB\xBF") == 0 ? 3 : 0), text.end());
    for (in.skip_ws(); in.cur() != text.end(); in.skip_ws()) {
      json value;
      value.read(in);
      use(value);
    }
  }

  /// Null unless `text` is one valid value.
  static json parse(std::string const& text) {
    std::vector<json> values;
    try {
      read_each(text, [&values](json const& value) { values.push_back(value); });
    } catch (std::runtime_error const&) {
    }
    return values.size() == 1 ? values[0] : json();
  }

  bool is_null() const { return type_ == type::null; }
  bool is_true() const { return type_ == type::yes; }
  bool is_array() const { return type_ == type::array; }
  /// Empty if this is not a string.
  std::string const& string() const { return string_; }
  /// The elements of an array, or the values of an object's members.
  std::vector<json> const& items() const { return items_; }
  /// Null if this is not an object with such a member.
  json const& operator[](std::string const& name) const {
    static json const null;
    auto const found = std::find(names_.begin(), names_.end(), name);
    return found == names_.end() ? null : items_[static_cast<std::size_t>(found - names_.begin())];
  }
  /// The value as it was written.
  std::string source() const { return std::string(begin_, end_); }

  // What picojson calls while it parses.
  bool set_null() { return true; }
  bool set_bool(bool is_true) { return set(is_true ? type::yes : type::no); }
  bool set_int64(std::int64_t) { return set(type::number); }
  bool set_number(double) { return set(type::number); }
  bool parse_string(input& in) { return set(type::string) && picojson::_parse_string(string_, in); }
  bool parse_array_start() { return set(type::array); }
  bool parse_array_item(input& in, std::size_t) { return add_item(in); }
  bool parse_array_stop(std::size_t) { return true; }
  bool parse_object_start() { return set(type::object); }
  bool parse_object_item(input& in, std::string const& name) {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) {
      throw invalid("has an object with two members of the same name", in.line());  // which one counts?
    }
    names_.push_back(name);
    return add_item(in);
  }
  bool parse_object_stop() { return true; }

 private:
  enum class type { null, no, yes, number, string, array, object };

  bool set(type found) {
    type_ = found;
    return true;
  }
  bool add_item(input& in) {
    items_.emplace_back(depth_ + 1);
    items_.back().read(in);
    return true;
  }
  void read(input& in) {
    static std::regex const number("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?");
    if (depth_ > 100) {  // the parser is recursive
      throw invalid("nests brackets more than 100 deep", in.line());
    }
    in.skip_ws();
    begin_ = in.cur();
    bool const is_read = picojson::_parse(*this, in);
    end_ = in.cur();
    if (!is_read ||
        (type_ == type::number && !std::regex_match(begin_, end_, number))) {  // picojson accepts 01, 1., -.5
      throw invalid("is not JSON", in.line());
    }
  }

  static void check_characters(std::string const& text) {
    std::size_t begin = 0;
    for (int line = 1; begin < text.size(); ++line) {
      std::size_t const end = (std::min)(text.find('\n', begin), text.size());
      std::string content = text.substr(begin, end - begin);
      std::replace_if(
          content.begin(), content.end(), [](char c) { return c == '\t' || c == '\r'; }, ' ');
      if (!cibmtr_auth::detail::is_utf8_text(content)) {
        throw invalid("has a control character or is not UTF-8", line);
      }
      begin = end + 1;
    }
  }

  static std::runtime_error invalid(std::string const& problem, int line) {
    return std::runtime_error("the input " + problem + ": see line " + std::to_string(line));
  }

  int depth_;
  type type_ = type::null;
  std::string string_;
  std::vector<std::string> names_;  ///< of an object's members
  std::vector<json> items_;
  std::string::const_iterator begin_{};
  std::string::const_iterator end_{};
};

#endif  // CIBMTR_AUTH_EXAMPLES_JSON_HPP
