// SPDX-License-Identifier: MIT
// The top-level members of one JSON object (RFC 8259), and of nothing that only looks like one.

#ifndef CIBMTR_AUTH_DETAIL_ENCODING_JSON_OBJECT_HPP
#define CIBMTR_AUTH_DETAIL_ENCODING_JSON_OBJECT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <picojson.h>

#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {
inline namespace v1_0 {
namespace detail {

struct json_member {
  std::string name;
  enum class type { null, boolean, number, string, nested };
  type is = type::null;
  double number = 0;  ///< infinite when the text is out of range
  secret text;        ///< of a string
};

/// Token answers and credentials files are one flat object each, of few members. Nested values are skipped, not kept.
class json_object {
 public:
  /// False when `text` is anything but one object with distinct member names and nothing behind it;
  /// `problem()` then says why, without quoting the text.
  bool read(std::string const& text);
  char const* problem() const noexcept { return problem_; }

  json_member const* begin() const noexcept { return members_; }
  json_member const* end() const noexcept { return members_ + size_; }
  /// Null when there is no such member.
  json_member const* find(std::string const& name) const {
    for (json_member const& member : *this) {
      if (member.name == name) {
        return &member;
      }
    }
    return nullptr;
  }
  /// The text of a string member; null when it is absent or of another type.
  std::string const* find_string(std::string const& name) const {
    json_member const* const member = find(name);
    return member && member->is == json_member::type::string ? &member->text.reveal() : nullptr;
  }

 private:
  class reader;
  static constexpr std::size_t most_members = 64;
  json_member members_[most_members];
  std::size_t size_ = 0;
  char const* problem_ = "is not a JSON object";
};

/// A parse context for picojson's event interface. Its tree would overflow the stack on deep nesting and
/// throw on 1e400; this one counts depth and keeps nothing below the top.
class json_object::reader {
 public:
  reader(json_object& object, std::string::const_iterator end) : reader(object, end, nullptr, 0) {}
  reader(reader const&) = delete;
  reader& operator=(reader const&) = delete;

  bool set_null() { return set(json_member::type::null); }
  bool set_bool(bool) { return set(json_member::type::boolean); }
  bool set_int64(std::int64_t value) { return set_number(static_cast<double>(value)); }
  bool set_number(double value) {
    if (member_) {
      member_->number = value;
    }
    return set(json_member::type::number);
  }
  template <typename Input>
  bool parse_string(Input& in) {
    std::string text;
    auto const begin = in.cur();
    auto quote = begin;
    while (quote != end_ && *quote != '"') {
      quote += *quote == '\\' && end_ - quote > 1 ? 2 : 1;
    }
    text.reserve(static_cast<std::size_t>(quote - begin));  // growing would leave copies behind
    bool const well_formed = picojson::_parse_string(text, in);
    secret kept(std::move(text));
    if (member_) {
      member_->text = std::move(kept);
    }
    return well_formed && set(json_member::type::string);
  }
  bool parse_array_start() { return depth_ > 0 && set_nested(); }
  template <typename Input>
  bool parse_array_item(Input& in, std::size_t) {
    return parse_below(in, nullptr);
  }
  bool parse_array_stop(std::size_t) { return true; }
  bool parse_object_start() { return depth_ == 0 || set_nested(); }
  template <typename Input>
  bool parse_object_item(Input& in, std::string const& name) {
    if (depth_ > 0) {
      return parse_below(in, nullptr);
    }
    bool const is_repeated = object_.find(name) != nullptr;
    if (is_repeated || object_.size_ == most_members) {
      object_.problem_ = is_repeated ? "names a member twice" : "has more than 64 members";
      return false;
    }
    json_member& added = object_.members_[object_.size_++];
    added.name = name;
    return parse_below(in, &added);
  }
  bool parse_object_stop() {
    if (depth_ == 0) {
      object_.problem_ = "";
    }
    return true;
  }

 private:
  static constexpr int deepest = 32;

  reader(json_object& object, std::string::const_iterator end, json_member* member, int depth)
      : object_(object), end_(end), member_(member), depth_(depth) {}

  bool set(json_member::type type) {
    if (member_) {
      member_->is = type;
    }
    return true;
  }
  bool set_nested() {
    if (depth_ == deepest) {
      object_.problem_ = "is nested too deeply";
      return false;
    }
    return set(json_member::type::nested);
  }
  template <typename Input>
  bool parse_below(Input& in, json_member* member) {
    in.skip_ws();
    reader below(object_, end_, member, depth_ + 1);
    return !is_sloppy_number(in.cur()) && picojson::_parse(below, in);
  }
  /// What picojson takes for a number and RFC 8259, section 6, does not: `01`, `1.`, `-.5`.
  bool is_sloppy_number(std::string::const_iterator at) const {
    auto is_digit = [this](std::string::const_iterator place) {
      return place != end_ && *place >= '0' && *place <= '9';
    };
    bool const is_negative = at != end_ && *at == '-';
    at += is_negative ? 1 : 0;
    if (!is_digit(at)) {
      return is_negative;
    }
    if (*at == '0' && is_digit(at + 1)) {
      return true;
    }
    at = std::find_if_not(at, end_, [](char c) { return c >= '0' && c <= '9'; });
    return at != end_ && *at == '.' && !is_digit(at + 1);
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

}  // namespace detail
}  // namespace v1_0
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_DETAIL_ENCODING_JSON_OBJECT_HPP
