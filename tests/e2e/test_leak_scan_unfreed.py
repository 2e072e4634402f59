# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leak scans of recordings that are to have only what is not freed: the same kinds, blocks and ages."""

import json
import resource
import signal
import unittest

import test_leak_scan
from support import PROGRAMS, program

CHECK = ("--leak-check", "--only-unfreed")


def variant(tests):
    return type(tests.__name__, (tests,), {"check": CHECK, "__module__": __name__})


Kinds = variant(test_leak_scan.Kinds)
Roots = variant(test_leak_scan.Roots)
Traps = variant(test_leak_scan.Traps)
Threads = variant(test_leak_scan.Threads)
Ends = variant(test_leak_scan.Ends)
OnRequest = variant(test_leak_scan.OnRequest)


class Unfreed(test_leak_scan.LeakScanTest):
    check = CHECK

    def leaks_of(self, *command, options=CHECK, status=0, **run_options):
        """What the report tells of each leak but holders and times."""
        self.log.unlink(missing_ok=True)
        done = self.record(*command, options=options, **run_options)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace"))
        return sorted(
            (leak["kind"], leak["bytes"], leak["blocks"], [(frame["function"], frame["line"]) for frame in leak["stack"]])
            for leak in self.all_leaks())

    def all_leaks(self):
        return json.loads(self.report("leaks", "--json", "--retained-by", check=False).stdout)["leaks"]

    def test_what_is_freed_is_not_in_the_log(self):
        self.scan(program("pairs"), "100000")
        summary = self.summary()
        self.assertLess(summary["allocations"], 1000)
        self.assertIn("leak check", summary["incomplete_reason"])
        self.assertEqual(summary["anomalies"], 0)
        self.assertIn(b"most blocks that were freed are not in it", self.report("summary").stdout)
        leaks = self.leaks()
        self.assertEqual([leaks["complete"], leaks["peak_bytes"], leaks["allocations"]], [True, None, None])
        done = self.report("leaks", "--max-allocations=5000", check=False)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn(b"neither the peak nor the number of allocations", done.stdout)

    def test_the_report_is_that_of_a_whole_recording(self):
        for name in ("kinds", "roots", "long-list"):
            whole = self.leaks_of(program("leak_cases"), name, options=("--leak-check",))
            self.assertEqual(self.leaks_of(program("leak_cases"), name), whole)

    def test_with_more_stack_traces_than_have_names_at_a_time(self):
        whole = self.leaks_of(program("many_stacks"), "150000", "keep", options=("--leak-check",))
        self.assertGreater(len(whole), 10000)
        self.assertEqual(self.leaks_of(program("many_stacks"), "150000", "keep"), whole)

    def test_what_a_program_with_threads_holds_is_what_is_unfreed(self):
        keys = ("live_allocations", "live_bytes")
        self.record(program("live_set"), "8", "0", options=CHECK)
        before = self.summary()
        self.log.unlink()
        done = self.record(program("live_set"), "8", "30000", options=CHECK)
        after = self.summary()
        self.assertEqual([after[key] - before[key] for key in keys], [int(figure) for figure in done.stdout.split()[2:]])
        self.assertEqual([after["anomalies"], after["processes"][0]["skipped_events"]], [0, 0])

    def test_what_comes_after_the_last_scan_is_in_the_log_too(self):
        self.record(program("leak_cases"), "flush", options=CHECK)
        events = [event for event in self.events() if event.get("bytes") in (7438, 7440)]
        self.assertEqual([(event["what"], event["bytes"]) for event in events],
                         [("allocate", 7440), ("release", 7440), ("allocate", 7438)])
        self.assertEqual(self.summary()["anomalies"], 0)

    def test_ages_are_those_of_the_allocations(self):
        self.record(program("leak_cases"), "over-time", options=CHECK)
        leak = next(leak for leak in self.all_leaks() if leak["bytes"] == 4 * 7424)
        # The pauses between them are 0.6 s; the collector's clock, which is read, may be late.
        self.assertGreaterEqual(leak["last_seconds"] - leak["first_seconds"], 0.3)

    def test_unloaded_libraries_keep_their_names(self):
        libraries = [str(PROGRAMS / f"liblibrary_{which}.so") for which in ("first", "second")]
        whole = self.leaks_of(program("same_address"), *libraries, options=("--leak-check",))
        self.assertEqual(self.leaks_of(program("same_address"), *libraries), whole)

    def test_what_a_signal_left_behind_is_there(self):
        found = self.leaks_of(program("leak_cases"), "kill", status=128 + signal.SIGKILL)
        self.assertIn(("unclassified", 7412, 1), [leak[:3] for leak in found])

    def test_a_limit_of_address_space_is_left_to_the_program(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        self.assertEqual(self.case("kinds", preexec_fn=limit)[7001], "definite")
        self.record(program("pairs"), "1000", options=(*CHECK, "-f"), preexec_fn=limit)
        self.assertGreaterEqual(self.summary()["allocations"], 1000)


if __name__ == "__main__":
    unittest.main()
