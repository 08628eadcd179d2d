#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cibmtr-token against nginx, tinyproxy and squid, each started for the test. Installs them on Debian.
# Usage: real_network.sh [CIBMTR_TOKEN CIBMTR_SANDBOX [TEST...]]; by default those that tests/run.sh has built.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.."
. tests/support/packages.sh
PATH=$PATH:/usr/sbin # where they are installed

{ has_commands python3 nginx tinyproxy squid openssl curl && [ -x /usr/lib/squid/basic_ncsa_auth ]; } ||
  install python3 nginx tinyproxy squid openssl curl
[ $# -gt 0 ] || set -- build/include/examples/cibmtr-token build/include/examples/cibmtr-sandbox
[ -x "$1" ] && [ -x "$2" ] || { echo "Run tests/run.sh first: it builds $1 and $2" >&2; exit 1; }
exec python3 tests/robustness/real_network_test.py "$@"
