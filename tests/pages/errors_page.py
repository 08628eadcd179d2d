#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether docs/errors.md has a row for each error message of the library and of cibmtr-token, and for no other.

A message is put together from string literals and from what is known only then; a row shows the former as they are and
the latter in italics. Usage: errors_page.py [--list]. Exit status: 0 in step, 1 not.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/errors.md"
SOURCES = sorted((ROOT / "include").rglob("*.hpp")) + [ROOT / "examples/cibmtr-token/cibmtr-token.cpp"]

# What is said, but is no error.
NOT_ERRORS = (
    r"HTTP/1\.1\\r\\n", r"^%\d", r"\\r\\n$",  # protocols
    r"^about to expire$", r"^no living token$", r"^refused by the API$",  # token_cache_status::last_reason
)
# What cibmtr-token prints when nothing is wrong.
GOOD_NEWS = (
    r"print_finding\(\"(environment|credentials|grant|connection|certificate|token|calls|requests|times)\"",
    r"unknown: the server does not say", r"the reason", r"kept by an earlier run",
)


def without_comments(code):
    literal = r'"(?:\\.|[^"\\\n])*"'
    return re.sub(rf"({literal})|'(?:\\.|[^'\\\n])+'|//[^\n]*", lambda found: found.group(1) or " ", code)


def statements(path):
    """Each statement, with adjacent literals joined."""
    code = without_comments(path.read_text())
    code = re.sub(r"^void describe\(.*?^}\n", "", code, flags=re.DOTALL | re.MULTILINE)  # --help
    code = re.sub(r"^#(?!error).*$", "", code, flags=re.MULTILINE)
    code = re.sub(r'"\s*\n\s*"', "", code)
    return re.split(r"[;{}]\n|\n#", code)


def unescaped(literal):
    return literal.replace('\\"', '"').replace("\\\\", "\\").strip(" .;:,(")


def literals():
    """The phrases that make messages, and the single words that may stand beside them."""
    phrases, words = {}, set()
    for path in SOURCES:
        for statement in statements(path):
            is_good = any(re.search(one, statement) for one in GOOD_NEWS)
            for literal in re.findall(r'"((?:\\.|[^"\\\n])*)"', statement):
                if is_good or any(re.search(one, literal) for one in NOT_ERRORS):
                    continue
                for part in re.split(r"%s|\\n", literal):
                    text = unescaped(part)
                    if re.search(r"[A-Za-z] +[A-Za-z]", text):
                        phrases.setdefault(text, path.name)
                    else:
                        words.update(re.findall(r"[\w.]+", text))
    return phrases, words


def rows():
    """(line number, message) of each table row."""
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if line.startswith("| ") and not line.startswith(("| message", "|-")):
            cell = re.split(r"(?<!\\)\|", line)[1].strip()
            yield number, re.sub(r"\\([\\*_|<>\[\]])", r"\1", cell)


def main():
    phrases, words = literals()
    if "--list" in sys.argv:
        for phrase, name in phrases.items():
            print(f"{name}: {phrase}")
        return 0
    problems = []
    cells = list(rows())
    shown = PAGE.read_text().replace("\\\\", "\\")
    for phrase, name in phrases.items():
        if phrase not in shown:
            problems.append(f"{name} says what docs/errors.md does not have: {phrase}")
    longest_first = sorted(phrases, key=len, reverse=True)
    for number, cell in cells:
        rest = re.sub(r"(?<![\w*])\*[^*]+\*(?![\w*])", " ", cell)
        for phrase in longest_first:
            rest = rest.replace(phrase, " ")
        unknown = [word for word in re.findall(r"[\w.]+", rest) if word.strip(".") not in words and word.strip(".")]
        if unknown:
            problems.append(f"docs/errors.md:{number} shows what no message says: {' '.join(unknown)}")
    print("\n".join(problems) or f"docs/errors.md has the {len(phrases)} phrases of all messages, in {len(cells)} rows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
