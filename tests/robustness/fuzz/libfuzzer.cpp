// SPDX-License-Identifier: MIT
// One target under libFuzzer; tests/robustness/fuzz.sh links it.

#include <cstddef>
#include <cstdint>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::targets().begin()->second(std::string(reinterpret_cast<char const*>(data), size));
  return 0;
}
