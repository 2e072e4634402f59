# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs with another allocator than libc's, preloaded or linked."""

import ctypes.util
import json
import os
import unittest

from support import PROGRAMS, MemtraceTest, program, run

LIBRARIES = ("jemalloc", "mimalloc", "tcmalloc")
ROUNDS = 1000


def needs_library(name):
    return unittest.skipIf(not ctypes.util.find_library(name), f"not installed: lib{name}")


def throws(library):
    """Debian's mimalloc is built as C: it ends the program where operator new throws."""
    return () if library == "mimalloc" else ("throw",)


class OtherAllocator(MemtraceTest):
    def counts(self, name, rounds, *arguments, options=(), **environment):
        summary = self.assert_same_behaviour(program(name), str(rounds), *arguments, options=options,
                                             env=dict(os.environ, **environment))
        return [summary[key] for key in ("allocations", "deallocations", "allocated_bytes", "live_bytes")]

    def check(self, name, prefix, *arguments, **environment):
        """What ROUNDS rounds add is what the program says of one, and 77 bytes a round stay."""
        said = run(program(name), "1", *arguments, env=dict(os.environ, **environment)).stdout.decode().split("\n")
        said = [line.split() for line in said if line.startswith(prefix)]
        self.assertEqual(len(said), 1, f"{name} has no {prefix}")
        made, freed, size = (int(figure) * ROUNDS for figure in said[0][1:])
        # One round before, for what the allocator and the library do once.
        before = self.counts(name, 1, *arguments, **environment)
        after = self.counts(name, 1 + ROUNDS, *arguments, **environment)
        self.assertEqual([b - a for a, b in zip(before, after)], [made, freed, size, 77 * ROUNDS])

    def preload(self, library):
        return {"LD_PRELOAD": ctypes.util.find_library(library)}


def add_tests():
    for library in LIBRARIES:
        @needs_library(library)
        def extras_preloaded(self, library=library):
            self.check("extras", library, **self.preload(library))

        @needs_library(library)
        def extras_linked(self, library=library):
            self.check("extras_" + library, library)

        @needs_library(library)
        def extras_linked_no_pie(self, library=library):
            self.check(f"extras_{library}_no_pie", library)

        @needs_library(library)
        def leak_check_preloaded(self, library=library):
            for options in (("--leak-check",), ("--leak-check", "--only-unfreed")):
                self.log.unlink(missing_ok=True)
                done = self.record(program("misleading_blocks"), options=options,
                                   env=dict(os.environ, **self.preload(library)))
                self.assertEqual(done.returncode, 0, options)
                blocks = json.loads(self.report("leaks", "--json", "--retained-by", check=False).stdout)["leaks"]
                of_main = [leak for leak in blocks if leak["stack"][0]["function"] == "main"]
                self.assertEqual(sum(leak["blocks"] for leak in of_main), 2000, options)
                self.assertEqual(sum(leak["bytes"] for leak in of_main), 2000 * 9 * 8, options)
                self.assertEqual(self.summary()["anomalies"], 0)

        @needs_library(library)
        def operators_preloaded(self, library=library):
            self.check("operators", "operators", *throws(library), **self.preload(library))

        @needs_library(library)
        def operators_linked(self, library=library):
            self.check("operators_" + library, "operators", *throws(library))

        @needs_library(library)
        def functions_of_libc(self, library=library):
            summary = self.assert_same_behaviour(program("threads_exchange"), "8", "5000",
                                                 env=dict(os.environ, **self.preload(library)))
            self.assertEqual(summary["allocations"] - summary["deallocations"], summary["live_allocations"])
            kept = [leak for leak in self.leaks()["leaks"] if leak["bytes"] == 8 * 777]
            self.assertEqual([leak["blocks"] for leak in kept], [8])

        for test in (extras_preloaded, extras_linked, extras_linked_no_pie, operators_preloaded, operators_linked,
                     functions_of_libc, leak_check_preloaded):
            setattr(OtherAllocator, f"test_{library}_{test.__name__}", test)


add_tests()


class OwnAllocator(MemtraceTest):
    def test_a_librarys_inner_calls_are_not_counted_again(self):
        summary = self.assert_same_behaviour(program("use_own_allocator"))
        self.assertEqual([summary[key] for key in ("allocations", "deallocations", "allocated_bytes", "live_bytes")],
                         [5, 4, 511, 33])

    def test_blocks_of_operators_may_be_next_to_each_other(self):
        for options in (("--leak-check",), ("--leak-check", "--only-unfreed")):
            with self.subTest(options=options):
                self.log.unlink(missing_ok=True)
                self.record(program("use_bump_operators"), options=options)
                summary = self.summary()
                self.assertEqual([summary[key] for key in ("live_allocations", "live_bytes", "anomalies")],
                                 [666, 666 * 16, 0])

    def test_a_program_that_was_linked_for_larger_pages(self):
        """There are gaps between its segments."""
        for suffix in ("now", "lazy"):
            with self.subTest(suffix):
                summary = self.assert_same_behaviour(program(f"use_own_allocator_{suffix}"))
                self.assertEqual([summary[key] for key in ("allocations", "deallocations", "live_bytes")], [5, 4, 33])

    def test_sampled_blocks_are_released(self):
        for library in LIBRARIES:
            if not (PROGRAMS / f"extras_{library}").exists():
                continue
            for name in (f"extras_{library}", f"operators_{library}"):
                # No anomalies: a release is recorded for exactly those blocks that were taken.
                summary = self.assert_same_behaviour(program(name), "2000", options=["--sample=2k"])
                self.assertEqual(summary["mode"], "sampled")
                self.assertGreater(summary["live_bytes"], 0)


class LibcAllocator(MemtraceTest):
    def test_operators_end_up_in_malloc(self):
        counts = []
        for rounds in (1, 1 + ROUNDS):
            summary = self.assert_same_behaviour(program("operators"), str(rounds), "throw")
            counts.append([summary[key] for key in ("allocations", "deallocations", "allocated_bytes")])
        self.assertEqual([b - a for a, b in zip(*counts)], [12 * ROUNDS, 11 * ROUNDS, 1267 * ROUNDS])

    def test_a_program_finds_no_function_that_is_not_there(self):
        self.assert_same_behaviour(program("names_found"))
        for library in LIBRARIES:
            path = ctypes.util.find_library(library)
            if path:
                self.assert_same_behaviour(program("names_found"), env=dict(os.environ, LD_PRELOAD=path))

    def test_stacks_of_other_entry_points_begin_at_their_caller(self):
        for library, function in (("jemalloc", "round_of_jemalloc"), ("tcmalloc", "round_of_tcmalloc")):
            if not (PROGRAMS / f"extras_{library}").exists():
                continue
            self.log.unlink(missing_ok=True)
            self.record(program(f"extras_{library}"), "3")
            stacks = [leak["stack"] for leak in self.leaks()["leaks"] if leak["bytes"] == 3 * 77]
            self.assertEqual([stack[0]["function"] for stack in stacks], [function])


if __name__ == "__main__":
    unittest.main()
