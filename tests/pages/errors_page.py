#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether docs/errors.md has a row for each error message of the library and of cibmtr-token, and for no other.

A message is composed of string literals and of what is known only at run time; a row shows the literals as they are and the
rest in italics, after an anchor. Usage: errors_page.py [--list]. Exit status: 0 in step, 1 not.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/errors.md"
PROGRAM = ROOT / "examples/cibmtr-token"
SOURCES = sorted((ROOT / "include").rglob("*.hpp")) + sorted([*PROGRAM.glob("*.cpp"), *PROGRAM.glob("*.hpp")])

# Text that is no error.
NOT_ERRORS = (
    r"HTTP/1\.1\\r\\n", r"^%\d", r"\\r\\n$",  # protocols
    r"^a token was (requested|loaded)", r"^the token is shared again$",  # events
    r"^No required SSL certificate|^The SSL certificate error",  # what nginx sends
)
# What cibmtr-token prints if nothing is wrong.
GOOD_NEWS = (
    r"print_finding\(\"(environment|credentials|grant|certificate|token|renewal|requests)\"",
    r"through the proxy at", r"unknown: the server did not say", r"shared token (and|or) backoff of these credentials (from|in)",
)


def without_comments(code):
    literal = r'"(?:\\.|[^"\\\n])*"'
    return re.sub(rf"({literal})|'(?:\\.|[^'\\\n])+'|//[^\n]*", lambda found: found.group(1) or " ", code)


def statements(path):
    """Each statement, with adjacent literals joined."""
    code = without_comments(path.read_text())
    code = re.sub(r"(?m)^#(?!error).*$", "", code)
    code = re.sub(r'"\s*\n\s*"', "", code)
    return re.split(r"[;{}]\n|\n#", code)


def unescaped(literal):
    return literal.replace('\\"', '"').replace("\\\\", "\\").strip(" .;:,()")


def literals():
    """The phrases that make messages, and the single words that may be beside them."""
    phrases, words = {}, set()
    for path in SOURCES:
        for statement in statements(path):
            is_good = any(re.search(one, statement) for one in GOOD_NEWS)
            for literal in re.findall(r'"((?:\\.|[^"\\\n])*)"', statement):
                if is_good or any(re.search(one, literal) for one in NOT_ERRORS):
                    continue
                for part in re.split(r"%s|%d|%lld|\\n", literal):
                    text = unescaped(part)
                    if re.search(r"[A-Za-z] +[A-Za-z]", text):
                        phrases.setdefault(text, path.name)
                    else:
                        words.update(re.findall(r"[\w.]+", text))
    return phrases, words


def rows():
    """(line number, anchor, message) of each table row."""
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if line.startswith("| ") and not line.startswith(("| message", "|-")):
            cell = re.split(r"(?<!\\)\|", line)[1].strip()
            anchor = re.match(r'<a id="([\w-]+)"></a>', cell)
            yield (number, anchor and anchor.group(1),
                   re.sub(r"\\([\\*_|<>\[\]])", r"\1", cell[anchor.end() if anchor else 0:]))


def main():
    phrases, words = literals()
    if "--list" in sys.argv:
        for phrase, name in phrases.items():
            print(f"{name}: {phrase}")
        return 0
    problems, anchors = [], set()
    cells = list(rows())
    shown = re.sub(r"\s+", " ", PAGE.read_text().replace("\\\\", "\\"))
    for phrase, name in phrases.items():
        if phrase not in shown:
            problems.append(f"{name} says what docs/errors.md does not have: {phrase}")
    by_length = sorted(phrases, key=len, reverse=True)
    for number, anchor, cell in cells:
        if not anchor or anchor in anchors:
            problems.append(f"docs/errors.md:{number} has no anchor, or one that another row has")
        anchors.add(anchor)
        rest = re.sub(r"(?<![\w*])\*[^*]+\*(?![\w*])", " ", cell)
        for phrase in by_length:
            rest = rest.replace(phrase, " ")
        unknown = [word for word in re.findall(r"[\w.]+", rest) if word.strip(".") not in words and word.strip(".")]
        if unknown:
            problems.append(f"docs/errors.md:{number} shows what no message says: {' '.join(unknown)}")
    print("\n".join(problems) or f"docs/errors.md has the {len(phrases)} phrases of all messages, in {len(cells)} rows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
