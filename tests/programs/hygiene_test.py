#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program that has stopped using the library has no secret in its memory.
Usage: hygiene_test.py HYGIENE CIBMTR_SANDBOX"""

import base64
import json
import os
import re
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.sandbox import SandboxTest

HYGIENE_PROGRAM, SandboxTest.sandbox_program = (os.path.abspath(path) for path in sys.argv[1:3])


def memory_of(process):
    """The process's writable mappings, one after the other."""
    with open("/proc/%d/maps" % process.pid, encoding="ascii") as maps, \
            open("/proc/%d/mem" % process.pid, "rb", 0) as memory:
        for line in maps:
            start, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if int(end, 16) - int(start, 16) > 1 << 32:
                raise unittest.SkipTest("a sanitizer's shadow memory is too large to look through")
            if mode.startswith("rw"):
                memory.seek(int(start, 16))
                yield memory.read(int(end, 16) - int(start, 16))


class Hygiene(SandboxTest):
    def test_no_secret_is_left_in_memory(self):
        path = self.path
        with open(path("account.json"), encoding="utf-8") as file:
            account = json.load(file)
        wrong = {**account, "password": "wr0ng & " + account["password"]}
        with open(path("wrong.json"), "w", encoding="utf-8") as file:
            json.dump(wrong, file)

        program = subprocess.Popen(
            [HYGIENE_PROGRAM, self.token_url, path("ca.pem"), path("account.json"), path("wrong.json"), path("cache")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.wait)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stdin.close)
        outcomes = [program.stdout.readline().strip() for _ in range(7)]
        self.assertEqual(outcomes, ["token", "token", "token", "rejected", "tls", "network", "ready"])

        pair = lambda one: (one["client_id"] + ":" + one["client_secret"]).encode()
        secrets = {"the client secret": account["client_secret"], "the password": account["password"],
                   "the wrong password": wrong["password"],
                   "the Basic value": base64.b64encode(pair(account)).decode(),
                   "the password in a form": urllib.parse.quote_plus(account["password"]),
                   "a form body": "grant_type=password", "a token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9."}
        memory = list(memory_of(program))
        self.assertGreater(sum(map(len, memory)), 100000)
        self.assertTrue(any(self.token_url.encode() in mapping for mapping in memory), "this test can see what is there")
        for name, value in secrets.items():
            for form in (value.encode(), value.encode("utf-16-le")):
                self.assertEqual(sum(mapping.count(form) for mapping in memory), 0, name + " is left in memory")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
