// SPDX-License-Identifier: MIT
// Calls of the Direct FHIR API, and what its answer to a transaction says of each entry.

#ifndef CIBMTR_AUTH_EXAMPLES_DIRECT_FHIR_HPP
#define CIBMTR_AUTH_EXAMPLES_DIRECT_FHIR_HPP

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "observations.hpp"
#include "submission_journal.hpp"

/// Calls with a token that lives, and knows whether a call that failed may have arrived.
class direct_fhir_api {
 public:
  direct_fhir_api(cibmtr_auth::token_cache const& tokens, cibmtr_auth::https_options options, std::string const& root)
      : tokens_(tokens), root_(root) {
    options.observer = [this](cibmtr_auth::https_peer const&) { may_have_arrived_ = true; };
    https_ = cibmtr_auth::https_transport(options);
  }
  direct_fhir_api(direct_fhir_api const&) = delete;
  direct_fhir_api& operator=(direct_fhir_api const&) = delete;

  cibmtr_auth::http_response call(std::string const& method, std::string const& path, std::string const& body) {
    cibmtr_auth::http_response answer;
    cibmtr_auth::call_with_token(tokens_, [&](cibmtr_auth::token const& token) {
      answer = https_({method,
                       root_ + path,
                       {cibmtr_auth::bearer_header(token),
                        {"Accept", "application/fhir+json"},
                        {"Content-Type", "application/fhir+json"},
                        {"Prefer", "return=minimal"}},
                       body});
      may_have_arrived_ = false;
      return answer.status;
    });
    return answer;
  }

  bool may_have_arrived() const { return may_have_arrived_; }

 private:
  cibmtr_auth::token_cache tokens_;
  std::string root_;
  cibmtr_auth::transport https_;
  bool may_have_arrived_ = false;
};

/// Whether a CapabilityStatement says so of Observations.
inline bool creates_conditionally(cibmtr_auth::http_response const& metadata) {
  picojson::value const rest = member(read_json(metadata.body.reveal()), "rest");
  picojson::value const resources =
      member(rest.is<picojson::array>() && rest.contains(0) ? rest.get(0) : picojson::value(), "resource");
  return resources.is<picojson::array>() &&
         std::any_of(resources.get<picojson::array>().begin(), resources.get<picojson::array>().end(),
                     [](picojson::value const& one) {
                       return string_member(one, "type") == "Observation" &&
                              member(one, "conditionalCreate").evaluate_as_boolean();
                     });
}

struct verdict {
  fate is;
  std::string detail;  ///< for the journal
};

inline verdict verdict_of(int status, std::string const& detail) {
  bool const is_refused = status >= 400 && status < 500 && status != 408;
  return {status / 100 == 2 ? fate::accepted : is_refused ? fate::unsent : fate::unknown, detail};
}

/// One for each entry. A transaction is stored whole or not at all, and whoever answers 5xx may have stored it.
inline std::vector<verdict> verdicts(cibmtr_auth::http_response const& answer, std::size_t count) {
  if (answer.status / 100 != 2) {
    return std::vector<verdict>(count, verdict_of(answer.status, "HTTP " + std::to_string(answer.status)));
  }
  picojson::value const bundle = read_json(answer.body.reveal());
  picojson::value const entries = member(bundle, "entry");
  if (string_member(bundle, "resourceType") != "Bundle" || string_member(bundle, "type") != "transaction-response" ||
      !entries.is<picojson::array>() || entries.get<picojson::array>().size() != count) {
    return std::vector<verdict>(
        count, {fate::unknown, "HTTP " + std::to_string(answer.status) + ", but no answer to each entry"});
  }
  std::vector<verdict> made;
  for (picojson::value const& entry : entries.get<picojson::array>()) {
    picojson::value const response = member(entry, "response");
    int const status = std::atoi(string_member(response, "status").c_str());
    std::string const location = string_member(response, "location");
    bool const is_path =
        !location.empty() && location.size() < 200 &&
        location.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.:-") ==
            std::string::npos;  // no query, which may name a patient
    made.push_back(verdict_of(status, std::to_string(status) + (is_path ? " " + location : "")));
  }
  return made;
}

/// What an OperationOutcome says without its texts, which may quote a patient's data.
struct reason {
  std::string code;                  ///< of its first error, `business-rule`; empty without one
  std::vector<std::size_t> entries;  ///< those with an error; none when some error names none

  bool spares(std::size_t entry) const {
    return !entries.empty() && std::find(entries.begin(), entries.end(), entry) == entries.end();
  }
};

inline reason reason_of(cibmtr_auth::http_response const& answer, std::vector<std::size_t> const& batch) {
  reason found;
  bool blames_all = false;
  picojson::value const issues = member(read_json(answer.body.reveal()), "issue");
  for (std::size_t i = 0; issues.is<picojson::array>() && issues.contains(i); ++i) {
    picojson::value const issue = issues.get(i);
    std::string const severity = string_member(issue, "severity");
    if (severity == "warning" || severity == "information") {
      continue;
    }
    std::string const code = string_member(issue, "code");
    bool const is_code = code.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos;
    found.code = found.code.empty() && is_code ? code : found.code;
    picojson::value const where = member(issue, "expression");
    bool blames_none = true;
    for (std::size_t j = 0; where.is<picojson::array>() && where.contains(j); ++j) {
      unsigned index = 0;
      if (std::sscanf(where.get(j).to_str().c_str(), "Bundle.entry[%6u]", &index) == 1 && index < batch.size()) {
        found.entries.push_back(batch[index]);
        blames_none = false;
      }
    }
    blames_all = blames_all || blames_none;
  }
  std::sort(found.entries.begin(), found.entries.end());
  found.entries.erase(blames_all ? found.entries.begin() : std::unique(found.entries.begin(), found.entries.end()),
                      found.entries.end());
  return found;
}

#endif  // CIBMTR_AUTH_EXAMPLES_DIRECT_FHIR_HPP
