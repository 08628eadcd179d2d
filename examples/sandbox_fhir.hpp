// SPDX-License-Identifier: MIT
// A little of the Direct FHIR API: enough to see whether a token is carried and honoured.

#ifndef CIBMTR_AUTH_SANDBOX_FHIR_HPP
#define CIBMTR_AUTH_SANDBOX_FHIR_HPP

#include <string>

#include "sandbox_message.hpp"

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
    {"type": "Observation", "interaction": [{"code": "create"}]}
  ]}]
})";

inline answer operation_outcome(int status, char const* code, char const* diagnostics) {
  json const issue = {{"severity", text("error")}, {"code", text(code)}, {"diagnostics", text(diagnostics)}};
  picojson::array const issues = {picojson::value(issue)};
  return json_answer(status, {{"resourceType", text("OperationOutcome")}, {"issue", picojson::value(issues)}},
                     fhir_json);
}

inline bool is_resource(picojson::value const& resource, char const* type) {
  return member<std::string>(resource, "resourceType", "") == type;
}

}  // namespace detail

/// Answers callers whose token has been accepted. Not thread-safe.
class fhir_server {
 public:
  static char const* path() { return "/cibmtr-fhir-backend/v1"; }

  /// What a gateway says before the API is reached.
  static answer unauthorized() {
    return answer(401, {{"WWW-Authenticate", "Bearer"}}, "application/json",
                  R"({"fault":{"code":900901,"message":"Invalid Credentials",)"
                  R"("description":"Make sure you have provided the correct credentials"}})");
  }

  /// `root` is the URL that belongs to `path()`, `path_below` what follows it in the request.
  answer reply(std::string const& root, std::string const& method, std::string const& path_below,
               std::string const& body) {
    std::string const what = method + ' ' + path_below;
    if (what == "GET /r4/Patient") {
      return answer(200, {}, detail::fhir_json, detail::patients);
    }
    if (what == "GET /r4/metadata") {
      return answer(200, {}, detail::fhir_json, detail::capabilities);
    }
    if (what == "POST /r4/Observation") {
      return create_observation(root, parse_json(body));
    }
    if (what == "POST /r4") {
      return transaction(parse_json(body));
    }
    return detail::operation_outcome(404, "not-found", "The sandbox does not know this.");
  }

 private:
  answer create_observation(std::string const& root, picojson::value resource) {
    if (!detail::is_resource(resource, "Observation")) {
      return detail::operation_outcome(400, "invalid", "An Observation is expected.");
    }
    std::string const id = std::to_string(++observations_);
    resource.get<json>()["id"] = text(id);
    return answer(201, {{"Location", root + "/r4/Observation/" + id + "/_history/1"}}, detail::fhir_json,
                  resource.serialize());
  }

  static answer transaction(picojson::value const& bundle) {
    auto const entries = member(bundle, "entry", picojson::array());
    if (!detail::is_resource(bundle, "Bundle") || entries.size() > 50 ||
        member<std::string>(bundle, "type", "") != "transaction") {
      return detail::operation_outcome(400, "invalid", "A transaction of at most 50 is expected.");
    }
    json const status = {{"status", text("201 Created")}};
    json const created = {{"response", picojson::value(status)}};
    picojson::array const responses(entries.size(), picojson::value(created));
    return json_answer(200,
                       {{"resourceType", text("Bundle")},
                        {"type", text("transaction-response")},
                        {"entry", picojson::value(responses)}},
                       detail::fhir_json);
  }

  int observations_ = 0;
};

}  // namespace sandbox

#endif  // CIBMTR_AUTH_SANDBOX_FHIR_HPP
