// SPDX-License-Identifier: MIT
// What every test includes, compiled once.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
