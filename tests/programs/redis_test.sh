#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Processes that share nothing but a Redis server make one request; without Redis each works alone.
# Usage: redis_test.sh REDIS_PROGRAM CIBMTR_SANDBOX. Exit status: 0 passed, 1 failed, 77 skipped.
set -u
program=${1:?usage: redis_test.sh REDIS_PROGRAM CIBMTR_SANDBOX}
sandbox_program=${2:?usage: redis_test.sh REDIS_PROGRAM CIBMTR_SANDBOX}

for needed in redis-server redis-cli curl; do
  command -v $needed >/dev/null || { echo "SKIPPED: redis_test.sh needs $needed (Debian: redis-server, curl)"; exit 77; }
done
[ -x "$program" ] || { echo "SKIPPED: examples/redis was not built: it needs hiredis (Debian: libhiredis-dev)"; exit 77; }

unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
umask 077
work=$(mktemp -d)
sandbox=
redis=
trap 'for one in $sandbox $redis; do kill -KILL $one; done 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

passed=0
failed=0
# check WHAT EXPECTED ACTUAL
check() {
  if [ "$2" = "$3" ]; then
    echo "ok - $1"
    passed=$((passed + 1))
  else
    echo "not ok - $1: expected $2, got $3"
    failed=$((failed + 1))
  fi
}
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] && echo yes || echo "$1"; }

cli() { redis-cli -p "$redis_port" "$@" 2>&1; }
# start_redis PORT: false if the port is taken.
start_redis() {
  redis_port=$1
  redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$work" >>"$work/redis.log" &
  redis=$!
  for _ in {1..100}; do
    kill -0 $redis 2>/dev/null || return 1
    [ "$(cli ping)" = PONG ] && return 0
    sleep 0.05
  done
  return 1
}
stop_redis() {
  { kill "-$1" $redis && wait $redis; } 2>/dev/null
  redis=
}

for _ in {1..20}; do
  start_redis $((20000 + RANDOM % 12000)) && break
done
check "redis-server starts" PONG "$(cli ping)"
"$sandbox_program" --ca-file "$work/ca.pem" --credentials-file "$work/account.json" --ready-file "$work/ready" \
  >"$work/log" &
sandbox=$!
for _ in {1..200}; do
  [ -e "$work/ready" ] && break
  sleep 0.05
done
[ -e "$work/ready" ] || { echo "not ok - the sandbox starts within 10 seconds"; exit 1; }
# shellcheck source=/dev/null
. "$work/ready"

control() { curl -q --silent --show-error --max-time 20 --cacert "$work/ca.pem" "https://localhost:$PORT/sandbox$1" "${@:2}"; }
requests() { control "" | sed -E 's/.*"token_requests": *([0-9]+).*/\1/'; }
made() { echo $(($(requests) - before)); }
# slow_response MILLISECONDS: for the next token request.
slow_response() {
  control /next -d '{"delay_ms": '"$1"', "body": "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":1800}"}' \
    >"$work/control"
}
until_requested() {
  for _ in {1..200}; do
    [ "$(made)" -ge 1 ] && return
    sleep 0.05
  done
}
key() { cli --scan --pattern 'cibmtr_auth:*'; }

# start NAME [ACCOUNT] &
start() { exec "$program" "$TOKEN_URL" "$work/ca.pem" "$work/${2:-account.json}" 127.0.0.1 "$redis_port" >"$work/out.$1" 2>&1; }
# together NUMBER [ACCOUNT]: so many at once; leaves their output in $work/out.*
together() {
  local pids=() i
  rm -f "$work"/out.*
  for ((i = 0; i < $1; ++i)); do
    start "$i" "${2:-account.json}" &
    pids+=($!)
  done
  wait "${pids[@]}"
}
printed() { cat "$work"/out.* | grep -Ec "$1"; }

for number in 2 16; do
  cli flushall >/dev/null
  before=$(requests)
  together $number
  check "$number processes make one request" 1 "$(made)"
  check "one of $number requested the token" 1 "$(printed '^token requested, expires in 1[0-9]{3} s$')"
  check "the others loaded it" $((number - 1)) "$(printed '^token loaded, expires in 1[0-9]{3} s$')"
done
check "there is one record" 1 "$(key | wc -l)"
check "the record is kept for three days longer than the token" yes "$(between "$(cli ttl "$(key)")" 260000 261000)"

cli flushall >/dev/null
before=$(requests)
slow_response 5000
start killed &
until_requested
{ kill -KILL $! && wait $!; } 2>/dev/null
check "a killed process leaves a lease" 1 "$(cli get "$(key)" | grep -Ec '"lease_ends_in":(29[0-9]{3}|30000)')"
for name in 1 2 3; do
  start waiting.$name &
  waiting[name]=$!
done
sleep 2
check "while the lease runs nobody sends a request" 1 "$(made)"
cli del "$(key)" >/dev/null
wait "${waiting[@]}"
check "without it one does" 2 "$(made)"

cli flushall >/dev/null
before=$(requests)
slow_response 2000
start reconnecting &
reconnecting=$!
until_requested
stop_redis TERM
start_redis "$redis_port"
wait $reconnecting
together 4
check "the cache connects again to a Redis that was restarted" "1 4" "$(made) $(printed loaded)"

before=$(requests)
sed 's/"password": *"/&wrong-/' "$work/account.json" >"$work/wrong.json"
together 8 wrong.json
together 8 wrong.json
check "a wrong password is sent once" 1 "$(made)"
check "everybody learns when the next attempt is allowed" 8 "$(printed 'Next attempt not before [0-9TZ:-]+\.$')"

before=$(requests)
kill -STOP $redis
began=$(date +%s%N)
together 2
check "nobody waits long for a Redis that hangs" yes "$(between $((($(date +%s%N) - began) / 1000000)) 900 7000)"
check "everybody works alone then" "2 2" "$(made) $(printed '^token requested')"
check "and reports why" 2 "$(printed '^redis: the token is not shared: Redis at 127.0.0.1: ')"
kill -CONT $redis
stop_redis KILL
before=$(requests)
together 2
check "without Redis everybody works alone" "2 2" "$(made) $(printed '^token requested')"
check "and reports why" 2 "$(printed '^redis: the token is not shared: Redis at 127.0.0.1: Connection refused')"

check "nobody printed a token or a password" 0 "$(cat "$work"/out.* "$work/log" | grep -Ec '[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}')"
echo "redis: $passed passed, $failed failed"
[ "$failed" = 0 ]
