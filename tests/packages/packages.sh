#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every way into a project, tried with the small projects in tests/packages/, two at a time, under strict warnings.
# Usage: packages.sh [WAY...]; else all. Installs what it needs on Debian. Exit status 0 when nothing failed.
set -uo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/support/packages.sh

{ has_commands g++ cmake ninja meson make pkg-config &&
  has_headers httplib.h picojson.h CLI/CLI.hpp openssl/ssl.h; } ||
  install g++ cmake ninja-build meson make pkg-config libcpp-httplib-dev picojson-dev libcli11-dev libssl-dev || exit 1

source=$PWD
work=$PWD/build/packages
version=$(sed -n 's/^#define CIBMTR_AUTH_VERSION "\(.*\)"$/\1/p' include/cibmtr_auth/config.hpp)
unset "${!CMAKE_@}" "${!PKG_CONFIG_@}" CPPFLAGS LDFLAGS http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
unset "${!CIBMTR_@}"
export CMAKE_GENERATOR=Ninja CMAKE_EXPORT_COMPILE_COMMANDS=ON
export CXXFLAGS='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wold-style-cast -Werror'
# CMake without the library that is named; Debian's cpp-httplib is known to pkg-config alone.
no_picojson=(-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF -DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF
  "-DCMAKE_MAKE_PROGRAM=$(command -v ninja)" "-DCMAKE_CXX_COMPILER=$(command -v g++)")
no_openssl=(-DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON)
no_httplib=(env PKG_CONFIG_LIBDIR=/nonexistent)

# project NAME [FOLDER]: a copy of that project, and goes there.
project() {
  local folder=$work/${2:-$1}
  mkdir "$folder"
  cp "$source/tests/packages/main.cpp" "$folder"
  cp -r "$source/tests/packages/$1/." "$folder"
  cd "$folder"
}

# sources FOLDER: this repository, as its archive unpacks, in a folder of that name.
sources() {
  mkdir -p "$(dirname "$1")"
  tar -xzf "$work/cibmtr_auth.tar.gz" -C "$(dirname "$1")"
}

# says PROGRAM LINE...: nothing else.
says() {
  diff <("$1" 2>&1) <(printf '%s\n' "${@:2}")
}

# works PROGRAM: with the bundled transport; with that over cpp-httplib too; with neither.
works() { says "$1" 'Bearer abc' 'nobody listens'; }
works_with_both() { says "$1" 'Bearer abc' 'nobody listens' 'nobody listens'; }
works_without_https() { says "$1" 'Bearer abc'; }

# not COMMAND...: fails. (Bash goes on after a failed ! by itself.)
not() {
  if "$@"; then
    echo "succeeded: $*"
    return 1
  fi
}

# refused REASON COMMAND...: fails, and says so.
refused() {
  local output
  if output=$("${@:2}" 2>&1); then
    echo "not refused: ${*:2}"
    return 1
  fi
  grep -qF -- "$1" <<<"$(tr -s '[:space:]' ' ' <<<"$output")" || { echo "$output"; echo "does not say: $1"; return 1; }
}

configured() { cmake -S . -B build "$@"; }
built() { configured "$@" && cmake --build build; }

# forces_nothing FOLDER: no flag and no definition beside the project's own; our headers in FOLDER are system headers.
forces_nothing() {
  local flags
  flags=$(sed -n 's/ *"command": "\(.*\)",*$/\1/p' build/compile_commands.json | tr ' ' '\n')
  [ -n "$flags" ]
  diff <(grep -E '^-[DWf]' <<<"$flags" | sort) <(tr ' ' '\n' <<<"$CXXFLAGS" | grep -E '^-[DWf]' | sort)
  grep -q -- "-isystem $1/include" build/compile_commands.json
}

copied_header() {
  mkdir "$work/copied_header"
  cp tests/packages/main.cpp single_include/cibmtr_auth.hpp "$work/copied_header"
  cd "$work/copied_header"
  g++ -std=c++11 $CXXFLAGS -DCIBMTR_AUTH_HTTPS=0 -I. main.cpp -o core
  works_without_https ./core
  g++ -std=c++11 $CXXFLAGS -I. main.cpp -o app $(pkg-config --cflags --libs openssl) -pthread
  works ./app
  g++ -std=c++11 $CXXFLAGS -DCIBMTR_AUTH_HTTPLIB=1 -I. main.cpp -o both $(pkg-config --cflags --libs cpp-httplib openssl) -pthread
  works_with_both ./both
}

makefile() {
  project makefile
  PKG_CONFIG_PATH=$work/by_cmake/share/pkgconfig make
  works ./app
  PKG_CONFIG_PATH=$work/by_cmake_httplib/share/pkgconfig make -B
  works_with_both ./app
}

compile_once() {
  project compile_once
  PKG_CONFIG_PATH=$work/by_meson/share/pkgconfig make
  ./app >said
  grep CIBMTR_CLIENT_ID said
  grep -m 1 SSL_ <(nm -C tokens.o)
  not grep SSL_ <(nm -C main.o)
}

cmake_subdirectory() {
  project cmake_subdirectory
  sources third_party/cibmtr_auth
  sources third_party/other/cibmtr_auth  # which another library brings along
  echo 'add_subdirectory(cibmtr_auth)' >third_party/other/CMakeLists.txt
  echo 'add_subdirectory(third_party/other)' >>CMakeLists.txt
  built -DCMAKE_INSTALL_PREFIX=/usr
  works build/app
  forces_nothing "$PWD/third_party/cibmtr_auth"
  DESTDIR=$PWD/installed cmake --install build
  [ "$(cd installed && find . -type f)" = ./usr/bin/app ]
}

cmake_library() {
  project cmake_library
  sources third_party/cibmtr_auth
  configured -DCMAKE_INSTALL_PREFIX="$PWD/prefix"
  cmake --install build
  project cmake_find_package cmake_library_user
  sed -i 's/^find_package(cib.*/&\nfind_package(client CONFIG REQUIRED)/; s/cibmtr_auth::cibmtr_auth/client/' CMakeLists.txt
  built -DCMAKE_PREFIX_PATH="$work/cmake_library/prefix"
  works build/app
}

cmake_fetch_content() {
  project cmake_fetch_content
  cp "$work/cibmtr_auth.tar.gz" .
  built
  works build/app
}

cmake_find_package() {
  project cmake_find_package
  built -DCMAKE_PREFIX_PATH="$work/by_cmake"
  works build/app
  forces_nothing "$work/by_cmake"
}

# The project chooses cpp-httplib's transport; or the package was installed with it.
cmake_httplib() {
  project cmake_find_package cmake_httplib
  built -DCMAKE_PREFIX_PATH="$work/by_cmake" -DCIBMTR_AUTH_HTTPLIB=ON
  works_with_both build/app
  built --fresh -DCMAKE_PREFIX_PATH="$work/by_cmake_httplib"
  works_with_both build/app
  built --fresh -DCMAKE_PREFIX_PATH="$work/by_cmake_httplib" -DCIBMTR_AUTH_HTTPLIB=OFF
  works build/app
}

cmake_versions() {
  project cmake_find_package cmake_versions
  local asked
  for asked in 1 "${version%.*}" "$version"; do
    sed -i "s/find_package(cibmtr_auth [0-9.]*/find_package(cibmtr_auth $asked/" CMakeLists.txt
    configured -DCMAKE_PREFIX_PATH="$work/by_cmake"
  done
  for asked in 0.9 1.99 2; do
    sed -i "s/find_package(cibmtr_auth [0-9.]*/find_package(cibmtr_auth $asked/" CMakeLists.txt
    refused "compatible with requested version \"$asked\"" configured -DCMAKE_PREFIX_PATH="$work/by_cmake"
    refused "cibmtr_auth-config.cmake, version: $version" configured -DCMAKE_PREFIX_PATH="$work/by_cmake"
  done
}

# An installed package with the bundled transport, without OpenSSL.
cmake_own_http() {
  project cmake_own_http
  built "${no_openssl[@]}" -DCMAKE_PREFIX_PATH="$work/by_cmake"
  works_without_https build/app
  not grep ssl <(ldd build/app)
}

# A package that was installed without it, whose user sets nothing.
cmake_without_https() {
  project cmake_find_package cmake_without_https
  built "${no_openssl[@]}" -DCMAKE_PREFIX_PATH="$work/by_cmake_without_https"
  works_without_https build/app
}

# Lists what to install, from the sources and from the installed package.
cmake_missing() {
  project cmake_find_package cmake_missing
  local folder remedy='With CIBMTR_AUTH_HTTPS=OFF, and HTTP of your own, it needs picojson.h alone.'
  for folder in "$source" .; do
    local here=(cmake -S "$folder" -B build --fresh "-DCMAKE_PREFIX_PATH=$work/by_cmake")
    refused 'cibmtr_auth needs picojson.h (Debian: picojson-dev,' "${here[@]}" "${no_picojson[@]}"
    refused 'cibmtr_auth needs OpenSSL (Debian: libssl-dev).' "${here[@]}" "${no_openssl[@]}"
    refused 'cibmtr_auth needs cpp-httplib (Debian: libcpp-httplib-dev and pkg-config,' \
      "${no_httplib[@]}" "${here[@]}" -DCIBMTR_AUTH_HTTPLIB=ON
    refused "libssl-dev), cpp-httplib (" "${no_httplib[@]}" "${here[@]}" "${no_openssl[@]}" -DCIBMTR_AUTH_HTTPLIB=ON
    refused "$remedy" "${here[@]}" "${no_openssl[@]}"
  done
  local here=(cmake -S "$source" -B build --fresh)
  refused 'The programs need CLI11 (Debian: libcli11-dev).' "${here[@]}" -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON
  refused 'The sandbox needs cpp-httplib (Debian: libcpp-httplib-dev' "${no_httplib[@]}" "${here[@]}"
  here+=(-DCIBMTR_AUTH_BUILD_EXAMPLES=OFF)
  refused 'The tests need cpp-httplib (Debian: libcpp-httplib-dev' "${no_httplib[@]}" "${here[@]}"
  refused 'The tests need doctest (Debian: doctest-dev).' "${here[@]}" -DCMAKE_DISABLE_FIND_PACKAGE_doctest=ON
  "${no_httplib[@]}" "${here[@]}" -DCIBMTR_AUTH_BUILD_TESTS=OFF
  sed -i 's/ REQUIRED//; /target_link_libraries/d' CMakeLists.txt
  cmake -S . -B build --fresh "-DCMAKE_PREFIX_PATH=$work/by_cmake" "${no_openssl[@]}"
}

# upstream_httplib: its folder, as tests/portability/generations.sh has unpacked it.
upstream_httplib() {
  local folder
  for folder in "$source"/build/httplib/*/unpacked; do
    if [ -e "$folder/CMakeLists.txt" ]; then
      echo "$folder"
      return
    fi
  done
  echo "SKIPPED: no source of cpp-httplib: run tests/portability/generations.sh first" >&2
  return 77
}

# A header-only cpp-httplib and a picojson that no package manager knows of.
cmake_vendored() {
  local upstream
  upstream=$(upstream_httplib)
  project cmake_vendored
  sources third_party/cibmtr_auth
  mkdir third_party/picojson third_party/httplib
  cp "$upstream/httplib.h" third_party/httplib
  cp /usr/include/picojson.h third_party/picojson
  "${no_httplib[@]}" cmake -S . -B build
  cmake --build build
  works_with_both build/app
  grep -- "-isystem $PWD/third_party/picojson" build/compile_commands.json
  ninja -C build -t deps | grep third_party/picojson/picojson.h
  ninja -C build -t deps | grep third_party/httplib/httplib.h
}

# cpp-httplib's own CMake package.
cmake_upstream_httplib() {
  local upstream
  upstream=$(upstream_httplib)
  project cmake_find_package cmake_upstream_httplib
  cmake -S "$upstream" -B httplib -DCMAKE_INSTALL_PREFIX="$PWD/prefix"
  cmake --install httplib
  "${no_httplib[@]}" cmake -S . -B build -DCMAKE_PREFIX_PATH="$work/by_cmake_httplib;$PWD/prefix"
  cmake --build build
  works_with_both build/app
  ninja -C build -t deps | grep prefix/include/httplib.h
}

pkg_config() {
  cd "$work"
  local tree
  for tree in by_cmake by_meson; do
    export PKG_CONFIG_PATH=$work/$tree/share/pkgconfig
    [ "$(pkg-config --modversion cibmtr_auth)" = "$version" ]
    pkg-config --exact-version "$version" cibmtr_auth
    pkg-config --atleast-version 1 cibmtr_auth
    not pkg-config --atleast-version 1.99 cibmtr_auth
    not pkg-config --atleast-version 2 cibmtr_auth
    [ "$(realpath "$(pkg-config --cflags-only-I cibmtr_auth | sed 's/^-I//; s/ *$//')")" = "$work/$tree/include" ]
    diff <(pkg-config --cflags-only-other --libs cibmtr_auth | xargs -n 1 | sort -u) \
      <(echo -pthread "$(pkg-config --cflags-only-other --libs openssl)" | xargs -n 1 | sort -u)
    diff <(PKG_CONFIG_PATH=$work/${tree}_httplib/share/pkgconfig pkg-config --cflags-only-other --libs cibmtr_auth |
      xargs -n 1 | sort -u) <(echo -pthread -DCIBMTR_AUTH_HTTPLIB=1 \
      "$(pkg-config --cflags-only-other --libs cpp-httplib openssl)" | xargs -n 1 | sort -u)
    refused "Package 'openssl', required by 'cibmtr_auth', not found" \
      env PKG_CONFIG_LIBDIR=/nonexistent pkg-config --cflags cibmtr_auth
    PKG_CONFIG_LIBDIR=/nonexistent PKG_CONFIG_PATH=$work/${tree}_without_https/share/pkgconfig \
      pkg-config --cflags cibmtr_auth | grep -- -DCIBMTR_AUTH_HTTPS=0
  done
}

meson_subproject() {
  project meson meson_subproject
  mkdir subprojects/packagefiles
  cp "$work/cibmtr_auth.tar.gz" subprojects/packagefiles
  meson setup build --prefix /usr
  ninja -C build
  works build/app
  DESTDIR=$PWD/installed meson install -C build
  [ "$(cd installed && find . -type f)" = ./usr/bin/app ]
  local asked
  for asked in 1.99 2; do
    sed -i "s/'>=[0-9.]*'/'>=$asked'/" meson.build
    refused "need: '>=$asked'" meson setup "build$asked"
  done
}

meson_installed() {
  project meson meson_installed
  rm -r subprojects
  export PKG_CONFIG_PATH=$work/by_meson/share/pkgconfig
  meson setup build
  ninja -C build
  works build/app
  sed -i "s/'>=1'/'>=2'/" meson.build
  refused "found $version but need: '>=2'" meson setup build2
}

meson_vendored() {
  project meson_vendored
  sources subprojects/cibmtr_auth
  mkdir -p third_party/picojson
  cp /usr/include/picojson.h third_party/picojson
  meson setup build
  ninja -C build
  works build/app
  ninja -C build -t deps | grep third_party/picojson/picojson.h
}

meson_missing() {
  cd "$work"
  local without_headers='cibmtr_auth needs picojson.h (Debian: picojson-dev,'
  refused "$without_headers" env CXXFLAGS=-nostdinc meson setup missing "$source"
  rm -rf missing
  refused 'cibmtr_auth needs cpp-httplib (Debian: libcpp-httplib-dev).' \
    "${no_httplib[@]}" meson setup missing "$source" -Dhttps=false -Dhttplib=true
  rm -rf missing
  PKG_CONFIG_LIBDIR=/nonexistent meson setup missing "$source" -Dhttps=false
}

# installed_files: what both builds install into the prefix /usr.
installed_files() {
  (cd include && find . -name '*.hpp' | sed 's,^\.,usr/include,')
  printf '%s\n' usr/bin/cibmtr-token usr/share/bash-completion/completions/cibmtr-token \
    usr/share/man/man1/cibmtr-token.1 usr/share/pkgconfig/cibmtr_auth.pc
}

# is_package FOLDER FILE...: these files, of which none names this machine's folders, and the program runs.
is_package() {
  local folder=$1
  shift
  diff <(cd "$folder" && find . -type f -o -type l | sed 's,^\./,,' | sort) <(printf '%s\n' "$@" | sort)
  not grep -rF -e "$source" "$folder"
  not grep . <(find "$folder" -type d -empty)
  "$folder/usr/bin/cibmtr-token" --version | grep -F "$version"
}

cmake_destdir() {
  cmake -S . -B "$work/cmake_destdir" -DCMAKE_INSTALL_PREFIX=/usr -DCIBMTR_AUTH_BUILD_TESTS=OFF
  cmake --build "$work/cmake_destdir" --target cibmtr-token
  DESTDIR=$work/cmake_destdir/package cmake --install "$work/cmake_destdir"
  is_package "$work/cmake_destdir/package" $(installed_files) \
    usr/share/cmake/cibmtr_auth/cibmtr_auth-{config,config-version,cpp-httplib,dependencies,targets}.cmake
}

meson_destdir() {
  meson setup "$work/meson_destdir" --prefix /usr --buildtype plain -Dbuild_tests=disabled
  ninja -C "$work/meson_destdir" examples/cibmtr-token
  DESTDIR=$work/meson_destdir/package meson install -C "$work/meson_destdir" --no-rebuild
  is_package "$work/meson_destdir/package" $(installed_files)
}

# Only the single header, where that is chosen.
single_include() {
  cmake -S . -B "$work/single_include/cmake" -DCIBMTR_AUTH_SINGLE_INCLUDE=ON -DCIBMTR_AUTH_BUILD_TESTS=OFF \
    -DCIBMTR_AUTH_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX="$work/single_include/by_cmake"
  cmake --install "$work/single_include/cmake"
  meson setup "$work/single_include/meson" -Dsingle_include=true -Dbuild_tests=disabled -Dbuild_examples=disabled \
    --prefix "$work/single_include/by_meson"
  meson install -C "$work/single_include/meson"
  local tree
  for tree in by_cmake by_meson; do
    [ "$(ls "$work/single_include/$tree/include")" = cibmtr_auth.hpp ]
    cmp single_include/cibmtr_auth.hpp "$work/single_include/$tree/include/cibmtr_auth.hpp"
  done
}

# by_cmake NAME OPTION..., by_meson NAME OPTION...: an installed tree for others to find, moved after it was filled.
by_cmake() {
  cmake -S . -B "$work/$1.build" -DCIBMTR_AUTH_BUILD_TESTS=OFF -DCIBMTR_AUTH_BUILD_EXAMPLES=OFF \
    -DCMAKE_INSTALL_PREFIX="$work/$1.first" "${@:2}" && cmake --install "$work/$1.build" && mv "$work/$1.first" "$work/$1"
}
by_meson() {
  meson setup "$work/$1.build" -Dbuild_tests=disabled -Dbuild_examples=disabled --prefix "$work/$1.first" "${@:2}" &&
    meson install -C "$work/$1.build" && mv "$work/$1.first" "$work/$1"
}

prepare() {
  tar -czf "$work/cibmtr_auth.tar.gz" --exclude=./build --exclude=./.git --transform 's,^\.,cibmtr_auth,' . &&
    by_cmake by_cmake && by_cmake by_cmake_without_https -DCIBMTR_AUTH_HTTPS=OFF &&
    by_cmake by_cmake_httplib -DCIBMTR_AUTH_HTTPLIB=ON &&
    by_meson by_meson && by_meson by_meson_without_https -Dhttps=false && by_meson by_meson_httplib -Dhttplib=true
}

# way NAME: one line, and its log only when it failed.
way() {
  local log=$work/$1.log start=$SECONDS status verdict=FAILED
  (set -e; "$1") >"$log" 2>&1
  status=$?
  case $status in
    0) verdict=ok ;;
    77) verdict=SKIPPED ;;
  esac
  {
    [ "$verdict" != FAILED ] || tail -n 40 "$log"
    printf '%-8s%s (%s s)%s\n' "$verdict" "$1" "$((SECONDS - start))" "$(sed -n 's/^SKIPPED//p' "$log")"
  } >"$work/$1.verdict"
  cat "$work/$1.verdict"
}

[ $# -gt 0 ] || set -- cmake_vendored cmake_upstream_httplib cmake_destdir meson_destdir copied_header makefile \
  compile_once cmake_subdirectory cmake_library cmake_fetch_content cmake_find_package cmake_httplib cmake_versions cmake_own_http \
  cmake_without_https cmake_missing pkg_config meson_subproject meson_installed meson_vendored meson_missing single_include
rm -rf "$work" && mkdir -p "$work"
prepare >"$work/prepare.log" 2>&1 || { tail -n 40 "$work/prepare.log"; echo "FAILED  installing"; exit 1; }
for name in "$@"; do
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
  way "$name" &
done
wait
count() { cat "$work"/*.verdict | grep -c "^$1"; }
failed=$(count FAILED)
echo "$(count ok) passed, $failed failed, $(count SKIPPED) skipped"
[ "$failed" -ne 0 ] || rm -rf "$work"
[ "$failed" -eq 0 ]
