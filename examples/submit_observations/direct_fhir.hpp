// SPDX-License-Identifier: MIT
// What a response of the Direct FHIR API says about each entry of a transaction.

#ifndef CIBMTR_AUTH_EXAMPLES_DIRECT_FHIR_HPP
#define CIBMTR_AUTH_EXAMPLES_DIRECT_FHIR_HPP

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "journal.hpp"
#include "json.hpp"

/// Whether a CapabilityStatement says that the server creates Observations conditionally.
inline bool creates_conditionally(cibmtr_auth::http_response const& metadata) {
  json const statement = json::parse(metadata.body);
  for (json const& rest : statement["rest"].items()) {
    for (json const& resource : rest["resource"].items()) {
      if (resource["type"].string() == "Observation" && resource["conditionalCreate"].is_true()) {
        return true;
      }
    }
  }
  return false;
}

struct verdict {
  entry_state state;
  std::string detail;  ///< for the journal
};

/// 408 and 5xx do not say whether the server stored anything.
inline verdict verdict_of(int status, std::string const& detail) {
  bool const is_rejected = status >= 400 && status < 500 && status != 408;
  return {status / 100 == 2 ? entry_state::accepted : is_rejected ? entry_state::unsent : entry_state::unknown, detail};
}

/// One for each entry. A transaction is stored completely or not at all.
inline std::vector<verdict> verdicts(cibmtr_auth::http_response const& response, std::size_t count) {
  std::string const http = "HTTP " + std::to_string(response.status);
  if (response.status / 100 != 2) {
    return std::vector<verdict>(count, verdict_of(response.status, http));
  }
  json const bundle = json::parse(response.body);
  if (bundle["resourceType"].string() != "Bundle" || bundle["type"].string() != "transaction-response" ||
      !bundle["entry"].is_array() || bundle["entry"].items().size() != count) {
    return std::vector<verdict>(count, {entry_state::unknown, http + ", without a response to each entry"});
  }
  std::vector<verdict> all;
  for (json const& entry : bundle["entry"].items()) {
    int const status = std::atoi(entry["response"]["status"].string().c_str());
    std::string const& location = entry["response"]["location"].string();
    bool const is_path =
        !location.empty() && location.size() < 200 &&
        location.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.:-") ==
            std::string::npos;  // a query may name a patient
    all.push_back(verdict_of(status, std::to_string(status) + (is_path ? " " + location : "")));
  }
  return all;
}

/// An OperationOutcome without its texts, which may quote a patient's data.
struct rejection {
  std::string code;                  ///< of the first error, such as `business-rule`; empty without one
  std::vector<std::size_t> entries;  ///< those with an error; empty if an error names none

  bool is_about_others_than(std::size_t entry) const {
    return !entries.empty() && !std::binary_search(entries.begin(), entries.end(), entry);
  }
};

inline rejection rejection_in(cibmtr_auth::http_response const& response, std::vector<std::size_t> const& batch) {
  rejection found;
  bool is_about_all = false;
  json const outcome = json::parse(response.body);
  for (json const& issue : outcome["issue"].items()) {
    if (issue["severity"].string() == "warning" || issue["severity"].string() == "information") {
      continue;
    }
    std::string const& code = issue["code"].string();
    bool const is_code = code.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos;
    found.code = found.code.empty() && is_code ? code : found.code;
    std::size_t const before = found.entries.size();
    for (json const& expression : issue["expression"].items()) {
      unsigned index = 0;
      if (std::sscanf(expression.string().c_str(), "Bundle.entry[%6u]", &index) == 1 && index < batch.size()) {
        found.entries.push_back(batch[index]);
      }
    }
    is_about_all = is_about_all || found.entries.size() == before;
  }
  std::sort(found.entries.begin(), found.entries.end());
  found.entries.erase(is_about_all ? found.entries.begin() : std::unique(found.entries.begin(), found.entries.end()),
                      found.entries.end());
  return found;
}

#endif  // CIBMTR_AUTH_EXAMPLES_DIRECT_FHIR_HPP
