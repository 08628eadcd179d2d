// SPDX-License-Identifier: MIT
// Observations out of FHIR JSON, each with its text as it stands there.

#ifndef CIBMTR_AUTH_EXAMPLES_OBSERVATIONS_HPP
#define CIBMTR_AUTH_EXAMPLES_OBSERVATIONS_HPP

#include <picojson.h>
#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// An Observation to send. Its text is never written anew: 7.10 would become 7.0999999999999996, and a decimal's precision
/// means something (FHIR R4, datatypes, "decimal").
struct observation {
  std::string text;
  std::string checksum;
  std::string query;  ///< finds it by its first identifier (`identifier=SYSTEM%7CVALUE`); empty when it has none
};

/// Tells one text from another (FNV-1a).
inline std::string checksum_of(std::string const& text) {
  std::uint64_t sum = 14695981039346656037U;
  for (char const c : text) {
    sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum));
  return digits;
}

/// Whether brackets are nested so little that picojson, which reads recursively, has stack enough.
inline bool is_shallow(std::string const& json) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size() && depth < 100; ++i) {
    char const c = json[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      i += c == '\\' ? 1 : 0;
    } else {
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
  }
  return depth < 100;
}

/// How many bytes the character at that place has; 0 when it is not UTF-8 (RFC 3629, section 4).
inline std::size_t utf8_length(std::string const& text, std::size_t at) {
  auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
  unsigned const lead = byte(0);
  std::size_t const length = lead < 0x80 ? 1 : lead < 0xC2 || lead > 0xF4 ? 0 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  unsigned const lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned const highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  bool is_sound = length < 2 || (byte(1) >= lowest && byte(1) <= highest);
  for (std::size_t i = 2; i < length; ++i) {
    is_sound = is_sound && byte(i) >= 0x80 && byte(i) <= 0xBF;
  }
  return is_sound ? length : 0;
}

/// How many bytes the number at that place has; 0 when it is none (RFC 8259, section 6).
inline std::size_t number_length(std::string const& text, std::size_t at) {
  auto after_digits = [&text](std::size_t from) {
    return (std::min)(text.find_first_not_of("0123456789", from), text.size());
  };
  std::size_t const whole = at + (text[at] == '-' ? 1 : 0);
  std::size_t end = after_digits(whole);
  bool is_sound = end > whole && (text[whole] != '0' || end == whole + 1);
  if (text[end] == '.') {
    std::size_t const fraction = end + 1;
    end = after_digits(fraction);
    is_sound = is_sound && end > fraction;
  }
  if (text[end] == 'e' || text[end] == 'E') {
    std::size_t const exponent = end + (text[end + 1] == '+' || text[end + 1] == '-' ? 2 : 1);
    end = after_digits(exponent);
    is_sound = is_sound && end > exponent;
  }
  return is_sound ? end - at : 0;
}

/// The first place of what picojson takes and RFC 8259 does not: 01, 1. or -.5, and text that is not UTF-8; the end if there is none.
inline std::size_t find_sloppy(std::string const& json) {
  bool in_string = false;
  std::size_t length = 0;
  for (std::size_t i = 0; i < json.size(); i += length) {
    char const c = json[i];
    bool const is_number = !in_string && (c == '-' || (c >= '0' && c <= '9'));
    length = is_number ? number_length(json, i) : utf8_length(json, i);
    if (length == 0) {
      return i;
    }
    in_string = in_string != (c == '"');
    length += in_string && c == '\\' ? 1 : 0;
  }
  return json.size();
}

/// A null unless `text` is JSON that picojson can hold.
inline picojson::value read_json(std::string const& text) {
  picojson::value value;
  try {
    return is_shallow(text) && picojson::parse(value, text).empty() ? value : picojson::value();
  } catch (std::overflow_error const&) {  // 1e400
    return picojson::value();
  }
}

/// A null unless `object` has such a member.
inline picojson::value member(picojson::value const& object, char const* name) {
  return object.is<picojson::object>() ? object.get(name) : picojson::value();
}

inline std::string string_member(picojson::value const& object, char const* name) {
  picojson::value const found = member(object, name);
  return found.is<std::string>() ? found.get<std::string>() : std::string();
}

/// Finds the source texts of what lies at a path of member names, where `*` stands for each element of an array.
class source_texts : public picojson::null_parse_context {
 public:
  using path = std::vector<std::string>;
  using sink = std::function<void(std::string const&)>;

  source_texts(path const& wanted, std::size_t depth, sink const& found)
      : wanted_(wanted), depth_(depth), found_(found) {}

  template <typename Iterator>
  bool parse_array_item(picojson::input<Iterator>& in, std::size_t) {
    return step(in, "*");
  }
  template <typename Iterator>
  bool parse_object_item(picojson::input<Iterator>& in, std::string const& name) {
    return step(in, name);
  }

 private:
  template <typename Iterator>
  bool step(picojson::input<Iterator>& in, std::string const& name) {
    picojson::null_parse_context skipped;
    if (name != wanted_[depth_]) {
      return picojson::_parse(skipped, in);
    }
    if (depth_ + 1 < wanted_.size()) {
      source_texts below(wanted_, depth_ + 1, found_);
      return picojson::_parse(below, in);
    }
    in.skip_ws();
    Iterator const start = in.cur();
    bool const is_json = picojson::_parse(skipped, in);
    found_(std::string(start, in.cur()));
    return is_json;
  }

  path const& wanted_;
  std::size_t const depth_;
  sink const& found_;
};

/// Reads Observations out of one or more JSON values behind each other (NDJSON is that): Observations, arrays of them, or
/// Bundles of type collection, searchset, batch or transaction. Throws `std::runtime_error`, naming the number of the entry and what is
/// wrong with it, and never its content: patients stand behind it.
class observation_reader {
 public:
  static std::vector<observation> read(std::string const& text) {
    observation_reader reader;
    if (!is_shallow(text)) {
      throw std::runtime_error("the input nests brackets more than 100 deep");
    }
    std::size_t const sloppy = find_sloppy(text);
    if (sloppy < text.size()) {
      throw std::runtime_error("the input is not JSON: see line " +
                               std::to_string(std::count(text.data(), text.data() + sloppy, '\n') + 1));
    }
    std::string::const_iterator const start = text.begin() + (text.compare(0, 3, "\xEF\xBB\xBF") == 0 ? 3 : 0);
    picojson::input<std::string::const_iterator> in(start, text.end());
    for (in.skip_ws(); in.cur() != text.end(); in.skip_ws()) {
      std::string::const_iterator const first = in.cur();
      picojson::null_parse_context checked;
      if (!picojson::_parse(checked, in)) {
        throw std::runtime_error("the input is not JSON: see line " + std::to_string(in.line()));
      }
      reader.add(std::string(first, in.cur()));
    }
    if (in.cur() == start) {
      throw std::runtime_error("the input is empty");
    }
    return reader.found_;
  }

 private:
  void add(std::string const& text) {
    picojson::value const value = read_json(text);
    std::string const type = string_member(value, "resourceType");
    if (value.is<picojson::array>()) {
      each(text, {"*"}, value.get<picojson::array>().size());
    } else if (type == "Bundle") {
      add_bundle(text, value);
    } else {
      add_observation(text, value, type);
    }
  }

  void add_bundle(std::string const& text, picojson::value const& bundle) {
    std::string const type = string_member(bundle, "type");
    if (type != "collection" && type != "searchset" && type != "batch" && type != "transaction") {
      throw wrong("begins a Bundle that is no collection, searchset, batch or transaction");
    }
    picojson::value const entries = member(bundle, "entry");
    if (entries.is<picojson::null>()) {
      return;  // how FHIR writes an empty one
    }
    if (!entries.is<picojson::array>()) {
      throw wrong("begins a Bundle whose entry is no array");
    }
    for (picojson::value const& entry : entries.get<picojson::array>()) {
      std::string const url = string_member(entry, "fullUrl");
      std::size_t const type_end = url.rfind('/');
      if (type_end != std::string::npos && type_end + 1 < url.size()) {
        names_.insert({url, url.substr(url.rfind('/', type_end - 1) + 1)});
      }
      picojson::value const request = member(entry, "request");
      bool const is_plain = string_member(request, "method") == "POST" &&
                            string_member(request, "url") == "Observation" &&
                            request.get<picojson::object>().size() == 2;
      if (!request.is<picojson::null>() && !is_plain) {
        throw wrong("begins a Bundle with a request other than POST to Observation, which is all that is sent");
      }
    }
    each(text, {"entry", "*", "resource"}, entries.get<picojson::array>().size());
    names_.clear();
  }

  void each(std::string const& text, source_texts::path const& where, std::size_t count) {
    std::vector<std::string> texts;
    source_texts::sink const keep = [&texts](std::string const& one) { texts.push_back(one); };
    source_texts context(where, 0, keep);
    picojson::input<std::string::const_iterator> in(text.begin(), text.end());
    picojson::_parse(context, in);
    if (texts.size() != count) {
      throw wrong("begins a Bundle of which some entry has no resource, or several");
    }
    for (std::string const& one : texts) {
      add(one);
    }
  }

  void add_observation(std::string const& text, picojson::value const& resource, std::string const& type) {
    if (type != "Observation") {
      bool const is_name = !type.empty() && type.find_first_not_of(letters()) == std::string::npos;
      throw wrong("is " + (is_name ? "of type " + type : "no FHIR resource") + "; only Observations are sent");
    }
    if (refers_to_another_entry(resource)) {
      throw wrong(
          "refers to another entry, which may travel in another transaction: send that one first, and refer to it by "
          "the server's own id (Observation/ID)");
    }
    std::string const query = identifier_query(resource);
    if (!query.empty() && !numbers_.insert({query, found_.size() + 1}).second) {
      throw wrong("has the same identifier as entry " + std::to_string(numbers_[query]));
    }
    found_.push_back({text, checksum_of(text), query});
  }

  bool refers_to_another_entry(picojson::value const& part) const {
    std::string const reference = string_member(part, "reference");
    bool refers = strncasecmp(reference.c_str(), "urn:", 4) == 0 ||
                  names_.count(reference.substr(0, reference.find("/_history/"))) > 0;
    if (part.is<picojson::object>()) {
      for (auto const& one : part.get<picojson::object>()) {
        refers = refers || refers_to_another_entry(one.second);
      }
    } else if (part.is<picojson::array>()) {
      for (auto const& one : part.get<picojson::array>()) {
        refers = refers || refers_to_another_entry(one);
      }
    }
    return refers;
  }

  static std::string identifier_query(picojson::value const& resource) {
    picojson::value const identifiers = member(resource, "identifier");
    if (identifiers.is<picojson::array>()) {
      for (picojson::value const& one : identifiers.get<picojson::array>()) {
        std::string const system = string_member(one, "system");
        std::string const value = string_member(one, "value");
        if (!system.empty() && !value.empty()) {
          return "identifier=" + encoded(system) + "%7C" + encoded(value);
        }
      }
    }
    return std::string();
  }

  /// For a search: four characters behind a backslash (FHIR R4, search, "Escaping"), all but letters and digits percent-encoded.
  static std::string encoded(std::string const& part) {
    std::string made;
    for (char const c : part) {
      if (std::string(letters()).find(c) != std::string::npos || (c >= '0' && c <= '9')) {
        made += c;
        continue;
      }
      made += c == ',' || c == '|' || c == '$' || c == '\\' ? "%5C" : "";
      made += '%';
      made += "0123456789ABCDEF"[static_cast<unsigned char>(c) / 16];
      made += "0123456789ABCDEF"[static_cast<unsigned char>(c) % 16];
    }
    return made;
  }

  static char const* letters() { return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; }

  std::runtime_error wrong(std::string const& problem) const {
    return std::runtime_error("entry " + std::to_string(found_.size() + 1) + " of the input " + problem);
  }

  std::vector<observation> found_;
  std::map<std::string, std::size_t> numbers_;
  std::set<std::string> names_;  ///< by which entries of this Bundle may refer to each other
};

#endif  // CIBMTR_AUTH_EXAMPLES_OBSERVATIONS_HPP
