#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Other compilers, C++ libraries, flags and neighbours: the oldest and the newest compilers of Debian 12, every warning that a header can
# avoid, libc++ with the other numbers of picojson, no RTTI, hidden visibility, windows.h, min and max as macros. Installs what it needs on
# Debian; a compiler that cannot be installed is skipped. Exit status 0 if nothing failed.
set -uo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/support/packages.sh

{ has_commands g++ clang++ cmake ninja pkg-config &&
  has_headers httplib.h picojson.h doctest/doctest.h openssl/ssl.h; } ||
  install g++ clang cmake ninja-build pkg-config libcpp-httplib-dev picojson-dev doctest-dev libssl-dev || exit 1

root=$PWD/build/compilers
mkdir -p "$root"
strict=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wold-style-cast -Werror)
# Without the warnings that no header can avoid: C++98, padding, vtables and thread_local objects, which need a source file or an end;
# OpenSSL's macros; and what contradicts other warnings or C++11.
everything=(-Weverything -Werror -Wno-unknown-warning-option -Wno-c++98-compat -Wno-c++98-compat-pedantic -Wno-padded
  -Wno-weak-vtables -Wno-exit-time-destructors -Wno-used-but-marked-unused -Wno-switch-default -Wno-unsafe-buffer-usage -Wno-nrvo)
read -ra https <<<"-DCIBMTR_AUTH_HTTPLIB=1 $(pkg-config --cflags cpp-httplib openssl)"
passed=0
failed=0
skipped=0

# expect NAME COMMAND...: counts it, and shows its output only when it fails.
expect() {
  local log=$root/log start=$SECONDS
  if "${@:2}" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $1 ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    tail -n 40 "$log"
    echo "FAILED  $1"
  fi
}

# has COMMAND PACKAGE...: or skips.
has() {
  has_commands "$1" || install "${@:2}" && return
  skipped=$((skipped + 1))
  echo "SKIPPED $1: ${*:2} cannot be installed"
  return 1
}

# quickstart COMPILER FLAG...: the dependencies are system headers, we are a plain include.
quickstart() {
  "$@" "${https[@]}" -fsyntax-only -Iinclude examples/quickstart.cpp &
  "$@" "${https[@]}" -fsyntax-only -Isingle_include examples/quickstart.cpp && wait "$!"
}

# core_accepts COMPILER FLAG... <SOURCE
core_accepts() { "$@" -DCIBMTR_AUTH_HTTPS=0 -fsyntax-only -Isingle_include -x c++ -; }

# hidden_libraries FOLDER COMPILER FLAG...: two shared libraries that hide their symbols, in one program.
hidden_libraries() {
  local folder=$root/$1 name
  shift
  mkdir -p "$folder"
  for name in first second; do
    "$@" -fvisibility=hidden -fPIC -shared -DNAME=$name -DCIBMTR_AUTH_PRODUCTION=$((${#name} - 5)) -Isingle_include \
      tests/portability/compilers/hidden_library.cpp -o "$folder/lib$name.so" || return 1
  done
  "$@" -fvisibility=hidden -Isingle_include tests/portability/compilers/hidden_main.cpp -L"$folder" -lfirst -lsecond \
    -Wl,-rpath,"$folder" -pthread -o "$folder/program" && "$folder/program"
}

# core_suite NAME CMAKE_OPTION...: libc++ 14 leaks by itself where an allocation fails, in the constructors of its vector.
core_suite() {
  cmake -S . -B "$root/$1" -G Ninja -DCIBMTR_AUTH_HTTPS=OFF -DCIBMTR_AUTH_BUILD_TESTS=ON "${@:2}" &&
    cmake --build "$root/$1" --target cibmtr_auth_tests -j2 &&
    CIBMTR_AUTH_MODEL_SEQUENCES=1000 ctest --test-dir "$root/$1" --output-on-failure -j2 --timeout 300 \
      -E '^(switch_.*|picture_.*|failing_allocations)$'
}

for compiler in g++-11:11:2b clang++-13:11:2b clang++-22:11:2c; do
  IFS=: read -r command oldest newest <<<"$compiler"
  has "$command" "${command/clang++/clang}" || continue
  warnings=("${strict[@]}")
  [ "$command" = "${command#clang}" ] || warnings=("${everything[@]}")
  for standard in "$oldest" "$newest"; do
    expect "$command, C++$standard" quickstart "$command" "-std=c++$standard" "${warnings[@]}"
  done
done

expect 'without RTTI, bundled transport included' quickstart g++ -std=c++11 -fno-rtti
expect 'two libraries that hide their symbols' hidden_libraries hidden g++ -std=c++11
expect 'two libraries that hide their symbols, without RTTI' hidden_libraries no_rtti clang++ -std=c++11 -fno-rtti
expect 'min and max as macros' g++ -std=c++11 "${strict[@]}" "${https[@]}" -fsyntax-only -Iinclude tests/portability/compilers/macros.cpp
expect 'both trees and two users in one file' g++ -std=c++11 "${strict[@]}" "${https[@]}" -fsyntax-only -I. -Iinclude \
  tests/portability/compilers/one_file.cpp
if has x86_64-w64-mingw32-g++-posix g++-mingw-w64-x86-64-posix; then
  mkdir -p "$root/windows"
  cp "$(echo '#include <picojson.h>' | g++ -M -x c++ - | grep -o '[^ ]*picojson.h')" "$root/windows"
  for order in 'windows.h cibmtr_auth.hpp' 'cibmtr_auth.hpp windows.h'; do
    # shellcheck disable=SC2086
    expect "$order" core_accepts x86_64-w64-mingw32-g++-posix -std=c++11 "${strict[@]}" -isystem "$root/windows" \
      < <(printf '#include <%s>\n' $order)
  done
fi
if echo '#include <string>' | clang++ -stdlib=libc++ -fsyntax-only -x c++ - 2>/dev/null || install libc++-dev libc++abi-dev; then
  expect 'two libraries that hide their symbols, libc++' hidden_libraries libcxx clang++ -std=c++11 -stdlib=libc++
  expect 'the core suite with libc++ and PICOJSON_USE_INT64' core_suite suite -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_CXX_FLAGS='-stdlib=libc++ -DPICOJSON_USE_INT64'
else
  skipped=$((skipped + 1))
  echo "SKIPPED libc++: libc++-dev cannot be installed"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
