#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cibmtr-token in a hospital's network: nginx, squid and tinyproxy, all real.

Usage: real_network_test.py CIBMTR_TOKEN CIBMTR_SANDBOX [TEST...]; real_network.sh installs what it needs."""

import base64
import concurrent.futures
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import network

TOKEN_PROGRAM, SANDBOX_PROGRAM = (os.path.abspath(path) for path in sys.argv[1:3])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("CIBMTR_", "SSL_CERT_")) and not name.lower().endswith("_proxy")}
REDIRECTS = (301, 302, 303, 307, 308)
USER, PASSWORD = "alice", "pr0xy-pa55"
KNOWN_TO_PROXIES = ("localhost", "token.example.test", "a.b.example.test", "example.test", "xn--bcher-kva.example.test")

# What a refusal says, and no other of these does.
WORDS = {
    "expired": "expired on",
    "not yet valid": "is not valid before",
    "self-signed": "is self-signed",
    "unknown CA": "is from an unknown CA",
    "another host": "is for another host",
    "old TLS": "speaks no TLS newer than 1.1",
    "no TLS": "does not speak TLS on this port",
    "client certificate": "client certificate",
}


class World:
    """All servers. Tests share them, and each looks at the logs of its own alone."""

    def __init__(self, folder, cleanup):
        self.folder = folder
        self.cleanup = cleanup
        self.certificates = network.Certificates(self.subfolder("certificates"))
        self.certificates.new_authority("trusted-ca")
        self.certificates.new_authority("unknown-ca")
        self.certificates.new_authority("intermediate-ca", by="trusted-ca")
        self.ca = self.certificates.path("trusted-ca.pem")
        self.start_sandbox()
        self.start_nginx()
        self.start_proxies()

    def subfolder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        return path

    def keep(self, daemon):
        self.cleanup(daemon.stop)
        return daemon

    def start_sandbox(self):
        folder = self.subfolder("sandbox")
        path = lambda name: os.path.join(folder, name)
        self.keep(network.Daemon(path("output"), [
            SANDBOX_PROGRAM, "--rate-limit", "100000", "--ca-file", path("ca.pem"),
            "--credentials-file", path("account.json"), "--ready-file", path("ready")], []))
        network.wait_until(lambda: os.path.exists(path("ready")), "the sandbox does not start")
        ready = dict(line.split("=", 1) for line in network.read(path("ready")).splitlines())
        self.account_file = path("account.json")
        self.account = json.loads(network.read(self.account_file))
        self.token_server = urllib.parse.urlsplit(ready["TOKEN_URL"])

    def start_nginx(self):
        make = self.certificates.new_server
        self.nginx = nginx = network.Nginx(self.subfolder("nginx"), self.certificates.key, self.token_server.netloc)
        good = make("good", "DNS:localhost")
        nginx.add("good", good)
        nginx.add("expired", make("expired", "DNS:localhost", start="20200101000000Z", end="20210101000000Z"))
        nginx.add("not yet valid", make("future", "DNS:localhost", start="20470101000000Z", end="20480101000000Z"))
        nginx.add("self-signed", make("self-signed", "DNS:localhost", authority=None))
        nginx.add("unknown CA", make("unknown", "DNS:localhost", authority="unknown-ca"))
        nginx.add("another host", make("another-host", "DNS:other.example.test"))
        nginx.add("another IP", make("another-ip", "IP:127.0.0.2,DNS:127.0.0.1", common_name="127.0.0.1"))
        this_ip = make("this-ip", "IP:127.0.0.1,IP:::1", common_name="nobody")
        nginx.add("this IP", this_ip)
        if network.has_ipv6_loopback():
            nginx.add("this IPv6", this_ip, address="[::1]")
        leaf = make("leaf", "DNS:localhost", authority="intermediate-ca")
        nginx.add("chain cut short", leaf)
        nginx.add("whole chain", network.write(self.certificates.path("chain.pem"), network.read(leaf) + network.read(
            self.certificates.path("intermediate-ca.pem"))))
        for version in ("1.1", "1.2", "1.3"):
            nginx.add("TLS " + version, good,
                      "ssl_protocols TLSv%s; ssl_ciphers 'DEFAULT:@SECLEVEL=0';" % version)
        nginx.add("no TLS")
        nginx.add("client certificate", good, "ssl_verify_client on; ssl_client_certificate %s;" % self.ca)
        nginx.add("wildcard", make("wildcard", "DNS:*.example.test"))
        nginx.add("international", make("international", "DNS:xn--bcher-kva.example.test"))
        for code in REDIRECTS:
            for scheme in ("https", "http"):
                target = "second host" if scheme == "https" else "second host without TLS"
                if target not in nginx.ports:
                    nginx.add(target, good if scheme == "https" else None)
                nginx.add("%d to %s" % (code, scheme), good, location="return %d %s://localhost:%d$request_uri;" % (
                    code, scheme, nginx.ports[target]))
        self.keep(nginx.start())

    def start_proxies(self):
        self.squid, self.closed_squid, self.tinyproxy, self.closed_tinyproxy = network.free_ports(4)
        folders = [self.subfolder(name) for name in ("squid", "tinyproxy", "closed-tinyproxy")]
        self.proxy_log = lambda: "".join(network.read(os.path.join(folder, "access.log")) for folder in folders)
        os.chmod(self.folder, 0o711)  # squid's user must come through, and read nothing but its own folder
        safe = [port for name, port in self.nginx.ports.items() if name != "no TLS"]
        self.keep(network.start_squid(folders[0], self.squid, self.closed_squid, KNOWN_TO_PROXIES, USER, PASSWORD, safe))
        self.keep(network.start_tinyproxy(folders[1], self.tinyproxy, upstream=self.squid))
        self.keep(network.start_tinyproxy(folders[2], self.closed_tinyproxy, USER, PASSWORD))
        self.open_proxies = {"squid": self.squid, "tinyproxy": self.tinyproxy}
        self.closed_proxies = {"squid": self.closed_squid, "tinyproxy": self.closed_tinyproxy}


def setUpModule():
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    global world
    world = World(folder.name, unittest.addModuleCleanup)


class NetworkTest(unittest.TestCase):
    def url(self, name, host="localhost"):
        return "https://%s:%d%s" % (host, world.nginx.ports[name], world.token_server.path)

    def run_program(self, url, *arguments, ca="trusted", proxy="none", within=(), **variables):
        """A run whose outputs hold no secret, and a failure's one line."""
        chosen = (["--ca", world.ca] if ca == "trusted" else []) + (["--proxy", proxy] if proxy else [])
        start = time.monotonic()
        result = subprocess.run(
            [*within, TOKEN_PROGRAM, "--no-cache", "--credentials", world.account_file, "--token-url", url, *chosen,
             *arguments],
            capture_output=True, text=True, timeout=60, env={**CLEAN, **variables})
        result.seconds = time.monotonic() - start
        for secret in (world.account["client_secret"], world.account["password"], PASSWORD, "wr0ng",
                       base64.b64encode((USER + ":" + PASSWORD).encode()).decode()):
            self.assertNotIn(secret, result.stdout + result.stderr)
        if result.returncode != 0:
            self.assertEqual((result.stdout, result.stderr.count("\n")), ("", 1))
            self.assertTrue(result.stderr.startswith("cibmtr-token: "))
            self.assertNotRegex(result.stderr, r"[^.] Next try")
        return result

    def assert_granted(self, result):
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\A[\w.~+/-]{1000,}=*\n\Z")

    def assert_refused(self, name, words, *details, host="localhost", **more):
        """Refused for one reason and no other, naming the host, before a request was sent."""
        before = world.nginx.arrived(name)
        result = self.run_program(self.url(name, host), **more)
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertTrue(result.stderr.startswith("cibmtr-token: tls: "), result.stderr)
        self.assertEqual([why for why, text in WORDS.items() if text in result.stderr], [words], result.stderr)
        for detail in (host, *details):
            self.assertIn(detail, result.stderr)
        self.assertEqual(world.nginx.arrived(name), before)


class Certificates(NetworkTest):
    def test_a_good_certificate_is_accepted(self):
        self.assert_granted(self.run_program(self.url("good")))
        self.assertEqual(len(world.nginx.arrived("good")), 1)

    def test_an_expired_one_is_refused_with_its_date_and_this_clock(self):
        self.assert_refused("expired", "expired", "Jan  1 00:00:00 2021", "clock says", time.strftime(" %Y "))

    def test_one_that_is_not_yet_valid_is_refused_with_its_date_and_this_clock(self):
        self.assert_refused("not yet valid", "not yet valid", "Jan  1 00:00:00 2047", "clock says")

    def test_a_self_signed_one_is_refused(self):
        self.assert_refused("self-signed", "self-signed")

    def test_one_of_an_unknown_ca_is_refused_naming_that_ca_and_those_trusted(self):
        self.assert_refused("unknown CA", "unknown CA", "CN=unknown-ca", world.ca)

    def test_a_chain_without_its_intermediate_is_refused_naming_what_is_missing(self):
        self.assert_refused("chain cut short", "unknown CA", "CN=intermediate-ca", world.ca, "leave out an intermediate")
        self.assert_granted(self.run_program(self.url("whole chain")))

    def test_the_alternative_name_wins_over_the_common_name(self):
        self.assert_refused("another host", "another host", "other.example.test")

    def test_one_for_another_ip_is_refused_even_if_a_dns_name_is_that_ip(self):
        self.assert_refused("another IP", "another host", "127.0.0.2", host="127.0.0.1")

    def test_one_for_a_name_is_not_one_for_its_ip(self):
        self.assert_refused("good", "another host", "localhost", host="127.0.0.1")

    def test_one_for_this_ip_is_accepted(self):
        self.assert_granted(self.run_program(self.url("this IP", "127.0.0.1")))
        if "this IPv6" not in world.nginx.ports:
            print("SKIPPED: the IPv6 half of it, this machine has no ::1")
            return
        self.assert_granted(self.run_program(self.url("this IPv6", "[::1]")))

    def test_a_wildcard_stands_for_one_label(self):
        through = "127.0.0.1:%d" % world.squid
        self.assert_granted(self.run_program(self.url("wildcard", "token.example.test"), proxy=through))
        before = world.nginx.arrived("wildcard")
        for host in ("example.test", "a.b.example.test"):
            result = self.run_program(self.url("wildcard", host), proxy=through)
            self.assertEqual(result.returncode, 5)
            self.assertIn("the certificate of %s:%d (through the proxy %s) is for another host (DNS:*.example.test)" % (
                host, world.nginx.ports["wildcard"], through), result.stderr)
        self.assertEqual(world.nginx.arrived("wildcard"), before)

    def test_an_international_host_is_reached_by_its_xn_name_and_refused_with_a_hint_in_another_spelling(self):
        through = "127.0.0.1:%d" % world.squid
        self.assert_granted(self.run_program(self.url("international", "xn--bcher-kva.example.test"), proxy=through))
        result = self.run_program(self.url("international", "b\u00fccher.example.test"), proxy=through)
        self.assertEqual(result.returncode, 2)
        self.assertIn("xn--", result.stderr)

    def test_a_missing_ca_store_is_named_with_its_paths(self):
        result = self.run_program(self.url("good"), ca=None, SSL_CERT_FILE="/nonexistent/bundle.pem",
                                  SSL_CERT_DIR="/nonexistent/certs")
        self.assertEqual(result.returncode, 5)
        for part in ("localhost", "/nonexistent/bundle.pem", "/nonexistent/certs", "none found", "SSL_CERT_FILE"):
            self.assertIn(part, result.stderr)

    def test_ssl_cert_file_names_the_cas_when_no_option_does(self):
        self.assert_granted(self.run_program(self.url("good"), ca=None, SSL_CERT_FILE=world.ca))


class Protocols(NetworkTest):
    def test_tls_1_1_is_refused(self):
        self.assert_refused("TLS 1.1", "old TLS")

    def test_tls_1_2_and_1_3_are_accepted(self):
        for version in ("TLS 1.2", "TLS 1.3"):
            self.assert_granted(self.run_program(self.url(version)))

    def test_plain_http_where_tls_is_asked_is_said_as_such(self):
        self.assert_refused("no TLS", "no TLS")

    def test_a_server_that_wants_a_client_certificate_in_the_handshake_is_said_as_such(self):
        for version in ("-tls1_2", "-tls1_3"):
            for attempt in range(10):  # the alert, a reset and our request may meet in any order
                with self.subTest(version=version, attempt=attempt):
                    port, = network.free_ports(1)
                    log = os.path.join(world.folder, "s_server%s-%d" % (version, attempt))
                    server = network.Daemon(log, [
                        network.program("openssl"), "s_server", "-accept", "127.0.0.1:%d" % port, version, "-Verify", "1",
                        "-verify_return_error", "-CAfile", world.ca, "-key", world.certificates.key,
                        "-cert", world.certificates.path("good.pem")], [])
                    self.addCleanup(server.stop)
                    network.wait_until(lambda: "ACCEPT" in network.read(log), "s_server does not start")
                    result = self.run_program("https://localhost:%d/" % port)
                    self.assertEqual(result.returncode, 5)
                    self.assertIn("localhost:%d wants a client certificate" % port, result.stderr)
                    self.assertNotIn("POST", network.read(log))

    def test_a_server_that_wants_a_client_certificate_by_http_400_is_recognised(self):
        result = self.run_program(self.url("client certificate"))  # nginx sends a page for people
        self.assertIn("HTTP 400", result.stderr)
        self.assertIn("client certificate", result.stderr)


def address_of_this_machine():
    """One that is not loopback, or None. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


class NameService(NetworkTest):
    def test_http_to_localhost_is_refused_where_the_name_service_says_that_it_is_another_machine(self):
        address = address_of_this_machine()
        hosts = os.path.join(world.subfolder("hosts"), "hosts")
        with open(hosts, "w", encoding="ascii") as file:
            file.write("%s localhost\n" % address)
        with_hosts = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
        found = subprocess.run([*with_hosts, "getent", "ahosts", "localhost"], capture_output=True, text=True)
        if not address or found.stdout.split()[:1] != [address]:
            print("SKIPPED: localhost elsewhere: needs root, unshare and an address that is not loopback")
            return
        with socket.create_server((address, 0)) as listener:
            listener.settimeout(1)
            refused = self.run_program("http://localhost:%d/token" % listener.getsockname()[1], "--timeout", "5",
                                       within=with_hosts)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("localhost", refused.stderr)
            self.assertIn(address, refused.stderr)
            try:
                with listener.accept()[0] as caller:
                    self.assertEqual(caller.recv(4096), b"")
            except socket.timeout:
                pass  # nobody came


class Redirects(NetworkTest):
    def test_none_is_followed_to_another_host_or_to_http(self):
        for code in REDIRECTS:
            for scheme in ("https", "http"):
                with self.subTest(code=code, scheme=scheme):
                    name = "%d to %s" % (code, scheme)
                    result = self.run_program(self.url(name))
                    self.assertEqual(result.returncode, 6)
                    self.assertIn("HTTP %d" % code, result.stderr)
                    self.assertIn("not followed", result.stderr)
                    self.assertEqual(len(world.nginx.arrived(name)), 1)
        self.assertEqual(world.nginx.arrived("second host"), [])
        self.assertEqual(world.nginx.arrived("second host without TLS"), [])


class Proxies(NetworkTest):
    def assert_tunnelled(self, destination, run):
        """Whether a proxy was asked for this tunnel during the run."""
        line = "CONNECT " + destination
        before = world.proxy_log().count(line)
        result = run()
        network.wait_until(lambda: world.proxy_log().count(line) > before, "no proxy was asked for " + destination, 5)
        return result

    def tearDown(self):
        for name in world.nginx.ports:
            for line in world.nginx.arrived(name):
                self.assertIn('proxy_authorization="-"', line)

    def test_the_option_opens_a_tunnel_even_to_this_machine(self):
        for proxy, port in world.open_proxies.items():
            for spelling in ("127.0.0.1:%d", "http://127.0.0.1:%d", "http://localhost:%d/"):
                with self.subTest(proxy=proxy, spelling=spelling):
                    self.assert_granted(self.assert_tunnelled(
                        "localhost:%d" % world.nginx.ports["good"],
                        lambda: self.run_program(self.url("good"), proxy=spelling % port)))

    def test_each_variable_opens_a_tunnel_and_without_one_there_is_no_way(self):
        url = self.url("wildcard", "token.example.test")
        result = self.run_program(url, proxy=None)
        self.assertEqual(result.returncode, 5)
        self.assertIn("token.example.test:%d has no address" % world.nginx.ports["wildcard"], result.stderr)
        for proxy, port in world.open_proxies.items():
            for variable in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                with self.subTest(proxy=proxy, variable=variable):
                    self.assert_granted(self.assert_tunnelled(
                        "token.example.test:%d" % world.nginx.ports["wildcard"],
                        lambda: self.run_program(url, proxy=None, **{variable: "http://127.0.0.1:%d" % port})))

    def test_http_proxy_is_not_for_https(self):
        result = self.run_program(self.url("wildcard", "token.example.test"), proxy=None,
                                  http_proxy="http://127.0.0.1:%d" % world.squid)
        self.assertEqual(result.returncode, 5)

    def test_the_proxy_is_given_its_credentials_by_option_and_by_variable(self):
        for proxy, port in world.closed_proxies.items():
            with self.subTest(proxy=proxy):
                self.assert_granted(self.run_program(
                    self.url("good"), proxy="http://%s:%s@127.0.0.1:%d" % (USER, PASSWORD, port)))
        self.assert_granted(self.run_program(
            self.url("wildcard", "token.example.test"), proxy=None,
            HTTPS_PROXY="http://%s:%s@127.0.0.1:%d" % (USER, PASSWORD, world.closed_squid)))
        self.assertIn(" %s HIER_DIRECT" % USER, world.proxy_log())

    def test_wrong_and_missing_proxy_credentials_end_at_once_naming_the_proxy_and_are_no_rejection(self):
        for proxy, port in world.closed_proxies.items():
            for account in ("", USER + ":wr0ng@", "nobody:wr0ng@"):
                with self.subTest(proxy=proxy, account=account):
                    before = len(world.nginx.arrived("good"))
                    result = self.run_program(self.url("good"), proxy="http://%s127.0.0.1:%d" % (account, port))
                    self.assertEqual(result.returncode, 5)
                    self.assertTrue(result.stderr.startswith("cibmtr-token: network: the proxy 127.0.0.1:%d " % port))
                    self.assertIn("localhost:%d" % world.nginx.ports["good"], result.stderr)
                    self.assertRegex(result.stderr, r"HTTP 40[17]: .*user and password")
                    self.assertNotIn("rejected", result.stderr)
                    self.assertLess(result.seconds, 2)
                    self.assertEqual(len(world.nginx.arrived("good")), before)

    def test_a_proxy_that_denies_the_port_is_named(self):
        result = self.run_program(self.url("no TLS"), proxy="127.0.0.1:%d" % world.squid)
        self.assertEqual(result.returncode, 5)
        self.assertIn("the proxy 127.0.0.1:%d" % world.squid, result.stderr)
        self.assertIn("localhost:%d with HTTP 403" % world.nginx.ports["no TLS"], result.stderr)
        self.assertLess(result.seconds, 2)

    def test_a_proxy_that_cannot_reach_the_host_is_named(self):
        result = self.run_program(self.url("good", "no-such-host.example.test"), proxy="127.0.0.1:%d" % world.squid)
        self.assertEqual(result.returncode, 5)
        self.assertIn("the proxy 127.0.0.1:%d" % world.squid, result.stderr)
        self.assertRegex(result.stderr, r"no-such-host\.example\.test:\d+ with HTTP 50[0-9]")
        self.assertIn("may not know the name", result.stderr)

    def test_a_port_that_refuses_the_proxy_is_no_reason_to_check_the_name(self):
        port, = network.free_ports(1)
        result = self.run_program("https://localhost:%d/" % port, proxy="127.0.0.1:%d" % world.tinyproxy)
        self.assertEqual(result.returncode, 5)
        self.assertIn("refuse the port", result.stderr)
        self.assertNotIn("check the name", result.stderr)

    def test_a_web_server_in_place_of_a_proxy_is_said_to_be_none(self):
        result = self.run_program(self.url("good"), proxy="127.0.0.1:%d" % world.nginx.ports["no TLS"])
        self.assertEqual(result.returncode, 5)
        self.assertIn("not a proxy", result.stderr)

    def test_a_certificate_is_verified_through_a_proxy_too(self):
        for proxy, port in world.open_proxies.items():
            with self.subTest(proxy=proxy):
                self.assert_refused("unknown CA", "unknown CA", proxy="127.0.0.1:%d" % port)


# Host, NO_PROXY, whether the proxy is asked. Addresses to which no TCP connection leads, and names nobody has, so that
# a run without the proxy ends at once.
AS_IN_CURL = [
    ("token.example.test", "", True),
    ("token.example.test", "*", False),
    ("token.example.test", "token.example.test", False),
    ("token.example.test", "TOKEN.Example.TEST", False),
    ("token.example.test", "example.test", False),
    ("token.example.test", ".example.test", False),
    ("token.example.test", "test", False),
    ("token.example.test", "ample.test", True),
    ("token.example.test", "oken.example.test", True),
    ("token.example.test", "b.token.example.test", True),
    ("token.example.test", "token.example", True),
    ("token.example.test", "*.example.test", True),
    ("token.example.test", "a.test, example.test ,b.test", False),
    ("token.example.test", "a.test example.test", False),
    ("token.example.test", "a.test,,b.test", True),
    ("token.example.test", "example.test.", False),
    ("token.example.test.", "example.test", False),
    ("example.test", ".example.test", False),
    ("example.test", "token.example.test", True),
    ("224.0.1.7", "224.0.1.7", False),
    ("224.0.1.7", "224.0.1.8", True),
    ("224.0.1.7", "224.0.2.0/24", True),
    ("224.0.1.7", "1.7", True),
    ("[ff0e::7]", "ff0e::7", False),
    ("[ff0e::7]", "ff0e::8", True),
    ("[ff0e::7]", "ff0f::/16", True),
    ("[ff0e::7]", "224.0.1.0/24", True),
]

# Debian 12's curl has no ports, takes `*` alone only, and knows ranges of IPv4, which the library does not.
BEYOND_CURL = [
    ("token.example.test", "token.example.test:{port}", False),
    ("token.example.test", ".example.test:{port}", False),
    ("token.example.test", "token.example.test:1", True),
    ("token.example.test", "a.test,*", False),
    ("224.0.1.7", "224.0.1.7:{port}", False),
    ("224.0.1.7", "224.0.1.7:1", True),
    ("224.0.1.7", "224.0.1.0/24", True),
    ("[ff0e::7]", "FF0E::7", False),
    ("[ff0e::7]", "[ff0e::7]", False),
    ("[ff0e::7]", "[ff0e::7]:{port}", False),
    ("[ff0e::7]", "[ff0e::7]:1", True),
]


class NoProxy(NetworkTest):
    """Each run asks for a port of its own, one that squid denies, and squid's log then tells it."""

    def decisions(self, first_port, table, command):
        """For each row, whether squid was asked."""
        def run(row):
            port, (host, exempt, _) = row
            subprocess.run([*command, "https://%s:%d/" % (host, port)], capture_output=True, timeout=60,
                           env={**CLEAN, "https_proxy": "http://127.0.0.1:%d" % world.squid,
                                "no_proxy": exempt.format(port=port)})
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(run, enumerate(table, first_port)))
        last = "CONNECT 224.0.0.1:%d " % (first_port - 1)  # squid logs it after all others
        subprocess.run([network.program("curl"), "-sx", "127.0.0.1:%d" % world.squid, "https://" + last.split()[1]],
                       env=CLEAN, capture_output=True, timeout=60)
        network.wait_until(lambda: last in world.proxy_log(), "squid does not log what it is asked for")
        asked = set(re.findall(r"CONNECT \S+:(\d+) ", world.proxy_log()))
        return [str(port) in asked for port, _ in enumerate(table, first_port)]

    def assert_decisions(self, first_port, table, command):
        for (host, exempt, is_asked), was_asked in zip(table, self.decisions(first_port, table, command)):
            with self.subTest(host=host, no_proxy=exempt, program=os.path.basename(command[0])):
                self.assertEqual(was_asked, is_asked)

    def test_no_proxy_is_read_as_the_tables_say(self):
        self.assert_decisions(20001, AS_IN_CURL + BEYOND_CURL, [
            TOKEN_PROGRAM, "--no-cache", "--credentials", world.account_file, "--timeout", "1", "--token-url"])

    def test_curl_reads_no_proxy_as_its_table_says(self):
        self.assert_decisions(21001, AS_IN_CURL, [network.program("curl"), "-gsk", "--max-time", "1"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
