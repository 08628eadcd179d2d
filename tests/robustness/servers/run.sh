#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh PROGRAM [ARGUMENT...]
# Runs PROGRAM beside the OAuth servers, tells it where they are in CIBMTR_TEST_*, and returns its status;
# 77 if the servers cannot run here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
modules=${CIBMTR_NODE_MODULES_DIR:-$here/../../../build/servers}

skip() { echo "SKIPPED: tests against real OAuth servers: $*" >&2; exit 77; }
fail() { echo "run.sh: $*" >&2; exit 1; }

[ $# -gt 0 ] || fail "which program?"
command -v openssl >/dev/null || skip "openssl is missing; install it (Debian: apt-get install openssl)"
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null ||
  skip "Node 18 or later is missing; install it (Debian: apt-get install nodejs npm)"
cmp -s "$here/package-lock.json" "$modules/node_modules/.installed" ||
  skip "their packages are missing or old; run $here/install.sh"

work=$(mktemp -d)
servers=()
clean_up() {
  local status=$?
  if [ ${#servers[@]} -gt 0 ]; then kill "${servers[@]}" 2>/dev/null || true; fi
  wait
  if [ "$status" -ne 0 ]; then cat "$work"/*.log >&2 2>/dev/null || true; fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_certificates() {
  cd "$work"
  cat >openssl.cnf <<'CONFIG'
[req]
distinguished_name = subject
[subject]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
CONFIG
  local new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 -days 2 -config openssl.cnf -extensions ca "${new_key[@]}" \
    -subj "/CN=cibmtr_auth tests" -keyout ca.key -out ca.pem &&
    openssl req -config openssl.cnf "${new_key[@]}" -subj /CN=localhost -keyout leaf.key -out leaf.csr &&
    openssl x509 -req -days 2 -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
      -extfile openssl.cnf -extensions leaf -out leaf.pem
}

start() {
  NODE_ENV=production node "$work/$1.js" --cert "$work/leaf.pem" --key "$work/leaf.key" --ready "$work/$1.url" \
    <"$work/alive" {alive}>&- >"$work/$1.log" 2>&1 &
  servers+=($!)
}

await() {
  until [ -e "$work/$1.url" ]; do
    kill -0 "$2" 2>/dev/null || fail "$1 ended before it was ready"
    [ "$SECONDS" -lt 20 ] || fail "$1 was not ready within 20 seconds"
    sleep 0.05
  done
}

(make_certificates) >"$work/openssl.log" 2>&1 || fail "openssl made no certificates"
rm "$work/openssl.log"

# The servers find their packages beside them, and they end when this pipe does, however this script ends.
cp "$here"/*.js "$here"/*.json "$work"
ln -s "$(cd "$modules" && pwd)/node_modules" "$work/node_modules"
mkfifo "$work/alive"
exec {alive}<>"$work/alive"

SECONDS=0
start oauth2_server
start oidc_provider
await oauth2_server "${servers[0]}"
await oidc_provider "${servers[1]}"

unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
export CIBMTR_TEST_OAUTH2_SERVER_URL CIBMTR_TEST_OIDC_PROVIDER_URL
CIBMTR_TEST_OAUTH2_SERVER_URL=$(<"$work/oauth2_server.url")
CIBMTR_TEST_OIDC_PROVIDER_URL=$(<"$work/oidc_provider.url")
export CIBMTR_TEST_CA_FILE=$work/ca.pem
export CIBMTR_TEST_ACCOUNT_FILE=$here/account.json

"$@" {alive}>&-
