// SPDX-License-Identifier: MIT

#ifndef CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP
#define CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP

#include <string>

#pragma GCC visibility push(default)
namespace first {
std::string environment();
void refuse();  ///< throws cibmtr_auth::error
}  // namespace first
namespace second {
std::string environment();
void refuse();
}  // namespace second
#pragma GCC visibility pop

#endif  // CIBMTR_AUTH_TESTS_HIDDEN_LIBRARY_HPP
