#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Clients that are not ours get tokens from the sandbox, over verified TLS: curl and Python's requests.
# Usage: sandbox_clients.sh PATH-OF-CIBMTR-SANDBOX. Exit status: 0 passed, 1 failed, 77 skipped.
# Secrets travel through pipes and files of a private folder, never on a command line.

set -u
program=${1:?usage: sandbox_clients.sh PATH-OF-CIBMTR-SANDBOX}
python=/usr/bin/python3

if ! command -v curl >/dev/null || ! "$python" -c 'import requests' 2>/dev/null; then
  echo "SKIPPED: sandbox_clients.sh needs curl and python3-requests"
  exit 77
fi

unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
export PYTHONUTF8=1
umask 077
folder=$(mktemp -d)
sandbox=
trap '[ -z "$sandbox" ] || kill "$sandbox" 2>/dev/null; rm -rf "$folder"' EXIT

"$program" --ca-file "$folder/ca.pem" --credentials-file "$folder/account.json" \
  --ready-file "$folder/ready" >"$folder/log" &
sandbox=$!
for _ in {1..200}; do
  [ -e "$folder/ready" ] && break
  sleep 0.05
done
if [ ! -e "$folder/ready" ]; then
  echo "not ok - the sandbox starts within 10 seconds"
  exit 1
fi
# shellcheck source=/dev/null
. "$folder/ready"
export TOKEN_URL API_URL

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

# member FILE NAME: a member of a JSON object
member() {
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1])).get(sys.argv[2], ""))' "$@"
}

client_id=$(member "$folder/account.json" client_id)
client_secret=$(member "$folder/account.json" client_secret)
scope=$(member "$folder/account.json" scope)
username=$(member "$folder/account.json" username)
password=$(member "$folder/account.json" password)

# config OPTION VALUE: one line of a curl config file
config() {
  local value=${2//\\/\\\\}
  value=${value//\"/\\\"}
  printf '%s = "%s"\n' "$1" "${value//$'\n'/\\n}"
}

# fetch: curl as its config on standard input says; prints the status, leaves the body in answer.json
fetch() {
  curl -q --silent --show-error --max-time 20 --cacert "$folder/ca.pem" \
    --output "$folder/answer.json" --write-out '%{http_code}' --config -
}

# ask AUTHENTICATION-LINE FIELD=VALUE...: the guide's request for a token
ask() {
  {
    config url "$TOKEN_URL"
    config header "Accept: application/json"
    printf '%s\n' "$1"
    for field in "${@:2}"; do
      config data-urlencode "$field"
    done
  } | fetch
}

by_password=("grant_type=password" "scope=$scope" "username=$username")
by_client=("grant_type=client_credentials" "scope=$scope")
basic=$(config user "$client_id:$client_secret")

check "curl: password grant" 200 "$(ask "$basic" "${by_password[@]}" "password=$password")"
check "curl: token_type" Bearer "$(member "$folder/answer.json" token_type)"
check "curl: expires_in" 1800 "$(member "$folder/answer.json" expires_in)"
check "curl: scope" "$scope" "$(member "$folder/answer.json" scope)"
token=$(member "$folder/answer.json" access_token)
check "curl: the token has over 1,000 characters" yes "$([ ${#token} -gt 1000 ] && echo yes)"

check "curl: the API takes the token" 200 "$(
  {
    config url "$API_URL/r4/Patient"
    config header "Authorization: Bearer $token"
  } | fetch
)"
check "curl: the API wants a token" 401 "$(config url "$API_URL/r4/Patient" | fetch)"

check "curl: client_credentials grant" 200 "$(ask "$basic" "${by_client[@]}")"
check "curl: a wrong password" 400 "$(ask "$basic" "${by_password[@]}" "password=wrong")"
check "curl: is an invalid_grant" invalid_grant "$(member "$folder/answer.json" error)"
check "curl: a wrong client secret" 401 "$(ask "$(config user "$client_id:wrong")" "${by_client[@]}")"
check "curl: is an invalid_client" invalid_client "$(member "$folder/answer.json" error)"

unbroken=$(printf '%s:%s' "$client_id" "$client_secret" | base64 -w 0)
check "curl: a Basic header made by hand" 200 \
  "$(ask "$(config header "Authorization: Basic $unbroken")" "${by_client[@]}")"
wrapped=$(printf '%s:%s' "$client_id" "$client_secret" | base64 -w 76)
check "curl: base64 wraps the sandbox's credentials" yes "$([ "$wrapped" != "$unbroken" ] && echo yes)"
status=$(ask "$(config header "Authorization: Basic $wrapped")" "${by_client[@]}")
check "curl: a wrapped Basic header is rejected" yes "$([ "$status" = 401 ] || [ "$status" = 400 ] && echo yes)"

curl -q --silent --max-time 20 --output /dev/null "$TOKEN_URL"
check "curl: without the CA file the certificate is refused" 60 $?

"$python" - "$folder" <<'PYTHON'
import json
import os
import sys

import requests

folder = sys.argv[1]
account = json.load(open(folder + "/account.json"))
basic = (account["client_id"], account["client_secret"])
by_client = {"grant_type": "client_credentials", "scope": account["scope"]}
by_password = {"grant_type": "password", "scope": account["scope"],
               "username": account["username"], "password": account["password"]}
session = requests.Session()
session.trust_env = False
session.verify = folder + "/ca.pem"
failed = 0


def check(what, expected, actual):
    global failed
    good = expected == actual
    failed += not good
    print(f"ok - requests: {what}" if good else
          f"not ok - requests: {what}: expected {expected}, got {actual}")


def ask(fields, auth=basic):
    return session.post(os.environ["TOKEN_URL"], data=fields, auth=auth, timeout=20,
                        headers={"Accept": "application/json"})


for grant in by_password, by_client:
    answer = ask(grant)
    check(grant["grant_type"] + " grant", 200, answer.status_code)
    bearer = {"Authorization": "Bearer " + answer.json().get("access_token", "")}
    patients = session.get(os.environ["API_URL"] + "/r4/Patient", headers=bearer, timeout=20)
    check("the API takes its token", (200, "searchset"),
          (patients.status_code, patients.json().get("type")))

answer = ask(dict(by_password, password="wrong"))
check("a wrong password", (400, "invalid_grant"), (answer.status_code, answer.json().get("error")))
answer = ask(by_client, (account["client_id"], "wrong"))
check("a wrong client secret", (401, "invalid_client"),
      (answer.status_code, answer.json().get("error")))
sys.exit(failed != 0)
PYTHON
check "requests: all of the above" 0 $?

log=$(<"$folder/log")
leaked=no
for private in "$client_secret" "$password" "$token" "$unbroken"; do
  case $log in *"$private"*) leaked=yes ;; esac
done
check "the sandbox printed no secret and no token" no $leaked

kill "$sandbox"
wait "$sandbox"
check "the sandbox ends cleanly after SIGTERM" 0 $?
sandbox=

echo "sandbox_clients: $passed passed, $failed failed"
[ "$failed" = 0 ]
