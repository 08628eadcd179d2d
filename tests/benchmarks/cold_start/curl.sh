#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One token as a shell script gets it: curl, base64 and jq.
basic=$(printf '%s:%s' "$CIBMTR_CLIENT_ID" "$CIBMTR_CLIENT_SECRET" | base64 -w 0)
answer=$(curl -s --cacert "$CA_BUNDLE" -H "Authorization: Basic $basic" -H 'Accept: application/json' \
  -d "grant_type=client_credentials&scope=$CIBMTR_SCOPE" "$TOKEN_URL")
[ "$(jq -r .access_token <<<"$answer")" != null ]
