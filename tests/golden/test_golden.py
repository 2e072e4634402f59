# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stored logs through every report: the output is compared with expected/.

test_golden.py --update writes what comes out to expected/, to be looked at in the difference. The
logs themselves are made once a version of the format, by tests/support/make_golden.c.
"""

import base64
import gzip
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = HERE / "expected"
MEMTRACE = pathlib.Path(os.environ.get("MEMTRACE_BUILD", "build")).resolve() / "cmd" / "memtrace"
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1"}
# A sanitized build has its own.
ENVIRONMENT.update({n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")})
LINES_KEPT = 120
UPDATES = "--update" in sys.argv

# Subcommands that read no log, or write it; all others are reports.
NOT_REPORTS = {"run", "check", "leak-check", "symbolize", "flamegraph"}


def memtrace(*arguments, cwd=HERE / "logs"):
    return subprocess.run([MEMTRACE, *arguments], cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120)


def reports():
    """The reports that `memtrace --help` lists."""
    names = re.findall(r"^  ([a-z-]+) {2,}\S", memtrace("--help").stdout.decode(), re.MULTILINE)
    return [name for name in names if name not in NOT_REPORTS]


def shortened(text):
    """Lists of events: their beginning, and a digest of the whole."""
    lines = text.splitlines(keepends=True)
    if len(lines) <= LINES_KEPT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return "".join(lines[:LINES_KEPT]) + f"... {len(lines)} lines in all, {digest}\n"


def as_text(result):
    text = shortened(result.stdout.decode()) + "".join(f"stderr: {line}\n" for line in result.stderr.decode().splitlines())
    return text + f"status: {result.returncode}\n"


def page_data(log):
    """What is inside the flamegraph's page: its header, and a digest for each of the columns."""
    result = memtrace("flamegraph", "-o", "-", log)
    packed = re.search(rb'<script id="memtrace-data"[^>]*>([^<]*)</script>', result.stdout).group(1)
    data = gzip.decompress(base64.b64decode(packed))
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    text = json.dumps(header, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    text += f"columns: {len(data) - 4 - length} bytes, {hashlib.sha256(data[4 + length:]).hexdigest()}\n"
    result.stdout = text.encode()
    return as_text(result)


class Golden(unittest.TestCase):
    maxDiff = 8000

    def compare(self, name, actual):
        path = EXPECTED / name
        if UPDATES:
            path.parent.mkdir(exist_ok=True)
            path.write_text(actual)
        self.assertMultiLineEqual(actual, path.read_text() if path.exists() else f"(no {name})\n")


def add(name, function):
    setattr(Golden, "test_" + re.sub(r"\W", "_", name), function)


def test_of_report(log, report, arguments, suffix):
    def test(self):
        result = memtrace(report, *arguments, log.name)
        if suffix == "json" and result.returncode == 0:
            for line in result.stdout.splitlines() if report == "dump" else [result.stdout]:
                json.loads(line)
        self.compare(f"{log.stem}.{report}.{suffix}", as_text(result))

    return test


def test_of_bad(log):
    def test(self):
        for report in reports():
            result = memtrace(report, log.name, cwd=HERE / "bad")
            self.assertEqual(result.returncode, 1, report)
            self.assertEqual(result.stdout if report != "dump" else b"", b"")
            self.assertRegex(result.stderr.decode(), r"\Amemtrace: [^\n]+\n\Z")
            if report == "summary":
                self.compare(f"bad/{log.stem}.txt", as_text(result))

    return test


for LOG in sorted((HERE / "logs").glob("*.mtlog")):
    for REPORT in reports():
        add(f"{LOG.stem}_{REPORT}_text", test_of_report(LOG, REPORT, [], "txt"))
        add(f"{LOG.stem}_{REPORT}_json", test_of_report(LOG, REPORT, ["--json"], "json"))
    add(f"{LOG.stem}_page", lambda self, log=LOG: self.compare(f"{log.stem}.page.txt", page_data(log.name)))
for LOG in sorted((HERE / "bad").glob("*.mtlog")):
    add(f"bad_{LOG.stem}", test_of_bad(LOG))

if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
