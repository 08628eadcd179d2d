// SPDX-License-Identifier: MIT
// A second file that includes the library, so that every test program proves it can be linked twice.

#include <cibmtr_auth.hpp>
