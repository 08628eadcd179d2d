#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every header compiles alone, and if included twice; without the bundled transport the umbrella does so in each standard.
# Usage: headers_alone.sh FOLDER COMPILER FLAG...

set -u
folder=${1:?usage: headers_alone.sh FOLDER COMPILER FLAG...}
compiler=("${@:2}")
failed=0

# expect SENTENCE HEADER FLAG...
expect() {
  if printf '#include <%s>\n' "$2" "$2" | "${compiler[@]}" "${@:3}" -fsyntax-only -x c++ -; then
    echo "ok - $1"
  else
    echo "not ok - $1"
    failed=1
  fi
}

cd "$folder" || exit 1
for header in $(find . -name '*.hpp' | sed 's,^\./,,' | sort); do
  expect "$header compiles alone" "$header"
done
for standard in 11 14 17 20 2b; do
  expect "the core compiles as C++$standard" cibmtr_auth.hpp "-std=c++$standard" -DCIBMTR_AUTH_HTTPS=0
done

exit $failed
