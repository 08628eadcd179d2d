#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures how long a process takes from its start to one token, beside others, and prints one table. Installs what
# it needs on Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/packages.sh

{ has_commands g++ gcc go python3 curl jq openssl pkg-config && has_headers httplib.h picojson.h openssl/ssl.h CLI/CLI.hpp &&
  [ -e /usr/share/gocode/src/golang.org/x/oauth2 ] && [ -s /etc/ssl/certs/ca-certificates.crt ]; } ||
  install g++ gcc golang-go golang-golang-x-oauth2-dev python3 curl jq openssl pkg-config libcpp-httplib-dev picojson-dev \
    libssl-dev libcli11-dev ca-certificates
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

built=build/benchmarks
mkdir -p "$built"
sources=tests/benchmarks/cold_start
flags=$(pkg-config --cflags --libs cpp-httplib openssl)
g++ -std=c++11 -O2 -Iinclude "$sources/cibmtr_auth.cpp" -o "$built/cibmtr_auth" -lssl -lcrypto -pthread
# shellcheck disable=SC2086  # the flags are several words
g++ -std=c++11 -O2 "$sources/plain.cpp" -o "$built/plain" $flags -pthread
# shellcheck disable=SC2086
g++ -std=c++11 -O2 examples/sandbox/sandbox.cpp -o "$built/cibmtr-sandbox" $flags -pthread
gcc -O2 "$sources/openssl.c" -o "$built/openssl" -lssl -lcrypto
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/$built/go" go build -o "$built/cold_oauth2" "$sources/oauth2.go"

work=$(mktemp -d)
"$built/cibmtr-sandbox" --ca-file "$work/ca.pem" --credentials-file "$work/account.json" --ready-file "$work/ready" >/dev/null &
trap 'kill $!; rm -r "$work"' EXIT
until [ -e "$work/ready" ]; do sleep 0.05; done
TOKEN_URL=$(sed -n 's/^TOKEN_URL=//p' "$work/ready")
CIBMTR_CLIENT_ID=$(jq -r .client_id "$work/account.json")
CIBMTR_CLIENT_SECRET=$(jq -r .client_secret "$work/account.json")
CIBMTR_SCOPE=$(jq -r .scope "$work/account.json")
export TOKEN_URL CIBMTR_CLIENT_ID CIBMTR_CLIENT_SECRET CIBMTR_SCOPE

# The system's CAs and the sandbox's, in both forms.
export CA_BUNDLE=$work/bundle.pem SSL_CERT_DIR=$work/certs
export SSL_CERT_FILE=$work/none # else the default bundle too, where there is one
cat /etc/ssl/certs/ca-certificates.crt "$work/ca.pem" >"$CA_BUNDLE"
mkdir "$SSL_CERT_DIR"
cp -L /etc/ssl/certs/*.pem "$work/ca.pem" "$SSL_CERT_DIR"
openssl rehash "$SSL_CERT_DIR" 2>/dev/null
python3 tests/benchmarks/cold_start/measure.py "$built"
