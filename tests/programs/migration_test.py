#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts of docs/from-the-guides-scripts.md, run as they are, and what that page says of the guide's scripts.
Usage: migration_test.py CIBMTR_TOKEN CIBMTR_SANDBOX. Exit status: 0 passed, 1 failed, 77 skipped."""

import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

TOKEN_PROGRAM, SANDBOX_PROGRAM = (os.path.abspath(path) for path in sys.argv[1:3])
PYTHON = "/usr/bin/python3"
DOCS = pathlib.Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "from-the-guides-scripts.md").read_text(encoding="utf-8")
COMMAND_LINE = (DOCS / "command-line.md").read_text(encoding="utf-8")
API = "https://int-api.nmdp.org/cibmtr-fhir-backend/v1"
PRODUCTION_API = "https://api.nmdp.org/cibmtr-fhir-backend/v1"


class Migration(unittest.TestCase):
    """A home with the page's credentials file, and a PATH with a cibmtr-token for the sandbox."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.home = pathlib.Path(folder.name)
        cls.sandbox = subprocess.Popen(
            [SANDBOX_PROGRAM, "--ca-file", cls.home / "ca.pem", "--credentials-file", cls.home / "cibmtr.json",
             "--ready-file", cls.home / "ready"], stdout=subprocess.DEVNULL)
        cls.addClassCleanup(cls.sandbox.wait, 10)
        cls.addClassCleanup(cls.sandbox.terminate)
        deadline = time.monotonic() + 20
        while not (cls.home / "ready").exists():
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.01)
        cls.ready = dict(line.split("=", 1) for line in (cls.home / "ready").read_text().splitlines())
        cls.account = json.loads((cls.home / "cibmtr.json").read_text(encoding="utf-8"))
        (cls.home / "bin").mkdir()
        cls.program("cibmtr-token", '%s --token-url %s --ca "$HOME/ca.pem" "$@"' % (
            shlex.quote(TOKEN_PROGRAM), cls.ready["TOKEN_URL"]))
        cls.program("curl", 'printf "%%s\\n" "$@" >"$HOME/seen_by_ps"\nexec %s -q "$@"' % shutil.which("curl"))
        (cls.home / "tmp").mkdir()
        cls.environment = {"HOME": str(cls.home), "TMPDIR": str(cls.home / "tmp"), "PATH": "%s:/usr/bin:/bin" % (cls.home / "bin"), "LC_ALL": "C.UTF-8",
                           "CURL_CA_BUNDLE": str(cls.home / "ca.pem"), "REQUESTS_CA_BUNDLE": str(cls.home / "ca.pem")}

    @classmethod
    def program(cls, name, line):
        (cls.home / "bin" / name).write_text("#!/bin/sh\n" + line + "\n")
        (cls.home / "bin" / name).chmod(0o755)

    def setUp(self):
        self.set_password(self.account["password"])
        shutil.rmtree(self.home / ".cache", ignore_errors=True)
        before = self.counts()
        self.new = lambda what: self.counts()[what] - before[what]

    def counts(self):
        return json.loads(self.control("", None))

    def control(self, path, body):
        trust = ssl.create_default_context(cafile=self.home / "ca.pem")
        url = "https://localhost:%s/sandbox%s" % (self.ready["PORT"], path)
        with urllib.request.urlopen(url, body, context=trust, timeout=10) as answer:
            return answer.read()

    def set_password(self, password):
        (self.home / "cibmtr.json").write_text(json.dumps({**self.account, "password": password}))

    def run_text(self, *interpreter, text):
        return subprocess.run([*interpreter, text.replace(API, self.ready["API_URL"])], env=self.environment, cwd=self.home,
                              capture_output=True, text=True, timeout=30)

    def run_shell(self, text):
        return self.run_text("sh", "-c", text=text)

    SHELL_SCRIPT = re.search(r"(?s)```sh\n(#!/bin/sh\n.*?)```", PAGE).group(1)

    def run_shell_script(self, more=""):
        """`more` is what a job would do with the response."""
        return self.run_shell(self.SHELL_SCRIPT + more)

    def run_python_script(self, more=""):
        return self.run_text(PYTHON, "-c", text=re.search(r"(?s)```python\n(.*?)```", PAGE).group(1) + more)

    def token(self):
        return self.run_shell("cibmtr-token --credentials ~/cibmtr.json").stdout.strip()

    def test_check_says_ok_on_every_line(self):
        check = re.search(r"`(cibmtr-token [^`]* --check)`", PAGE).group(1)
        result = self.run_shell(check)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\A(ok  .+\n){10,}\Z")

    def test_the_shell_script_calls_the_api_and_requests_one_token_however_often_it_runs(self):
        for _ in range(3):
            result = self.run_shell_script('cp "$response" "$HOME/copy"\n')
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
            self.assertEqual(json.loads((self.home / "copy").read_text())["resourceType"], "Bundle")
        self.assertEqual((self.new("api_calls"), self.new("token_requests")), (3, 1))

    def test_the_shell_script_prints_no_patient_data_and_leaves_none_behind(self):
        result = self.run_shell_script('stat -c %a "$response" >"$HOME/mode"; echo "$response" >"$HOME/name"\n')
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual((self.home / "mode").read_text(), "600\n")
        self.assertEqual(list((self.home / "tmp").iterdir()), [])
        first = (self.home / "name").read_text()
        self.assertEqual(self.run_shell_script('echo "$response" >"$HOME/name"\n').returncode, 0)
        self.assertNotEqual((self.home / "name").read_text(), first)

    def test_one_line_of_the_shell_script_selects_the_token_server_and_the_api(self):
        script = self.SHELL_SCRIPT.replace("environment=test ", "environment=production ", 1)
        self.assertNotEqual(script, self.SHELL_SCRIPT)
        result = self.run_shell(script.replace(PRODUCTION_API, "https://localhost:1"))
        self.assertEqual((result.returncode, self.new("api_calls")), (5, 0))
        self.assertIn("https://localhost:1/r4/Patient", (self.home / "seen_by_ps").read_text())

    def test_the_shell_script_ends_with_the_status_that_says_why_and_makes_no_call(self):
        self.set_password("not-this-one")
        for _ in range(2):
            result = self.run_shell_script()
            self.assertEqual((result.returncode, result.stdout), (3, ""))
            self.assertRegex(result.stderr, r"\Acibmtr-token: rejected: .*\n\Z")
        self.assertEqual((self.new("api_calls"), self.new("token_requests")), (0, 1))

    def test_the_shell_script_renews_a_token_that_the_api_rejects(self):
        self.assertEqual(self.run_shell_script().returncode, 0)
        self.control("/revoke", b"")
        for _ in range(2):
            result = self.run_shell_script()
            self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual((self.new("api_calls"), self.new("token_requests")), (4, 2))

    def test_once_the_account_is_unlocked_one_command_ends_the_backoff(self):
        self.set_password("not-this-one")
        for _ in range(10):
            self.assertEqual(self.run_shell("cibmtr-token --credentials ~/cibmtr.json --no-cache").returncode, 3)
        self.set_password(self.account["password"])
        self.assertEqual(self.run_shell_script().returncode, 3)
        self.control("/unlock", b"")
        waiting = self.run_shell_script()
        self.assertEqual(waiting.returncode, 3)
        self.assertIn("no token was requested", waiting.stderr)
        forget = re.search(r"has unlocked\s+the\s+account,\s+`([^`]+)`", COMMAND_LINE).group(1)
        self.assertEqual(self.run_shell(forget + " --credentials ~/cibmtr.json").returncode, 0)
        self.assertEqual(self.run_shell_script().returncode, 0)

    def test_the_shell_script_ends_with_5_when_the_api_cannot_be_reached(self):
        self.assertEqual(self.run_shell(self.SHELL_SCRIPT.replace(API, "https://localhost:1")).returncode, 5)

    def test_the_shell_script_fails_when_the_api_does(self):
        self.control("/next", b'{"to": "api", "status": 503}')
        result = self.run_shell_script()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "", "HTTP 503\n"))

    def test_the_python_script_calls_the_api_and_prints_nothing(self):
        result = self.run_python_script()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        result = self.run_python_script('\nprint(bundle["resourceType"])')
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "Bundle\n", ""))

    def test_the_python_script_renews_a_token_that_the_api_rejects(self):
        self.assertEqual(self.run_python_script().returncode, 0)
        self.control("/revoke", b"")
        result = self.run_python_script()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual((self.new("api_calls"), self.new("token_requests")), (3, 2))

    def test_the_python_script_raises_and_says_why(self):
        self.set_password("not-this-one")
        result = self.run_python_script()
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, r"(?s)\Acibmtr-token: rejected: .*CalledProcessError.* non-zero exit status 3\.\n\Z")
        self.assertEqual(self.new("api_calls"), 0)

    def test_no_token_is_on_a_command_line_but_in_the_short_form(self):
        token = self.token()
        self.assertEqual(self.run_shell_script().returncode, 0)
        self.assertNotIn(token, (self.home / "seen_by_ps").read_text())
        piped = re.search(r"(?m)^cibmtr-token --header \| curl -H @- .*$", COMMAND_LINE).group(0)
        short = re.search(r'`(curl -H "\$\(cibmtr-token --header\)") …`', COMMAND_LINE).group(1) + " " + piped.split()[-1]
        for command, is_seen in ((piped, False), (short, True)):
            command = command.replace("--header", "--credentials ~/cibmtr.json --header")
            command = command.replace("/metadata", "/Patient") + " --silent"
            self.assertIn('"Bundle"', self.run_shell(command).stdout, command)
            self.assertEqual(token in (self.home / "seen_by_ps").read_text(), is_seen, command)

    def test_base64_breaks_the_line_of_a_real_id_and_secret(self):
        pair = self.account["client_id"] + ":" + self.account["client_secret"]
        self.assertEqual((len(self.account["client_id"]), len(self.account["client_secret"])), (20, 40))  # as Okta's are
        broken = subprocess.run(["base64"], input=pair, capture_output=True, text=True, timeout=10).stdout
        self.assertEqual([len(line) for line in broken.splitlines()], [76, 8])

    def test_curl_and_requests_take_a_form_along_when_a_307_leads_to_http(self):
        forms = []

        class Server(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self.path == "/elsewhere":
                    forms.append(form)
                self.send_response(200 if self.path == "/elsewhere" else 307)
                self.send_header("Location", "http://127.0.0.1:%d/elsewhere" % self.server.server_address[1])
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Server)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = "http://localhost:%d/token" % server.server_address[1]
        self.run_shell("curl --silent --location --request POST %s --data-urlencode 'password=%s'" % (url, "p&=%+ £"))
        self.run_text(PYTHON, "-c", text="import requests; requests.post('%s', data={'password': 'p&=%%+ £'})" % url)
        self.assertEqual([form.replace("%20", "+") for form in forms], ["password=p%26%3D%25%2B+%C2%A3"] * 2)


if __name__ == "__main__":
    if not shutil.which("curl") or subprocess.run([PYTHON, "-c", "import requests"], capture_output=True).returncode != 0:
        print("SKIPPED: migration_test.py needs curl and python3-requests")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
