#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the packages of the OAuth servers into build/servers, or into $CIBMTR_NODE_MODULES_DIR.
# Exit status: 0 installed (at once if the lock has not changed), 77 impossible here, anything else a failure.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
modules=${CIBMTR_NODE_MODULES_DIR:-$here/../../../build/servers}
# A copy of the lock, inside the folder that npm removes first: an unfinished installation has none.
installed=$modules/node_modules/.installed

skip() { echo "SKIPPED: installing the OAuth servers: $*" >&2; exit 77; }

if cmp -s "$here/package-lock.json" "$installed"; then exit 0; fi
command -v npm >/dev/null || skip "npm is missing; install it (Debian: apt-get install npm)"

mkdir -p "$modules"
cp "$here/package.json" "$here/package-lock.json" "$modules"
status=0
(cd "$modules" && timeout -s KILL 120 npm ci --no-audit --no-fund --ignore-scripts --loglevel=error \
  --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=20000 >npm.log 2>&1 </dev/null) || status=$?

if [ "$status" -ne 0 ]; then
  cat "$modules/npm.log" >&2
  unreachable='code (EAI_AGAIN|ENOTFOUND|ECONN|EHOST|ENET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|FETCH_ERROR|E5)'
  if [ "$status" -eq 137 ] || grep -Eq "$unreachable" "$modules/npm.log"; then
    skip "the npm registry cannot be reached; run this again when it can"
  fi
  exit 1
fi
cp "$here/package-lock.json" "$installed"
