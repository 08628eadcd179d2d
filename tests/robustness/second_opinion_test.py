#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Python's standard library makes of the same bytes and dates. Argument: the second_opinion program."""

import base64
import calendar
import datetime
import email.utils
import random
import subprocess
import sys
import unittest
import urllib.parse

PROGRAM = sys.argv.pop(1)
SEED = 6749


def answers(questions):
    return subprocess.run([PROGRAM], input="\n".join(questions), stdout=subprocess.PIPE, encoding="ascii", check=True,
                          timeout=60).stdout.splitlines()


class SecondOpinion(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)

    def texts(self):
        """Every byte alone, then random bytes, then random characters as UTF-8."""
        yield b""
        yield from (bytes([byte]) for byte in range(256))
        for length in range(2000):
            yield bytes(self.random.choices(range(256), k=length % 40))
            yield "".join(self.random.choices("aZ0 +&=%~*-._£€\U0001F600/?#\r\n\0", k=length % 40)).encode()

    def test_a_form_is_what_urllib_writes_and_reads(self):
        texts = list(self.texts())
        for text, body in zip(texts, answers("form " + text.hex() for text in texts)):
            # The WHATWG keeps * and encodes ~; Python does the other way round.
            self.assertEqual(body, "value=" + urllib.parse.quote_plus(text, safe="*").replace("~", "%7E"))
            read = urllib.parse.parse_qs(body, keep_blank_values=True, strict_parsing=True, encoding="latin-1")
            self.assertEqual(read, {"value": [text.decode("latin-1")]})

    def test_base64_is_what_python_writes(self):
        texts = list(self.texts())
        for text, written in zip(texts, answers("base64 " + text.hex() for text in texts)):
            self.assertEqual(written, base64.b64encode(text).decode())

    def dates(self):
        """Seconds of 1970 to 2100, and every day around the ends of February."""
        end = calendar.timegm((2101, 1, 1, 0, 0, 0))
        yield from (self.random.randrange(end) for _ in range(5000))
        for year in range(1970, 2101):
            march = calendar.timegm((year, 3, 1, 0, 0, 0))
            yield from (march + day * 86400 for day in (-2, -1, 0, 1))
            yield from (march - 1, march - 86401)

    def test_dates_are_what_email_utils_reads_and_writes(self):
        questions, expected = [], []
        for second in self.dates():
            when = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            forms = [email.utils.format_datetime(when, usegmt=True), when.strftime("%a %b %e %H:%M:%S %Y")]
            if when.year < 2069:  # Python takes 69 for 1969, we for 2069
                forms.append(when.strftime("%A, %d-%b-%y %H:%M:%S GMT"))
            for form in forms:
                read = email.utils.parsedate_to_datetime(form).replace(tzinfo=datetime.timezone.utc)
                self.assertEqual(read, when)
                questions.append("date " + form)
                expected.append(str(second))
        self.assertEqual(answers(questions), expected)

    def test_a_day_that_is_in_no_calendar_is_no_date(self):
        months = [name for name in calendar.month_abbr if name]
        days = [(day, month, year) for year in (1994, 2000, 2023, 2024, 2100) for month in range(12) for day in range(33)]
        given = answers(f"date Sun, {day:02} {months[month]} {year} 00:00:00 GMT" for day, month, year in days)
        for (day, month, year), seconds in zip(days, given):
            with self.subTest(day=day, month=month, year=year):
                try:
                    expected = calendar.timegm(datetime.date(year, month + 1, day).timetuple())
                except ValueError:
                    expected = -1
                self.assertEqual(int(seconds), expected)


if __name__ == "__main__":
    unittest.main()
