// SPDX-License-Identifier: MIT
// What all fuzz targets use: a list of targets, a promise that aborts when it is broken, a JSON grammar of our own.

#ifndef CIBMTR_AUTH_TESTS_FUZZ_HPP
#define CIBMTR_AUTH_TESTS_FUZZ_HPP

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "support/fake_server.hpp"

namespace fuzz {

using target = void (*)(std::string const& input);

/// One in a libFuzzer program, all of them in the replay.
inline std::map<std::string, target>& targets() {
  static std::map<std::string, target> all;
  return all;
}

struct registered {
  registered(char const* name, target run) { targets()[name] = run; }
};

inline void promise(bool is_kept, char const* what) {
  if (!is_kept) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

/// The error that was thrown; null if none was. Any other exception ends the program.
template <typename Call>
std::shared_ptr<cibmtr_auth::error const> error_of(Call call) {
  try {
    call();
  } catch (cibmtr_auth::error const& thrown) {
    return std::make_shared<cibmtr_auth::error const>(thrown);
  }
  return nullptr;
}

/// What `~` in an input stands for. No message of the library contains it, unless it quotes the input.
static char const mark[] = "Qz7Kv";

inline std::string replaced(std::string text, std::string const& from, std::string const& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

inline bool is_printable_ascii(std::string const& text) {
  for (char const c : text) {
    if (c < 0x20 || c > 0x7E) {
      return false;
    }
  }
  return true;
}

inline std::vector<std::string> lines(std::string const& text) {
  std::vector<std::string> all;
  for (std::size_t start = 0; start < text.size();) {
    std::size_t const end = (std::min)(text.find('\n', start), text.size());
    all.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return all;
}

/// Percent-decoding of our own, with or without a `+` for a space.
inline std::string decoded(std::string const& text, bool plus_is_space) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      char const digits[] = {text[i + 1], text[i + 2], '\0'};
      bytes += static_cast<char>(std::strtol(digits, nullptr, 16));
      i += 2;
    } else {
      bytes += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return bytes;
}

/// Whether a text is one JSON object by the grammar of RFC 8259, where surrogates come in pairs. Numbers may be as sloppy as
/// picojson accepts them: `01`, `1.`, `-.5`.
class json_grammar {
 public:
  static bool is_object(std::string const& text) { return json_grammar(text).is_object_; }
  /// Whether a name at the top is repeated in the same spelling. Another spelling is not noticed.
  static bool repeats_a_name(std::string const& text) { return json_grammar(text).repeats_; }

 private:
  explicit json_grammar(std::string const& text) : rest_(text.c_str()), end_(rest_ + text.size()) {
    white_space();
    is_object_ = object(0);
    white_space();
    is_object_ = is_object_ && rest_ == end_;
  }

  bool take(char c) { return rest_ != end_ && *rest_ == c && (++rest_, true); }
  bool take(char const* word) {
    for (; *word; ++word) {
      if (!take(*word)) {
        return false;
      }
    }
    return true;
  }
  void white_space() {
    while (take(' ') || take('\t') || take('\r') || take('\n')) {
    }
  }
  bool digits() {
    char const* const start = rest_;
    while (rest_ != end_ && *rest_ >= '0' && *rest_ <= '9') {
      ++rest_;
    }
    return rest_ != start;
  }
  bool number() {
    bool const is_negative = take('-');
    bool has_digits = digits();
    if (!has_digits && !is_negative) {
      return false;
    }
    if (take('.')) {
      has_digits = digits() || has_digits;
    }
    if (!has_digits) {
      return false;
    }
    return (take('e') || take('E')) ? (take('+') || take('-'), digits()) : true;
  }
  long code_unit() {
    std::string four;
    while (four.size() < 4 && rest_ != end_ && std::isxdigit(static_cast<unsigned char>(*rest_))) {
      four += *rest_++;
    }
    return four.size() == 4 ? std::strtol(four.c_str(), nullptr, 16) : -1;
  }
  bool string() {
    if (!take('"')) {
      return false;
    }
    while (!take('"')) {
      if (rest_ == end_ || static_cast<unsigned char>(*rest_) < 0x20) {
        return false;
      }
      bool const is_escape = take('\\');
      if (is_escape && take('u')) {
        long const unit = code_unit();
        bool const is_first = unit >= 0xD800 && unit < 0xDC00;
        bool const is_second = unit >= 0xDC00 && unit < 0xE000;
        long const other = is_first && take("\\u") ? code_unit() : 0;
        if (unit < 0 || is_second || (is_first && (other < 0xDC00 || other >= 0xE000))) {
          return false;
        }
      } else if (is_escape && (rest_ == end_ || !std::strchr("\"\\/bfnrt", *rest_) || *rest_ == '\0')) {
        return false;
      } else {
        ++rest_;
      }
    }
    return true;
  }
  bool object(int depth) { return list('{', '}', depth); }
  bool list(char open, char close, int depth) {
    if (depth > 1000 || !take(open)) {
      return false;
    }
    white_space();
    if (take(close)) {
      return true;
    }
    do {
      white_space();
      char const* const name = rest_;
      if (open == '{' && !string()) {
        return false;
      }
      repeats_ = repeats_ || (depth == 0 && !names_.insert(std::string(name, rest_)).second);
      white_space();
      if (open == '{' && !take(':')) {
        return false;
      }
      if (!value(depth + 1)) {
        return false;
      }
      white_space();
    } while (take(','));
    return take(close);
  }
  bool value(int depth) {
    white_space();
    switch (rest_ == end_ ? '\0' : *rest_) {
      case '{': return object(depth);
      case '[': return list('[', ']', depth);
      case '"': return string();
      case 't': return take("true");
      case 'f': return take("false");
      case 'n': return take("null");
      default: return number();
    }
  }

  char const* rest_;
  char const* end_;
  bool is_object_ = false;
  bool repeats_ = false;
  std::set<std::string> names_;
};

/// `json_object` accepts what is one object by the grammar, and rejects one for these reasons only.
inline void check_json(std::string const& text) {
  cibmtr_auth::detail::json_object object;
  bool const is_accepted = object.read(text);
  std::string const problem = object.problem();
  promise(is_accepted == problem.empty(), "a text is accepted or has a problem");
  bool const may_reject = problem == "has the same member twice" || problem == "is nested too deeply" ||
                          problem == "has more than 64 members";
  bool const is_object = json_grammar::is_object(text);
  promise(!is_accepted || is_object, "what is accepted is one object by RFC 8259");
  promise(!is_accepted || !json_grammar::repeats_a_name(text), "no name is accepted twice");
  promise(is_accepted || !is_object || may_reject, "what is one object by RFC 8259 is accepted");
}

}  // namespace fuzz

#endif  // CIBMTR_AUTH_TESTS_FUZZ_HPP
