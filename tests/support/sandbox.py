# SPDX-License-Identifier: MIT
"""A sandbox of one's own, and programs run against it."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import tempfile
import time
import unittest

CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("CIBMTR_") and not name.lower().endswith("_proxy")
         and name not in ("HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")}


class SandboxTest(unittest.TestCase):
    sandbox_program = None  # set before a test runs

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = lambda name: os.path.join(folder.name, name)
        self.environment = {**CLEAN, "XDG_CACHE_HOME": self.path("cache")}
        self.start_sandbox()

    def start_sandbox(self, *arguments):
        sandbox = subprocess.Popen(
            [self.sandbox_program, "--ca-file", self.path("ca.pem"), "--credentials-file", self.path("account.json"),
             "--ready-file", self.path("ready"), *arguments], stdout=subprocess.DEVNULL)

        def stop():
            sandbox.send_signal(signal.SIGTERM)
            sandbox.wait(10)
        self.addCleanup(stop)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.path("ready")):
            self.assertLess(time.monotonic(), deadline, "the sandbox did not start")
            time.sleep(0.01)
        with open(self.path("ready"), encoding="utf-8") as lines:
            ready = dict(line.rstrip("\n").split("=", 1) for line in lines)
        self.token_url, self.api_url, self.port = ready["TOKEN_URL"], ready["API_URL"], int(ready["PORT"])
        self.trust = ssl.create_default_context(cafile=self.path("ca.pem"))

    def control(self, path="", body=None):
        """What the sandbox has counted, once it has done what it is told."""
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.trust, timeout=20)
        connection.request("GET" if body is None else "POST", "/sandbox" + path,
                           None if body is None else json.dumps(body))
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def run_program(self, *command, **more):
        result = subprocess.run(list(command), capture_output=True, text=True, timeout=60, env=self.environment,
                                check=False, **more)
        with open(self.path("account.json"), encoding="utf-8") as file:
            account = json.load(file)
        for secret in (account["client_secret"], account["password"]):
            self.assertFalse(secret in result.stdout + result.stderr, "a secret is in the output")
        self.assertNotRegex(result.stdout + result.stderr, r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\.")  # a token
        return result

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)
