#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Code that must not compile, and the words that the compiler must say.
# Usage: must_not_compile.sh COMPILER FLAG...

# shellcheck disable=SC2317  # the functions are called through expect
set -u
compiler=("${@:?usage: must_not_compile.sh COMPILER FLAG...}")
core=(-fsyntax-only -DCIBMTR_AUTH_HTTPS=0)
switches=(-E -DCIBMTR_AUTH_HTTPS=0) # the preprocessor checks them
failed=0

# compiles STATEMENT FLAG...
compiles() {
  messages=$(printf '#include <cibmtr_auth.hpp>\n#include <iostream>\nint main() { %s }\n' "$1" |
    "${compiler[@]}" "${@:2}" -x c++ - 2>&1 >/dev/null)
}

# is_refused WORDS STATEMENT FLAG...
is_refused() { ! compiles "${@:2}" && grep -qE -e "$1" <<<"$messages"; }

not() { ! "$@"; }

# expect SENTENCE COMMAND...
expect() {
  if "${@:2}"; then
    echo "ok - $1"
  else
    echo "not ok - $1"
    echo "$messages"
    failed=1
  fi
}

not_binary='_PRODUCTION, _TEST, _HTTPS and _HTTPLIB must each be 0 or 1'
not_one='Set exactly one of CIBMTR_AUTH_PRODUCTION and CIBMTR_AUTH_TEST to 1'
no_tls='with -DCPPHTTPLIB_OPENSSL_SUPPORT; or set CIBMTR_AUTH_HTTPLIB to 0'
deleted="deleted (function|operator).*<<"

expect 'production and test at once are refused' \
  is_refused "$not_one" '' "${switches[@]}" -DCIBMTR_AUTH_PRODUCTION=1 -DCIBMTR_AUTH_TEST=1
expect 'neither production nor test is refused' is_refused "$not_one" '' "${switches[@]}" -DCIBMTR_AUTH_TEST=0
for value in ON yes 2 ''; do
  expect "PRODUCTION=$value is refused" is_refused "$not_binary" '' "${switches[@]}" "-DCIBMTR_AUTH_PRODUCTION=$value"
  expect "TEST=$value is refused" is_refused "$not_binary" '' "${switches[@]}" "-DCIBMTR_AUTH_TEST=$value"
  expect "HTTPS=$value is refused" is_refused "$not_binary" '' -E "-DCIBMTR_AUTH_HTTPS=$value"
  expect "HTTPLIB=$value is refused" is_refused "$not_binary" '' "${switches[@]}" "-DCIBMTR_AUTH_HTTPLIB=$value"
done
expect 'production, stated twice, is accepted' \
  compiles '' "${switches[@]}" -DCIBMTR_AUTH_PRODUCTION=1 -DCIBMTR_AUTH_TEST=0
expect 'test, stated twice, is accepted' \
  compiles '' "${switches[@]}" -DCIBMTR_AUTH_PRODUCTION=0 -DCIBMTR_AUTH_TEST=1
expect 'cpp-httplib without TLS is refused' \
  is_refused "$no_tls" '' "${switches[@]}" -DCIBMTR_AUTH_HTTPLIB=1 -UCPPHTTPLIB_OPENSSL_SUPPORT

expect 'a secret cannot be printed' is_refused "$deleted" 'std::cout << cibmtr_auth::secret("x");' "${core[@]}"
expect 'a token cannot be printed' is_refused "$deleted" 'std::cout << cibmtr_auth::token();' "${core[@]}"
expect 'a temporary token has no value to refer to' is_refused 'rvalue|lvalue|cannot bind|discards' \
  'std::string& value = cibmtr_auth::token().value(); std::cout << value;' "${core[@]}"
expect 'what they reveal can be printed' \
  compiles 'std::cout << cibmtr_auth::secret("x").reveal() << cibmtr_auth::token().value();' "${core[@]}"

expect 'a background_renewer cannot be copied' is_refused 'deleted' \
  'extern cibmtr_auth::background_renewer& one; cibmtr_auth::background_renewer two(one);' "${core[@]}"

expect 'this check fails for code that compiles' not is_refused '' '' "${core[@]}"
expect 'this check fails for other words' not is_refused "$not_binary" 'std::cout << cibmtr_auth::token();' "${core[@]}"

exit $failed
