#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the medians of what the benchmarks write to standard input, as tables, and whether the goals are reached."""

import csv
import os
import statistics
import sys

CALLS = {
    "clock_read": "a bare clock read",
    "cibmtr_auth_get_and_header": "cibmtr_auth, get() and its header",
    "locked_pointer_and_header": "a plain mutex around a shared_ptr",
    "oauth2_token": "Go x/oauth2, Token()",
    "oauth2_token_and_header": "Go x/oauth2, Token() and its header",
}
HERDS = {
    "empty": "64 threads, no token yet",
    "failing": "64 threads, the server fails",
    "processes": "32 processes, no token yet",
}
THREADS = (1, 8)

measured = {}
for row in csv.reader(sys.stdin):
    if len(row) >= 3 and row[1].isdigit():
        # For a call its processor time, which other jobs on the machine hardly change; for a herd requests and wall time.
        is_call = "threads:" in row[0]
        measured.setdefault(row[0], []).append((float(row[3]), 0.0) if is_call else (float(row[1]), float(row[2])))
median = {name: [statistics.median(column) for column in zip(*values)] for name, values in measured.items()}


def of_call(name, threads):
    return median[f"{name}/threads:{threads}"][0]


def ratio(name, threads):
    return of_call(name, threads) / of_call("clock_read", threads)


print(f"{'A call while the token is fresh':37}{'1 thread':>19}{'8 threads':>19}")
for name, title in CALLS.items():
    columns = "".join(f"{of_call(name, n):9.0f} ns{ratio(name, n):5.1f} x" for n in THREADS)
    print(f"{title:38}{columns}")
OURS = "cibmtr_auth_get_and_header"
between_work = of_call("work_and_get_and_header", 8) - of_call("work_alone", 8)
for what, reached, goal in (
    ("clock reads on one thread", ratio(OURS, 1), 2.2),
    ("clock reads on eight threads with 10 us of other work between calls", between_work / of_call("clock_read", 8), 2.5),
    ("times a plain mutex on eight threads in a tight loop", of_call(OURS, 8) / of_call("locked_pointer_and_header", 8), 1.2),
):
    print(f"get() takes {reached:.2f} {what}; goal: at most {goal}, {'reached' if reached <= goal else 'MISSED'}")

print(f"\n{'All at once, 50 ms for a response':37}{'cibmtr_auth':>19}{'Go x/oauth2':>19}")
for name, title in HERDS.items():
    columns = "".join("{:8.0f} in{:5.0f} ms".format(*median[f"{name}/{who}"]) for who in ("cibmtr_auth", "oauth2"))
    print(f"{title:37} {columns}")

print(f"""
Medians on {os.cpu_count()} processors with a load of {os.getloadavg()[0]:.1f}. Calls: processor time, and how many clock reads that
is. Herds: token requests made, and the time until all callers are served.""")
