// SPDX-License-Identifier: MIT
// Reads Observations from FHIR JSON, each with its source text.

#ifndef CIBMTR_AUTH_EXAMPLES_OBSERVATIONS_HPP
#define CIBMTR_AUTH_EXAMPLES_OBSERVATIONS_HPP

#include <strings.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "json.hpp"

/// An Observation to send, exactly as it was written.
struct observation {
  std::string text;
  std::string checksum;
  std::string query;  ///< finds it by its first identifier (`identifier=SYSTEM%7CVALUE`); empty without one
};

/// FNV-1a, 64 bits.
inline std::string checksum_of(std::string const& text) {
  std::uint64_t sum = 14695981039346656037U;
  for (char const c : text) {
    sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum));
  return digits;
}

/// Reads Observations from a sequence of JSON values (such as NDJSON): Observations, arrays of them, or Bundles of type
/// collection, searchset, batch or transaction. Throws `std::runtime_error`, which names an entry by its number and
/// never quotes its content, because that is patients' data.
class observation_reader {
 public:
  static std::vector<observation> read(std::string const& text) {
    observation_reader all;
    bool is_empty = true;
    json::read_each(text, [&](json const& value) {
      is_empty = false;
      all.add(value);
    });
    if (is_empty) {
      throw std::runtime_error("the input is empty");
    }
    return all.found_;
  }

 private:
  void add(json const& value) {
    if (value.is_array()) {
      for (json const& element : value.items()) {
        add(element);
      }
    } else if (value["resourceType"].string() == "Bundle") {
      add_bundle(value);
    } else {
      add_observation(value);
    }
  }

  void add_bundle(json const& bundle) {
    std::string const& type = bundle["type"].string();
    require(type == "collection" || type == "searchset" || type == "batch" || type == "transaction",
            "begins a Bundle that is not a collection, searchset, batch or transaction");
    json const& entries = bundle["entry"];  // absent from an empty Bundle
    require(entries.is_null() || entries.is_array(), "begins a Bundle whose entry is not an array");
    for (json const& entry : entries.items()) {
      std::string const& url = entry["fullUrl"].string();
      std::size_t const type_end = url.rfind('/');
      if (type_end != std::string::npos && type_end + 1 < url.size()) {
        siblings_.insert({url, url.substr(url.rfind('/', type_end - 1) + 1)});
      }
      json const& request = entry["request"];
      bool const is_plain_post = request["method"].string() == "POST" && request["url"].string() == "Observation" &&
                                 request.items().size() == 2;
      require(request.is_null() || is_plain_post,
              "begins a Bundle with a request other than POST to Observation, the only one that is sent");
      require(!entry["resource"].is_null(), "begins a Bundle with an entry that has no resource");
    }
    for (json const& entry : entries.items()) {
      add(entry["resource"]);
    }
    siblings_.clear();
  }

  void add_observation(json const& resource) {
    std::string const& type = resource["resourceType"].string();
    bool const is_name = !type.empty() && type.find_first_not_of(letters()) == std::string::npos;
    require(type == "Observation",
            "is " + (is_name ? "of type " + type : "not a FHIR resource") + "; only Observations are sent");
    require(
        !refers_to_sibling(resource),
        "refers to another entry, which may be sent in another transaction: send that one first, and refer to it by "
        "the server's id (Observation/ID)");
    std::string const query = identifier_query(resource);
    if (!query.empty()) {
      auto const added = numbers_.insert({query, found_.size() + 1});
      require(added.second, "has the same identifier as entry " + std::to_string(added.first->second));
    }
    std::string const text = resource.source();
    found_.push_back({text, checksum_of(text), query});
  }

  bool refers_to_sibling(json const& part) const {
    std::string const& reference = part["reference"].string();
    bool refers = strncasecmp(reference.c_str(), "urn:", 4) == 0 ||
                  siblings_.count(reference.substr(0, reference.find("/_history/"))) > 0;
    for (json const& below : part.items()) {
      refers = refers || refers_to_sibling(below);
    }
    return refers;
  }

  static std::string identifier_query(json const& resource) {
    for (json const& identifier : resource["identifier"].items()) {
      std::string const& system = identifier["system"].string();
      std::string const& value = identifier["value"].string();
      if (!system.empty() && !value.empty()) {
        return "identifier=" + encode(system) + "%7C" + encode(value);
      }
    }
    return std::string();
  }

  /// For a search: a backslash before four characters (FHIR R4, search, "Escaping"), then percent-encoding of all but
  /// letters and digits.
  static std::string encode(std::string const& part) {
    std::string encoded;
    for (char const c : part) {
      if (std::string(letters()).find(c) != std::string::npos || (c >= '0' && c <= '9')) {
        encoded += c;
        continue;
      }
      char digits[4];
      std::snprintf(digits, sizeof digits, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      encoded += c == ',' || c == '|' || c == '$' || c == '\\' ? "%5C" : "";
      encoded += digits;
    }
    return encoded;
  }

  static char const* letters() { return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; }

  void require(bool is_met, std::string const& problem) const {
    if (!is_met) {
      throw std::runtime_error("entry " + std::to_string(found_.size() + 1) + " of the input " + problem);
    }
  }

  std::vector<observation> found_;
  std::map<std::string, std::size_t> numbers_;
  std::set<std::string> siblings_;  ///< names by which entries of this Bundle may refer to each other
};

#endif  // CIBMTR_AUTH_EXAMPLES_OBSERVATIONS_HPP
