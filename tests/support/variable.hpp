// SPDX-License-Identifier: MIT
// Environment variables that are put back.

#ifndef CIBMTR_AUTH_TESTS_VARIABLE_HPP
#define CIBMTR_AUTH_TESTS_VARIABLE_HPP

#include <stdlib.h>

#include <cstdlib>
#include <string>

namespace tests {

/// Unsets it for null.
inline void set_variable(std::string const& name, char const* value) {
#ifdef _WIN32
  _putenv_s(name.c_str(), value ? value : "");
#else
  if (value) {
    setenv(name.c_str(), value, 1);
  } else {
    unsetenv(name.c_str());
  }
#endif
}

/// Sets a variable, or unsets it for null, until the test ends.
class variable {
 public:
  variable(std::string const& name, char const* value) : name_(name), was_set_(std::getenv(name.c_str()) != nullptr) {
    before_ = was_set_ ? std::getenv(name.c_str()) : "";
    set_variable(name_, value);
  }
  variable(variable const&) = delete;
  variable& operator=(variable const&) = delete;
  ~variable() { set_variable(name_, was_set_ ? before_.c_str() : nullptr); }

 private:
  std::string name_;
  bool was_set_;
  std::string before_;
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_VARIABLE_HPP
