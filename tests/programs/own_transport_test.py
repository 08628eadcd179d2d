#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/own_transport against the sandbox. Usage: own_transport_test.py OWN_TRANSPORT CIBMTR_SANDBOX
Exit status: 0 passed, 1 failed, 77 skipped."""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.sandbox import SandboxTest

PROGRAM, SandboxTest.sandbox_program = (os.path.abspath(path) for path in sys.argv[1:3])


class OwnTransport(SandboxTest):
    def call(self, *timeout, token_url=None, ca="ca.pem"):
        return self.run_program(PROGRAM, token_url or self.token_url, self.api_url, self.path(ca),
                                self.path("account.json"), *timeout)

    def expect_failure(self, result, kind, text):
        self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1))
        self.assertRegex(result.stderr, r"\Aown_transport: %s: .*%s" % (kind, text))

    def listen(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        return server, "https://localhost:%d/token" % server.getsockname()[1]

    def test_gets_a_token_and_makes_a_call(self):
        result = self.call()
        self.assertEqual((result.stderr, result.stdout), ("", "HTTP 200, application/fhir+json, token requests: 1\n"))

    def test_renews_once_on_401(self):
        self.control("/next", {"to": "api", "status": 401})
        self.assertEqual(self.call().stdout, "HTTP 200, application/fhir+json, token requests: 2\n")

    def test_a_server_of_another_authority_is_not_trusted(self):
        certificates = self.path("ca.pem")
        os.rename(certificates, self.path("old.pem"))
        os.remove(self.path("ready"))
        self.start_sandbox()
        self.expect_failure(self.call(ca="old.pem"), "tls", "SSL certificate problem.*the CAs")
        self.assertEqual(self.control()["token_requests"], 0)

    def test_a_ca_file_that_is_missing_is_named(self):
        self.expect_failure(self.call(ca="missing.pem"), "configuration", "missing.pem.*ca_file")
        self.assertEqual(self.control()["token_requests"], 0)

    def test_a_certificate_for_another_name_is_not_trusted(self):
        url = self.token_url.replace("localhost", "other.localhost")  # which curl resolves to localhost
        self.expect_failure(self.call(token_url=url), "tls", "other.localhost.*host name")
        self.assertEqual(self.control()["token_requests"], 0)

    def test_a_server_that_does_not_listen_is_a_network_error(self):
        server, url = self.listen()
        server.close()
        self.expect_failure(self.call(token_url=url), "network", "check the network")

    def test_a_server_that_stays_silent_is_timed_out(self):
        _, url = self.listen()
        began = time.monotonic()
        self.expect_failure(self.call("0.5", token_url=url), "timed_out", "allow more")
        self.assertLess(time.monotonic() - began, 5)

    def test_a_missing_response_is_timed_out(self):
        self.control("/next", {"status": 200, "delay_ms": 60000})
        self.expect_failure(self.call("0.5"), "timed_out", "allow more")

    def test_a_redirect_is_reported_and_not_followed(self):
        for status in (301, 302, 303, 307, 308):
            before = self.control("/next", {"status": status, "headers": {"Location": self.token_url}})["token_requests"]
            self.expect_failure(self.call(), "invalid_response", "A redirect to https://localhost:%d is not followed" % self.port)
            self.assertEqual(self.control()["token_requests"], before + 1)

    def test_a_token_response_over_64_KiB_is_rejected(self):
        self.control("/next", {"status": 200, "body": " " * (64 * 1024 + 1)})
        self.expect_failure(self.call(), "invalid_response", "longer than 64 KiB")

    def test_a_response_that_is_not_http_is_an_invalid_response(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", self.path("key.pem"),
                        "-out", self.path("mail.pem")], check=True, capture_output=True, timeout=30)
        trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trust.load_cert_chain(self.path("mail.pem"), self.path("key.pem"))
        for greeting in (b"220 mail ready\r\n", b"HTTP/1.1 000 Nothing\r\n\r\n"):
            server, url = self.listen()

            def greet():
                with trust.wrap_socket(server.accept()[0], server_side=True) as client:
                    client.recv(65536)
                    client.sendall(greeting)
            thread = threading.Thread(target=greet)
            thread.start()
            self.expect_failure(self.call(token_url=url, ca="mail.pem"), "invalid_response", "the response is not HTTP")
            thread.join()

    def test_plain_http_is_never_used(self):
        self.expect_failure(self.call(token_url=self.token_url.replace("https:", "http:")), "configuration", "https://")

    def test_the_proxy_of_the_environment_is_used_and_its_rejection_is_a_network_error(self):
        server, url = self.listen()
        requests = []

        def reject():
            connection, _ = server.accept()
            with connection:
                requests.append(connection.recv(4096).split(b"\r\n")[0])
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        proxy = threading.Thread(target=reject)
        proxy.start()
        self.environment["https_proxy"] = url.replace("https:", "http:").replace("/token", "")
        self.expect_failure(self.call(), "network", "407.*proxy")
        proxy.join()
        self.assertEqual(requests, [b"CONNECT localhost:%d HTTP/1.1" % self.port])


if __name__ == "__main__":
    if not os.access(PROGRAM, os.X_OK):
        print("SKIPPED: examples/own_transport was not built: it needs libcurl (Debian: libcurl4-openssl-dev)")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
