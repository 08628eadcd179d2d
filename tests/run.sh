#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs the whole suite, on include/ and on single_include/. Installs what it needs on Debian.
# Exit status 0 if every test passed.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/.."
. tests/support/packages.sh
trap 'status=$?; [ "$status" -eq 0 ] || echo "tests/run.sh FAILED (exit status $status)"' EXIT

ready() {
  has_commands g++ clang++ cmake ninja pkg-config python3 curl openssl mandoc jq &&
    has_headers httplib.h picojson.h doctest/doctest.h CLI/CLI.hpp openssl/ssl.h &&
    /usr/bin/python3 -c 'import requests' 2>/dev/null
}
ready || install g++ clang cmake ninja-build pkg-config python3 python3-requests curl openssl mandoc jq \
  ca-certificates libcpp-httplib-dev picojson-dev doctest-dev libcli11-dev libssl-dev
{ has_commands redis-server redis-cli && has_headers hiredis/hiredis.h; } ||
  install redis-server libhiredis-dev || echo "Going on without Redis."
has_headers curl/curl.h || install libcurl4-openssl-dev || echo "Going on without libcurl."
has_commands node npm || install nodejs npm || echo "Going on without Node.js."

# build TREE CMAKE_OPTION...: the two trees differ as much as they can.
build() {
  local folder=build/$1
  [ -e "$folder/build.ninja" ] || cmake -S . -B "$folder" -G Ninja "${@:2}" >"$folder.log" 2>&1 ||
    { cat "$folder.log"; return 1; }
  cmake --build "$folder"
}
# test_tree TREE CTEST_OPTION...
test_tree() {
  ctest --test-dir "build/$1" --output-on-failure -j2 --timeout 300 "${@:2}" >"build/$1.log" 2>&1
}
same_for_both='amalgamate|readme|errors_page|command_lines|cibmtr_token_pages|migration|must_not_compile|quickstart|sandbox_clients|terminal'

mkdir -p build
tests/robustness/servers/install.sh || [ $? -eq 77 ]
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
failed=0
build include -DCMAKE_CXX_COMPILER=g++ -DCMAKE_CXX_STANDARD=11
test_tree include & # while the compiler is busy with the other tree
tests=$!
build single -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=20 -DCIBMTR_AUTH_SINGLE_INCLUDE=ON ||
  { wait; exit 1; }
wait $tests || failed=1
cat build/include.log
test_tree single -E "^($same_for_both)\$" || failed=1
cat build/single.log

count() { cat build/include.log build/single.log | grep -Ec "$1" || true; }
if grep -q 'Skipped' build/include.log build/single.log; then
  echo "SKIPPED, see above:" && grep -h 'Skipped' build/include.log build/single.log
fi
echo "$(count ' +Passed +[0-9.]+ sec') passed, $(count '\*\*\*(Failed|Timeout|Exception|Not Run)') failed, $(count '\*\*\*Skipped') skipped"
exit $failed
