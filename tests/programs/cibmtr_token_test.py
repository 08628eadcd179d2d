#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cibmtr-token against the sandbox. Usage: cibmtr_token_test.py CIBMTR_TOKEN CIBMTR_SANDBOX"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.sandbox import CLEAN, SandboxTest

TOKEN_PROGRAM, SandboxTest.sandbox_program = (os.path.abspath(path) for path in sys.argv[1:3])


class CibmtrTokenTest(SandboxTest):
    def setUp(self):
        super().setUp()
        with open(self.path("account.json"), encoding="utf-8") as file:
            self.account = json.load(file)

    def next_response(self, status, body="", headers=None, **more):
        self.control("/next", {"status": status, "body": body, "headers": headers or {}, **more})

    def requests(self):
        return self.control()["token_requests"]

    def command(self, *arguments, account=None, url=None, ca=None, cache=("--no-cache",)):
        credentials = self.write("other.json", json.dumps(account)) if account else self.path("account.json")
        return [TOKEN_PROGRAM, "--token-url", url or self.token_url, "--ca", ca or self.path("ca.pem"),
                "--credentials", credentials, *cache, *arguments]

    def run_it(self, *arguments, account=None, environment=CLEAN, **more):
        """The result of a run. Its output contains no secret, and a token only if it was requested."""
        result = subprocess.run(self.command(*arguments, account=account, **more), capture_output=True, text=True, timeout=60,
                                env=environment)
        account = account or self.account
        pair = account["client_id"] + ":" + account["client_secret"]
        for secret in (account["client_secret"], account["password"], urllib.parse.quote_plus(account["password"]),
                     base64.b64encode(pair.encode()).decode()):
            if secret:
                self.assertFalse(secret in result.stdout + result.stderr, "a secret is in the output")
        if result.returncode != 0:
            self.assertFalse(re.search(r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}", result.stdout + result.stderr),
                             "a token is in the output")
            self.assertEqual(result.stderr.count("\n"), 1, "a failure is one line")
            self.assertTrue(result.stderr.startswith("cibmtr-token: "))
        return result

    def with_wrong(self, **fields):
        return {**self.account, **fields}


class CibmtrToken(CibmtrTokenTest):
    def test_prints_the_token_and_nothing_else(self):
        result = self.run_it()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\A[A-Za-z0-9._~+/-]+=*\n\Z")
        self.assertGreater(len(result.stdout), 1000)

    def test_prints_a_header_for_curl(self):
        self.assertRegex(self.run_it("--header").stdout, r"\AAuthorization: Bearer [A-Za-z0-9._~+/-]+=*\n\Z")

    def test_prints_json(self):
        answer = json.loads(self.run_it("--json").stdout)
        self.assertEqual(sorted(answer), ["access_token", "expires_in", "scope", "token_type"])
        self.assertEqual((answer["token_type"], answer["scope"]), ("Bearer", self.account["scope"]))
        self.assertIn(answer["expires_in"], range(1780, 1801))

    def test_the_token_opens_the_api(self):
        token = self.run_it().stdout.strip()
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.trust, timeout=10)
        connection.request("GET", "/cibmtr-fhir-backend/v1/r4/Patient", headers={"Authorization": "Bearer " + token})
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

    def test_reads_the_credentials_from_variables_and_from_files_they_name(self):
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write(self.account["password"] + "\n")
        result = subprocess.run(
            [TOKEN_PROGRAM, "--token-url", self.token_url, "--ca", self.path("ca.pem")],
            capture_output=True, text=True, timeout=60,
            env={**self.environment, "CIBMTR_CLIENT_ID": self.account["client_id"], "CIBMTR_SCOPE": self.account["scope"],
                 "CIBMTR_CLIENT_SECRET": self.account["client_secret"] + "\n",
                 "CIBMTR_USERNAME": self.account["username"], "CIBMTR_PASSWORD_FILE": self.path("password")})
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_runs_share_one_token_and_one_request(self):
        shared = ("--cache", self.path("cache"))
        tokens = {self.run_it(cache=shared).stdout for _ in range(5)}
        self.assertEqual(len(tokens), 1)
        self.assertEqual(self.requests(), 1)
        check = self.run_it("--check", cache=shared).stdout
        self.assertIn("cached by an earlier run", check)
        self.assertRegex(check, r"(?m)^ok  cache +" + re.escape(self.path("cache")))
        self.assertEqual(self.run_it("--no-cache", cache=()).returncode, 0)
        self.assertEqual(self.requests(), 2)

    def test_says_why_it_cannot_share_the_token(self):
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o755)
        result = self.run_it(cache=("--cache", self.path("open")))
        self.assertEqual((result.returncode, result.stderr), (0, "cibmtr-token: note: nothing is shared with other runs: "
                         "%s: has mode 0755: chmod 700\n" % self.path("open")))
        homeless = self.run_it(cache=())
        self.assertEqual((homeless.returncode, homeless.stderr), (0, "cibmtr-token: note: nothing is shared with other runs: "
                         "HOME and XDG_CACHE_HOME name no absolute path: set one of them, or give --cache\n"))

    def test_the_cache_is_where_xdg_says(self):
        environment = {**CLEAN, "XDG_CACHE_HOME": self.path("xdg")}
        for _ in range(2):
            result = subprocess.run(
                [TOKEN_PROGRAM, "--token-url", self.token_url, "--ca", self.path("ca.pem"),
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
            result = self.run_it(account=wrong, cache=shared)
            self.assertEqual(result.returncode, 3)
            self.assertRegex(result.stderr, r"Next attempt not before \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.\n\Z")
        self.assertEqual(self.requests(), 1)
        self.assertEqual(self.run_it(cache=shared).returncode, 0)  # the right one works at once
        self.assertEqual(self.requests(), 2)

    def test_a_folder_that_others_can_enter_is_not_used(self):
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o755)
        for _ in range(2):
            self.assertEqual(self.run_it(cache=("--cache", self.path("open"))).returncode, 0)
        self.assertEqual(self.requests(), 2)
        self.assertEqual(os.listdir(self.path("open")), [])

    def test_status_2_usage_without_repeating_what_may_be_a_secret(self):
        for arguments in (["--nonsense"], ["hunter2"], ["--header", "--json"], ["--environment", "moon"],
                          ["--timeout", "0"], ["--timeout", "soon"], ["--timeout", "nan"], ["--token-url", ""], ["--proxy", ""], ["--ca"]):
            result = self.run_it(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertNotIn("hunter2", result.stderr)
        self.assertEqual(self.requests(), 0)

    def test_status_2_configuration_names_the_field(self):
        for field in ("client_id", "client_secret", "scope", "password"):
            result = self.run_it(account=self.with_wrong(**{field: ""}))
            self.assertEqual(result.returncode, 2)
            self.assertIn(field, result.stderr)
        for url in ("http://example.org/token", "https://u:hunter2@localhost/", "https://localhost/#x", "nonsense"):
            result = self.run_it(url=url)
            self.assertEqual(result.returncode, 2, url)
            self.assertIn("token_url", result.stderr)
            self.assertNotIn("hunter2", result.stderr)
        missing = subprocess.run([TOKEN_PROGRAM, "--credentials", self.path("missing.json")], capture_output=True,
                                 text=True, timeout=60, env=CLEAN)
        self.assertEqual(missing.returncode, 2)
        self.assertIn("the credentials file cannot be opened (No such file or directory)", missing.stderr)
        by_mistake = subprocess.run([TOKEN_PROGRAM, "--credentials", json.dumps(self.account)], capture_output=True,
                                    text=True, timeout=60, env=CLEAN)
        self.assertEqual(by_mistake.returncode, 2)
        self.assertFalse(self.account["client_secret"] in by_mistake.stderr, "a secret is in the output")
        self.assertEqual(self.run_it(ca=self.path("missing.pem")).returncode, 2)
        self.assertEqual(self.requests(), 0)

    def test_status_3_rejected(self):
        for fields, code in (({"password": "not-this-one"}, "invalid_grant"), ({"client_secret": "not-this-one"}, "invalid_client"),
                             ({"client_id": "nobody"}, "invalid_client"), ({"scope": "other"}, "invalid_scope")):
            result = self.run_it(account=self.with_wrong(**fields))
            self.assertEqual(result.returncode, 3)
            self.assertIn(code, result.stderr)
        self.assertEqual(self.run_it(url=self.token_url.replace("aus", "AUS")).returncode, 3)

    def test_renew_replaces_a_shared_token_that_the_api_rejects_and_no_newer_one(self):
        shared = ("--cache", self.path("cache"))
        rejected = self.run_it(cache=shared).stdout
        renewed = self.run_it("--renew", cache=shared)
        self.assertEqual(renewed.returncode, 0, renewed.stderr)
        self.assertNotEqual(renewed.stdout, rejected)
        self.assertEqual(self.run_it(cache=shared).stdout, renewed.stdout)
        again = self.run_it("--renew", cache=shared)
        self.assertEqual((again.stdout, again.stderr), (renewed.stdout, "cibmtr-token: note: this is the same token as before, because "
                         "it was renewed less than 30 s ago\n"))
        self.assertEqual(self.requests(), 2)

    def test_status_4_rate_limited_or_unavailable(self):
        shared = ("--cache", self.path("cache"))
        self.next_response(429, '{"errorCode":"E0000047"}', {"X-Rate-Limit-Remaining": "0", "Retry-After": "17"})
        for _ in range(2):
            result = self.run_it(cache=shared)
            self.assertEqual(result.returncode, 4)
            self.assertIn("Next attempt not before ", result.stderr)
        self.assertEqual(self.requests(), 1)
        for status in (503, 404):
            self.next_response(status, "nothing here")
            self.assertEqual(self.run_it().returncode, 4)

    def test_without_a_cache_no_next_attempt_is_promised(self):
        for status, body in ((400, '{"error":"invalid_grant"}'), (429, "{}"), (503, ""), (200, "{}")):
            self.next_response(status, body, {"Retry-After": "17"})
            self.assertNotIn("Next attempt", self.run_it().stderr)

    def test_status_5_network_tls_or_timeout(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            closed = "https://localhost:%d/" % silent.getsockname()[1]
            self.assertEqual(self.run_it(url=closed).returncode, 5)
            silent.listen()
            self.assertEqual(self.run_it("--timeout", "0.3", url=closed).returncode, 5)
        self.assertEqual(self.run_it(ca="/etc/ssl/certs/ca-certificates.crt").returncode, 5)
        self.assertEqual(self.requests(), 0)

    def test_status_6_invalid_response(self):
        for status, body in ((200, "<html>Welcome</html>"), (200, "{}"), (302, "")):
            self.next_response(status, body)
            self.assertEqual(self.run_it().returncode, 6, body)

    def test_a_token_that_could_split_a_header_is_rejected(self):
        self.next_response(200, '{"token_type":"Bearer","access_token":"a\\r\\nX: y"}')
        self.assertEqual(self.run_it("--header").returncode, 6)

    def test_a_full_disk_is_a_failure(self):
        for arguments in (["--token-url", self.token_url, "--ca", self.path("ca.pem"),
                           "--credentials", self.path("account.json")], ["--help"], ["--version"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([TOKEN_PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, env=CLEAN, timeout=60)
            self.assertEqual(result.returncode, 2)

    def test_a_narrower_scope_is_reported(self):
        self.next_response(200, '{"token_type":"Bearer","access_token":"abc","expires_in":60,"scope":"one"}')
        result = self.run_it("--scope", "one two")
        self.assertEqual((result.returncode, result.stdout), (0, "abc\n"))
        self.assertIn("less than was requested", result.stderr)

    def test_check_prints_a_diagnosis_and_no_token(self):
        result = self.run_it("--check")
        self.assertEqual(result.returncode, 0)
        for subject in ("environment", "credentials", "grant", "cache", "proxy", "connection", "trust", "certificate", "clock",
                        "token", "scope"):
            self.assertRegex(result.stdout, r"(?m)^ok  " + subject + " ")
        self.assertNotRegex(result.stdout, r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")
        failed = self.run_it("--check", account=self.with_wrong(client_secret="not-this-one"))
        self.assertEqual(failed.returncode, 3)
        self.assertNotIn("ok  token", failed.stdout)

    def test_check_names_the_certificate_and_where_trust_comes_from(self):
        lines = self.run_it("--check").stdout
        self.assertRegex(lines, r"(?m)^ok  connection +localhost:%s at 127\.0\.0\.1, TLSv1\.3$" % self.port)
        self.assertRegex(lines, r"(?m)^ok  certificate +CN=localhost, from CN=cibmtr_auth sandbox, until .* GMT$")
        self.assertRegex(lines, r"(?m)^ok  trust +" + re.escape(self.path("ca.pem")) + "$")

    def test_check_reports_a_clock_that_is_a_day_off(self):
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
        result = self.run_it("--check", url="http://127.0.0.1:%d/token" % server.server_address[1])
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"(?m)^no  clock +864\d\d s ahead of the server's: set this machine's clock")

    def test_check_sends_no_credentials_to_a_server_that_is_not_trusted(self):
        with open(self.path("other.pem"), "w", encoding="utf-8") as file:
            file.write(ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(True)[0]))
        result = self.run_it("--check", ca=self.path("other.pem"))
        self.assertEqual(result.returncode, 5)
        self.assertIn("unknown CA (CN=cibmtr_auth sandbox)", result.stderr)
        self.assertEqual(self.requests(), 0)

    def test_check_shows_whether_the_token_was_requested_or_cached(self):
        shared = ("--cache", self.path("cache"))
        for how in ("requested", "cached by an earlier run"):
            printed = self.run_it("--check", cache=shared).stdout
            self.assertRegex(printed, r"(?m)^ok  token +%s, expires in 1[78]\d\d s, renewal due in 14\d\d s$" % how)
            self.assertRegex(printed, r"(?m)^ok  connection +localhost:%s at 127\.0\.0\.1, TLSv1\.3$" % self.port)
            self.assertRegex(printed, r"(?m)^ok  last error +none$")
        self.assertEqual(self.requests(), 1)

    def test_check_shows_the_connection_after_a_failure_and_during_a_backoff(self):
        wrong = self.with_wrong(client_secret="not-this-one")
        for _ in range(2):
            failed = self.run_it("--check", account=wrong, cache=("--cache", self.path("cache")))
            self.assertEqual(failed.returncode, 3)
            self.assertRegex(failed.stdout, r"(?m)^ok  connection +localhost:%s at 127\.0\.0\.1, TLSv1\.3$" % self.port)
            self.assertRegex(failed.stdout, r"(?m)^no  last error +.*invalid_client.* Next attempt not before \S+Z\.$")
            self.assertNotIn("ok  token", failed.stdout)
        self.assertEqual(self.requests(), 1)

    def test_forget_removes_the_shared_token_and_the_backoff(self):
        shared = ("--cache", self.path("cache"))
        token = self.run_it(cache=shared).stdout
        forgotten = self.run_it("--forget", cache=shared)
        self.assertEqual((forgotten.returncode, forgotten.stdout, forgotten.stderr), (
            0, "removed the shared token and backoff of these credentials from %s\n" % self.path("cache"), ""))
        self.assertNotEqual(self.run_it(cache=shared).stdout, token)
        self.assertEqual(self.requests(), 2)
        wrong = self.with_wrong(password="not-this-one")
        for expected_requests in (3, 3):
            self.assertEqual(self.run_it(account=wrong, cache=shared).returncode, 3)
            self.assertEqual(self.requests(), expected_requests)
        self.assertIn("removed", self.run_it("--forget", account=wrong, cache=shared).stdout)
        self.assertIn("there is no", self.run_it("--forget", account=wrong, cache=shared).stdout)
        self.assertEqual(self.run_it(account=wrong, cache=shared).returncode, 3)
        self.assertEqual(self.requests(), 4)
        self.assertEqual(self.run_it("--forget").returncode, 2)  # with --no-cache

    def test_a_file_size_limit_is_a_failure_and_not_a_kill(self):
        with open(self.path("token"), "w") as file:
            result = subprocess.run(self.command(), stdout=file, stderr=subprocess.PIPE, env=CLEAN, timeout=60,
                                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)))
        self.assertEqual((result.returncode, result.stderr), (2, b"cibmtr-token: cannot write to standard output\n"))

    def test_each_environment_has_its_own_server(self):
        for name, host in (("test", "oktapreview.nmdp.org"), ("external-test", "oktapreview.nmdp.org"),
                           ("production", "okta.nmdp.org")):
            result = subprocess.run(
                [TOKEN_PROGRAM, "--environment", name, "--credentials", self.path("account.json"), "--check",
                 "--proxy", "127.0.0.1:1"], capture_output=True, text=True, timeout=60, env=CLEAN)
            self.assertEqual(result.returncode, 5)  # nothing listens on that port, so nothing leaves this machine
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


class SharedFailures(CibmtrTokenTest):
    """Runs that share a folder, one after another or at the same time."""

    def start(self, *arguments, prefix=(), **more):
        run = subprocess.Popen([*prefix, *self.command(*arguments, cache=("--cache", self.path("cache")), **more)], env=CLEAN,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(run.communicate)
        self.addCleanup(run.kill)
        return run

    def wait_for_requests(self, count):
        deadline = time.monotonic() + 20
        while self.requests() < count:
            self.assertLess(time.monotonic(), deadline, "no request was sent")
            time.sleep(0.02)

    def shared_run(self, *arguments, **more):
        return self.run_it(*arguments, cache=("--cache", self.path("cache")), **more)

    @contextlib.contextmanager
    def in_a_loop(self, action):
        is_over = threading.Event()

        def loop():
            while not is_over.is_set():
                action()
                is_over.wait(0.25)
        thread = threading.Thread(target=loop)
        thread.start()
        yield
        is_over.set()
        thread.join()

    def listen(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        return server, "127.0.0.1:%d" % server.getsockname()[1]

    def test_ten_runs_that_are_killed_while_they_wait_send_at_most_two_requests_in_30_s(self):
        self.next_response(400, '{"error":"invalid_grant"}', delay_ms=3000, times=20)
        began = time.monotonic()
        for _ in range(10):
            run = self.start(account=self.with_wrong(password="not-this-one"), prefix=("timeout", "-s", "KILL", "1"))
            self.assertEqual(run.wait(), -signal.SIGKILL)
        if time.monotonic() - began < 30:
            self.assertIn(self.requests(), (1, 2))

    def test_runs_that_wait_for_a_long_request_send_nothing(self):
        self.next_response(200, '{"token_type":"Bearer","access_token":"abc","expires_in":1800}', delay_ms=5000)
        first = self.start("--timeout", "60")
        self.wait_for_requests(1)
        waiting = [self.start("--timeout", "1") for _ in range(8)]
        for run in waiting:
            message = run.communicate()[1]
            self.assertEqual(run.returncode, 5)
            self.assertIn("another process is still requesting the token", message)
        self.assertEqual(first.communicate()[0], "abc\n")
        self.assertEqual(self.shared_run().stdout, "abc\n")
        self.assertEqual(self.requests(), 1)

    def test_after_the_lease_of_a_stopped_run_one_of_eight_sends_a_request(self):
        self.next_response(200, "{}", delay_ms=60000)
        stopped = self.start("--timeout", "3")
        self.wait_for_requests(1)
        stopped.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(self.shared_run("--timeout", "1").returncode, 5)
        self.assertEqual(self.requests(), 1)
        time.sleep(max(0, began + 5.5 - time.monotonic()))  # the first step of the ladder, counted from the request
        tokens = {run.communicate()[0] for run in [self.start() for _ in range(8)]}
        self.assertEqual((len(tokens), self.requests()), (1, 2))
        stopped.send_signal(signal.SIGCONT)
        self.assertEqual(stopped.wait(), 5)
        self.assertEqual({self.shared_run().stdout}, tokens)

    def test_jobs_that_fail_before_they_send_block_no_others(self):
        self.write("other.pem", ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(True)[0]))
        _, silent_proxy = self.listen()

        def faulty_jobs():
            codes.append(self.start(ca=self.path("other.pem")).wait())
            codes.append(self.start("--proxy", "127.0.0.1:1").wait())
            codes.append(self.start("--proxy", silent_proxy, prefix=("timeout", "-s", "KILL", "0.1")).wait())
        codes = []
        with self.in_a_loop(faulty_jobs):
            for _ in range(10):
                result = self.shared_run("--timeout", "20")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(self.shared_run("--forget").returncode, 0)
        self.assertEqual(self.requests(), 10)
        self.assertIn(5, codes)

    def test_a_rejected_proxy_login_is_not_sent_by_the_next_runs_and_another_login_is(self):
        proxy, address = self.listen()
        logins = []

        def reject():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = proxy.accept()
                    with connection:
                        head = connection.recv(4096).decode()
                        logins.append(re.search(r"(?i)Proxy-Authorization: Basic (\S+)", head).group(1))
                        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
                                           b"Content-Length: 0\r\n\r\n")
        thread = threading.Thread(target=reject, daemon=True)
        thread.start()
        began = time.monotonic()
        for arguments in ((), (), ("--check",), ()):
            result = self.shared_run(*arguments, "--proxy", "http://user:hunter2@" + address)
            self.assertEqual(result.returncode, 5)
            self.assertNotIn("hunter2", result.stdout + result.stderr)
        if time.monotonic() - began < 5:
            self.assertEqual(len(logins), 1)
        self.assertEqual(self.shared_run("--proxy", "http://user:another@" + address).returncode, 5)
        self.assertEqual(len(set(logins)), 2)
        self.assertEqual(self.shared_run().returncode, 0)  # without the proxy
        self.assertEqual(self.requests(), 1)

    def test_a_server_that_drops_packets_is_not_a_matter_of_the_time_out(self):
        server = socket.socket()
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):  # when the queue is full, the kernel drops what arrives
            client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        result = self.shared_run("--timeout", "1", url="https://localhost:%d/" % server.getsockname()[1])
        self.assertEqual(result.returncode, 5)
        self.assertRegex(result.stderr, "timed_out: .*firewall.*proxy")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
