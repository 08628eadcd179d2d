#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# httplib_transport and the sandbox with three generations of cpp-httplib (the installed one, and those of Debian's later suites), and
# the bundled transport with OpenSSL 1.1.1. They are fetched into build/httplib/ without being installed and without changing this
# machine's package sources. A generation that cannot be fetched is skipped; remove its folder to fetch the newest again. Installs
# what else it needs on Debian.
# Usage: generations.sh [later]: all, or all but the installed one, which tests/run.sh tests. Exit status 0 if nothing failed.
set -uo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/support/packages.sh

{ has_commands g++ pkg-config python3 dpkg-source dpkg-deb &&
  has_headers httplib.h picojson.h doctest/doctest.h CLI/CLI.hpp openssl/ssl.h; } ||
  install g++ pkg-config python3 dpkg-dev libcpp-httplib-dev picojson-dev doctest-dev libcli11-dev libssl-dev ||
  exit 1
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

flags=(-std=c++11 -O0 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wold-style-cast -Werror -Iinclude -Itests -pthread)
root=$PWD/build/httplib
mkdir -p "$root"
passed=0
failed=0
skipped=0

# verdict NAME COMMAND...: counts it, and shows its log only when it fails.
verdict() {
  local log=$root/$1.log start=$SECONDS
  if "${@:2}" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $1 ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    tail -n 60 "$log"
    echo "FAILED  $1 ($log)"
    return 1
  fi
}

skip() {
  skipped=$((skipped + 1))
  echo "SKIPPED $*"
}

# from_debian SUITE APT_OPTION...: apt-get on that suite, with lists and caches of its own, in the suite's folder.
from_debian() {
  local folder=$root/$1
  (cd "$folder" && apt-get -q -o Dir::Etc::sourcelist="$folder/suite.sources" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" -o Acquire::Languages=none \
    -o APT::Sandbox::User="$(id -un)" "${@:2}")
}

# fetch_from URI SUITE [WHAT]: one of the two below.
fetch_from() {
  local folder=$root/$2 keys=/usr/share/keyrings/debian-archive-keyring.gpg
  rm -rf "$folder" && mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" || return 1
  {
    printf 'Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\n' "$1" "$2"
    if [ -e "$keys" ]; then echo "Signed-By: $keys"; fi
  } >"$folder/suite.sources"
  from_debian "$2" -o APT::Update::Error-Mode=any update && "${3:-cpp_httplib}" "$2" "$folder" &&
    rm -rf "$folder/lists" "$folder/cache" && touch "$folder/is_complete"
}

# cpp_httplib SUITE FOLDER: upstream's single header as Debian patches it, and Debian's own split one.
cpp_httplib() {
  from_debian "$1" --download-only source cpp-httplib &&
    from_debian "$1" -o Dir::State::status=/dev/null download libcpp-httplib-dev &&
    dpkg-source --no-check -x "$2"/*.dsc "$2/unpacked" &&
    dpkg-deb -x "$2"/libcpp-httplib-dev_*.deb "$2/split" &&
    mkdir "$2/include" && cp "$2/unpacked/httplib.h" "$2/include"
}

# openssl_1 SUITE FOLDER: though a newer one is installed.
openssl_1() {
  from_debian "$1" -o Dir::State::status=/dev/null download libssl-dev libssl1.1 &&
    dpkg-deb -x "$2"/libssl-dev_*.deb "$2" && dpkg-deb -x "$2"/libssl1.1_*.deb "$2"
}

# fetch SUITE [WHAT]: from whichever of this machine's package sources has it.
fetch() {
  [ ! -e "$root/$1/is_complete" ] || return 0
  has_commands apt-get || { echo "no apt-get"; return 1; }
  local uri
  for uri in $(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | sort -u |
    grep -v security); do
    echo "asking $uri"
    ! fetch_from "$uri" "$@" || return 0
  done
  return 1
}

version_with() {
  printf '#include <httplib.h>\nCPPHTTPLIB_VERSION\n' | g++ -E -P "$@" -x c++ - | tail -n 1 | tr -d '"'
}

# build FOLDER PROGRAM SOURCE... -- OPTION...: unless it is newer than all that it may be made of.
build() {
  local program=$1/$2 sources=() made_of=(include tests examples)
  shift 2
  while [ "$1" != -- ]; do
    sources+=("$1")
    shift
  done
  shift
  [ -z "$(find "${made_of[@]}" -name '*.[ch]pp' -newer "$program" -print -quit 2>&1)" ] && return 0
  nice -n 5 g++ "${flags[@]}" "${sources[@]}" -o "$program" "$@"
}

transport() {
  build "$1" transport tests/support/main.cpp tests/unit/httplib_transport.cpp -- -DCIBMTR_AUTH_HTTPLIB=1 "${@:2}" &&
    "$1/transport"
}

# The sandbox of that generation, with the tests of cibmtr-token, which is the same for all.
sandbox() {
  build "$root" cibmtr-token examples/cibmtr-token/cibmtr-token.cpp -- $openssl &&
    build "$1" cibmtr-sandbox examples/sandbox/sandbox.cpp -- "${@:2}" &&
    python3 tests/programs/cibmtr_token_test.py "$root/cibmtr-token" "$1/cibmtr-sandbox"
}

# generation NAME OPTION...
generation() {
  echo "== $1: cpp-httplib $(version_with "${@:2}")"
  mkdir -p "$root/$1"
  verdict "$1-transport" transport "$root/$1" "${@:2}"
  verdict "$1-sandbox" sandbox "$root/$1" "${@:2}"
}

wire_tests() {
  build "$1" wire_tests tests/support/main.cpp tests/unit/{https,make_token_cache}.cpp tests/unit/detail/net/*.cpp -- "${@:2}" &&
    "$1/wire_tests"
}

openssl=$(pkg-config --cflags --libs openssl)
# shellcheck disable=SC2086,SC2046  # lists of options
[ "${1:-}" = later ] || generation installed $(pkg-config --cflags --libs cpp-httplib) $openssl
for suite in trixie sid; do
  if fetch "$suite" >"$root/$suite-fetch.log" 2>&1; then
    # shellcheck disable=SC2086
    generation "$suite" -DCPPHTTPLIB_OPENSSL_SUPPORT -isystem "$root/$suite/include" $openssl
    split=(-DCPPHTTPLIB_OPENSSL_SUPPORT -isystem "$root/$suite/split/usr/include")
    echo "== $suite, Debian's split header: cpp-httplib $(version_with "${split[@]}")"
    verdict "$suite-split" g++ "${flags[@]}" "${split[@]}" -DCIBMTR_AUTH_HTTPLIB=1 -fsyntax-only \
      tests/unit/httplib_transport.cpp
  else
    tail -n 5 "$root/$suite-fetch.log"
    skip "$suite: its cpp-httplib cannot be fetched from this machine's package sources ($root/$suite-fetch.log)"
  fi
done

{ fetch bullseye openssl_1 && fetch bookworm; } >"$root/bullseye-fetch.log" 2>&1
if [ -e "$root/bullseye/is_complete" ] && [ -e "$root/bookworm/is_complete" ]; then
  here=$root/bullseye/usr
  verdict openssl-1.1.1 wire_tests "$root/bullseye" -DCPPHTTPLIB_OPENSSL_SUPPORT -isystem "$root/bookworm/include" \
    -isystem "$here/include" -isystem "$here/include/$(g++ -dumpmachine)" "-L$here/lib/$(g++ -dumpmachine)" \
    "-Wl,-rpath,$here/lib/$(g++ -dumpmachine)" -lssl -lcrypto
else
  tail -n 5 "$root/bullseye-fetch.log"
  skip "OpenSSL 1.1.1 cannot be fetched from this machine's package sources ($root/bullseye-fetch.log)"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
