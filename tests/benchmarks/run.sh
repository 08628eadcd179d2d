#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures get() and herds of callers beside golang.org/x/oauth2 and prints one table. Installs what it needs on Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/packages.sh

{ has_commands g++ go python3 && has_headers benchmark/benchmark.h picojson.h &&
  [ -e /usr/share/gocode/src/golang.org/x/oauth2 ]; } ||
  install g++ golang-go golang-golang-x-oauth2-dev libbenchmark-dev picojson-dev python3

built=build/benchmarks
mkdir -p "$built"
# build NAME LINKER_OPTION...
build() {
  local name=$1
  shift
  g++ -std=c++11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wold-style-cast -Werror \
    -DCIBMTR_AUTH_HTTPS=0 -Iinclude -Itests "tests/benchmarks/$name.cpp" -o "$built/$name" -pthread "$@"
}
build get -lbenchmark
build herd
build requests_over_a_day
build life_of_a_token
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/$built/go" go build -o "$built/oauth2" tests/benchmarks/oauth2.go

# processes NAME PROGRAM: 32 of them, started together.
processes() {
  local folder started_at ended_at
  folder=$(mktemp -d)
  started_at=${EPOCHREALTIME/[.,]/}
  for _ in {1..32}; do "$built/$2" "$folder" & done
  wait
  ended_at=${EPOCHREALTIME/[.,]/}
  echo "processes/$1,$(wc -c <"$folder/requests"),$(((ended_at - started_at) / 1000))"
  rm -r "$folder"
}

# Alternating, so that a busy moment of the machine affects all of them.
for round in {1..5}; do
  echo "round $round of 5" >&2
  "$built/get" --benchmark_format=csv --benchmark_min_time=0.5 2>/dev/null
  "$built/oauth2"
  if [ "$round" -le 3 ]; then
    "$built/herd"
    "$built/oauth2" herd
    processes cibmtr_auth herd
    processes oauth2 oauth2
  fi
done >"$built/measured.csv"
python3 tests/benchmarks/table.py <"$built/measured.csv"
for picture in requests_over_a_day life_of_a_token; do
  "$built/$picture" --check "tests/benchmarks/$picture.svg"
done
