# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs tell memtrace through <memtrace/memtrace.h>."""

import unittest

from support import MemtraceTest, needs, program, run


class Pools(MemtraceTest):
    def check_counts(self, name):
        summary = self.assert_same_behaviour(program(name))
        pools = summary["pools"]
        self.assertEqual(pools["allocations"], 13)
        self.assertEqual(pools["allocated_bytes"], 100 + 10 * 24 + 50 + 70)
        self.assertEqual((pools["live_allocations"], pools["live_bytes"]), (1, 70))
        # The heap has the chunk, though the first block has its address, and one more block.
        self.assertEqual((summary["allocations"], summary["allocated_bytes"]), (2, 65536 + 4000))
        self.assertEqual((summary["live_allocations"], summary["live_bytes"]), (1, 65536))
        self.assertEqual(summary["temporary_allocations"], 1)
        self.assertEqual(summary["peak_bytes"], 65536 + 4000)
        self.assertEqual(pools["bytes_at_heap_peak"], 70)
        return summary

    def test_blocks_of_a_pool_are_counted_apart_from_its_chunk(self):
        self.check_counts("pool")
        stacks = self.summary()["pools"]["stacks"]
        functions = {tuple(f["function"] for f in s["stack"][:3]) for s in stacks}
        self.assertIn(("memtrace_pool_allocated", "arena_allocate", "main"), functions)
        text = self.report("summary").stdout.decode()
        self.assertRegex(text, "own pools(.|\n)*arena_allocate")

    def test_blocks_of_a_pool_are_never_sampled(self):
        pools = self.assert_same_behaviour(program("pool"), options=["--sample=1M"])["pools"]
        self.assertEqual([pools[key] for key in ("allocations", "allocated_bytes", "live_allocations", "live_bytes")],
                         [13, 460, 1, 70])

    def test_executables_that_are_not_position_independent(self):
        self.check_counts("pool_no_pie")

    def test_cxx(self):
        pools = self.assert_same_behaviour(program("pool_cxx"))["pools"]
        self.assertEqual((pools["allocations"], pools["live_allocations"], pools["live_bytes"]), (2, 1, 8))

    def test_without_memtrace_nothing_happens(self):
        for name in ("pool", "pool_no_pie", "pool_static"):
            done = run(program(name), "say")
            self.assertEqual((done.returncode, done.stdout), (0, b"recording 0\nused 1504\n"))
        self.assertEqual(run(program("pool_cxx")).returncode, 0)

    def test_a_program_knows_that_it_is_recorded(self):
        done = self.record(program("pool"), "say")
        self.assertEqual(done.stdout, b"recording 1\nused 1504\n")

    @needs("readelf")
    def test_the_header_needs_no_library(self):
        for name in ("pool", "pool_no_pie"):
            dynamic = run("readelf", "-d", program(name)).stdout.decode()
            self.assertEqual(dynamic.count("(NEEDED)"), 1, dynamic)


class PauseAndMarkers(MemtraceTest):
    def test_what_is_allocated_in_a_pause_is_not_recorded_and_no_anomaly(self):
        # assert_same_behaviour: no anomalies, though the blocks are freed after the pause.
        summary = self.assert_same_behaviour(program("pool"))
        sizes = {leak["bytes"] for leak in self.leaks()["leaks"]}
        self.assertEqual(sizes, {65536})
        self.assertTrue(summary["processes"][0]["paused"])

    def test_markers_are_in_the_summary_in_order(self):
        self.record(program("pool"))
        markers = [(m["what"], m["text"]) for m in self.summary()["markers"]]
        self.assertEqual(markers, [("marker", "one block"), ("pause", ""), ("resume", ""), ("marker", "the end")])
        self.assertIn("one block", self.report("summary").stdout.decode())


class UnseenMemory(MemtraceTest):
    def test_growth_that_no_hook_has_seen_is_said(self):
        summary = self.assert_same_behaviour(program("unseen"))
        self.assertGreater(summary["unseen_growth_bytes"], 90 << 20)
        self.assertIn("came from elsewhere", self.report("summary").stdout.decode())

    def test_growth_of_heap_or_mappings_is_not(self):
        for code in ("b = bytearray(100 << 20)", "import mmap; m = mmap.mmap(-1, 100 << 20); m.write(b'1' * (100 << 20))"):
            self.log.unlink(missing_ok=True)
            self.record("/usr/bin/python3", "-S", "-E", "-c", code)
            self.assertEqual(self.summary()["unseen_growth_bytes"], 0)


if __name__ == "__main__":
    unittest.main()
