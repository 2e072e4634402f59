# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks that are hard to unwind: each is what the program's text says, and what libunwind finds.

The programs are in programs/unwinding; each size of block is allocated at one place.
"""

import collections
import os
import re
import unittest

from support import MemtraceTest, program, run

TRUNCATED = "(deeper than recorded)"


def unwinding(name):
    return program(f"unwinding/{name}")


class UnwindingTest(MemtraceTest):
    def check(self, name, *arguments, guessed=0):
        """Record with the cross-check; no trace may differ."""
        done = self.record(unwinding(name), *arguments, env={**os.environ, "MEMTRACE_CROSS_CHECK": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"")
        summary = self.summary()
        self.assertEqual(summary["anomalies"], 0)
        checks = summary["cross_check"]
        self.assertGreaterEqual(checks["checked"], summary["allocations"] - summary["inherited_frees"])
        self.assertEqual(checks["differing"], 0)
        if guessed is not None:
            self.assertEqual(checks["guessed"], guessed)
        self.gather()

    def gather(self):
        """self.stacks: {size: {functions up to main or, in a thread, its function: blocks}}."""
        self.stacks = collections.defaultdict(collections.Counter)
        for leak in self.leaks()["leaks"]:
            names = [re.sub(r"\(.*\)$|\.part\.\d+$|\.constprop\.\d+$", "", f["function"] or "?") if f["function"] != TRUNCATED
                     else TRUNCATED for f in leak["stack"]]
            if "main" in names:
                names = names[: names.index("main") + 1]
            size = leak["bytes"] // leak["blocks"]
            if 6000 < size < 8000:
                self.stacks[size][" ".join(names)] += leak["blocks"]

    def stack_is(self, size, names, blocks):
        self.assertEqual(dict(self.stacks[size]), {names: blocks})


class Frames(UnwindingTest):
    def assert_all_traces(self):
        self.stack_is(6001, "allocate shared equal_p equal_frames main", 50)
        self.stack_is(6003, "allocate shared equal_q equal_frames main", 50)
        tower = "tower " * 21
        self.stack_is(6005, f"allocate shared {tower}outermost_a other_ends main", 50)
        self.stack_is(6007, f"allocate shared {tower}outermost_b other_ends main", 50)
        self.stack_is(6009, "allocate uninitialised main", 50)
        for bits in range(32):
            ways = ["way_odd" if bits >> i & 1 else "way_even" for i in range(5)]
            self.stack_is(7000 + bits, " ".join(["allocate", *reversed(ways), "way_even", "main"]), 50)
        self.assertEqual(dict(self.stacks[6017]), {"allocate " + "jump_out " * n + "jumps main": blocks
                                                   for n, blocks in ((1, 17), (2, 17), (3, 16))})
        self.stack_is(6019, "allocate jumps main", 50)
        for size, function in ((6021, "variable"), (6023, "aligned"), (6025, "aligned_variable"),
                               (6027, "many_arguments"), (6029, "huge"), (6031, "huge_and_busy")):
            self.stack_is(size, f"allocate {function} shapes main", 50)

    def test_as_compilers_write_them(self):
        for build in ("frames", "frames_with_pointers", "frames_realigned", "frames_not_optimised", "frames_protected"):
            with self.subTest(build=build):
                self.log.unlink(missing_ok=True)
                self.check(build)
                self.assert_all_traces()

    def test_without_tables_but_with_frame_pointers(self):
        self.check("frames_pointers_no_tables", guessed=None)
        self.assert_all_traces()
        self.assertGreater(self.summary()["cross_check"]["guessed"], 2000)

    def test_without_tables_and_frame_pointers(self):
        """The innermost frame is true; what is missing is said to be."""
        for build in ("frames_no_tables", "frames_no_header"):
            with self.subTest(build=build):
                self.log.unlink(missing_ok=True)
                self.check(build, guessed=None)
                self.assertEqual(sum(sum(found.values()) for found in self.stacks.values()), 2250)
                for size, found in self.stacks.items():
                    for names in found:
                        self.assertEqual(names.split()[0], "allocate")
                        self.assertTrue(names.endswith(("main", TRUNCATED)), (size, names))


class Assembly(UnwindingTest):
    def test_hand_written_functions(self):
        self.check("assembly", guessed=None)
        inner = "allocate called_back "
        self.stack_is(6301, inner + "keeps_pointer calls main", 50)
        self.stack_is(6305, inner + "keeps_frame_pointer calls main", 50)
        # Nobody can say more without their tables, or with them.
        for size, function in ((6303, "writes_strangely"), (6307, "has_nothing"), (6309, "spoils_frame_pointer"),
                               (6311, "breaks_frame_pointer"), (6313, "lies")):
            self.stack_is(size, f"{inner}{function} {TRUNCATED}", 50)
        self.stack_is(6315, "allocate calls main", 50)
        self.stack_is(6317, "allocate trapped __restore_rt interrupted calls main", 100)

    def test_signals_in_the_assembly_of_libcrypto(self):
        done = run(unwinding("in_crypto"))
        if done.returncode == 77:
            self.skipTest("no libcrypto.so.3 here")
        self.check("in_crypto")
        self.assertGreater(sum(self.stacks[6401].values()), 50)
        for names in self.stacks[6401]:
            self.assertTrue(names.startswith("allocate strike "), names)
            self.assertTrue(names.endswith(" main"), names)


class Exceptions(UnwindingTest):
    def test_thrown_through_frames_that_allocate(self):
        self.check("torture")
        # Destructors run under libgcc's unwinder, from the innermost frame outwards.
        found = collections.Counter()
        for names, blocks in self.stacks[6201].items():
            self.assertRegex(names, r"^allocate guard::~guard (dive )+passes_on catches (nested )?main$")
            found["nested" in names] += blocks
        self.assertEqual(found, {True: 100 * 20, False: 5 * sum(range(1, 21))})
        for size, inner in ((6203, "allocate passes_on catches"), (6205, "allocate catches"), (6207, "allocate catches")):
            self.assertEqual(dict(self.stacks[size]), {f"{inner} nested main": 100, f"{inner} main": 100})
        self.stack_is(6209, "allocate nested main", 100)
        for size, function in ((6211, "leaves"), (6213, "is_cancelled")):
            (names, blocks), = self.stacks[size].items()
            self.assertEqual(blocks, 5)
            self.assertEqual(names.split()[:3], ["allocate", "guard::~guard", function])

    def test_a_plugin_that_throws_stays_with_its_own_unwinder(self):
        """Nothing that memtrace loads takes the place of libgcc's functions."""
        self.check("plugin_host", unwinding("throwing_plugin.so"))
        host, plugin = unwinding("plugin_host"), unwinding("throwing_plugin.so")
        for unwinder in ("fast", "libunwind", "fp"):
            with self.subTest(unwinder=unwinder):
                prefix = self.directory / f"bindings-{unwinder}"
                self.log.unlink(missing_ok=True)
                done = self.record("/usr/bin/env", "LD_DEBUG=bindings", f"LD_DEBUG_OUTPUT={prefix}", host, plugin,
                                   options=[f"--unwinder={unwinder}"])
                self.assertEqual((done.returncode, done.stdout), (0, b"20\n"), done.stderr)
                text = "".join(path.read_text() for path in self.directory.glob(prefix.name + ".*"))
                bound = re.findall(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: normal symbol `(_Unwind_\w+)'", text)
                bound = [found for found in bound if "libunwind" not in found[0]]
                self.assertIn("_Unwind_RaiseException", {name for _, _, name in bound})
                for source, target, name in bound:
                    self.assertIn("libgcc_s", target, (source, name))


class Stacks(UnwindingTest):
    def test_switched_reused_migrating_small_and_for_signals(self):
        self.check("switches")
        self.stack_is(6101, "allocate in_turns fiber_main", 200)
        self.stack_is(6103, "allocate hand_switched main", 204)
        self.stack_is(6105, "allocate one_use fiber_main", 25)
        self.stack_is(6107, "allocate other_use fiber_main", 25)
        self.stack_is(6109, "allocate reused main", 50)
        self.stack_is(6111, "allocate wanders fiber_main", 50)
        self.assertEqual(sorted(names.split()[:3] for names in self.stacks[6113]),
                         [["allocate", "take_turns", "migrating"], ["allocate", "take_turns", "second_thread"]])
        self.assertEqual(set(self.stacks[6113].values()), {50})
        (names, blocks), = self.stacks[6115].items()
        self.assertEqual((names.split()[:2], blocks), (["allocate", "cloned"], 5))
        (names, blocks), = self.stacks[6117].items()
        self.assertEqual((names.split()[:13], blocks), (["allocate"] + ["recurse"] * 11 + ["small_thread"], 200))
        self.assertEqual(sum(self.stacks[6119].values()), 50)
        self.assertEqual(sum(self.stacks[6121].values()), 50)
        for size, handlers in ((6119, 1), (6121, 2)):
            for names in self.stacks[size]:
                self.assertTrue(names.startswith("allocate on_signal "), names)
                self.assertTrue(names.endswith(" interrupted signals main"), names)
                self.assertEqual(names.split().count("on_signal"), handlers)
        self.stack_is(6123, "allocate interrupted signals main", 50)


if __name__ == "__main__":
    unittest.main()
