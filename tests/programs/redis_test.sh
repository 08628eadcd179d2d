#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Processes that share nothing but a Redis server make one request; without Redis each asks alone.
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
# start_redis PORT: false when it does not answer there, since the port is taken.
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
# slow_answer MILLISECONDS: for the next token request.
slow_answer() {
  control /next -d '{"delay_ms": '"$1"', "body": "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":1800}"}' \
    >"$work/control"
}
until_asked() {
  for _ in {1..200}; do
    [ "$(made)" -ge 1 ] && return
    sleep 0.05
  done
}
key() { cli --scan --pattern "cibmtr_auth:*:$1"; }

# start NAME [ACCOUNT] &
start() { exec "$program" "$TOKEN_URL" "$work/ca.pem" "$work/${2:-account.json}" 127.0.0.1 "$redis_port" >"$work/out.$1" 2>&1; }
# together NUMBER [ACCOUNT]: so many at once; leaves what they said in $work/out.*
together() {
  local pids=() i
  rm -f "$work"/out.*
  for ((i = 0; i < $1; ++i)); do
    start "$i" "${2:-account.json}" &
    pids+=($!)
  done
  wait "${pids[@]}"
}
said() { cat "$work"/out.* | grep -Ec "$1"; }

for number in 2 16; do
  cli flushall >/dev/null
  before=$(requests)
  together $number
  check "$number processes make one request" 1 "$(made)"
  check "one of $number asked" 1 "$(said '^token asked, 1[0-9]{3}\.[0-9] s left of it$')"
  check "the others share its token" $((number - 1)) "$(said '^token shared, 1[0-9]{3}\.[0-9] s left of it$')"
done
check "the lock is released" "" "$(key lock)"
check "the record ends with the token" yes "$(between "$(cli pttl "$(key record)")" 1700000 1800000)"

cli flushall >/dev/null
before=$(requests)
slow_answer 5000
start dead &
until_asked
{ kill -KILL $! && wait $!; } 2>/dev/null
lock=$(key lock)
check "the lock of a dead owner ends within 40 s" yes "$(between "$(cli pttl "$lock")" 20000 40000)"
cli pexpire "$lock" 1500 >/dev/null
began=$(date +%s%N)
together 3
check "until then everybody waits" yes "$(between $((($(date +%s%N) - began) / 1000000)) 1200 15000)"
check "then one asks" "2 1" "$(made) $(said asked)"

cli flushall >/dev/null
before=$(requests)
slow_answer 2000
start late &
until_asked
cli set "$(key lock)" somebody-else >/dev/null
wait $!
check "a lock that another has taken over is left alone" somebody-else "$(cli get "$(key lock)")"

cli flushall >/dev/null
before=$(requests)
slow_answer 2000
start reconnecting &
reconnecting=$!
until_asked
stop_redis TERM
start_redis "$redis_port"
wait $reconnecting
together 4
check "Redis is connected to again when it was restarted" "1 4" "$(made) $(said shared)"

before=$(requests)
sed 's/"password": *"/&wrong-/' "$work/account.json" >"$work/wrong.json"
together 8 wrong.json
together 8 wrong.json
check "a wrong password is tried once" 1 "$(made)"
check "everybody is told until when" 8 "$(said 'Next try not before [0-9TZ:-]+\.$')"

before=$(requests)
kill -STOP $redis
began=$(date +%s%N)
together 2
check "a Redis that hangs is not waited for" yes "$(between $((($(date +%s%N) - began) / 1000000)) 900 5000)"
check "and everybody asks alone" "2 2" "$(made) $(said '^token asked')"
kill -CONT $redis
stop_redis KILL
before=$(requests)
together 2
check "without Redis everybody asks alone" "2 2" "$(made) $(said '^token asked')"

check "nobody said a token or a password" 0 "$(cat "$work"/out.* "$work/log" | grep -Ec '[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}')"
echo "redis: $passed passed, $failed failed"
[ "$failed" = 0 ]
