#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What people read about cibmtr-token: --help, the man page, the completions and docs/command-line.md.
Usage: cibmtr_token_pages_test.py CIBMTR_TOKEN. Exit status: 0 passed, 1 failed, 77 passed without the man page's lint."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "examples"
PAGE = (EXAMPLES.parent / "docs/command-line.md").read_text(encoding="utf-8")
MAN_PAGE = (EXAMPLES / "cibmtr-token" / "cibmtr-token.1").read_text(encoding="utf-8")
PARSED = set(re.findall(r'(?:add_option|add_flag|set_version_flag)\("(--[a-z-]+)',
                        "".join(path.read_text(encoding="utf-8") for path in EXAMPLES.glob("cibmtr-token/*.?pp")))) | {"--help"}


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


HELP = output_of(PROGRAM, "--help")


def complete(*words, folder="."):
    """What bash offers for the last word, once it has split the words as it does while one types."""
    script = 'cd "$2" && source "$1" && COMP_WORDS=("${@:3}") COMP_CWORD=$(($# - 3)) && { _cibmtr_token; true; } && ' \
             '[[ $(complete -p cibmtr-token) == *" -F _cibmtr_token "* ]] && printf "%s\\n" "${COMPREPLY[@]}"'
    return set(output_of("bash", "--norc", "-uc", script, "bash", str(EXAMPLES / "cibmtr-token" / "cibmtr-token.bash"), folder,
                         "cibmtr-token", *words).split("\n")) - {""}


class Pages(unittest.TestCase):
    def test_all_pages_list_the_options_that_are_parsed(self):
        self.assertIn("--check", PARSED)
        listed = {
            "--help": set(re.findall(r"(?m)^  (?:-h, )?(--[a-z-]+)", HELP)),
            "the man page": {"--" + name for name in re.findall(r"(?m)^\.It (?:Fl h , )?Fl Fl ([a-z-]+)", MAN_PAGE)},
            "the man page's synopsis": {"--" + name for name in re.findall(
                r"Fl Fl ([a-z-]+)", re.search(r"(?s)^\.Sh SYNOPSIS$(.*?)^\.Sh", MAN_PAGE, re.MULTILINE).group(1))},
            "the completion": complete("--"),
            "docs/command-line.md": {name for row in re.findall(r"(?m)^\| (`--[^|]+`) \|", PAGE)
                                   for name in re.findall(r"`(--[a-z-]+)", row)},
        }
        for page, options in listed.items():
            self.assertEqual(options, PARSED, page)

    def test_all_pages_name_the_variables_and_the_folder(self):
        for name in ("CIBMTR_CLIENT_ID", "CIBMTR_CLIENT_SECRET", "CIBMTR_SCOPE", "CIBMTR_USERNAME", "CIBMTR_PASSWORD",
                     "_FILE", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME",
                     "~/.cache/cibmtr_auth"):
            for page, text in (("--help", HELP), ("the man page", MAN_PAGE), ("docs/command-line.md", PAGE)):
                self.assertIn(name, text, page)

    def test_all_pages_list_the_exit_statuses_of_the_program(self):
        source = (EXAMPLES / "exit_status.hpp").read_text(encoding="utf-8")
        statuses = {"0"} | set(re.findall(r"return ([0-9]);", re.search(
            r"(?s)int exit_status\(.*?\n\}", source).group(0)))
        self.assertEqual(len(statuses), 6)
        in_help = re.search(r"(?s)Exit status:\n(.*?)\n\S", HELP).group(1)
        in_man_page = re.search(r"(?s)\.Sh EXIT STATUS\n(.*?)\n\.Sh", MAN_PAGE).group(1)
        in_page = re.search(r"(?s)\n\| exit status \|.*?\n\n", PAGE).group(0)
        self.assertEqual(set(re.findall(r"(?:^|  )([0-9])  ", in_help, re.MULTILINE)), statuses)
        self.assertEqual(set(re.findall(r"(?m)^\.It ([0-9])$", in_man_page)), statuses)
        self.assertEqual(set(re.findall(r"(?m)^\| ([0-9]) \|", in_page)), statuses)

    def test_help_fits_a_terminal(self):
        self.assertEqual([line for line in HELP.split("\n") if len(line) > 80], [])

    def test_the_man_page_is_clean(self):
        if not shutil.which("mandoc"):
            self.skipTest("the man page's lint needs mandoc")
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style", str(EXAMPLES / "cibmtr-token" / "cibmtr-token.1")],
                              capture_output=True, text=True, timeout=20)
        of_this_machine = "outdated mandoc.db lacks"  # whether curl's page is installed is not this page's fault
        self.assertEqual([line for line in (lint.stdout + lint.stderr).splitlines() if of_this_machine not in line], [])


class Completion(unittest.TestCase):
    def test_options_are_completed(self):
        self.assertEqual(complete("--c"), {"--ca", "--cache", "--check", "--client-certificate", "--client-key",
                                           "--credentials"})
        self.assertEqual(complete("--header", "--no"), {"--no-cache"})

    def test_the_environments_are_completed(self):
        self.assertEqual(complete("--environment", ""), {"test", "external-test", "production"})
        self.assertEqual(complete("--environment", "p"), {"production"})
        self.assertEqual(complete("--environment", "="), {"test", "external-test", "production"})
        self.assertEqual(complete("--environment", "=", "t"), {"test"})

    def test_files_and_folders_are_completed(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "my account.json").touch()
            pathlib.Path(folder, "my *").touch()
            pathlib.Path(folder, "my cache").mkdir()
            for option in ("--credentials", "--ca", "--client-certificate", "--client-key"):
                self.assertEqual(complete(option, "my", folder=folder), {"my account.json", "my *", "my cache"}, option)
            self.assertEqual(complete("--cache", "my", folder=folder), {"my cache"})

    def test_nothing_is_offered_where_only_the_user_knows(self):
        for option in ("--token-url", "--scope", "--timeout"):
            self.assertEqual(complete(option, ""), set())


if __name__ == "__main__":
    outcome = unittest.main(argv=sys.argv[:1], exit=False).result
    for _, reason in outcome.skipped:
        print("SKIPPED:", reason)
    sys.exit(1 if not outcome.wasSuccessful() else 77 if outcome.skipped else 0)
