# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tracing costs, in figures that hardly change from run to run: instructions and bytes."""

import re
import unittest

from support import MEMTRACE, MemtraceTest, program, run


class Cost(MemtraceTest):
    def instructions(self, count, *options):
        """Instructions of `pairs COUNT` as callgrind counts them, with memtrace when options are given."""
        command = [program("pairs"), str(count)]
        if options:
            command = [MEMTRACE, "run", "-q", "-f", "-o", self.log, "--no-symbols", *options, "--", *command]
        done = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=yes",
                   "--log-file=" + str(self.directory / "callgrind.%p"), *command, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in self.directory.glob("callgrind.*"):
            text = path.read_text()
            path.unlink()
            if re.search(r"Command: \S*/pairs ", text):
                found = int(re.search(r"Collected : (\d+)", text).group(1))
        return found

    def per_pair(self, *options):
        return (self.instructions(300000, *options) - self.instructions(100000, *options)) / 200000

    def test_an_allocation_that_is_not_sampled_and_its_release_cost_25_instructions(self):
        added = self.per_pair("--sample=512k") - self.per_pair()
        self.assertGreater(added, 5)
        self.assertLessEqual(added, 25)


class ResidentMemory(MemtraceTest):
    """As the kernel counts it in the program: the tracker's pages, the segment's, and the library's."""

    def added(self, live, short, megabytes, option):
        """(bytes that memtrace adds to the resident memory of `resident`, summary)."""
        command = program("resident"), str(live), str(short), str(megabytes)
        bare = run(*command)
        traced = self.record(*command, options=["-f", "--no-symbols", option])
        self.assertEqual((bare.returncode, traced.returncode), (0, 0), traced.stderr)
        return (int(traced.stdout) - int(bare.stdout)) << 10, self.summary()

    def test_at_most_8_mib_256_kib_a_thread_and_2_percent_of_the_heap(self):
        for option in ("--exact", "--sample=512k"):
            for live, megabytes in ((0, 0), (16, 0), (64, 0), (0, 300), (16, 100)):
                with self.subTest(option=option, live=live, megabytes=megabytes):
                    added, summary = self.added(live, 0, megabytes, option)
                    self.assertLessEqual(added, (8 << 20) + (256 << 10) * (live + 1) + (megabytes << 20) // 50)
                    self.assertTrue(summary["complete"], summary["incomplete_reason"])
                    if option == "--exact":
                        self.assertGreaterEqual(summary["allocations"], live * 20000 + megabytes * 256)

    def test_short_threads_leave_nothing(self):
        for option in ("--exact", "--sample=512k"):
            with self.subTest(option=option):
                few, _ = self.added(0, 100, 0, option)
                many, summary = self.added(0, 10000, 0, option)
                self.assertEqual(summary["threads"] > 1000, option == "--exact")
                self.assertLessEqual(many, few + (1 << 20))


if __name__ == "__main__":
    unittest.main()
