// SPDX-License-Identifier: MIT
// Exchanges of the bundled transport with servers of the test's own.

#ifndef CIBMTR_AUTH_TESTS_EXCHANGE_HPP
#define CIBMTR_AUTH_TESTS_EXCHANGE_HPP

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "folder.hpp"

namespace tests {

/// What an exchange may take beyond its timeout. Half a second is promised; a busy machine and sanitizers may need more.
constexpr std::chrono::milliseconds grace(is_sanitized ? 10000 : 5000);

/// The authority of a server or a certificate as a file.
class ca_file {
 public:
  template <typename Certified>
  explicit ca_file(Certified const& certified) {
    int const file = mkstemp(&path_[0]);
    REQUIRE(file >= 0);
    close(file);
    std::ofstream(path_) << certified.ca_pem();
  }
  ~ca_file() { std::remove(path_.c_str()); }
  ca_file(ca_file const&) = delete;
  ca_file& operator=(ca_file const&) = delete;

  cibmtr_auth::https_options trusting(std::chrono::milliseconds timeout = std::chrono::seconds(10)) const {
    cibmtr_auth::https_options options;
    options.ca_file = path_;
    options.proxy = "none";
    options.timeout = timeout;
    return options;
  }

 private:
  std::string path_ = "/tmp/cibmtr_auth_ca_XXXXXX";
};

inline cibmtr_auth::https_options direct(std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
  cibmtr_auth::https_options options;
  options.proxy = "none";
  options.timeout = timeout;
  options.max_response_size = 64 * 1024;
  return options;
}

inline cibmtr_auth::error failure(cibmtr_auth::http_request const& request, cibmtr_auth::https_options const& options) {
  try {
    cibmtr_auth::https_transport(options)(request);
  } catch (cibmtr_auth::error const& failed) {
    return failed;
  }
  FAIL("there was an answer");
  throw;
}

inline cibmtr_auth::error failure(std::string const& url, cibmtr_auth::https_options const& options) {
  return failure(cibmtr_auth::http_request{"POST", url, {}, "body"}, options);
}

inline bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_EXCHANGE_HPP
