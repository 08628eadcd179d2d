#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The command lines of README and docs that call a compiler, and every piece of C++ in them, as they are.
# Usage: command_lines.sh. Exit status: 0 passed, 1 failed, 77 skipped.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$root"/* "$folder" # what a command line writes stays here
cd "$folder" || exit 1
failed=0

run() {
  if eval "$1"; then
    echo "ok - $1"
  else
    echo "not ok - $1"
    failed=1
  fi
}

if ! command -v g++ >/dev/null || ! pkg-config --exists cpp-httplib openssl; then
  echo "SKIPPED: command_lines.sh needs g++ and pkg-config with cpp-httplib and openssl"
  exit 77
fi

# All pieces of C++ in one file: definitions as they are, statements in a function each.
run 'python3 tests/pages/snippets.py >snippets.cpp'
# shellcheck disable=SC2016
run 'g++ -std=c++11 -Wall -Wextra -Wno-unused -fsyntax-only -DCIBMTR_AUTH_HTTPLIB=1 -Isingle_include snippets.cpp \
  $(pkg-config --cflags cpp-httplib openssl)'

run 'g++ -std=c++11 -Wall -Wextra -fsyntax-only -Isingle_include tests/pages/reference/examples.cpp'

# The core links with nothing.
run 'g++ -std=c++11 -DCIBMTR_AUTH_HTTPS=0 -Isingle_include -Itests tests/packages/switches/https_off.cpp \
  tests/support/main.cpp && ./a.out'

lines=$(cat README.md docs/*.md | sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' | grep -E '^(g|c|clang)\+\+ ' |
  grep -v CIBMTR_AUTH_TOKEN_URL) # that one is run by quickstart_test.sh
if [ -z "$lines" ]; then
  echo "not ok - README.md shows how to compile without a build system"
  failed=1
fi
while read -r line; do
  run "$line"
done <<<"$lines"

exit $failed
