# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stack traces agree with gdb's at the same allocation, in optimised programs without frame pointers."""

import json
import re
import tempfile

from support import MemtraceTest, needs, program, run


GDB_SCRIPT = """
set debuginfod enabled off
set confirm off
break main
run
break malloc if $rdi == {size}
continue
python
import json
frame = gdb.newest_frame().older()
while frame:
    place = frame.find_sal()
    # Tail calls that gdb infers from debug information are on no stack.
    if frame.type() != gdb.TAILCALL_FRAME:
        print("FRAME", json.dumps([frame.name(), place.symtab and place.symtab.filename, place.line]))
    frame = frame.older()
end
"""


def gdb_stack(path, size):
    """[(function, file, line)] at the first malloc of `size` bytes, innermost first, without malloc."""
    with tempfile.NamedTemporaryFile("w", suffix=".gdb") as script:
        script.write(GDB_SCRIPT.format(size=size))
        script.flush()
        done = run("gdb", "-q", "-nx", "-batch", "-x", script.name, path)
    lines = [line[6:] for line in done.stdout.decode().splitlines() if line.startswith("FRAME ")]
    return [tuple(json.loads(line)) for line in lines]


def last_name(function):
    """`fill` of `int box<int>::fill<1>(int)`, `operator` of `{lambda(int)#1}::operator()(int) const`."""
    return re.sub(r"\(.*$", "", re.sub(r"<[^<>]*>|\{[^{}]*\}", "", function)).split("::")[-1]


class Stacks(MemtraceTest):
    def stack_of(self, size):
        for leak in self.leaks()["leaks"]:
            if leak["bytes"] == size * leak["blocks"]:
                return leak["stack"]
        self.fail(f"no leak of {size} bytes")

    def compare(self, name, size):
        self.record(program(name))
        ours = self.stack_of(size)
        theirs = gdb_stack(program(name), size)
        self.assertGreater(len(theirs), 2)
        ends = [i for i, frame in enumerate(theirs) if frame[0] == "main"]
        self.assertEqual(len(ends), 1, theirs)
        for our, (function, file, line) in zip(ours, theirs[: ends[0] + 1]):
            self.assertEqual(last_name(our["function"]), last_name(function))
            if file:
                self.assertEqual(our["line"], line)
                self.assertTrue(our["file"].endswith(file.split("/")[-1]), (our, file))
        return [(f["function"], f["line"]) for f in ours]

    @needs("gdb")
    def test_c_with_inlined_functions(self):
        frames = self.compare("call_sites", 4242)
        self.assertEqual(frames[:6], [("inner_inlined", 9), ("outer_inlined", 14), ("leaf", 19), ("middle", 25),
                                      ("top", 32), ("main", 45)])

    @needs("gdb")
    def test_through_a_library_function(self):
        frames = self.compare("call_sites", 5151)
        self.assertEqual(frames[0], ("compare", 37))
        self.assertIn(("main", 46), frames)

    @needs("gdb")
    def test_cxx_with_templates_and_lambdas(self):
        frames = self.compare("call_sites_cxx", 7373)
        self.assertTrue(frames[0][0].startswith("operator new"), frames)
        self.assertTrue(frames[1][0].startswith("box<int>::fill"), frames)
        self.assertEqual(frames[1][1], 12)
        self.assertEqual(frames[2], ("shop::sell(int)", 21))
        self.assertEqual(frames[3][1], 27)
        self.assertEqual(frames[4], ("main", 28))


class UnusualStacks(MemtraceTest):
    def stacks_of(self, size):
        return [leak["stack"] for leak in self.leaks()["leaks"] if leak["bytes"] == size * leak["blocks"]]

    def test_deeper_than_a_log_keeps(self):
        summary = self.assert_same_behaviour(program("deep_stacks"))
        self.assertEqual(summary["allocations"], 2 * 3001 + 901 + 100)
        # Two at the bottom of 3000 frames, which keep what is innermost, one below 900.
        stacks = sorted(self.stacks_of(555), key=len)
        self.assertEqual(len(stacks), 2)
        self.assertEqual([f["function"] for f in stacks[0][:901]], ["descend"] * 901)
        self.assertEqual(stacks[0][901]["function"], "main")
        self.assertGreater(len(stacks[1]), 1000)
        self.assertEqual({f["function"] for f in stacks[1][:1000]}, {"descend"})

    def test_on_a_stack_of_the_programs_own(self):
        self.record(program("deep_stacks"))
        stacks = self.stacks_of(777)
        self.assertEqual(len(stacks), 1)
        names = [f["function"] for f in stacks[0]]
        self.assertEqual(names[:32], ["leak_on_coroutine"] * 31 + ["run_coroutine"])
