#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What clang-tidy finds in the headers and the examples; .clang-tidy says what it looks for. Installs what it needs on Debian. Takes
# about 45 s.
# Usage: tidy.sh [FILE.cpp...]. Exit status 0 when it found nothing.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/.."
. tests/support/packages.sh
{ has_commands clang-tidy && has_headers httplib.h picojson.h CLI/CLI.hpp openssl/ssl.h; } ||
  install clang-tidy libcpp-httplib-dev picojson-dev libcli11-dev libssl-dev

files=("$@")
if [ $# -eq 0 ]; then
  files=(include/cibmtr_auth.hpp)
  for file in examples/*.cpp; do
    if grep -oP '^#include <\K[^>]+' "$file" | grep -v '^cibmtr_auth' | { mapfile -t needed && has_headers "${needed[@]}"; }; then
      files+=("$file")
    else
      echo "SKIPPED $file includes what is not installed"
    fi
  done
fi
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P 2 sh -c 'clang-tidy --quiet "$0" -- -x c++ -std=c++11 -DCPPHTTPLIB_OPENSSL_SUPPORT -Iinclude' 2>&1 |
  { grep -v 'warnings generated' || true; }
echo "clang-tidy found nothing in ${#files[@]} files and the headers they include"
