// SPDX-License-Identifier: MIT
// Reads the top-level members of one JSON object (RFC 8259), and rejects anything else.

#ifndef CIBMTR_AUTH_DETAIL_ENCODING_JSON_OBJECT_HPP
#define CIBMTR_AUTH_DETAIL_ENCODING_JSON_OBJECT_HPP

#include <cstdint>
#include <vector>

#include <picojson.h>

#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

enum class json_type { null, boolean, number, string, nested };

struct json_member {
  std::string name;
  json_type type = json_type::null;
  double number = 0;  ///< infinite if the text is out of range
  secret text;        ///< of a string
};

/// Token responses, records and credentials files are each one flat object with few members. Nested values are checked
/// and skipped.
class json_object {
 public:
  /// False unless `text` is one object with distinct member names and nothing after it; `problem()` then says why,
  /// without quoting the text. Numbers are read as leniently as picojson does (`01`, `1.`).
  bool read(std::string const& text);
  /// Empty after a successful `read`.
  char const* problem() const noexcept { return problem_; }

  std::vector<json_member>::const_iterator begin() const noexcept { return members_.begin(); }
  std::vector<json_member>::const_iterator end() const noexcept { return members_.end(); }
  /// Null if there is no such member.
  json_member const* find(std::string const& name) const {
    for (json_member const& member : members_) {
      if (member.name == name) {
        return &member;
      }
    }
    return nullptr;
  }
  /// The text of a string member; null if it is missing or of another type.
  std::string const* string_member(std::string const& name) const {
    json_member const* const member = find(name);
    return member && member->type == json_type::string ? &member->text.reveal() : nullptr;
  }

 private:
  class reader;
  std::vector<json_member> members_;
  char const* problem_ = "is not a JSON object";
};

/// A parse context for picojson's event interface. picojson's own tree overflows the stack on deep nesting and throws
/// on 1e400; this context counts the depth and stores only the top level.
class json_object::reader {
 public:
  reader(json_object& object, std::string::const_iterator end, json_member* member = nullptr, int depth = 0)
      : object_(object), end_(end), member_(member), depth_(depth) {}
  reader(reader const&) = delete;
  reader& operator=(reader const&) = delete;

  bool set_null() { return set(json_type::null); }
  bool set_bool(bool) { return set(json_type::boolean); }
  bool set_int64(std::int64_t value) { return set_number(static_cast<double>(value)); }
  bool set_number(double value) {
    if (member_) {
      member_->number = value;
    }
    return set(json_type::number);
  }
  template <typename Input>
  bool parse_string(Input& in) {
    std::string text;
    auto const begin = in.cur();
    auto quote = begin;
    while (quote != end_ && *quote != '"') {
      quote += *quote == '\\' && end_ - quote > 1 ? 2 : 1;
    }
    text.reserve(static_cast<std::size_t>(quote - begin));  // growing would leave copies of a secret behind
    bool const is_well_formed = picojson::_parse_string(text, in);
    secret content(std::move(text));
    if (member_) {
      member_->text = std::move(content);
    }
    return is_well_formed && set(json_type::string);
  }
  bool parse_array_start() { return depth_ > 0 && set_nested(); }
  template <typename Input>
  bool parse_array_item(Input& in, std::size_t) {
    return parse_value(in, nullptr);
  }
  bool parse_array_stop(std::size_t) { return true; }
  bool parse_object_start() { return depth_ == 0 || set_nested(); }
  template <typename Input>
  bool parse_object_item(Input& in, std::string const& name) {
    if (depth_ > 0) {
      return parse_value(in, nullptr);
    }
    if (object_.find(name) || object_.members_.size() == max_members) {
      object_.problem_ = object_.find(name) ? "has the same member twice" : "has more than 64 members";
      return false;
    }
    object_.members_.emplace_back();
    object_.members_.back().name = name;
    return parse_value(in, &object_.members_.back());
  }
  bool parse_object_stop() {
    if (depth_ == 0) {
      object_.problem_ = "";
    }
    return true;
  }

 private:
  static constexpr std::size_t max_members = 64;  // each name is compared with all before it
  static constexpr int max_depth = 32;

  bool set(json_type type) {
    if (member_) {
      member_->type = type;
    }
    return true;
  }
  bool set_nested() {
    if (depth_ == max_depth) {
      object_.problem_ = "is nested too deeply";
      return false;
    }
    return set(json_type::nested);
  }
  template <typename Input>
  bool parse_value(Input& in, json_member* member) {
    reader value(object_, end_, member, depth_ + 1);
    return picojson::_parse(value, in);
  }

  json_object& object_;
  std::string::const_iterator end_;
  json_member* member_;
  int depth_;
};

inline bool json_object::read(std::string const& text) {
  *this = json_object();
  reader top(*this, text.end());
  picojson::input<std::string::const_iterator> in(text.begin(), text.end());
  // Not the overload that reports syntax errors: its report would copy the rest of the text.
  if (!picojson::_parse(top, in)) {
    return false;
  }
  in.skip_ws();
  if (*problem_ == '\0' && in.cur() != text.end()) {
    problem_ = "has text after the object";
  }
  return *problem_ == '\0';
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_ENCODING_JSON_OBJECT_HPP
