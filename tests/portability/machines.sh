#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The suite without its network part (CIBMTR_AUTH_HTTPS=0, the single header) on other machines: a 32-bit one, whose floating-point
# registers are wider than a double, 32-bit ARM and a big-endian one under QEMU, and Windows under Wine. Installs what it needs on
# Debian. Usage: machines.sh [i386|armhf|s390x|windows]..., all but armhf if none is named.
# A machine whose compiler cannot be installed is skipped. Exit status 0 if nothing failed.
set -uo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/support/packages.sh

{ has_commands cmake ninja python3 && has_headers picojson.h doctest/doctest.h; } ||
  install cmake ninja-build python3 picojson-dev doctest-dev || exit 1

# The dependencies are headers. Another machine's compiler must see nothing else of this machine's /usr/include.
root=$PWD/build/machines
prefix=$root/prefix
mkdir -p "$prefix/include"
for folder in $(echo | g++ -E -Wp,-v - 2>&1 | grep '^ /'); do
  cp -r "$folder"/picojson.h "$folder"/doctest "$prefix/include" 2>/dev/null
done
echo 'add_library(doctest::doctest INTERFACE IMPORTED)
set_target_properties(doctest::doctest PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/include")' \
  >"$prefix/doctest-config.cmake"
export WINEPREFIX=$root/wine WINEDEBUG=-all
export CIBMTR_AUTH_MODEL_SEQUENCES=${CIBMTR_AUTH_MODEL_SEQUENCES:-500}

passed=0
failed=0
skipped=0

# suite NAME CMAKE_OPTION...
suite() {
  [ "$1" != windows ] || wine wineboot -i
  cmake -S . -B "$root/$1" -G Ninja -DCIBMTR_AUTH_HTTPS=OFF -DCIBMTR_AUTH_SINGLE_INCLUDE=ON -DCIBMTR_AUTH_BUILD_TESTS=ON \
    -Ddoctest_DIR="$prefix" -DPICOJSON_INCLUDE_DIR="$prefix/include" "${@:2}" &&
    cmake --build "$root/$1" --target cibmtr_auth_tests -j2 &&
    ctest --test-dir "$root/$1" --output-on-failure -j2 --timeout 300 -E '^switch_'
}

# machine NAME COMMAND PACKAGES CMAKE_OPTION...: the first COMMAND is the compiler.
machine() {
  local log=$root/$1.log start=$SECONDS
  # shellcheck disable=SC2086
  if ! has_commands $2 && ! install $3 >"$log" 2>&1; then
    skipped=$((skipped + 1))
    tail -n 3 "$log"
    echo "SKIPPED $1: $3 cannot be installed"
  elif suite "$1" -DCMAKE_CXX_COMPILER="${2%% *}" "${@:4}" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $1: $(grep -o '[0-9]* tests failed out of [0-9]*' "$log") ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    tail -n 60 "$log"
    echo "FAILED  $1 ($log)"
  fi
}

[ "$#" -gt 0 ] || set -- i386 s390x windows
for name in "$@"; do
  case $name in
    i386) # runs on this machine as it is
      machine i386 i686-linux-gnu-g++ g++-i686-linux-gnu -DCMAKE_EXE_LINKER_FLAGS=-static ;;
    armhf)
      machine armhf "arm-linux-gnueabihf-g++ qemu-arm" "g++-arm-linux-gnueabihf qemu-user" -DCMAKE_SYSTEM_NAME=Linux \
        -DCMAKE_CXX_FLAGS=-O1 "-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-arm;-L;/usr/arm-linux-gnueabihf" ;;
    s390x)
      machine s390x "s390x-linux-gnu-g++ qemu-s390x" "g++-s390x-linux-gnu qemu-user" -DCMAKE_SYSTEM_NAME=Linux \
        -DCMAKE_CXX_FLAGS=-O1 "-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-s390x;-L;/usr/s390x-linux-gnu" ;;
    windows)
      machine windows "x86_64-w64-mingw32-g++-posix wine" "g++-mingw-w64-x86-64-posix wine wine64" \
        -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_CROSSCOMPILING_EMULATOR=wine ;;
    *)
      echo "usage: machines.sh [i386|armhf|s390x|windows]..." >&2
      exit 2 ;;
  esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
