// SPDX-License-Identifier: MIT
// A unity build: the single header, the parts, and two files of a program that use them.

#include "include/cibmtr_auth.hpp"
#include "single_include/cibmtr_auth.hpp"
#include "tests/support/second_file.cpp"

#define main quickstart
#include "examples/interface_engine.cpp"
#undef main
