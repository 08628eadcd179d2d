#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the reference of every public name to build/reference/, with a diagram of the headers. A public class, function or
# macro without a comment is an error, and so is a comment that Doxygen cannot follow. Installs what it needs on Debian. Takes 5 s.
set -euo pipefail
CDPATH= cd -- "$(dirname -- "$0")/../.."
. tests/support/packages.sh
has_commands doxygen dot tred || install doxygen graphviz

rm -rf build/reference
mkdir -p build/reference
# Which header includes which. A topic of private headers is one box. Arrows that follow from others are left out.
{
  echo 'digraph headers { rankdir=BT; node [shape=box, height=0.3, fontname=Helvetica, fontsize=10];'
  (
    cd include/cibmtr_auth
    for header in *.hpp detail/*/*.hpp; do
      box=${header%.hpp}
      case $header in
        detail/*) box=${header%/*} ;;
        *) echo "\"$box\" [URL=\"\\ref $header\"];" ;;
      esac
      sed -nE "s,^#include <cibmtr_auth/(detail/[a-z]*|[a-z0-9_]*).*,\"$box\" -> \"\1\";,p" "$header"
    done
  ) | sed -E '/^"(.*)" -> "\1";$/d' | sort -u
  echo '}'
} | tred >build/reference/headers.dot
# The examples, without the short name of the namespace, which Doxygen cannot follow.
mkdir build/reference/examples
cp tests/pages/reference/examples.cpp examples/*.cpp examples/*.hpp build/reference/examples
tests/pages/snippets.py >build/reference/examples/pieces.cpp
sed -i -e '/^namespace auth = cibmtr_auth;$/d' -e 's/\bauth::/cibmtr_auth::/g' build/reference/examples/*
version=$(sed -n 's/^#define CIBMTR_AUTH_VERSION "\(.*\)"$/\1/p' include/cibmtr_auth/config.hpp)
{
  cat tests/pages/reference/Doxyfile
  echo "PROJECT_NUMBER = $version"
} | doxygen - >build/reference/doxygen.log
# Members such as empty() or a copy constructor need no comment; a class, an enumeration, a function and a macro do.
if grep -vE 'Member .* of (class|struct) [a-z_:]+ is not documented' build/reference/warnings; then
  echo "FAILED: these comments are missing, or Doxygen cannot follow them"
  exit 1
fi
for file in index.html namespacecibmtr__auth.html classcibmtr__auth_1_1token__cache.html; do
  [ -s "build/reference/html/$file" ] || { echo "FAILED: build/reference/html/$file is missing"; exit 1; }
done
grep -q '%LOCALAPPDATA%' build/reference/html/namespacecibmtr__auth.html || { echo "FAILED: a percent sign is missing"; exit 1; }
if grep -rlE 'v1_0|cibmtr_auth::detail' build/reference/html --include='*.html' --exclude='*-example.html'; then
  echo "FAILED: these pages show names that are not for users"
  exit 1
fi
# Every function has an example.
python3 - build/reference/html/namespacecibmtr__auth.html docs/reference.md <<'PYTHON'
import pathlib, re, sys
html, page = (pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])
shown = {}
for name, text in re.findall(r'(?s)<h2 class="memtitle">.*?</span>(\w+)\(\)(.*?)(?=<h2 class="memtitle">|$)', html):
    shown[name] = shown.get(name, False) or "Examples</dt>" in text
missing = [name for name, has_example in shown.items() if not has_example]
if len(shown) < 15 or missing:
    sys.exit("FAILED: of %d functions these have no example: %s" % (len(shown), ", ".join(missing)))
PYTHON
echo "build/reference/html/index.html"
