#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""README and docs against the sources: tables, snippets, links and words."""

import itertools
import math
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


README = read("README.md")
DOCS = sorted("docs/" + path.name for path in ROOT.glob("docs/*.md"))
PAGES = ["README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md", *DOCS]
# STYLE: one word for one thing. A name in code is a word of its own, so that `life_of_a_token` is none of these.
FORBIDDEN_WORDS = ("room rooms stand-in mend mends mended anew nobody's patience told refusal read_refusal http_answer answer_stream "
                   "answer_reader pause pauses pause_after chance_at asker was_asked life_of same_text trimmed text_of "
                   "is_sound converse until_done broken_off out_of_time malformed thread_tokens held_token token_supply "
                   "memory_store token_file granted").split()
FORBIDDEN_PHRASES = ("this very machine", "of its own", "told honestly")


def without_code(text):
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", text)


def anchors(text):
    """What GitHub makes of the headings, and the anchors that are set by hand."""
    headings = re.findall(r"(?m)^#+ (.*)$", without_code(text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(
        re.findall(r'<a id="([^"]+)">', text))


def table(page, heading):
    """The rows of the table whose first cell of the heading is this, as lists of cells."""
    found = re.search(r"(?m)^\| %s \|.*\n\|[-|]+\n((?:\|.*\n?)+)" % re.escape(heading), read(page))
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in found.group(1).splitlines()]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


class Pages(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)]+)\)", without_code(read(page))):
                if "://" in link:
                    continue
                path, _, anchor = link.partition("#")
                target = (ROOT / page).parent / path if path else ROOT / page
                self.assertTrue(target.exists(), page + " links to " + link)
                if anchor:
                    self.assertIn(anchor, anchors(target.read_text(encoding="utf-8")), page + " links to " + link)

    def test_every_page_is_linked_from_the_readme(self):
        self.assertEqual({page for page in DOCS if "](" + page not in README}, set())

    def test_prose_is_wrapped_at_100_columns(self):
        for page in PAGES:
            lines = [line for line in without_code(read(page)).split("\n") if len(line) > 100 and line[0] not in "|!"]
            self.assertEqual(lines, [], page)

    def test_pages_use_the_words_of_the_field(self):
        texts = {page: read(page) for page in PAGES}
        for path in itertools.chain(ROOT.glob("examples/**/*"), ROOT.glob("include/**/*")):
            if path.is_file():
                texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        found = {(page, word) for page, text in texts.items() for word in FORBIDDEN_WORDS
                 if re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(word), text, re.IGNORECASE)}
        found |= {(page, phrase) for page, text in texts.items() for phrase in FORBIDDEN_PHRASES
                  if phrase in re.sub(r"\s+", " ", text)}
        self.assertEqual(found, set())

    def test_the_commands_they_name_exist_and_can_be_run(self):
        named = {command for page in PAGES for command in re.findall(
            r"(?<![\w./-])((?:examples|tests|single_include)/[\w/]*\w\.(?:sh|py))\b", read(page))}
        self.assertLessEqual({"examples/try.sh", "tests/run.sh", "tests/benchmarks/run.sh"}, named)
        self.assertEqual({name for name in named if not (ROOT / name).stat().st_mode & 0o100}, set())

    def test_the_files_they_name_exist(self):
        named = {name for page in PAGES for name in re.findall(
            r"(?<![\w./-])((?:examples|tests|include)/[\w/-]*\w\.(?:cpp|hpp|1|bash|zsh|svg))\b", read(page))}
        self.assertTrue(named)
        self.assertEqual({name for name in named if not (ROOT / name).exists()}, set())


class Readme(unittest.TestCase):
    def test_has_at_most_280_lines(self):
        self.assertLessEqual(README.count("\n"), 280)

    def test_shows_the_quickstart_as_it_is(self):
        self.assertTrue("```cpp\n" + read("examples/quickstart.cpp") + "```" in README)

    def test_has_the_urls_of_every_environment(self):
        source = read("include/cibmtr_auth/environment.hpp")
        urls = set(re.findall(r'"(https://[^"]+)"', source))
        self.assertEqual(len(urls), 7)
        shown = {url for row in table("README.md", "environment") for url in names_in(row[-1])}
        shown |= set(re.findall(r"\| `(https://[^`]+)` \|", README))
        self.assertEqual(shown, urls)
        functions = set(re.findall(r"(\w+_environment)\(\) \{", source)) - {"default_environment"}
        self.assertEqual(functions, set(re.findall(r"`(\w+_environment)\(\)`", README)) - {"default_environment"})

    def test_lists_every_switch(self):
        switches = set(re.findall(r"(?m)^#ifndef (CIBMTR_AUTH_\w+)$", read("include/cibmtr_auth/config.hpp")))
        self.assertEqual({name for row in table("README.md", "switch") for name in names_in(row[0])},
                         switches - {"CIBMTR_AUTH_CONFIG_HPP"})

    def test_lists_every_kind_of_error(self):
        body = re.search(r"(?s)enum class error_kind \{(.*?)\};", read("include/cibmtr_auth/error.hpp")).group(1)
        self.assertEqual([names_in(row[0])[0] for row in table("README.md", "`kind()`")],
                         re.findall(r"(?m)^  (\w+),?", body))

    def test_promises_what_the_ladder_gives(self):
        seconds = re.search(r"seconds\[\] = \{([\d, ]+)\}", read("include/cibmtr_auth/detail/oauth/attempts.hpp")).group(1)
        attempts = [0, *itertools.accumulate(int(wait) for wait in seconds.split(","))]
        within = lambda limit: sum(1 for at in attempts if at <= limit)
        text = re.sub(r"\s+", " ", README)
        self.assertIn("at most %d times in the first 18 minutes and %d times in 15 hours"
                      % (within(18 * 60), within(15 * 3600)), text)


class Design(unittest.TestCase):
    PAGE = "docs/design.md"
    SOURCE = read("include/cibmtr_auth/detail/oauth/attempts.hpp")

    def test_has_every_row_of_the_table_of_attempts(self):
        rows = re.search(r"(?s)enum class attempt_row \{(.*?)\};", self.SOURCE).group(1)
        shown = {int(number) for number in re.findall(r"(?m)^\| (\d) \|", read(self.PAGE))}
        self.assertEqual(shown, set(range(1, 1 + len(re.findall(r"(?m)^  \w+", rows)))))

    def test_lists_every_known_error_code(self):
        codes = re.search(r"(?s)is_known_code.*?for \(.*?\{(.*?)\}", self.SOURCE).group(1)
        shown = re.search(r"\*\*OAuth error codes\*\* are (.*?)\n- ", read(self.PAGE), re.DOTALL).group(1)
        self.assertEqual(set(names_in(shown)) - {"E"}, set(re.findall(r'"(\w+)"', codes)))

    def test_has_the_waits_of_the_ladder(self):
        seconds = re.search(r"seconds\[\] = \{([\d, ]+)\}", self.SOURCE).group(1)
        self.assertEqual([int(wait) for wait in seconds.split(",")],
                         [5, 30, 180, 900, 1800] + [3600 * hours for hours in (1, 2, 4, 8, 16, 24)])
        self.assertIn("5 s, 30 s, 3 min, 15 min, 30 min, 1, 2, 4, 8, 16 and 24 h",
                      re.sub(r"\s+", " ", read(self.PAGE)))

    def test_names_every_header(self):
        modules = re.search(r"(?s)## Modules\n(.*?)\n## ", read(self.PAGE)).group(1)
        self.assertEqual({path.stem for path in ROOT.glob("include/cibmtr_auth/**/*.hpp")
                          if path.stem != "windows" and not re.search(r"\b%s\b" % path.stem, modules)}, set())


class Reference(unittest.TestCase):
    PAGE = "docs/reference.md"

    def test_lists_every_public_name_beside_its_header(self):
        for header in ROOT.glob("include/cibmtr_auth/*.hpp"):
            code = re.sub(r"(?s)namespace detail \{.*?\n\}  // namespace detail\n", "", header.read_text(encoding="utf-8"))
            names = set(re.findall(r"(?m)^(?:class|struct|enum class) (?:CIBMTR_AUTH_\w+ )?(\w+)(?: final)? (?=[:{])", code) +
                        re.findall(r"(?m)^using (\w+) =", code) +
                        re.findall(r"(?m)^(?:static )?(?:inline |template .*\n)(?!namespace)[^(\n]*?(?<!::)\b(\w+)\(", code))
            row = re.search(r"(?m)^\| \[\w+\]\(\.\./include/cibmtr_auth/%s\) \| (.*) \|$" % re.escape(header.name),
                            read(self.PAGE))
            self.assertEqual(set(names_in(row.group(1) if row else "")), names, header.name)

    def options(self, header, struct):
        body = re.search(r"(?s)struct %s \{(.*?)\n\};" % struct, read("include/cibmtr_auth/" + header)).group(1)
        return set(re.findall(r"(?m)^  [\w:<>() *&,]+? (\w+)(?: = [^;]*|\{[^;]*\})?(?:, \w+\{[^;]*\})*;", body))

    def listed(self, heading):
        return {name for row in table(self.PAGE, "`%s`" % heading) for name in names_in(row[0])}

    def test_lists_every_option(self):
        https = self.options("transport.hpp", "https_options")
        self.assertIn("is_cancelled", https)
        self.assertEqual(self.listed("https_options"), {"https." + option for option in https})
        own = self.options("token_cache.hpp", "token_cache_options")
        self.assertIn("store", own)
        self.assertEqual(self.listed("token_cache_options"), own)

    def test_has_the_defaults_of_the_options(self):
        source = read("include/cibmtr_auth/transport.hpp")
        for option, unit, divisor in (("timeout", "s", 1000), ("connect_timeout", "s", 1000),
                                      ("max_response_size", "MiB", 1024 * 1024)):
            value = re.search(r" %s(?:\{| = )([\d* ]+)[;}]" % option, source).group(1)
            number = math.prod(int(factor) for factor in value.split("*")) // divisor
            self.assertIn("| `https.%s` | %d %s |" % (option, number, unit), read(self.PAGE))

    def test_lists_every_member_of_the_status(self):
        self.assertEqual(self.listed("token_cache_status"), self.members("token_cache_status"))

    def members(self, struct):
        body = re.search(r"(?s)struct %s \{(.*?)\n\};" % struct, read("include/cibmtr_auth/token_cache.hpp")).group(1)
        body = re.sub(r"//.*", "", body)
        return set(re.findall(r"(\w+)(?: = [^;,]+|\{[^;,]*\})?[,;]", body))

    def test_lists_every_kind_of_event(self):
        body = re.search(r"(?s)enum class token_event_kind \{(.*?)\}", read("include/cibmtr_auth/token_cache.hpp")).group(1)
        kinds = set(re.findall(r"(\w+)(?=,|$)", re.sub(r"\s*//.*\n?|\s+", "", re.sub(r"//.*", "", body))))
        self.assertEqual(self.listed("token_event_kind"), kinds)

    def test_lists_every_member_function_of_the_cache(self):
        body = re.search(r"(?s)class token_cache \{(.*?)\n\};", read("include/cibmtr_auth/token_cache.hpp")).group(1)
        functions = set(re.findall(r"(?m)^  [\w:]+ (\w+)\([^)]*\) const", body.split("private:")[0]))
        self.assertEqual({name.split("(")[0] for row in table(self.PAGE, "function") for name in names_in(row[0])}, functions)


class Building(unittest.TestCase):
    PAGE = "docs/building.md"

    def test_lists_every_option_of_the_builds(self):
        cmake = set(re.findall(r"(?m)^option\((CIBMTR_AUTH_\w+) ", read("CMakeLists.txt")))
        self.assertEqual({name for row in table(self.PAGE, "CMake option") for name in names_in(row[0])}, cmake)
        meson = set(re.findall(r"(?m)^option\('(\w+)'", read("meson_options.txt")))
        self.assertEqual({name for row in table(self.PAGE, "Meson option") for name in names_in(row[0])}, meson)

    def test_shows_the_projects_of_the_tests_as_they_are(self):
        snippets = re.findall(r"(?s)```(?:cmake|meson|ini|make|cpp)\n(.*?)```", read(self.PAGE))
        self.assertGreaterEqual(len(snippets), 8)
        snippets += re.findall(r"(?s)```cmake\n(.*?)```", README)
        files = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/packages/*/**/*") if path.is_file()]
        self.assertEqual([snippet for snippet in snippets if not any(snippet in text for text in files)], [])


class Recipes(unittest.TestCase):
    def test_list_every_example(self):
        listed = {name for row in table("docs/recipes.md", "program") for name in names_in(row[0])}
        programs = {path.name for path in ROOT.glob("examples/*.cpp")} | {
            path.name + "/" for path in ROOT.glob("examples/*/")}
        self.assertEqual({program for program in programs if program not in listed}, set())


class Submitting(unittest.TestCase):
    def test_has_the_exit_statuses_of_the_program(self):
        statuses = {row[0] for row in table("docs/submitting.md", "exit status")}
        source = read("examples/submit_observations/submit_observations.cpp")
        in_help = re.sub(r'"\s*\n\s*"', "", source[source.index("Exit status:"):])
        in_help = in_help[:in_help.index('")')]
        self.assertEqual(statuses, set(re.findall(r"(?:: |; |n\s*|^\s*)(\d) +[a-z]", in_help)))


if __name__ == "__main__":
    unittest.main()
