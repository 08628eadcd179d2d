#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cibmtr-token against the sandbox. Usage: cibmtr_token_test.py CIBMTR_TOKEN CIBMTR_SANDBOX"""

import base64
import http.client
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

TOKEN_PROGRAM, SANDBOX_PROGRAM = (os.path.abspath(path) for path in sys.argv[1:3])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("CIBMTR_") and not name.lower().endswith("_proxy")
         and name not in ("HOME", "XDG_CACHE_HOME")}


class CibmtrToken(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = lambda name: os.path.join(folder.name, name)
        self.sandbox = subprocess.Popen(
            [SANDBOX_PROGRAM, "--ca-file", self.path("ca.pem"), "--credentials-file", self.path("account.json"),
             "--ready-file", self.path("ready")], stdout=subprocess.DEVNULL)
        self.addCleanup(self.stop_sandbox)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.path("ready")):
            self.assertLess(time.monotonic(), deadline, "the sandbox did not start")
            time.sleep(0.01)
        with open(self.path("ready"), encoding="utf-8") as lines:
            self.ready = dict(line.rstrip("\n").split("=", 1) for line in lines)
        with open(self.path("account.json"), encoding="utf-8") as file:
            self.account = json.load(file)

    def stop_sandbox(self):
        self.sandbox.send_signal(signal.SIGTERM)
        self.sandbox.wait(10)

    def control(self, method, path, body=None):
        trust = ssl.create_default_context(cafile=self.path("ca.pem"))
        connection = http.client.HTTPSConnection("localhost", int(self.ready["PORT"]), context=trust, timeout=10)
        connection.request(method, path, body)
        answer = connection.getresponse().read()
        connection.close()
        return answer

    def next_answer(self, status, body="", headers=None):
        self.control("POST", "/sandbox/next", json.dumps({"status": status, "body": body, "headers": headers or {}}))

    def requests(self):
        return json.loads(self.control("GET", "/sandbox"))["token_requests"]

    def run_program(self, *arguments, account=None, url=None, ca=None, cache=("--no-cache",)):
        """The result of a run, whose two outputs hold no secret; a token only where one was asked for."""
        account = account or self.account
        with open(self.path("used.json"), "w", encoding="utf-8") as file:
            json.dump(account, file)
        result = subprocess.run(
            [TOKEN_PROGRAM, "--token-url", url or self.ready["TOKEN_URL"], "--ca", ca or self.path("ca.pem"),
             "--credentials", self.path("used.json"), *cache, *arguments],
            capture_output=True, text=True, timeout=60, env=CLEAN)
        pair = account["client_id"] + ":" + account["client_secret"]
        for kept in (account["client_secret"], account["password"], urllib.parse.quote_plus(account["password"]),
                     base64.b64encode(pair.encode()).decode()):
            if kept:
                self.assertFalse(kept in result.stdout + result.stderr, "a secret is in the output")
        if result.returncode != 0:
            self.assertFalse(re.search(r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}", result.stdout + result.stderr),
                             "a token is in the output")
            self.assertEqual(result.stderr.count("\n"), 1, "a failure is one line")
            self.assertTrue(result.stderr.startswith("cibmtr-token: "))
        return result

    def with_wrong(self, **fields):
        return {**self.account, **fields}

    def test_prints_the_token_and_nothing_else(self):
        result = self.run_program()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\A[A-Za-z0-9._~+/-]+=*\n\Z")
        self.assertGreater(len(result.stdout), 1000)

    def test_prints_a_header_for_curl(self):
        self.assertRegex(self.run_program("--header").stdout, r"\AAuthorization: Bearer [A-Za-z0-9._~+/-]+=*\n\Z")

    def test_prints_json(self):
        answer = json.loads(self.run_program("--json").stdout)
        self.assertEqual(sorted(answer), ["access_token", "expires_in", "scope", "token_type"])
        self.assertEqual((answer["token_type"], answer["scope"]), ("Bearer", self.account["scope"]))
        self.assertIn(answer["expires_in"], range(1780, 1801))

    def test_the_token_opens_the_api(self):
        token = self.run_program().stdout.strip()
        trust = ssl.create_default_context(cafile=self.path("ca.pem"))
        connection = http.client.HTTPSConnection("localhost", int(self.ready["PORT"]), context=trust, timeout=10)
        connection.request("GET", "/cibmtr-fhir-backend/v1/r4/Patient", headers={"Authorization": "Bearer " + token})
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

    def test_reads_the_credentials_from_variables_and_from_files_they_name(self):
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write(self.account["password"] + "\n")
        result = subprocess.run(
            [TOKEN_PROGRAM, "--token-url", self.ready["TOKEN_URL"], "--ca", self.path("ca.pem")],
            capture_output=True, text=True, timeout=60,
            env={**CLEAN, "HOME": self.path("home"), "CIBMTR_CLIENT_ID": self.account["client_id"], "CIBMTR_SCOPE": self.account["scope"],
                 "CIBMTR_CLIENT_SECRET": self.account["client_secret"] + "\n",
                 "CIBMTR_USERNAME": self.account["username"], "CIBMTR_PASSWORD_FILE": self.path("password")})
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_runs_share_one_token_and_one_request(self):
        shared = ("--cache", self.path("cache"))
        tokens = {self.run_program(cache=shared).stdout for _ in range(5)}
        self.assertEqual(len(tokens), 1)
        self.assertEqual(self.requests(), 1)
        check = self.run_program("--check", cache=shared).stdout
        self.assertIn("kept by an earlier run", check)
        self.assertRegex(check, r"(?m)^ok  cache +" + re.escape(self.path("cache")))
        self.assertEqual(self.run_program("--no-cache", cache=()).returncode, 0)
        self.assertEqual(self.requests(), 2)

    def test_says_when_it_cannot_share_the_token(self):
        os.mkdir(self.path("open"), 0o755)
        os.chmod(self.path("open"), 0o755)
        result = self.run_program(cache=("--cache", self.path("open")))
        self.assertEqual((result.returncode, result.stderr), (0, "cibmtr-token: note: the next run will ask for another token: "
                         "%s is not a folder that only you can enter and write to\n" % self.path("open")))
        homeless = self.run_program(cache=())
        self.assertEqual((homeless.returncode, homeless.stderr), (0, "cibmtr-token: note: the next run will ask for another "
                         "token: HOME is not set, give --cache\n"))

    def test_the_cache_is_where_xdg_says(self):
        environment = {**CLEAN, "XDG_CACHE_HOME": self.path("xdg")}
        for _ in range(2):
            result = subprocess.run(
                [TOKEN_PROGRAM, "--token-url", self.ready["TOKEN_URL"], "--ca", self.path("ca.pem"),
                 "--credentials", self.path("account.json")], capture_output=True, text=True, timeout=60, env=environment)
            self.assertEqual(result.returncode, 0)
        self.assertEqual(self.requests(), 1)
        self.assertEqual(os.stat(self.path("xdg/cibmtr_auth")).st_mode & 0o777, 0o700)
        for name in os.listdir(self.path("xdg/cibmtr_auth")):
            self.assertEqual(os.stat(self.path("xdg/cibmtr_auth/" + name)).st_mode & 0o777, 0o600)

    def test_a_rejected_credential_is_not_tried_again_by_the_next_runs(self):
        shared = ("--cache", self.path("cache"))
        wrong = self.with_wrong(password="not-this-one")
        for _ in range(10):
            result = self.run_program(account=wrong, cache=shared)
            self.assertEqual(result.returncode, 3)
            self.assertRegex(result.stderr, r"Next try not before \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.\n\Z")
        self.assertEqual(self.requests(), 1)
        self.assertEqual(self.run_program(cache=shared).returncode, 0)  # the right one works at once
        self.assertEqual(self.requests(), 2)

    def test_a_folder_that_others_can_enter_is_not_used(self):
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o755)
        for _ in range(2):
            self.assertEqual(self.run_program(cache=("--cache", self.path("open"))).returncode, 0)
        self.assertEqual(self.requests(), 2)
        self.assertEqual(os.listdir(self.path("open")), [])

    def test_status_2_usage_without_repeating_what_may_be_a_secret(self):
        for arguments in (["--nonsense"], ["hunter2"], ["--header", "--json"], ["--environment", "moon"],
                          ["--timeout", "0"], ["--timeout", "soon"], ["--timeout", "nan"], ["--token-url", ""], ["--proxy", ""], ["--ca"]):
            result = self.run_program(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertNotIn("hunter2", result.stderr)
        self.assertEqual(self.requests(), 0)

    def test_status_2_configuration_names_the_field(self):
        for field in ("client_id", "client_secret", "scope", "password"):
            result = self.run_program(account=self.with_wrong(**{field: ""}))
            self.assertEqual(result.returncode, 2)
            self.assertIn(field, result.stderr)
        for url in ("http://example.org/token", "https://u:hunter2@localhost/", "https://localhost/#x", "nonsense"):
            result = self.run_program(url=url)
            self.assertEqual(result.returncode, 2, url)
            self.assertIn("token URL", result.stderr)
            self.assertNotIn("hunter2", result.stderr)
        missing = subprocess.run([TOKEN_PROGRAM, "--credentials", self.path("missing.json")], capture_output=True,
                                 text=True, timeout=60, env=CLEAN)
        self.assertEqual(missing.returncode, 2)
        self.assertIn("the credentials file cannot be opened (No such file or directory)", missing.stderr)
        by_mistake = subprocess.run([TOKEN_PROGRAM, "--credentials", json.dumps(self.account)], capture_output=True,
                                    text=True, timeout=60, env=CLEAN)
        self.assertEqual(by_mistake.returncode, 2)
        self.assertFalse(self.account["client_secret"] in by_mistake.stderr, "a secret is in the output")
        self.assertEqual(self.run_program(ca=self.path("missing.pem")).returncode, 2)
        self.assertEqual(self.requests(), 0)

    def test_status_3_rejected(self):
        for fields, code in (({"password": "not-this-one"}, "invalid_grant"), ({"client_secret": "not-this-one"}, "invalid_client"),
                             ({"client_id": "nobody"}, "invalid_client"), ({"scope": "other"}, "invalid_scope")):
            result = self.run_program(account=self.with_wrong(**fields))
            self.assertEqual(result.returncode, 3)
            self.assertIn(code, result.stderr)
        self.assertEqual(self.run_program(url=self.ready["TOKEN_URL"].replace("aus", "AUS")).returncode, 3)

    def test_renew_replaces_a_shared_token_that_the_api_refuses_and_no_newer_one(self):
        shared = ("--cache", self.path("cache"))
        refused = self.run_program(cache=shared).stdout
        renewed = self.run_program("--renew", cache=shared)
        self.assertEqual(renewed.returncode, 0, renewed.stderr)
        self.assertNotEqual(renewed.stdout, refused)
        self.assertEqual(self.run_program(cache=shared).stdout, renewed.stdout)
        again = self.run_program("--renew", cache=shared)
        self.assertEqual((again.stdout, again.stderr), (renewed.stdout, "cibmtr-token: note: the same token as before, since it "
                         "was renewed less than 30 s ago\n"))
        self.assertEqual(self.requests(), 2)

    def test_status_4_rate_limited_or_unavailable(self):
        self.next_answer(429, '{"errorCode":"E0000047"}', {"X-Rate-Limit-Remaining": "0", "Retry-After": "17"})
        result = self.run_program()
        self.assertEqual(result.returncode, 4)
        self.assertIn("Next try not before ", result.stderr)
        self.next_answer(503)
        self.assertEqual(self.run_program().returncode, 4)

    def test_status_5_network_tls_or_timeout(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            nobody = "https://localhost:%d/" % silent.getsockname()[1]
            self.assertEqual(self.run_program(url=nobody).returncode, 5)
            silent.listen()
            self.assertEqual(self.run_program("--timeout", "0.3", url=nobody).returncode, 5)
        self.assertEqual(self.run_program(ca="/etc/ssl/certs/ca-certificates.crt").returncode, 5)
        self.assertEqual(self.requests(), 0)

    def test_status_6_malformed(self):
        for status, body in ((200, "<html>Welcome</html>"), (200, "{}"), (302, ""), (404, "nothing here")):
            self.next_answer(status, body)
            self.assertEqual(self.run_program().returncode, 6, body)

    def test_a_token_that_could_split_a_header_is_refused(self):
        self.next_answer(200, '{"token_type":"Bearer","access_token":"a\\r\\nX: y"}')
        self.assertEqual(self.run_program("--header").returncode, 6)

    def test_a_full_disk_is_a_failure(self):
        for arguments in (["--token-url", self.ready["TOKEN_URL"], "--ca", self.path("ca.pem"),
                           "--credentials", self.path("account.json")], ["--help"], ["--version"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([TOKEN_PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, env=CLEAN, timeout=60)
            self.assertEqual(result.returncode, 2)

    def test_a_narrower_scope_is_reported(self):
        self.next_answer(200, '{"token_type":"Bearer","access_token":"abc","expires_in":60,"scope":"one"}')
        result = self.run_program("--scope", "one two")
        self.assertEqual((result.returncode, result.stdout), (0, "abc\n"))
        self.assertIn("less than was asked for", result.stderr)

    def test_check_prints_a_diagnosis_and_no_token(self):
        result = self.run_program("--check")
        self.assertEqual(result.returncode, 0)
        for subject in ("environment", "credentials", "grant", "cache", "proxy", "connection", "trust", "certificate", "clock",
                        "token", "scope"):
            self.assertRegex(result.stdout, r"(?m)^ok  " + subject + " ")
        self.assertNotRegex(result.stdout, r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")
        failed = self.run_program("--check", account=self.with_wrong(client_secret="not-this-one"))
        self.assertEqual(failed.returncode, 3)
        self.assertNotIn("ok  token", failed.stdout)

    def test_check_names_the_certificate_and_where_trust_comes_from(self):
        lines = self.run_program("--check").stdout
        self.assertRegex(lines, r"(?m)^ok  connection +localhost:%s at 127\.0\.0\.1, TLSv1\.3$" % self.ready["PORT"])
        self.assertRegex(lines, r"(?m)^ok  certificate +CN=localhost, from CN=cibmtr_auth sandbox, until .* GMT$")
        self.assertRegex(lines, r"(?m)^ok  trust +" + re.escape(self.path("ca.pem")) + "$")

    def test_check_tells_of_a_clock_that_is_a_day_off(self):
        class Yesterday(http.server.BaseHTTPRequestHandler):
            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() - 86400)

            def do_HEAD(self):
                self.send_response(404)
                self.end_headers()

            def do_POST(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"access_token":"abc","token_type":"Bearer","expires_in":60}')

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Yesterday)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever).start()
        result = self.run_program("--check", url="http://127.0.0.1:%d/token" % server.server_address[1])
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"(?m)^no  clock +864\d\d s ahead of the server's: set this machine's clock")

    def test_check_sends_no_credentials_to_a_server_that_is_not_trusted(self):
        with open(self.path("other.pem"), "w", encoding="utf-8") as file:
            file.write(ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(True)[0]))
        result = self.run_program("--check", ca=self.path("other.pem"))
        self.assertEqual(result.returncode, 5)
        self.assertIn("unknown CA (CN=cibmtr_auth sandbox)", result.stderr)
        self.assertEqual(self.requests(), 0)

    def test_check_tells_what_the_cache_did_and_holds(self):
        shared = ("--cache", self.path("cache"))
        first = self.run_program("--check", cache=shared).stdout
        self.assertRegex(first, r"(?m)^ok  calls +1, 0 from memory, 0 waited for another$")
        self.assertRegex(first, r"(?m)^ok  requests +1 sent, 0 failed; the reason: no living token$")
        self.assertRegex(first, r"(?m)^ok  times +obtained \d s ago, renews in 14\d\d s, ends in 1[78]\d\d s$")
        self.assertRegex(first, r"(?m)^ok  last error +none$")
        self.assertRegex(self.run_program("--check", cache=shared).stdout, r"(?m)^ok  requests +0 sent, 0 failed$")

    def test_check_tells_of_a_failure_what_the_cache_did(self):
        shared = ("--cache", self.path("cache"))
        wrong = self.with_wrong(client_secret="not-this-one")
        for requests in ("1 sent, 1 failed; the reason: no living token", "0 sent, 0 failed"):
            failed = self.run_program("--check", account=wrong, cache=shared)
            self.assertEqual(failed.returncode, 3)
            self.assertRegex(failed.stdout, r"(?m)^(ok|no)  requests +" + requests + "$")
            self.assertRegex(failed.stdout, r"(?m)^no  last error +.*invalid_client.* Next try not before \S+Z\.$")
            self.assertNotIn("ok  times", failed.stdout)

    def test_each_environment_asks_its_own_server(self):
        for name, host in (("test", "oktapreview.nmdp.org"), ("production", "okta.nmdp.org")):
            result = subprocess.run(
                [TOKEN_PROGRAM, "--environment", name, "--credentials", self.path("account.json"), "--check",
                 "--proxy", "127.0.0.1:1"], capture_output=True, text=True, timeout=60, env=CLEAN)
            self.assertEqual(result.returncode, 5)  # nobody listens on that port, so nothing leaves this machine
            self.assertIn("https://%s/" % host, result.stdout)

    def test_a_proxy_from_the_environment_is_used_and_named(self):
        result = subprocess.run(
            [TOKEN_PROGRAM, "--credentials", self.path("account.json")], capture_output=True, text=True, timeout=60,
            env={**CLEAN, "HTTPS_PROXY": "http://user:hunter2@127.0.0.1:1"})
        self.assertEqual(result.returncode, 5)
        self.assertIn("127.0.0.1:1", result.stderr)
        self.assertNotIn("hunter2", result.stderr)

    def test_help_and_version(self):
        for option, text in (("--help", "Exit status"), ("--version", "cibmtr-token ")):
            result = subprocess.run([TOKEN_PROGRAM, option], capture_output=True, text=True, timeout=60, env=CLEAN)
            self.assertEqual(result.returncode, 0)
            self.assertIn(text, result.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
