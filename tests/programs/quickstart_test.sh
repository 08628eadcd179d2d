#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The README's eight lines, compiled as they stand there, make an API call against the sandbox.
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

line=$(sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' README.md | grep -E '^g\+\+ .* -DCIBMTR_AUTH_TOKEN_URL=')
ln -s "$PWD/single_include" "$PWD/examples" "$work"
(cd "$work" && eval "${line//localhost:8443/localhost:$PORT}")

eval "$(grep '^eval "$(jq ' README.md | sed "s|account.json|$work/account.json|")"
SSL_CERT_FILE=$work/ca.pem "$work/quickstart" >"$work/answer"
grep -q '"resourceType": *"Bundle"' "$work/answer"
grep -q 'GET /cibmtr-fhir-backend/v1/r4/Patient 200' "$work/log"
echo "ok - the eight lines got a token and a Bundle"
