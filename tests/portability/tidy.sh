#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs clang-tidy on the headers, the examples and the tests. .clang-tidy lists the checks; tests/.clang-tidy leaves some out.
# Installs what it needs on Debian. Takes about three minutes.
# Usage: tidy.sh [FILE.cpp...]. Exit status 0 if it found nothing.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.."
. tests/support/packages.sh
{ has_commands clang-tidy && has_headers httplib.h picojson.h CLI/CLI.hpp openssl/ssl.h doctest/doctest.h; } ||
  install clang-tidy libcpp-httplib-dev picojson-dev libcli11-dev libssl-dev doctest-dev

files=("$@")
if [ $# -eq 0 ]; then
  files=(include/cibmtr_auth.hpp)
  # one_file.cpp only includes others.
  mapfile -t programs < <(find examples tests -name '*.cpp' ! -name one_file.cpp | sort)
  absent=$(grep -hoP '^#include <\K[^>]*[./][^>]*' "${programs[@]}" | grep -v '^cibmtr_auth' | sort -u |
    while read -r header; do has_headers "$header" || echo "<$header>"; done)
  for file in "${programs[@]}"; do
    if [ -n "$absent" ] && grep -qF "$absent" "$file"; then
      echo "SKIPPED $file includes what is not installed"
    else
      files+=("$file")
    fi
  done
fi

# look FILE: without the bundled transport, whose headers take half of the time, unless the file needs it.
look() {
  local flags=(-x c++ -std=c++11 -DCPPHTTPLIB_OPENSSL_SUPPORT -Iinclude -Itests) name=${1##*/}
  case $1 in
    */httplib_transport.cpp) flags+=(-DCIBMTR_AUTH_HTTPLIB=1) ;;
    tests/packages/switches/https_off.cpp) flags+=(-DCIBMTR_AUTH_HTTPS=0) ;;
    tests/packages/switches/*) mapfile -t -O "${#flags[@]}" flags < <(sed -n "s/^${name%.cpp} /-D/p" tests/packages/switches/list.txt) ;;
  esac
  grep -qE 'https_|_HTTPS|httplib|openssl|proxy|sandbox' "$1" || flags+=(-DCIBMTR_AUTH_HTTPS=0)
  clang-tidy --quiet "$1" -- "${flags[@]}"
}
export -f look
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P 2 bash -c 'look "$1"' look 2>&1 |
  { grep -v 'warnings generated' || true; }
echo "clang-tidy found nothing in ${#files[@]} files and the headers they include"
