# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts are right: known from the program, or equal to an independent tool's."""

import os
import subprocess
import unittest

from support import MemtraceTest, needs, program, valgrind_usage

SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
  INSERT INTO t SELECT i, 'row number '||i||hex(i*7919), i*1.5 FROM n;
CREATE INDEX tb ON t(b);
SELECT count(*), max(b) FROM t WHERE b LIKE '%99%';
SELECT substr(b,1,12), sum(c) FROM t GROUP BY substr(b,1,12) ORDER BY 2 DESC LIMIT 3;
"""


def compiler_proper(name):
    path = subprocess.run(["gcc", f"-print-prog-name={name}"], capture_output=True, text=True).stdout.strip()
    return path if os.path.isabs(path) else None


def write_c_source(path, functions):
    """A C file that keeps a compiler busy."""
    with open(path, "w") as output:
        for i in range(functions):
            output.write(
                f"static int f{i}(const int *a, int n) {{ int s = {i}; for (int k = 0; k < n; k++) {{"
                f" s += a[k] * {i + 1}; if (s > {i * 7}) s -= a[k] ^ {i}; }}"
                " switch (n % 5) { case 0: return s; case 1: return s * 3; default: break; } return s / 2; }\n")
        output.write("int main(void) { int a[100] = {0}; int s = 0;\n")
        output.writelines(f"s += f{i}(a, {i % 100});\n" for i in range(functions))
        output.write("return s & 1; }\n")


def make_repository(path, commits):
    """A git repository with a history: files grow, change and go."""
    environment = dict(os.environ, GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org",
                       GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org",
                       GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
    stream = []
    for i in range(commits):
        stamp = 1700000000 + i * 60
        stream.append(f"commit refs/heads/main\ncommitter A <a@example.org> {stamp} +0000\n")
        message = f"Change number {i}\n"
        stream.append(f"data {len(message)}\n{message}\n")
        for k in range(3):
            text = "".join(f"line {line} of {i % (k + 7)} {line * i % 31}\n" for line in range(20 + i % 50))
            stream.append(f"M 644 inline dir{(i * k) % 9}/file{(i + k) % 40}.txt\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True, env=environment)
    subprocess.run(["git", "--git-dir", str(path), "fast-import", "--quiet"], input="".join(stream).encode(),
                   check=True, env=environment)
    subprocess.run(["git", "--git-dir", str(path), "symbolic-ref", "HEAD", "refs/heads/main"], check=True)


class KnownCounts(MemtraceTest):
    def test_every_function_of_the_allocator(self):
        summary = self.assert_same_behaviour(program("allocator_calls"))
        self.assertEqual(summary["allocations"], 13)
        self.assertEqual(summary["deallocations"], 12)
        self.assertEqual(summary["reallocations"], 3)
        self.assertEqual(summary["allocated_bytes"], 1101)
        self.assertEqual(summary["live_allocations"], 1)
        self.assertEqual(summary["live_bytes"], 5)
        self.assertEqual(summary["peak_bytes"], 300)

    def test_what_memcheck_does_not_count_as_a_program_does(self):
        # It passes pvalloc by, and counts failed calls of realloc as allocations.
        sizes = (0, 1, 7, 24, 25, 100, 4096, 100000, 200000, 5000000)
        for name in ("pvalloc", "failures"):
            summary = self.assert_same_behaviour(program("entry_points"), name)
            self.assertEqual([summary[key] for key in ("allocations", "deallocations", "reallocations",
                                                       "allocated_bytes", "live_bytes")],
                             [len(sizes), len(sizes), 0, sum(sizes), 0])

    def test_failed_realloc_leaves_the_old_block(self):
        self.record(program("allocator_calls"))
        what = [e["what"] for e in self.events()]
        self.assertEqual(what.count("move-failed"), 1)

    def test_threads_that_free_each_others_blocks(self):
        summary = self.assert_same_behaviour(program("threads_exchange"), "8", "20000")
        sizes = [leak for leak in self.leaks()["leaks"] if leak["bytes"] == 8 * 777]
        self.assertEqual(len(sizes), 1)
        self.assertEqual(sizes[0]["blocks"], 8)
        self.assertEqual(summary["threads"], 9)
        made = 8 * 20001
        self.assertEqual(summary["allocations"] - summary["deallocations"], summary["live_allocations"])
        self.assertGreaterEqual(summary["allocations"], made)
        self.assertLess(summary["allocations"], made + 50)

    def test_what_a_program_with_threads_holds_is_what_is_live(self):
        """The rounds are 50 million events when asked for: $MEMTRACE_LIVE_SET_ROUNDS=3200000."""
        keys = ("allocations", "deallocations", "live_allocations", "live_bytes")
        rounds = os.environ.get("MEMTRACE_LIVE_SET_ROUNDS", "20000")
        # Without rounds: what libc allocates for itself and the threads.
        self.record(program("live_set"), "8", "0", options=["--exact"])
        before = self.summary()
        self.log.unlink()
        done = self.record(program("live_set"), "8", rounds, options=["--exact"], timeout=600)
        after = self.summary()
        self.assertEqual([after[key] - before[key] for key in keys], [int(figure) for figure in done.stdout.split()])
        self.assertTrue(after["complete"], after["incomplete_reason"])
        self.assertEqual([after["anomalies"], after["processes"][0]["skipped_events"]], [0, 0])

    def test_how_much_larger_blocks_are_than_asked_for(self):
        summary = self.assert_same_behaviour(program("odd_sizes"))
        requested, usable = map(int, self.record(program("odd_sizes"), options=["-f"]).stdout.split())
        slack = summary["slack"]
        # Of small ones every 64th is measured, for as many; a thread begins anywhere in its first 64.
        self.assertLess(abs(slack["estimated_requested_bytes"] - requested), 6 * 64 * 64)
        self.assertLess(abs(slack["estimated_usable_bytes"] - usable), 6 * 64 * 64)
        self.assertAlmostEqual(slack["percent"], 100 * (usable - requested) / requested, delta=0.01)
        self.assertLess(abs(slack["measured_allocations"] - (256000 / 64 + 101)), 6)
        self.assertIn("more than asked for", self.report("summary").stdout.decode())
        # Not from few.
        self.record(program("pool"), options=["-f"])
        self.assertNotIn("slack", self.summary())
        self.assertNotIn("more than asked for", self.report("summary").stdout.decode())
        # Not from samples.
        self.record(program("odd_sizes"), options=["-f", "--sample=64k"])
        self.assertNotIn("slack", self.summary())

    def test_exceptions_through_deep_stacks(self):
        summary = self.assert_same_behaviour(program("exceptions"))
        # Two vectors and strings a frame, one exception and its message a throw.
        frames = sum(i % 60 + 1 for i in range(2000))
        self.assertGreaterEqual(summary["allocations"], 2 * frames + 2 * 2000)


class CountsOfValgrind(MemtraceTest):
    """Equal to memcheck's; a difference is stated here with its reason."""

    def compare(self, *command, tolerance=0.0, **options):
        summary = self.assert_same_behaviour(*command, **options)
        expected = valgrind_usage(*command, cwd=self.directory)
        first = summary["processes"][0]
        counted = (first["allocations"], first["deallocations"], first["allocated_bytes"])
        for ours, theirs in zip(counted, expected):
            self.assertLessEqual(abs(ours - theirs), tolerance * theirs, f"{counted} is not {expected}")

    @needs("valgrind")
    def test_each_function_of_the_allocator(self):
        for name in ("malloc", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc", "posix_memalign",
                     "valloc", "realloc_zero"):
            with self.subTest(name):
                self.compare(program("entry_points"), name)

    @needs("valgrind", "sqlite3")
    def test_sqlite3(self):
        script = self.directory / "bulk.sql"
        script.write_text(SQL)
        self.compare("sqlite3", "-batch", "-init", script, ":memory:", ".quit")

    @needs("valgrind", "git")
    def test_git_log_stat(self):
        repository = self.directory / "repository"
        make_repository(repository, 150)
        # git writes through a pipe here and to a file or terminal there: one stdio buffer's size.
        self.compare("git", "--no-pager", "--git-dir", repository, "log", "--stat", tolerance=0.001)

    @needs("valgrind", "gcc")
    def test_cc1(self):
        cc1 = compiler_proper("cc1")
        if not cc1:
            self.skipTest("gcc has no cc1 of its own")
        source = self.directory / "source.c"
        write_c_source(source, 60)
        # Four buffers of 128 KiB that cc1 allocates when its address space is laid out as valgrind does.
        self.compare(cc1, "-quiet", "-O2", source, "-o", self.directory / "out.s", tolerance=0.001)


if __name__ == "__main__":
    unittest.main()
