#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the reference of every public name to build/reference/, with the pictures of what includes what. A public name without
# a comment, or a comment that Doxygen cannot follow, is an error. Installs what it needs on Debian. Takes 8 s.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/.."
. tests/support/packages.sh
has_commands doxygen dot || install doxygen graphviz

rm -rf build/reference
mkdir -p build/reference
version=$(sed -n 's/^#define CIBMTR_AUTH_VERSION "\(.*\)"$/\1/p' include/cibmtr_auth/config.hpp)
{
  cat tests/reference/Doxyfile
  echo "PROJECT_NUMBER = $version"
} | doxygen - >build/reference/doxygen.log
echo "build/reference/html/index.html"
