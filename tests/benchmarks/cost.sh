#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What including the library costs: processor seconds of the compiler at -O0 (median of 7, alternating, so that a busy moment of the
# machine affects all of them), size of the object, and what one get() adds to a program. Installs what it needs on Debian. Takes 3
# minutes. cpp-httplib as one header, as upstream ships it, is measured if tests/portability/generations.sh has fetched it.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.."
. tests/support/packages.sh
{ has_commands g++ python3 && has_headers httplib.h picojson.h openssl/ssl.h nlohmann/json.hpp; } ||
  install g++ python3 libcpp-httplib-dev picojson-dev libssl-dev nlohmann-json3-dev

built=build/cost
mkdir -p "$built"
names=()
# file NAME LINE...: a source file with these lines.
file() {
  names+=("$1")
  printf '%s\n' "${@:2}" >"$built/$1.cpp"
}
# included PATTERN FOLDER...: what the headers there include.
included() { find "${@:2}" -name '*.hpp' -exec cat {} + | grep -Ex "#include <$1>" | sort -u; }
core=(include/cibmtr_auth -path "*/net" -prune -o -path "*/https.hpp" -prune -o -path "*/httplib_transport.hpp" -prune -o)
file 'an empty file' ''
file 'picojson' '#include <picojson.h>'
file 'picojson and standard headers of the core' '#include <picojson.h>' "$(included '[a-z_]*' "${core[@]}")"
file 'cibmtr_auth, CIBMTR_AUTH_HTTPS 0' '#define CIBMTR_AUTH_HTTPS 0' '#include <cibmtr_auth.hpp>'
file 'openssl ssl.h' '#include <openssl/ssl.h>'
file 'picojson, openssl and standard headers' '#include <picojson.h>' "$(included 'openssl/.*' include)" \
  "$(included '[a-z_]*' include)"
file 'cibmtr_auth' '#include <cibmtr_auth.hpp>'
file 'cpp-httplib, split' '#include <httplib.h>'
file 'nlohmann json' '#include <nlohmann/json.hpp>'
if has_headers jwt-cpp/jwt.h; then
  file 'jwt-cpp' '#include <jwt-cpp/jwt.h>'
else
  echo "SKIPPED jwt-cpp: its header is not installed (Debian 12 has no package of it)" >&2
fi
one_header=$(find build/httplib -path 'build/httplib/*/include/httplib.h' -not -path '*/split/*' 2>/dev/null | sort | head -n 1 || true)
if [ -n "$one_header" ]; then
  file 'cpp-httplib, one header' "#include \"$PWD/$one_header\""
else
  echo "SKIPPED cpp-httplib as one header: tests/portability/generations.sh fetches it" >&2
fi

compile=(g++ -std=c++11 -DCPPHTTPLIB_OPENSSL_SUPPORT -Iinclude)
TIMEFORMAT='%U %S'
for round in {1..7}; do
  echo "round $round of 7" >&2
  for name in "${names[@]}"; do
    { time "${compile[@]}" -O0 -c "$built/$name.cpp" -o "$built/$name.o"; } 2>"$built/time"
    echo "$name;$(tail -n 1 "$built/time");$(stat -c %s "$built/$name.o")"
  done
done >"$built/measured"
for level in -Os -O2; do
  for program in plain cibmtr_auth; do
    "${compile[@]}" "$level" -s "tests/benchmarks/cold_start/$program.cpp" -o "$built/$program" -pthread -lcpp-httplib -lssl -lcrypto
    echo "$level $program $(size "$built/$program" | tail -n 1)"
  done
done >"$built/sizes"

python3 - "$built" <<'PYTHON'
import pathlib
import statistics
import sys

built = pathlib.Path(sys.argv[1])
seconds, size = {}, {}
for line in (built / "measured").read_text().splitlines():
    name, used, size[name] = line.split(";")
    seconds.setdefault(name, []).append(sum(map(float, used.split())))
median = {name: statistics.median(all_of_it) for name, all_of_it in seconds.items()}
print("| a file that includes | seconds | object, bytes |\n|---|---|---|")
for name in median:
    print(f"| {name} | {median[name]:.2f} | {int(size[name]):,} |")
print("\n| what is added | seconds | as a multiple of picojson's | goal |\n|---|---|---|---|")
for what, over, goal in (
    ("cibmtr_auth, CIBMTR_AUTH_HTTPS 0", "picojson and standard headers of the core", 0.5),
    ("cibmtr_auth", "picojson, openssl and standard headers", 0.7),
):
    added = median[what] - median[over]
    multiple = added / (median["picojson"] - median["an empty file"])
    print(f"| by {what}, to {over} | {added:.2f} | {multiple:.2f} | {goal}: {'reached' if multiple <= goal else 'MISSED'} |")
print("\n| one get(), stripped: text and data beyond the same request by cpp-httplib alone | KB |\n|---|---|")
bytes_of = {}
for line in (built / "sizes").read_text().splitlines():
    level, program, text, data, *_ = line.split()
    bytes_of[level, program] = int(text) + int(data)
for level in ("-Os", "-O2"):
    print(f"| {level} | {(bytes_of[level, 'cibmtr_auth'] - bytes_of[level, 'plain']) / 1024:.0f} |")
PYTHON
