# SPDX-License-Identifier: MIT
"""nginx, squid, tinyproxy and `openssl s_server`, each an instance of our own in a temporary folder, on free ports."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
import urllib.request

SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"  # not in every user's PATH
IS_ROOT = os.geteuid() == 0
NCSA = "/usr/lib/squid/basic_ncsa_auth"


def program(name):
    return shutil.which(name, path=SEARCH_PATH)


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
        return True
    except OSError:
        return False


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def wait_until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.02)


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Daemon:
    """A process whose output is in a file, and that ends with the test."""

    def __init__(self, log, command, ports, **more):
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, **more)
        try:
            for port in ports:
                wait_until(lambda: self.process.poll() is not None or is_open(port), command[0] + " does not start")
            if self.process.poll() is not None:
                raise AssertionError("%s has ended:\n%s" % (command[0], read(log)))
        except AssertionError:
            self.stop()
            raise

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()


class Certificates:
    """Authorities and what they sign, by the openssl command line. All servers share one key."""

    CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = req
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
{names}
"""

    def __init__(self, folder):
        self.folder = folder
        write(self.path("index"), "")
        self.key = self.new_key("server.key")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        made = subprocess.run([program("openssl"), *arguments], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise AssertionError("openssl %s: %s" % (" ".join(arguments), made.stderr))
        return made.stdout

    def new_key(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(name))
        return self.path(name)

    def sign(self, file, common_name, key, kind, names="", authority=None, start=None, end=None):
        """Signed by itself where no authority is named. Times as YYYYMMDDHHMMSSZ; else from now for a week."""
        config = write(self.path("openssl.cnf"), self.CONFIG.format(
            folder=self.folder, names="subjectAltName = " + names if names else ""))
        self.openssl("req", "-new", "-config", config, "-key", key, "-subj", "/CN=" + common_name,
                     "-out", self.path("request"))
        signer = (["-selfsign", "-keyfile", key] if authority is None else
                  ["-cert", self.path(authority + ".pem"), "-keyfile", self.path(authority + ".key")])
        self.openssl("ca", "-batch", "-notext", "-config", config, "-extensions", kind, "-in", self.path("request"),
                     "-out", self.path(file), *signer, *(["-startdate", start] if start else []),
                     *(["-enddate", end] if end else ["-days", "7"]))
        return self.path(file)

    def new_authority(self, name, by=None):
        return self.sign(name + ".pem", name, self.new_key(name + ".key"), "authority", authority=by)

    def new_server(self, file, names, common_name="localhost", authority="trusted-ca", **times):
        return self.sign(file + ".pem", common_name, self.key, "server", names, authority, **times)


class Nginx:
    """Servers by name, each on a port of its own with an access log of its own."""

    def __init__(self, folder, key, token_server):
        self.folder = folder
        self.key = key
        self.token_server = token_server  # host:port
        self.ports = {}
        self.blocks = []
        self.fence, = free_ports(1)

    def add(self, name, certificate=None, extra="", address="127.0.0.1", location=None):
        """Over TLS where there is a certificate; passes requests on to the token server unless told otherwise."""
        self.ports[name], = free_ports(1)
        self.blocks.append("""
  server {{
    listen {address}:{port}{ssl};
    access_log "{log}" arrived;
    {certificate}
    {extra}
    location / {{ {location} }}
  }}""".format(address=address, port=self.ports[name], ssl=" ssl" if certificate else "", log=self.path(name + ".log"),
               certificate="ssl_certificate %s; ssl_certificate_key %s;" % (certificate, self.key) if certificate else "",
               extra=extra, location=location or "proxy_pass https://%s;" % self.token_server))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        temporary = "\n".join("  %s_temp_path %s;" % (kind, self.path(kind))
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = write(self.path("nginx.conf"), """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 128; }}
http {{
{temporary}
  log_format arrived '"$request" proxy_authorization="$http_proxy_authorization"';
  server {{ listen 127.0.0.1:{fence}; access_log off; location / {{ return 200; }} }}
{blocks}
}}
""".format(user="user root;" if IS_ROOT else "", folder=self.folder, temporary=temporary, fence=self.fence,
           blocks="".join(self.blocks)))
        return Daemon(self.path("output"), [program("nginx"), "-e", self.path("error.log"), "-p", self.folder,
                                            "-c", config], [self.fence])

    def arrived(self, name):
        """The requests that a server was sent. The one worker has noticed them once it answers a later one."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                "http://127.0.0.1:%d/" % self.fence, timeout=10) as answer:
            answer.read()
        return [line for line in read(self.path(name + ".log")).splitlines() if " HTTP/" in line]


def start_squid(folder, open_port, closed_port, hosts, user, password, https_ports):
    """A proxy that asks for no credentials on one port and for these on the other, and alone knows these hosts. CONNECT
    to another than these ports is denied."""
    path = lambda name: os.path.join(folder, name)
    hashed = subprocess.run([program("openssl"), "passwd", "-apr1", "-stdin"], input=password, text=True,
                            capture_output=True, check=True).stdout.strip()
    write(path("passwords"), "%s:%s\n" % (user, hashed))
    write(path("hosts"), "".join("127.0.0.1 %s\n" % host for host in hosts))
    write(path("squid.conf"), """
http_port 127.0.0.1:{open_port} name=open
http_port 127.0.0.1:{closed_port} name=closed
visible_hostname proxy.test
hosts_file {folder}/hosts
pid_filename {folder}/squid.pid
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log
coredump_dir {folder}
netdb_filename none
pinger_enable off
cache deny all
shutdown_lifetime 0 seconds
auth_param basic program {ncsa} {folder}/passwords
auth_param basic children 1
acl Safe_ports port {https_ports}
acl closed myportname closed
acl known proxy_auth REQUIRED
http_access deny !Safe_ports
http_access deny closed !known
http_access allow all
""".format(open_port=open_port, closed_port=closed_port, folder=folder, ncsa=NCSA,
           https_ports=" ".join(map(str, https_ports))))
    if IS_ROOT:  # squid leaves root for this user, who must be able to write here
        proxy = pwd.getpwnam("proxy")
        for name in ("", "passwords", "hosts", "squid.conf"):
            os.chown(path(name), proxy.pw_uid, proxy.pw_gid)
    return Daemon(path("output"), [program("squid"), "-N", "-f", path("squid.conf")], [open_port, closed_port])


def start_tinyproxy(folder, port, user=None, password=None, upstream=None):
    path = lambda name: os.path.join(folder, name)
    write(path("tinyproxy.conf"), """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 30
MaxClients 50
LogLevel Connect
LogFile "{folder}/access.log"
PidFile "{folder}/tinyproxy.pid"
{account}
{upstream}
""".format(port=port, folder=folder, account="BasicAuth %s %s" % (user, password) if user else "",
           upstream='Upstream http 127.0.0.1:%d ".example.test"' % upstream if upstream else ""))
    return Daemon(path("output"), [program("tinyproxy"), "-d", "-c", path("tinyproxy.conf")], [port])
