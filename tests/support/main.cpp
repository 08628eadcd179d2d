// SPDX-License-Identifier: MIT

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

/// The C++ library is not instrumented, so ThreadSanitizer does not see that the last of the threads that share an exception is
/// the one that frees it.
extern "C" char const* __tsan_default_suppressions() {
  return "race_top:cibmtr_auth/error.hpp\nrace:text_of\nrace:std::runtime_error::~runtime_error\n";
}
