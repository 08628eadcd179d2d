// SPDX-License-Identifier: MIT
// A small part of the Direct FHIR API: enough to test whether a token is sent and accepted, and what happens to a
// Bundle.

#ifndef CIBMTR_AUTH_SANDBOX_FHIR_HPP
#define CIBMTR_AUTH_SANDBOX_FHIR_HPP

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "message.hpp"

namespace sandbox {
namespace detail {

constexpr char const* fhir_json = "application/fhir+json";

constexpr char const* patients = R"({
  "resourceType": "Bundle", "type": "searchset", "total": 1,
  "entry": [{
    "resource": {"resourceType": "Patient", "id": "1", "active": true},
    "search": {"mode": "match"}
  }]
})";

constexpr char const* capabilities = R"({
  "resourceType": "CapabilityStatement", "status": "active", "date": "2024-01-01",
  "kind": "instance", "implementation": {"description": "sandbox"},
  "fhirVersion": "4.0.1", "format": ["application/fhir+json"],
  "rest": [{"mode": "server", "interaction": [{"code": "transaction"}], "resource": [
    {"type": "Patient", "interaction": [{"code": "search-type"}]},
    {"type": "Observation", "interaction": [{"code": "create"}], "conditionalCreate": true}
  ]}]
})";

/// `expression` names the faulty part of the request (FHIRPath).
inline response operation_outcome(int status, char const* code, std::string const& diagnostics,
                                  std::string const& expression = "") {
  json issue = {{"severity", text("error")}, {"code", text(code)}, {"diagnostics", text(diagnostics)}};
  if (!expression.empty()) {
    issue["expression"] = picojson::value(picojson::array{text(expression)});
  }
  return json_response(
      status,
      {{"resourceType", text("OperationOutcome")}, {"issue", picojson::value(picojson::array{picojson::value(issue)})}},
      fhir_json);
}

inline bool is_resource(picojson::value const& resource, char const* type) {
  return member<std::string>(resource, "resourceType", "") == type;
}

/// Instructions for the sandbox: the codes of the `meta.tag`s of the system urn:cibmtr-sandbox.
inline std::vector<std::string> instructions(picojson::value const& resource) {
  std::vector<std::string> codes;
  for (auto const& tag : member(member(resource, "meta"), "tag", picojson::array())) {
    if (member<std::string>(tag, "system", "") == "urn:cibmtr-sandbox") {
      codes.push_back(member<std::string>(tag, "code", ""));
    }
  }
  return codes;
}

/// The identifier of a conditional create's query, `identifier=SYSTEM|VALUE`: both parts are percent-encoded, with a
/// backslash before each `,`, `|`, `$` and backslash. Empty for another query. Source: FHIR R4, search, "Escaping".
inline std::string queried_identifier(std::string const& query) {
  std::string plain;
  std::string const start = "identifier=";
  bool const is_one = form_decode(query, plain) && plain.compare(0, start.size(), start) == 0;
  return is_one ? plain.substr(start.size()) : "";
}

inline std::string escaped(std::string const& part) {
  std::string made;
  for (char const c : part) {
    made += std::string(c == ',' || c == '|' || c == '$' || c == '\\' ? "\\" : "") + c;
  }
  return made;
}

}  // namespace detail

/// For callers whose token has been accepted. Not thread-safe.
class fhir_server {
 public:
  static char const* path() { return "/cibmtr-fhir-backend/v1"; }

  /// A gateway's response to a request that does not reach the API.
  static response unauthorized() {
    return response(401, {{"WWW-Authenticate", "Bearer"}}, "application/json",
                    R"({"fault":{"code":900901,"message":"Invalid Credentials",)"
                    R"("description":"Make sure you have provided the correct credentials"}})");
  }

  /// `root` is the URL of `path()`; `path_below` is the rest of the request's path.
  response reply(std::string const& root, std::string const& method, std::string const& path_below,
                 std::string const& body) {
    std::string const what = method + ' ' + path_below;
    if (what == "GET /r4/Patient") {
      return response(200, {}, detail::fhir_json, detail::patients);
    }
    if (what == "GET /r4/metadata") {
      return response(200, {}, detail::fhir_json, detail::capabilities);
    }
    if (what == "POST /r4/Observation") {
      return create_observation(root, parse_json(body));
    }
    if (what == "POST /r4") {
      return transaction(body);
    }
    return detail::operation_outcome(404, "not-found", "The sandbox has no such resource.");
  }

  /// Observations stored.
  int observations() const { return static_cast<int>(locations_.size()); }

 private:
  response create_observation(std::string const& root, picojson::value resource) {
    if (!detail::is_resource(resource, "Observation")) {
      return detail::operation_outcome(400, "invalid", "An Observation is expected.");
    }
    std::string const location = store(resource);
    resource.get<json>()["id"] = text(std::to_string(observations()));
    return response(201, {{"Location", root + "/r4/" + location}}, detail::fhir_json, resource.serialize());
  }

  /// Stores all entries or none.
  response transaction(std::string const& body) {
    picojson::value const bundle = parse_json(body);
    if (!detail::is_resource(bundle, "Bundle") || member<std::string>(bundle, "type", "") != "transaction") {
      return detail::operation_outcome(400, "invalid", "A Bundle of type transaction is expected.", "Bundle.type");
    }
    auto const entries = member(bundle, "entry", picojson::array());
    if (entries.empty() || entries.size() > 50) {
      return detail::operation_outcome(400, "too-costly", "A transaction of 1 to 50 entries is expected.",
                                       "Bundle.entry");
    }
    std::chrono::milliseconds delay{0};
    for (std::size_t i = 0; i < entries.size(); ++i) {
      response found = check(entries[i], "Bundle.entry[" + std::to_string(i) + "]");
      if (found.status != 200) {
        return found;
      }
      delay += found.delay;
    }
    picojson::array responses;
    for (auto const& entry : entries) {
      responses.push_back(picojson::value(json{{"response", create(entry)}}));
    }
    response made = json_response(200,
                                  {{"resourceType", text("Bundle")},
                                   {"type", text("transaction-response")},
                                   {"entry", picojson::value(responses)}},
                                  detail::fhir_json);
    made.delay = delay;
    made.note = std::to_string(entries.size()) + " entries";
    return made;
  }

  /// Returns 200 with the delay that the entry asks for, or the error.
  response check(picojson::value const& entry, std::string const& where) const {
    using detail::operation_outcome;
    auto const request = member(entry, "request");
    auto const resource = member(entry, "resource");
    std::string const query = member<std::string>(request, "ifNoneExist", "");
    if (!detail::is_resource(resource, "Observation")) {
      return operation_outcome(400, "invalid", "An Observation is expected.", where + ".resource");
    }
    if (member<std::string>(request, "method", "") != "POST" ||
        member<std::string>(request, "url", "") != "Observation") {
      return operation_outcome(400, "not-supported", "Only POST to Observation is expected.", where + ".request");
    }
    if (!query.empty() && detail::queried_identifier(query).empty()) {
      return operation_outcome(400, "not-supported", "A query for one identifier is expected.",
                               where + ".request.ifNoneExist");
    }
    if (identifiers_.count(detail::queried_identifier(query)) > 1) {
      return operation_outcome(412, "multiple-matches", "There are several such resources.",
                               where + ".request.ifNoneExist");
    }
    response made;
    for (std::string const& code : detail::instructions(resource)) {
      if (code == "refuse") {
        return operation_outcome(422, "business-rule", "The resource asks to be rejected.", where + ".resource");
      }
      if (code.compare(0, 6, "delay-") == 0) {
        made.delay = std::chrono::milliseconds(std::atoi(code.c_str() + 6));
      }
    }
    return made;
  }

  picojson::value create(picojson::value const& entry) {
    auto const existing =
        identifiers_.find(detail::queried_identifier(member<std::string>(member(entry, "request"), "ifNoneExist", "")));
    if (existing != identifiers_.end()) {
      return picojson::value(json{{"status", text("200 OK")}, {"location", text(existing->second)}});
    }
    std::string const location = store(entry.get("resource"));
    return picojson::value(json{{"status", text("201 Created")}, {"location", text(location)}});
  }

  /// Returns the location below the root.
  std::string store(picojson::value const& resource) {
    locations_.push_back("Observation/" + std::to_string(locations_.size() + 1) + "/_history/1");
    for (auto const& identifier : member(resource, "identifier", picojson::array())) {
      identifiers_.emplace(detail::escaped(member<std::string>(identifier, "system", "")) + '|' +
                               detail::escaped(member<std::string>(identifier, "value", "")),
                           locations_.back());
    }
    return locations_.back();
  }

  std::vector<std::string> locations_;
  std::multimap<std::string, std::string> identifiers_;
};

}  // namespace sandbox

#endif  // CIBMTR_AUTH_SANDBOX_FHIR_HPP
