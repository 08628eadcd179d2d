#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# README's program and its call through cpp-httplib, compiled and run against the sandbox with the commands of docs/recipes.md.
# Usage: quickstart_test.sh CIBMTR_SANDBOX
set -euo pipefail
sandbox=$(realpath "$1")
cd "$(dirname "$0")/../.."
for needed in g++ pkg-config jq; do
  command -v $needed >/dev/null || { echo "SKIPPED: quickstart: needs $needed" >&2; exit 77; }
done

work=$(mktemp -d)
trap 'kill "$running" 2>/dev/null; wait; rm -rf "$work"' EXIT
"$sandbox" --ca-file "$work/ca.pem" --credentials-file "$work/account.json" --ready-file "$work/ready" >"$work/log" &
running=$!
until [ -e "$work/ready" ]; do kill -0 $running; sleep 0.05; done
. "$work/ready"
export HOME=$work
unset XDG_CACHE_HOME

line=$(sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' docs/recipes.md | grep -E '^g\+\+ .* -DCIBMTR_AUTH_TOKEN_URL=')
line=${line//localhost:8443/localhost:$PORT}
ln -s "$PWD/single_include" "$PWD/examples" "$work"
(cd "$work" && eval "$line")

eval "$(grep '^eval "$(jq ' docs/recipes.md | sed "s|account.json|$work/account.json|")"
for _ in 1 2; do
  SSL_CERT_FILE=$work/ca.pem "$work/quickstart" >"$work/response"
  grep -q '"resourceType": *"CapabilityStatement"' "$work/response"
done
[ "$(grep -c 'GET /cibmtr-fhir-backend/v1/r4/metadata 200' "$work/log")" -eq 2 ]
[ "$(grep -c 'POST /oauth2/.* 200' "$work/log")" -eq 1 ]
echo "ok - two runs of the program made two calls with one token"

for _ in {1..11}; do
  if CIBMTR_PASSWORD=wrong SSL_CERT_FILE=$work/ca.pem "$work/quickstart" >"$work/response" 2>&1; then exit 1; fi
done
[ "$(grep -c 'POST /oauth2/.* 400' "$work/log")" -eq 1 ]
echo "ok - eleven runs with a wrong password sent it once"

{
  echo '#include <httplib.h>'
  sed '/auth::transport const api/,$d' examples/quickstart.cpp
  awk '/^```cpp/ { text = ""; next } /^```/ { if (index(text, "httplib::Client")) printf "%s", text; text = ""; next } { text = text $0 "\n" }' \
    README.md | sed "s|https://int-api.nmdp.org|https://localhost:$PORT|"
  sed -n '/^} catch/,$p' examples/quickstart.cpp
} >"$work/over_httplib.cpp"
line=${line//examples\/quickstart.cpp/over_httplib.cpp}
line=${line//-o quickstart/-o over_httplib}
(cd "$work" && eval "${line//--libs openssl/--libs openssl cpp-httplib}")
SSL_CERT_FILE=$work/ca.pem "$work/over_httplib" >"$work/response"
grep -q '"resourceType": *"CapabilityStatement"' "$work/response"
[ "$(grep -c 'POST /oauth2/.* 200' "$work/log")" -eq 1 ]
echo "ok - the call through cpp-httplib used the same token"
