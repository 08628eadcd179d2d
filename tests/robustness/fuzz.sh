#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: tests/robustness/fuzz.sh [SECONDS]
# Feeds each header that reads what others wrote with the inputs that libFuzzer generates, for SECONDS (60), or with
# CIBMTR_AUTH_FUZZ_RUNS inputs. Installs what it needs on Debian. Exit status 0 if every promise was kept.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.."
. tests/support/packages.sh

limit=-max_total_time=${1:-60}
[ -z "${CIBMTR_AUTH_FUZZ_RUNS:-}" ] || limit=-runs=$CIBMTR_AUTH_FUZZ_RUNS
sanitizers=-fsanitize=fuzzer,address,undefined
{ has_commands clang++ pkg-config && has_headers picojson.h openssl/ssl.h &&
  echo 'extern "C" int LLVMFuzzerTestOneInput(unsigned char const*, decltype(sizeof 0)) { return 0; }' |
  clang++ -x c++ - $sanitizers -o /dev/null 2>/dev/null; } ||
  install clang libclang-rt-14-dev pkg-config picojson-dev libssl-dev

folder=build/fuzz
mkdir -p "$folder"
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT

# fuzz TARGET: builds it and runs it on its corpus; new inputs go to a temporary folder.
fuzz() {
  local log=$folder/$1.log state=ok start
  clang++ -std=c++11 -O2 -g1 "$sanitizers" -fno-sanitize-recover=all \
    -fsanitize-coverage-ignorelist=tests/robustness/fuzz/not_covered.txt -Iinclude -Itests tests/robustness/fuzz/libfuzzer.cpp \
    "tests/robustness/fuzz/$1.cpp" -o "$folder/$1" $(pkg-config --cflags --libs openssl) >"$log" 2>&1 ||
    { cat "$log"; echo "FAILED  $1 does not compile"; return 1; }
  mkdir "$found/$1"
  start=$SECONDS
  "$folder/$1" "$limit" -max_len=640 -timeout=10 -rss_limit_mb=512 -print_final_stats=1 \
    -dict="tests/robustness/fuzz/dictionaries/$1.dict" -artifact_prefix="$folder/$1-" "$found/$1" "tests/robustness/fuzz/corpus/$1" \
    >"$log" 2>&1 || state=FAILED
  printf '%-7s %-14s %8d runs %5d s, %s\n' "$state" "$1" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" $((SECONDS - start)) \
    "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1) edges"
  [ "$state" = ok ] && return
  grep -E 'broken promise|ERROR|runtime error|what\(\)' "$log" || true
  sed -n 's/.*Test unit written to /input   /p' "$log"
  return 1
}

export -f fuzz
export folder found limit sanitizers
ls tests/robustness/fuzz/corpus | xargs -P "$(nproc)" -I{} bash -c 'set -euo pipefail; fuzz {}'
