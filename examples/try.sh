#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Shows the library at work against the sandbox, a local imitation of CIBMTR's servers. Needs no account.
# Installs what it needs on Debian. Exit status 0 if everything worked.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/.."
. tests/support/packages.sh

work=
sandbox=
finish() {
  local status=$?
  if [ -n "$sandbox" ]; then kill "$sandbox" 2>/dev/null && wait "$sandbox" 2>/dev/null || true; fi
  if [ -n "$work" ]; then rm -rf "$work"; fi
  if [ "$status" -ne 0 ]; then echo "examples/try.sh FAILED (exit status $status)"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

{ has_commands g++ pkg-config && has_headers httplib.h picojson.h CLI/CLI.hpp openssl/ssl.h; } ||
  install g++ pkg-config libcpp-httplib-dev picojson-dev libcli11-dev libssl-dev

# compile PROGRAM SOURCE LIBRARY...: unless it is newer than all sources.
compile() {
  if [ -x "build/try/$1" ] && [ -z "$(find include examples -name "*.?pp" -newer "build/try/$1")" ]; then return; fi
  g++ -std=c++11 -Iinclude "examples/$2" -o "build/try/$1.$$" $(pkg-config --cflags --libs "${@:3}") -pthread
  mv "build/try/$1.$$" "build/try/$1"
}
mkdir -p build/try
echo "Compiling (some seconds the first time)"
compile cibmtr-sandbox sandbox/sandbox.cpp cpp-httplib openssl &
compile cibmtr-token cibmtr-token/cibmtr-token.cpp openssl
compile interface_engine interface_engine.cpp openssl
wait $!

unset "${!CIBMTR_@}" http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
work=$(mktemp -d)
build/try/cibmtr-sandbox --life 6 --ca-file "$work/ca.pem" --credentials-file "$work/account.json" \
  --ready-file "$work/ready" >"$work/log" &
sandbox=$!
until [ -e "$work/ready" ]; do
  kill -0 "$sandbox" # fails if the sandbox has ended
  sleep 0.05
done
. "$work/ready"
token() {
  build/try/cibmtr-token --token-url "$TOKEN_URL" --ca "$work/ca.pem" --cache "$work/cache" \
    --credentials "$work/$1" "${@:2}"
}

echo
echo "1. One token request in detail. A token expires after 6 seconds here, and after 30 minutes in production."
token account.json --check

echo
echo "2. API calls, one a second. All use one token until shortly before it expires; then it is renewed."
build/try/interface_engine "$TOKEN_URL" "$API_URL" "$work/ca.pem" "$work/account.json" 8 | tee "$work/calls"
grep -q 'call 1: HTTP 200, token newly requested' "$work/calls"
grep -q 'call 2: HTTP 200, token from the cache' "$work/calls"
grep -q 'call [678]: HTTP 200, token newly requested' "$work/calls"

echo
echo "3. A wrong password is rejected. A second run does not send it again, because that could lock the account."
sed 's/"password": *"/&wrong-/' "$work/account.json" >"$work/wrong.json"
for run in first second; do
  status=0
  token wrong.json 2>&1 || status=$?
  echo "exit status of the $run run: $status"
  [ "$status" -eq 3 ]
done
[ "$(grep -c 'POST /oauth2/.* 400' "$work/log")" -eq 1 ]

echo
echo "What the sandbox received:"
sed 's/^/  /' "$work/log"
echo
echo "examples/try.sh: everything worked. Next: the program in README.md, \"Use it\"."
