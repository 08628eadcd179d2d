#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints one C++ file with every piece of C++ in README and docs: programs and files of tests/packages left out, definitions as they
are, statements in a function each. What the pieces leave to the reader is declared at the top."""

import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]

print(r"""#include <cibmtr_auth.hpp>
#include <httplib.h>
#include <iostream>

namespace auth = cibmtr_auth;

struct my_client {
  my_client(std::string const& method, std::string const& url);
  void add_header(std::string const& name, std::string const& value);
  bool connect();
  bool send(std::string const& body);
  std::string problem(), body();
  int status();
  std::vector<std::pair<std::string, std::string>> headers();
};
long my_get(std::string const& url, std::string const& authorization);
auth::http_response my_transport(auth::http_request const& request);
""")
count = 0
for page in PAGES:
    for piece in re.findall(r"(?ms)^ *```cpp\n(.*?)^ *```", page.read_text(encoding="utf-8")):
        piece = textwrap.dedent(piece)
        if "#include" in piece:
            continue  # a program, or a file that tests/pages/readme_test.py compares
        count += 1
        print("// " + page.name)
        if re.match(r"[\w:]+ \w+\([^)]*\) \{\n", piece):
            print(piece)
        else:
            print("void piece_%d(auth::environment const& environment, auth::token_cache const& tokens,\n"
                  "             auth::token_cache_options options, std::string const& url, std::string const& bundle) {\n"
                  "  {\n%s  }\n  static_cast<void>(options);\n}\n" % (count, piece))
assert count >= 10, count
