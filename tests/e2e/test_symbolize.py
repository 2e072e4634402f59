# SPDX-License-Identifier: LGPL-2.1-or-later
"""memtrace symbolize: names that come later, from elsewhere, and never at the log's expense."""

import fcntl
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

from support import COUNTS, MEMTRACE, MemtraceTest, kill_and_wait, needs, program, run

SOURCE = r"""
#include <stdlib.h>
static inline __attribute__((always_inline)) void *inner_function(size_t size)
{
	void *block = malloc(size);
	__asm__ volatile("" : "+r"(block));
	return block;
}
static __attribute__((noinline)) void *hidden_function(size_t size)
{
	char *block = inner_function(size);
	block[0] = 1;
	return block;
}
int main(void)
{
	for (int i = 1; i <= 10; i++)
		free(hidden_function(i * 10));
	return hidden_function(1000) == NULL;
}
"""

TOLD = {"inner_function", "hidden_function", "main"}


def bring_loopback_up():
    """In a network namespace of our own, which has nothing but a loopback device that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(device, 0x8914, request)  # SIOCSIFFLAGS


def has_namespaces():
    return bool(shutil.which("unshare")) and run("unshare", "-rn", "true").returncode == 0


class SymbolizeTest(MemtraceTest):
    def build(self, *flags, name="program", source=SOURCE):
        path = self.directory / name
        (self.directory / "program.c").write_text(source)
        done = run("gcc", "-O2", "-Wl,--build-id=sha1", *flags, "-o", path, self.directory / "program.c")
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def strip(self, path):
        """Moves debug information to where its build-id says; returns the directory of debug files."""
        identity = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", path).stdout.decode())[1]
        place = self.directory / "debug" / ".build-id" / identity[:2]
        place.mkdir(parents=True, exist_ok=True)
        self.assertEqual(run("objcopy", "--only-keep-debug", path, place / (identity[2:] + ".debug")).returncode, 0)
        self.assertEqual(run("strip", path).returncode, 0)
        return self.directory / "debug"

    def symbolize(self, *options, status=0, log=None, **run_options):
        done = run(MEMTRACE, "symbolize", *options, log or self.log, **run_options)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()

    def functions(self, log=None):
        """(functions, those with a line) of the frames of leaked blocks, in the program itself."""
        frames = [f for leak in self.leaks(log=log)["leaks"] for f in leak["stack"]]
        own = [f for f in frames if f["module"] and f["module"].endswith("/program")]
        self.assertTrue(own)
        return {f["function"] for f in own}, {f["function"] for f in own if f["line"]}

    def blocks(self, log=None):
        """What a log holds beside names and index."""
        lines = self.report("dump", "--json", log=log).stdout.splitlines()
        return [line for line in lines if json.loads(line).get("what") not in ("symbols", "index")]


class Later(SymbolizeTest):
    def test_names_of_a_run_without(self):
        self.record(self.build("-g"), options=["--no-symbols"])
        self.assertFalse(TOLD & self.functions()[0])
        self.assertEqual(len(self.summary()["hints"]), 1)
        self.assertIn("memtrace symbolize", self.summary()["hints"][0])
        before, blocks = self.summary(), self.blocks()
        self.symbolize()
        after = self.summary()
        self.assertLessEqual(TOLD, self.functions()[1])
        self.assertEqual(self.blocks(), blocks)
        self.assertEqual({n: before[n] for n in COUNTS}, {n: after[n] for n in COUNTS})
        self.assertNotIn("memtrace symbolize' on the log", json.dumps(after["hints"]))

    def test_it_says_the_same_as_names_at_the_end_of_the_run(self):
        path = self.build("-g")
        self.record(path)
        later = self.directory / "later.mtlog"
        self.record(path, options=["--no-symbols"], log=later)
        self.symbolize(log=later)
        stacks = [[(leak["bytes"], leak["stack"]) for leak in self.leaks(log=log)["leaks"]] for log in (self.log, later)]
        self.assertEqual(*stacks)

    def test_better_names_replace_worse_ones(self):
        path = self.build("-g")
        debug = self.strip(path)
        self.record(path)
        self.assertFalse(TOLD & self.functions()[0])
        self.assertIn("stripped", self.summary()["hints"][0])
        self.assertIn("--debug-path", self.report("summary").stdout.decode())
        self.assertIn("names are new or better", self.symbolize("--debug-path", debug))
        self.assertLessEqual(TOLD, self.functions()[1])
        # What is worse than what the log has does not replace it.
        whole = self.log.read_bytes()
        self.assertIn("0 names are new or better", self.symbolize())
        path.unlink()
        self.symbolize()
        self.assertEqual(self.log.read_bytes(), whole)

    def test_names_without_lines(self):
        self.record(self.build())
        self.assertIn("hidden_function", self.functions()[0])
        self.assertEqual(self.functions()[1], set())
        self.assertIn("-g", self.summary()["hints"][0])

    def test_on_another_machine(self):
        path = self.build("-g")
        self.record(path, options=["--no-symbols"])
        root = self.directory / "root"
        place = root / str(path.parent).lstrip("/")
        place.mkdir(parents=True)
        shutil.move(path, place)
        self.assertIn("--sysroot", self.symbolize())
        self.assertFalse(TOLD & self.functions()[0])
        self.symbolize("--sysroot", root)
        self.assertLessEqual(TOLD, self.functions()[1])

    def test_a_rebuilt_file_is_said_and_not_used(self):
        path = self.build("-g")
        self.record(path, options=["--no-symbols"])
        self.build("-g", source=SOURCE.replace("hidden", "other"))
        said = self.symbolize()
        self.assertIn(f"{path} is another build than the one that was recorded and was not used", said)
        self.assertFalse((TOLD | {"other_function"}) & self.functions()[0])
        self.assertIn("another build", self.summary()["hints"][0])
        # Of a log that had names too: they stay, and the file is said to be wrong.
        self.build("-g")
        self.symbolize()
        self.assertLessEqual(TOLD, self.functions()[1])

    def test_a_rebuilt_file_beside_worse_names(self):
        path = self.build("-g")
        self.strip(path)
        self.record(path)
        self.build("-g", source=SOURCE.replace("hidden", "other"))
        self.assertIn("another build", self.symbolize())
        self.assertFalse((TOLD | {"other_function"}) & self.functions()[0])


class Harm(SymbolizeTest):
    def test_links_owner_and_rights_stay(self):
        self.record(self.build("-g"), options=["--no-symbols"])
        os.chmod(self.log, 0o640)
        link = self.directory / "link.mtlog"
        link.symlink_to(self.log)
        self.symbolize(log=link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.log.stat().st_mode & 0o7777, 0o640)
        self.assertLessEqual(TOLD, self.functions()[1])
        self.assertEqual(sorted(p.name for p in self.directory.glob("*.mtlog*")), ["link.mtlog", "log.mtlog"])

    def test_a_log_that_cannot_be_replaced_is_left_alone(self):
        self.record(self.build("-g"), options=["--no-symbols"])
        whole = self.log.read_bytes()

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        said = self.symbolize(status=1, preexec_fn=limit)
        self.assertEqual(said.count("\n"), 1)
        self.assertEqual(self.log.read_bytes(), whole)
        self.assertEqual([p.name for p in self.directory.glob("*.mtlog*")], ["log.mtlog"])

    def test_an_unfinished_log_is_finished(self):
        self.record(self.build("-g"))
        whole = self.summary()
        lines = [json.loads(line) for line in self.report("dump", "--json").stdout.splitlines()]
        size = 16
        for block in lines:
            if block["line"] == "block":
                if block["what"] == "profile":
                    break
                size += 48 + block["stored_bytes"]
        content = self.log.read_bytes()
        for cut in (size, size + 20):
            self.log.write_bytes(content[:cut])
            self.symbolize()
            self.assertLessEqual(TOLD, self.functions()[1])
            self.assertEqual(self.summary()["allocations"], whole["allocations"])

    def test_a_damaged_log_is_left_alone(self):
        self.record(self.build("-g"))
        content = bytearray(self.log.read_bytes())
        content[200] ^= 0x55
        self.log.write_bytes(content)
        said = self.symbolize(status=1)
        self.assertEqual(said.count("\n"), 1)
        self.assertEqual(self.log.read_bytes(), content)

    def test_a_log_that_is_being_recorded_is_left_alone(self):
        process = subprocess.Popen([MEMTRACE, "run", "-q", "-o", self.log, "--", "sleep", "60"])
        try:
            until = time.monotonic() + 30
            while not self.log.exists() and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.5)
            self.assertIn("still being recorded", self.symbolize(status=1))
        finally:
            process.terminate()
            process.wait()

    def test_wrong_usage(self):
        self.record("true")
        self.assertIn("missing", run(MEMTRACE, "symbolize").stderr.decode())
        self.assertEqual(run(MEMTRACE, "symbolize").returncode, 2)
        self.symbolize("--sysroot", self.directory / "no", status=2)
        environment = {name: value for name, value in os.environ.items() if name != "DEBUGINFOD_URLS"}
        self.assertIn("DEBUGINFOD_URLS", self.symbolize("--debuginfod", status=2, env=environment))
        self.assertIn("No such file", self.symbolize(status=1, log=self.directory / "no.mtlog"))


class Debuginfod(SymbolizeTest):
    """elfutils' own server, in a network of its own: it cannot be told to listen on loopback only."""

    @needs("debuginfod")
    @unittest.skipUnless(has_namespaces(), "no network namespaces")
    def test_debug_files_of_a_server(self):
        path = self.build("-g")
        shutil.copy(path, self.directory / "served")
        served = self.strip(path)
        shutil.move(self.directory / "served", served)
        self.record(path)
        self.assertFalse(TOLD & self.functions()[0])
        done = run("unshare", "-rn", sys.executable, __file__, "serve", self.directory, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertLessEqual(TOLD, self.functions()[1])

    def test_a_server_that_does_not_answer(self):
        """The log has then what was known without it; nothing waits for the client's own limits."""
        path = self.build("-g")
        self.strip(path)
        self.record(path)
        whole = self.log.read_bytes()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        self.symbolize("--debuginfod", env={**os.environ, "DEBUGINFOD_URLS": f"http://127.0.0.1:{port}",
                                            "DEBUGINFOD_CACHE_PATH": str(self.directory / "cache")})
        self.assertEqual(self.log.read_bytes(), whole)


class Kept(SymbolizeTest):
    """Names that are kept for the next run (MEMTRACE_NAME_CACHE)."""

    @classmethod
    def setUpClass(cls):
        # So much debug information that its names are worth to be kept.
        many = "".join(f"int unused_{i}(int n) {{ return n + {i}; }}\n" for i in range(8000))
        place = pathlib.Path(tempfile.mkdtemp(prefix="memtrace-test-"))
        cls.addClassCleanup(shutil.rmtree, place)
        (place / "program.c").write_text(SOURCE + many)
        cls.built = place / "program"
        run("gcc", "-g", "-O1", "-Wl,--build-id=sha1", "-o", cls.built, place / "program.c", check=True)

    def setUp(self):
        super().setUp()
        self.cache = self.directory / "cache"
        self.environment = {**os.environ, "MEMTRACE_NAME_CACHE": str(self.cache)}
        self.program = self.directory / "program"
        shutil.copy2(self.built, self.program)

    def record_again(self):
        self.record(self.program, env=self.environment, options=["-f"])
        return self.functions()[1]

    def file_of(self, program):
        identity = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", program).stdout.decode())[1]
        return self.cache / f"{identity}.names"

    def change_name(self):
        """Renames a function in the cache, so that names from there can be told."""
        path = self.file_of(self.program)
        data = bytearray(path.read_bytes().replace(b"hidden_function", b"cached_function"))
        data[12:16] = struct.pack("<I", zlib.crc32(data[16:]))
        path.write_bytes(data)

    def test_the_second_run_takes_them_from_the_first(self):
        self.assertLessEqual(TOLD, self.record_again())
        self.assertEqual(self.cache.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.record_again(), TOLD)
        self.change_name()
        self.assertEqual(self.record_again(), {"inner_function", "cached_function", "main"})
        self.assertEqual(self.symbolize("-q"), "")  # looks up what is missing only

    def test_they_are_not_used_when_a_file_has_changed_since(self):
        self.record_again()
        self.change_name()
        os.utime(self.program)
        self.assertEqual(self.record_again(), TOLD)

    def test_a_damaged_cache_is_as_none(self):
        self.record_again()
        path = self.file_of(self.program)
        for damage in (b"", b"MTNAMES", path.read_bytes()[:-1], os.urandom(5000)):
            path.write_bytes(damage)
            self.assertEqual(self.record_again(), TOLD)
            self.assertGreater(path.stat().st_size, 100)

    def test_runs_at_the_same_time_do_not_disturb_each_other(self):
        logs = [self.directory / f"{i}.mtlog" for i in range(6)]
        runs = [subprocess.Popen([MEMTRACE, "run", "-q", "-o", log, "--", self.program], env=self.environment)
                for log in logs]
        self.assertEqual([process.wait() for process in runs], [0] * len(logs))
        for log in logs:
            self.assertEqual(self.functions(log=log)[1], TOLD)
        self.change_name()
        self.assertIn("cached_function", self.record_again())

    def test_without_a_directory_names_are_looked_up(self):
        for place in ("", "/proc/nowhere", "not/absolute", str(self.program)):
            self.environment["MEMTRACE_NAME_CACHE"] = place
            self.assertEqual(self.record_again(), TOLD)
        self.assertFalse(self.cache.exists())


def serve(directory):
    """Runs a server and memtrace, both in this network."""
    directory = pathlib.Path(directory)
    bring_loopback_up()
    server = subprocess.Popen(["debuginfod", "-F", "-p", "8002", "-d", directory / "database", directory / "debug"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    environment = {**os.environ, "DEBUGINFOD_URLS": "http://127.0.0.1:8002",
                   "DEBUGINFOD_CACHE_PATH": str(directory / "cache")}
    identity = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", directory / "program").stdout.decode())[1]
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:  # its scan takes a moment
            shutil.rmtree(directory / "cache", ignore_errors=True)
            if run("debuginfod-find", "debuginfo", identity, env=environment).returncode == 0:
                break
            time.sleep(0.2)
        shutil.rmtree(directory / "cache", ignore_errors=True)
        # Not by surprise: without being told to, no server is asked.
        done = run(MEMTRACE, "symbolize", directory / "log.mtlog", env=environment)
        if done.returncode or (directory / "cache").exists():
            sys.exit(f"asked without being told to: {done.stderr.decode()}")
        done = run(MEMTRACE, "symbolize", "--debuginfod", directory / "log.mtlog", env=environment)
        sys.exit(done.stderr.decode() if done.returncode else 0)
    finally:
        kill_and_wait(server)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "serve":
        serve(sys.argv[2])
    unittest.main()
