# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark itself: its statistics, and that a run gives every table."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import measure  # noqa: E402
import report  # noqa: E402


class Statistics(unittest.TestCase):
    def test_the_interval_of_a_median_lies_between_two_order_statistics(self):
        # Tables of the sign test: the 10th and 21st of 30, the 1st and 6th of 6.
        self.assertEqual(measure.median_interval(list(range(1, 31))), (10, 21))
        self.assertEqual(measure.median_interval([6, 5, 4, 3, 2, 1]), (1, 6))

    def test_five_values_have_no_such_interval(self):
        self.assertIsNone(measure.median_interval([1, 2, 3, 4, 5]))


class Run(unittest.TestCase):
    def bench(self, *options):
        return subprocess.run([sys.executable, HERE / "bench.py", *options], capture_output=True, text=True, timeout=300)

    def test_a_short_run_measures_what_was_chosen_and_reports_it_again(self):
        with tempfile.TemporaryDirectory() as directory:
            saved = os.path.join(directory, "saved.json")
            done = self.bench("--build", os.environ["MEMTRACE_BUILD"], "-s", "pairs,churn-2", "-p", "exact,512k",
                              "--rounds=2", "--start-up=2", "--scale=0.001", "--save", saved)
            self.assertEqual(done.returncode, 0, done.stderr)
            measured = json.loads(pathlib.Path(saved).read_text())
            again = self.bench("--load", saved)
        self.assertEqual(measured["failures"], [])
        runs = {(row["subject"], row["profiler"]) for row in measured["results"] if row["kind"] == "all"}
        self.assertEqual(runs, {(subject, profiler) for subject in ("pairs", "churn-2")
                                for profiler in ("bare", "exact", "512k")})
        exact = [row for row in measured["results"] if (row["subject"], row["profiler"]) == ("pairs", "exact")]
        self.assertEqual({row["events"] for row in exact}, {10000})
        for row in measured["results"]:
            self.assertEqual(row["status"], 0)
        self.assertEqual(again.stdout, done.stdout)
        for title in ("Aims", "CPU time of everything", "Files", "Start-up"):
            self.assertIn(f"### {title}", done.stdout)

    def test_names_that_are_not_known_are_refused(self):
        done = self.bench("--build", os.environ["MEMTRACE_BUILD"], "-s", "nothing")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no such subject: nothing", done.stderr)


class Tables(unittest.TestCase):
    def test_an_aim_is_met_only_if_all_are_within(self):
        self.assertEqual(report.verdict({"a": 1.0, "b": 1.02}, 1.02), "met")
        self.assertEqual(report.verdict({"a": 1.0, "b": 1.03}, 1.02), "not met: b")


if __name__ == "__main__":
    unittest.main()
