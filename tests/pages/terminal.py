#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws `cibmtr-token --check` in a terminal, from its real output against the sandbox; what differs from run to run is replaced.
Usage: terminal.py [--check] CIBMTR_TOKEN CIBMTR_SANDBOX FILE.svg. With --check the exit status is 1 if it would draw another picture."""

import html
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

DIFFERS = (
    (r"localhost:\d+", "localhost:8443"),
    (r" at (127\.0\.0\.1|::1)\b", " at 127.0.0.1"),
    (r"until \w{3} [ \d]\d [\d:]{8} \d{4} GMT", "until Nov 24 14:05:09 2027 GMT"),
    (r"\b17[5-9]\d s\b", "1800 s"),
    (r"\b14\d\d s\b", "1500 s"),
    (r"\d+ s (ahead of|behind)", "0 s ahead of"),
)


def output(token_program, sandbox_program):
    with tempfile.TemporaryDirectory() as folder:
        sandbox = subprocess.Popen([sandbox_program, "--ca-file", "ca.pem", "--credentials-file", "account.json",
                                    "--ready-file", "ready"], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            ready = pathlib.Path(folder, "ready")
            deadline = time.monotonic() + 20
            while not ready.exists():
                if time.monotonic() > deadline:
                    raise RuntimeError("the sandbox did not start")
                time.sleep(0.01)
            url = re.search(r"(?m)^TOKEN_URL=(.*)$", ready.read_text()).group(1)
            environment = {"PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C"}
            text = subprocess.run(
                [token_program, "--check", "--credentials", "account.json", "--ca", "ca.pem", "--token-url", url],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
        finally:
            sandbox.terminate()
            sandbox.wait(10)
        return text.replace(folder, "/home/you")


def picture(text):
    lines = ["$ cibmtr-token --check --credentials account.json --ca ca.pem \\",
             "    --token-url https://localhost:8443/oauth2/aussandbox/v1/token", *text.rstrip("\n").split("\n")]
    width, height = 24 + 8 * max(len(line) for line in lines), 56 + 20 * len(lines)
    drawn = []
    for number, line in enumerate(lines):
        mark = re.match(r"(ok|no)(?=  )", line)
        shown = html.escape(line)
        if mark:
            shown = '<tspan class="%s">%s</tspan>%s' % (mark.group(), mark.group(), html.escape(line[2:]))
        drawn.append('<text x="16" y="%d" xml:space="preserve">%s</text>' % (60 + 20 * number, shown))
    return """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title">
<title id="title">cibmtr-token --check prints a diagnosis line by line, each beginning with ok or no</title>
<style>
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #e6edf3; }
.ok { fill: #3fb950; }
.no { fill: #f85149; }
</style>
<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="#0d1117" stroke="#3d444d"/>
<circle cx="20" cy="18" r="5" fill="#f85149"/><circle cx="38" cy="18" r="5" fill="#d29922"/><circle cx="56" cy="18" r="5" fill="#3fb950"/>
%s
</svg>
""" % (width, height, width - 1, height - 1, "\n".join(drawn))


def main():
    is_check = "--check" in sys.argv[1:2]
    token_program, sandbox_program, file = sys.argv[1 + is_check:]
    text = output(os.path.abspath(token_program), os.path.abspath(sandbox_program))
    for pattern, replacement in DIFFERS:
        text = re.sub(pattern, replacement, text)
    drawn = picture(text)
    path = pathlib.Path(file)
    if not is_check:
        path.write_text(drawn, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != drawn:
        print("%s is out of step; draw it again: %s CIBMTR_TOKEN CIBMTR_SANDBOX %s" % (file, sys.argv[0], file))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
