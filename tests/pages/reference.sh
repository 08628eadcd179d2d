#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the reference of every public name to build/reference/, with a picture of the rooms. A public name without a comment, or a
# comment that Doxygen cannot follow, is an error. Installs what it needs on Debian. Takes 5 s.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.."
. tests/support/packages.sh
has_commands doxygen dot || install doxygen graphviz

rm -rf build/reference
mkdir -p build/reference
# Which room uses which; what follows from the other arrows is left out.
{
  echo 'digraph rooms { rankdir=BT; node [shape=box, height=0.3, fontname=Helvetica, fontsize=10];'
  for header in include/cibmtr_auth/*.hpp; do
    room=$(basename "$header" .hpp)
    echo "$room [URL=\"\\ref $room.hpp\"];"
    sed -n "s,^#include <cibmtr_auth/\(.*\)\.hpp>.*,$room -> \1;,p" "$header"
  done
  echo '}'
} | tred >build/reference/rooms.dot
version=$(sed -n 's/^#define CIBMTR_AUTH_VERSION "\(.*\)"$/\1/p' include/cibmtr_auth/config.hpp)
{
  cat tests/pages/reference/Doxyfile
  echo "PROJECT_NUMBER = $version"
} | doxygen - >build/reference/doxygen.log
echo "build/reference/html/index.html"
