// SPDX-License-Identifier: MIT
// What tests put below the layer they test: answers without a network, time without waiting.

#ifndef CIBMTR_AUTH_TESTS_FAKE_SERVER_HPP
#define CIBMTR_AUTH_TESTS_FAKE_SERVER_HPP

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <memory>
#include <string>

namespace tests {

inline cibmtr_auth::http_response answer(int status, std::string const& body) {
  cibmtr_auth::http_response response;
  response.status = status;
  response.body = body;
  return response;
}

inline cibmtr_auth::credentials some_credentials() {
  return {"0oa1client", "s3cr3t-of-client", "api_cibmtr_fhir_ehr_client", "svc@example.org", "pa55 w&rd"};
}

/// A clock that only the test moves; copies share the time. Threads may read it while one moves it.
class fake_clock {
 public:
  cibmtr_auth::boot_clock::time_point operator()() const {
    return cibmtr_auth::boot_clock::time_point(std::chrono::nanoseconds(now_->load()));
  }
  void advance(std::chrono::nanoseconds by) { *now_ += by.count(); }

 private:
  std::shared_ptr<std::atomic<std::chrono::nanoseconds::rep>> now_ =
      std::make_shared<std::atomic<std::chrono::nanoseconds::rep>>(3600 * 1000000000LL);
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_FAKE_SERVER_HPP
