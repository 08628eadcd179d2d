// SPDX-License-Identifier: MIT
// The exit status of a program that got no token.

#ifndef CIBMTR_AUTH_EXAMPLES_EXIT_STATUS_HPP
#define CIBMTR_AUTH_EXAMPLES_EXIT_STATUS_HPP

#include <cibmtr_auth.hpp>

inline int exit_status(cibmtr_auth::error_kind kind) {
  using cibmtr_auth::error_kind;
  switch (kind) {
    case error_kind::configuration: return 2;
    case error_kind::rejected: return 3;
    case error_kind::rate_limited:
    case error_kind::unavailable: return 4;
    case error_kind::network:
    case error_kind::tls:
    case error_kind::timed_out: return 5;
    case error_kind::invalid_response: break;
  }
  return 6;
}

#endif  // CIBMTR_AUTH_EXAMPLES_EXIT_STATUS_HPP
