# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the end-to-end tests share: running programs with and without memtrace, reading reports."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ.get("MEMTRACE_BUILD", "build")).resolve()
MEMTRACE = BUILD / "cmd" / "memtrace"
PROGRAMS = BUILD / "tests" / "e2e" / "programs"
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent

COUNTS = ("allocations", "deallocations", "reallocations", "allocated_bytes", "live_bytes",
          "live_allocations", "temporary_allocations")


# What a shell started in the background ignores these; programs under test are to start as in a terminal.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


# Names are to be looked up, not known from a run before; and the user's own cache is none of ours.
os.environ["MEMTRACE_NAME_CACHE"] = ""


def program(name):
    return str(PROGRAMS / name)


def run(*arguments, timeout=120, **options):
    """Run a command to its end; its output is captured as bytes unless the caller says otherwise."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([str(a) for a in arguments], timeout=timeout, **options)


class MemtraceTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="memtrace-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.log = self.directory / "log.mtlog"

    def memtrace_for(self, run_options):
        """memtrace for another user, who may not reach the build directory: a copy in a place of its own."""
        if "user" not in run_options:
            return MEMTRACE
        place = pathlib.Path(tempfile.mkdtemp(prefix="memtrace-copy-"))
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        place.chmod(0o755)
        for name in ("cmd/memtrace", "libtrack/preload/libmemtrace.so"):
            (place / name).parent.mkdir(parents=True)
            shutil.copy(BUILD / name, place / name)
        return place / "cmd" / "memtrace"

    def record(self, *command, options=(), log=None, **run_options):
        """`memtrace run -q`; returns the finished process."""
        run_options.setdefault("cwd", self.directory)
        return run(self.memtrace_for(run_options), "run", "-q", "-o", log or self.log, *options, "--", *command,
                   **run_options)

    def report(self, name, *options, log=None, check=True):
        done = run(MEMTRACE, name, *options, log or self.log)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done

    def summary(self, *options, log=None):
        return json.loads(self.report("summary", "--json", *options, log=log).stdout)

    def leaks(self, *options, log=None):
        return json.loads(self.report("leaks", "--json", *options, log=log).stdout)

    def events(self, log=None):
        """The events of a log as dictionaries, in order."""
        lines = self.report("dump", "--json", log=log).stdout.splitlines()
        return [e for e in map(json.loads, lines) if e["line"] == "event"]

    def assert_same_behaviour(self, *command, options=(), anomalies=0, **run_options):
        """Output and status are as without memtrace; returns the summary of the recording."""
        run_options.setdefault("cwd", self.directory)
        self.log.unlink(missing_ok=True)
        bare = run(*command, **run_options)
        traced = self.record(*command, options=options, **run_options)
        self.assertEqual(traced.returncode, shell_status(bare.returncode))
        self.assertEqual(traced.stdout, bare.stdout)
        self.assertEqual(traced.stderr, bare.stderr)
        summary = self.summary()
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        if anomalies is not None:
            self.assertEqual(summary["anomalies"], anomalies)
        return summary


def shell_status(returncode):
    return 128 - returncode if returncode < 0 else returncode


def valgrind_usage(*command, **options):
    """(allocations, frees, bytes) as memcheck counts them in the first process."""
    options.setdefault("cwd", "/")
    done = run("valgrind", "--run-libc-freeres=no", "--run-cxx-freeres=no", *command, timeout=600, **options)
    text = done.stderr.decode(errors="replace")
    match = re.search(r"total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes", text)
    if not match:
        raise AssertionError(f"valgrind said nothing of heap usage:\n{text}")
    return tuple(int(figure.replace(",", "")) for figure in match.groups())


def needs(*tools):
    """Skip a test where a tool is missing that tools/setup would have installed."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def kill_and_wait(process):
    """End a process that this test started."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
