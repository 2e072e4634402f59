# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sampled figures are unbiased and as certain as they say; the change from exact loses nothing."""

import os
import unittest

from support import MEMTRACE, MemtraceTest, program, run

RUNS = 24
# The mean of RUNS standard normal numbers is beyond this once in 16,000 tests.
MEAN_LIMIT = 4 / RUNS**0.5


class Sampling(MemtraceTest):
    def known(self, output):
        allocations, size, blocks, live = map(int, output.split())
        return {"allocations": allocations, "allocated_bytes": size,
                "live_bytes": live, "live_allocations": blocks}

    def runs(self, interval, *command):
        for _ in range(RUNS):
            self.log.unlink(missing_ok=True)
            done = self.record(*command, options=[f"--sample={interval}"])
            self.assertEqual(done.returncode, 0)
            summary = self.summary()
            self.assertEqual(summary["mode"], "sampled")
            self.assertEqual(summary["anomalies"], 0)
            yield self.known(done.stdout), summary

    def assert_unbiased(self, interval, figures, *command):
        scores = {figure: 0.0 for figure in figures}
        covered = {figure: 0 for figure in figures}
        for known, summary in self.runs(interval, *command):
            for figure in figures:
                error = summary["errors"][figure]
                scores[figure] += (summary[figure] - known[figure]) / error["standard_error"]
                covered[figure] += error["low"] <= known[figure] <= error["high"]
        for figure in figures:
            self.assertLess(abs(scores[figure] / RUNS), MEAN_LIMIT, figure)
            # With 95 % each, 17 or fewer of 24 come once in 100,000 tests.
            self.assertGreaterEqual(covered[figure], 18, figure)

    def test_totals_and_live_blocks_are_unbiased_at_a_short_interval(self):
        # The bookkeeping of the program itself is 64 KiB of 3 GB; the table that it leaves, 32 KiB
        # of 31 MB, is within a tenth of the standard error.
        self.assert_unbiased("16k", ("allocations", "allocated_bytes", "live_bytes"),
                             program("size_mix"))

    def test_totals_are_unbiased_at_the_usual_interval_with_threads(self):
        self.assert_unbiased("512k", ("allocations", "allocated_bytes", "live_bytes"),
                             program("size_mix"), "2")

    def test_what_samples_cannot_tell_is_not_told(self):
        self.record(program("size_mix"), options=["--sample=512k"])
        summary = self.summary()
        self.assertIsNone(summary["temporary_allocations"])
        self.assertEqual(summary["sampling_interval_bytes"], 512 << 10)
        text = self.report("summary").stdout.decode()
        self.assertIn("sampled every 512.0 KiB on average", " ".join(text.split()))
        self.assertIn("±", text)

    def test_few_samples_are_shown_as_an_interval(self):
        self.record(program("size_mix"), options=["--sample=300M"])
        summary = self.summary()
        self.assertLess(summary["errors"]["allocated_bytes"]["samples"], 30)
        self.assertIn("(95 %: ", self.report("summary").stdout.decode())

    def test_the_change_to_sampling_loses_no_release_and_no_live_block(self):
        done = self.record(program("change_to_sampling"), options=["--max-log-size=1M"])
        self.assertEqual(done.returncode, 0)
        summary = self.summary()
        self.assertEqual(summary["mode"], "mixed")
        self.assertEqual(summary["anomalies"], 0)
        leaks = [leak for leak in self.leaks()["leaks"]
                 if any(frame["function"] == "make_blocks" for frame in leak["stack"])]
        self.assertEqual(sum(leak["blocks"] for leak in leaks), 1000)
        self.assertEqual(sum(leak["bytes"] for leak in leaks), 100000)
        self.assertFalse([leak for leak in self.leaks()["leaks"]
                          if any(frame["function"] == "churn" for frame in leak["stack"])])

    def test_the_log_stays_below_its_limit(self):
        for limit in (1 << 20, 3 << 20):
            self.log.unlink(missing_ok=True)
            self.record(program("change_to_sampling"), options=[f"--max-log-size={limit}"])
            self.assertLess(os.path.getsize(self.log), limit)
            self.assertEqual(self.summary()["mode"], "mixed")

    def test_totals_after_the_change_are_unbiased(self):
        score = 0.0
        for _ in range(RUNS):
            self.log.unlink(missing_ok=True)
            self.record(program("change_to_sampling"), options=["--max-log-size=1M"])
            summary = self.summary()
            score += ((summary["allocations"] - 1202500) /
                      summary["errors"]["allocations"]["standard_error"])
        self.assertLess(abs(score / RUNS), MEAN_LIMIT)

    def test_a_limit_to_the_overhead_makes_it_sample(self):
        self.record(program("size_mix"), "8", options=["--max-overhead=1"])
        unlimited = self.directory / "exact.mtlog"
        self.record(program("size_mix"), "8", options=["--exact"], log=unlimited)
        self.assertEqual(self.summary(log=unlimited)["mode"], "exact")
        self.assertEqual(self.summary()["mode"], "mixed")

    def test_options_that_contradict_each_other_are_refused(self):
        for options in (["--exact", "--sample=512k"], ["--exact", "--max-log-size=1G"],
                        ["--exact", "--max-overhead=5"], ["--sample=0"], ["--sample=often"],
                        ["--max-log-size=10k"], ["--max-overhead=-1"], ["--max-overhead=lots"]):
            done = run(MEMTRACE, "run", "-o", self.log, *options, "--", "true")
            self.assertEqual(done.returncode, 125, options)
            self.assertFalse(self.log.exists())


if __name__ == "__main__":
    unittest.main()
