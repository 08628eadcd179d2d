#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The command lines of the README that call a compiler, as they stand there, and its pieces of C++.
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

if ! command -v g++ >/dev/null; then
  echo "SKIPPED: command_lines.sh needs g++"
  exit 77
fi

# What README shows of C++ compiles: `my_client` there is the reader's.
snippet() {
  sed -n "/^\`\`\`cpp\$/,/^\`\`\`\$/p" README.md | awk -v part="$1" '/^```cpp/ { text = ""; next }
    /^```/ { if (index(text, part)) printf "%s", text; next } { text = text $0 "\n" }'
}
{
  cat <<'CPP'
#include <cibmtr_auth.hpp>
struct my_client {
  my_client(std::string const&, std::string const&);
  void add_header(std::string const&, std::string const&);
  bool send(std::string const&);
  std::string problem(), body();
  int status();
  std::vector<std::pair<std::string, std::string>> headers();
};
CPP
  snippet my_transport
  echo 'void share() {'
  snippet 'token_file>('
  echo '}'
} >snippets.cpp
run 'grep -q my_transport snippets.cpp && grep -q "token_file>(" snippets.cpp'
run 'g++ -std=c++11 -fsyntax-only -DCPPHTTPLIB_OPENSSL_SUPPORT -Isingle_include snippets.cpp'

# The core links with nothing.
run 'g++ -std=c++11 -DCIBMTR_AUTH_HTTPS=0 -Isingle_include tests/packages/switches/https_off.cpp tests/support/main.cpp && ./a.out'

lines=$(sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' README.md | grep -E '^(g|c|clang)\+\+ ' |
  grep -v CIBMTR_AUTH_TOKEN_URL) # that one is run by quickstart_test.sh
if [ -z "$lines" ]; then
  echo "not ok - README.md shows how to compile without a build system"
  failed=1
fi
while read -r line; do
  run "$line"
done <<<"$lines"

exit $failed
