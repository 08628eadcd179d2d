#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The long part of CI: the suite with sanitizers, in later standards and built by Meson; real servers and proxies; fuzzers; every
# generation of cpp-httplib; other compilers and machines; every way into a project; the reference and clang-tidy.
# Run tests/run.sh first; it installs what this needs.
# Usage: matrix.sh [PART...], all parts if none is named
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/.."
. tests/support/packages.sh
{ has_commands meson dpkg-source && echo 'int main() {}' | clang++ -x c++ - -fsanitize=address,undefined -o /dev/null 2>/dev/null; } ||
  install meson dpkg-dev libclang-rt-14-dev # dpkg-dev for tests/portability/generations.sh, which runs beside others that install
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

# These do not depend on the standard, and tests/run.sh runs them.
run_sh_did='amalgamate|readme|errors_page|command_lines|cibmtr_token_pages|migration|headers_alone|must_not_compile|quickstart|sandbox_clients|terminal|picture_.*'

parts=" ${*:-memory threads meson network fuzz generations reference tidy compilers packages machines} "
results=build/matrix.results
: >$results
# run NAME COMMAND...: records the result, and shows the log only if it fails.
run() {
  local log=build/$1.log start=$SECONDS
  [[ $parts = *" $1 "* ]] || return 0
  if "${@:2}" >"$log" 2>&1; then
    echo "ok      $1 ($((SECONDS - start)) s)" | tee -a $results
    grep '^SKIPPED' "$log" || true
  else
    tail -n 60 "$log"
    echo "FAILED  $1 ($log)" | tee -a $results
  fi
}

with_cmake() {
  local folder=build/$1
  shift
  cmake -S . -B "$folder" -G Ninja "$@" && cmake --build "$folder" &&
    ctest --test-dir "$folder" --output-on-failure -j2 --timeout 300 -E "$run_sh_did" && rm -rf "$folder"
}

with_meson() {
  local others
  rm -rf build/meson && meson setup build/meson -Ddebug=false -Dcpp_std=c++17 && ninja -C build/meson &&
    others=$(meson test -C build/meson --no-rebuild --list | sed 's/.* //' | grep -Evx "$run_sh_did") &&
    meson test -C build/meson --print-errorlogs $others && rm -rf build/meson
}

# tests/run.sh builds C++11 with g++ and C++20 with clang++; Meson builds C++17 with g++.
CIBMTR_AUTH_DAY_SECONDS=60 run memory with_cmake memory -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=14 \
  -DCIBMTR_AUTH_SINGLE_INCLUDE=ON \
  -DCMAKE_CXX_FLAGS="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
CIBMTR_AUTH_MODEL_SEQUENCES=10000 CIBMTR_AUTH_STRESS_SECONDS=60 run threads with_cmake threads \
  -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=23 -DCIBMTR_AUTH_BUILD_EXAMPLES=OFF \
  -DCMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=thread" # OpenSSL's own locks under an example are not seen
run meson with_meson
run network tests/robustness/real_network.sh
run fuzz tests/robustness/fuzz.sh 60
run generations tests/portability/generations.sh later &
run reference tests/pages/reference.sh
run tidy tests/portability/tidy.sh include/cibmtr_auth.hpp examples/cibmtr-token/cibmtr-token.cpp examples/submit_observations/submit_observations.cpp
run compilers tests/portability/compilers.sh
wait
run packages tests/packages/packages.sh &
run machines tests/portability/machines.sh
wait
echo "$(grep -c '^ok' $results) passed, $(grep -c '^FAILED' $results || true) failed"
! grep -q '^FAILED' $results
