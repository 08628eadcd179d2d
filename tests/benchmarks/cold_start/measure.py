#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs each program in five alternating series and prints medians. Usage: measure.py BUILT_FOLDER"""

import os
import statistics
import subprocess
import sys
import time

BUILT = sys.argv[1]
PROGRAMS = {
    "openssl": ("OpenSSL in C, hashed directory", [BUILT + "/openssl"]),
    "ours": ("cibmtr_auth", [BUILT + "/cibmtr_auth"]),
    "oauth2": ("Go x/oauth2", [BUILT + "/cold_oauth2"]),
    "plain": ("plain cpp-httplib, CA bundle", [BUILT + "/plain"]),
    "curl": ("bash, curl and jq", ["tests/benchmarks/cold_start/curl.sh"]),
}
GOALS = {"plain": 0.42, "oauth2": 0.8, "openssl": 1.2}
SERIES, RUNS = 5, 12

times = {name: [] for name in PROGRAMS}
for run in range(SERIES * RUNS + 2):
    for name, (_, command) in PROGRAMS.items():
        environment = dict(os.environ)
        if name == "oauth2":  # it reads bundles only
            environment.update(SSL_CERT_FILE=environment["CA_BUNDLE"], SSL_CERT_DIR="/nonexistent")
        start = time.perf_counter()
        subprocess.run(command, check=True, env=environment)
        if run >= 2:
            times[name].append((time.perf_counter() - start) * 1000)
series = {name: [statistics.median(values[i * RUNS:(i + 1) * RUNS]) for i in range(SERIES)] for name, values in times.items()}

print(f"{'Cold start: a process, one token':34}{'median':>10}{'cibmtr_auth is':>17}{'goal':>10}")
for name, (title, _) in PROGRAMS.items():
    ratio = statistics.median(ours / theirs for ours, theirs in zip(series["ours"], series[name]))
    goal = f"{GOALS[name]:8.2f} x {'reached' if ratio <= GOALS[name] else 'MISSED'}" if name in GOALS else ""
    print(f"{title:34}{statistics.median(series[name]):7.1f} ms{ratio:15.2f} x {goal}")

renewal = {name: float(subprocess.run([BUILT + "/" + name, "40"], check=True, capture_output=True, text=True).stdout)
           for name in ("cibmtr_auth", "plain")}
print(f"\nA renewal in a living process: {renewal['cibmtr_auth']:.1f} ms (goal: at most 2.5), "
      f"a fresh cpp-httplib client {renewal['plain']:.1f} ms")
print(f"Medians of {SERIES} series of {RUNS} on {os.cpu_count()} processors with a load of {os.getloadavg()[0]:.1f}; TLS 1.3, this system's CAs.")
