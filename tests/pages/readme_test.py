#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the README says against what is there."""

import math
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


README = read("README.md")
PAGES = ("README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md")


def anchors(text):
    """What GitHub makes of the headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?s)```.*?```", "", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Readme(unittest.TestCase):
    def test_shows_the_quickstart_as_it_stands(self):
        self.assertIn("```cpp\n" + read("examples/quickstart.cpp") + "```", README)

    def test_every_link_leads_somewhere(self):
        for page in PAGES:
            text = re.sub(r"(?s)```.*?```", "", read(page))
            links = re.findall(r"\]\(([^)]+)\)", text)
            for link in links:
                path, _, anchor = link.partition("#")
                if "://" in link:
                    continue
                target = (ROOT / page).parent / path if path else ROOT / page
                self.assertTrue(target.exists(), page + " links to " + link)
                if anchor:
                    self.assertIn(anchor, anchors(target.read_text(encoding="utf-8")), page + " links to " + link)

    def test_prose_is_wrapped_at_100_columns(self):
        for page in PAGES:
            prose = re.sub(r"(?s)```.*?```", "", read(page))
            self.assertEqual([line for line in prose.split("\n") if len(line) > 100 and line[0] not in "|!"], [], page)

    def test_its_contents_list_every_section_that_one_looks_up(self):
        sections = anchors(re.sub(r"(?m)^###.*$", "", README)) - {"cibmtr_auth", "more"}
        self.assertEqual(set(re.findall(r"(?m)^\[[^]]+\]\(#([^)]+)\)", README.split("\n## ")[0])), sections)

    def test_links_every_public_name_to_its_room(self):
        for header in ROOT.glob("include/cibmtr_auth/*.hpp"):
            code = re.sub(r"(?s)namespace detail \{.*?\n\}  // namespace detail\n", "", header.read_text(encoding="utf-8"))
            names = set(re.findall(r"(?m)^(?:class|struct|enum class) (?:CIBMTR_AUTH_\w+ )?(\w+) ", code) +
                        re.findall(r"(?m)^using (\w+) =", code) + re.findall(r"(?m)^constexpr environment (\w+)", code) +
                        re.findall(r"(?m)^(?:inline |template .*\n)[^(\n]*?(\w+)\(", code))
            row = re.search(r"(?m)^\| \[\w+\]\(include/cibmtr_auth/%s\) \| (.*) \|$" % re.escape(header.name), README)
            self.assertEqual(set(re.findall(r"`(\w+)`", row.group(1) if row else "")), names, header.name)

    def test_lists_every_example(self):
        for path in ROOT.glob("examples/*.cpp"):
            self.assertRegex(README, r"(?m)^\| (`\w+\.\w+`, )*`%s`" % re.escape(path.name))

    def test_lists_every_option_of_the_builds(self):
        cmake = set(re.findall(r"(?m)^option\((CIBMTR_AUTH_\w+) ", read("CMakeLists.txt")))
        self.assert_table_lists(cmake, "CMake")
        meson = set(re.findall(r"(?m)^option\('(\w+)'", read("meson_options.txt")))
        section = re.search(r"(?s)\n\*\*Meson\*\*.*?\n\*\*make\*\*", README).group(0)
        self.assertEqual({name for name in meson if "`%s`" % name not in section}, set())

    def test_shows_the_projects_of_the_ways_in_as_they_stand(self):
        section = re.search(r"(?s)\n## Add it to your project\n.*?\n### Switches\n", README).group(0)
        snippets = re.findall(r"(?s)```(?:cmake|meson|ini|make|cpp)\n(.*?)```", section)
        self.assertGreaterEqual(len(snippets), 8)
        files = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/packages/*/**/*") if path.is_file()]
        self.assertEqual([snippet for snippet in snippets if not any(snippet in text for text in files)], [])

    def test_its_commands_exist_and_can_be_run(self):
        for command in ("examples/try.sh", "tests/run.sh", "tests/robustness/fuzz.sh", "tests/packages/packages.sh", "tests/benchmarks/run.sh",
                        "tests/benchmarks/cold_start.sh", "single_include/amalgamate.py"):
            self.assertIn(command, README)
            self.assertTrue((ROOT / command).stat().st_mode & 0o100)

    def assert_table_lists(self, names, what):
        listed = {name for row in re.findall(r"^\| (`[^|]+`) \|", README, re.MULTILINE)
                  for name in re.findall(r"`([^`]+)`", row)}
        self.assertTrue(names, what)
        self.assertEqual({name for name in names if name not in listed}, set(), what)

    def test_lists_every_switch(self):
        switches = set(re.findall(r"^#ifndef (CIBMTR_AUTH_\w+)$", read("include/cibmtr_auth/config.hpp"), re.MULTILINE))
        self.assert_table_lists(switches - {"CIBMTR_AUTH_CONFIG_HPP"}, "switches")

    def test_lists_every_kind_of_error(self):
        body = re.search(r"enum class error_kind \{(.*?)\};", read("include/cibmtr_auth/error.hpp"), re.DOTALL).group(1)
        self.assert_table_lists(set(re.findall(r"^  (\w+),?", body, re.MULTILINE)), "kinds")

    def test_lists_every_option(self):
        https = re.search(r"struct https_options \{(.*?)\n\};", read("include/cibmtr_auth/https_options.hpp"), re.DOTALL)
        options = re.findall(r"^  [\w:<>()& ]+ (\w+)(?: =.*|\{.*\})?;", https.group(1), re.MULTILINE)
        self.assertIn("observer", options)
        own = re.search(r"struct token_cache_options \{(.*?)\};", read("include/cibmtr_auth/make_token_cache.hpp"), re.DOTALL)
        own = set(re.findall(r"^  [\w:<>]+ (\w+)(?: =.*)?;", own.group(1), re.MULTILINE)) - {"https"}
        self.assertIn("store", own)
        self.assert_table_lists({"https." + option for option in options} | own, "options")

    def test_tells_the_defaults_of_the_options(self):
        source = read("include/cibmtr_auth/https_options.hpp")
        for option, unit, divisor in (("timeout", "s", 1000), ("connect_timeout", "s", 1000),
                                      ("max_response_size", "MiB", 1024 * 1024)):
            value = re.search(r" %s(?:\{| = )([\d* ]+)[;}]" % option, source).group(1)
            number = math.prod(int(factor) for factor in value.split("*")) // divisor
            self.assertIn("| `https.%s` | %d %s |" % (option, number, unit), README)

    def test_lists_every_option_of_cibmtr_token(self):
        options = {match.split(",")[0] for match in re.findall(r'add_(?:option|flag)\("(--[a-z-]+)',
                                                               read("examples/cibmtr-token/cibmtr-token.cpp"))}
        listed = {name.split()[0] for row in re.findall(r"^\| (`--[^|]+`) \|", README, re.MULTILINE)
                  for name in re.findall(r"`([^`]+)`", row)}
        self.assertEqual(options | {"--help", "--version"}, listed)


if __name__ == "__main__":
    unittest.main()
