# SPDX-License-Identifier: LGPL-2.1-or-later
"""Code that a program makes as it runs, named from the map that it writes for perf."""

import os
import pathlib
import platform

from page import Page
from support import MEMTRACE, MemtraceTest, needs, program, run

SCRIPT = """
function innerAllocation(count) {
  const kept = [];
  for (let i = 0; i < count; i++) kept.push(Buffer.allocUnsafeSlow(70000 + i));
  return kept;
}
function outerWork(rounds) {
  let sum = 0;
  for (let i = 0; i < rounds; i++) sum += innerAllocation(50).length;
  return sum;
}
outerWork(400);
"""


class Jit(MemtraceTest):
    def frames_of_jit(self):
        page = self.directory / "page.html"
        done = run(MEMTRACE, "flamegraph", "-f", "-o", page, self.log)
        self.assertEqual(done.returncode, 0, done.stderr)
        page = Page(page)
        frames = [page.frame(i) for i in range(len(page["frames.function"]))]
        return {(f["function"], f["file"], f["line"]) for f in frames if f["module"] == "[jit]"}

    def record_made_up_code(self, *arguments, **options):
        done = self.record(program("jit_code"), *arguments, **options)
        if done.returncode == 77:
            self.skipTest("no code for this machine")
        self.assertEqual(done.returncode, 0)
        path = pathlib.Path(done.stdout.decode().split()[0])
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def blocks_of_made_up_code(self):
        """Blocks that it allocated and nobody freed; their stacks."""
        leaks = [leak for leak in self.leaks()["leaks"] if any(f["function"] == "made_up" for f in leak["stack"])]
        return sum(leak["blocks"] for leak in leaks), [[f["function"] for f in leak["stack"]] for leak in leaks]

    def test_names_of_a_map(self):
        self.record_made_up_code()
        self.assertEqual(self.frames_of_jit(), {("made_up", "/srv/made up.js", 12)})
        blocks, stacks = self.blocks_of_made_up_code()
        self.assertEqual(blocks, 5)
        # The code is between what it calls and what called it.
        for stack in stacks:
            self.assertEqual(stack[stack.index("made_up") + 1], "use")

    def test_a_fork_s_child_runs_its_parent_s_code(self):
        self.record_made_up_code("fork")
        self.assertEqual(self.blocks_of_made_up_code()[0], 10)

    def test_names_that_come_later(self):
        self.record_made_up_code(options=["--no-symbols"])
        self.assertEqual(self.frames_of_jit(), set())
        self.assertEqual(run(MEMTRACE, "symbolize", self.log).returncode, 0)
        self.assertEqual(self.frames_of_jit(), {("made_up", "/srv/made up.js", 12)})
        # What the log has stays, whatever becomes of the map.
        self.assertEqual(run(MEMTRACE, "symbolize", self.log).returncode, 0)
        self.assertEqual(self.frames_of_jit(), {("made_up", "/srv/made up.js", 12)})

    def test_the_map_of_another_process_with_this_number(self):
        path = self.record_made_up_code(options=["--no-symbols"])
        os.utime(path, (1e9, 1e9))
        self.assertEqual(run(MEMTRACE, "symbolize", self.log).returncode, 0)
        self.assertEqual(self.frames_of_jit(), set())

    @needs("node")
    def test_node(self):
        if platform.machine() != "x86_64":
            self.skipTest("unwinding through a JIT is known to work on x86-64")
        (self.directory / "script.js").write_text(SCRIPT)
        done = self.record("node", "--perf-basic-prof", "--interpreted-frames-native-stack", "script.js")
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = self.summary()["processes"][0]["pid"]
        self.addCleanup(pathlib.Path(f"/tmp/perf-{pid}.map").unlink, missing_ok=True)
        own = {(f, pathlib.Path(name).name, line) for f, name, line in self.frames_of_jit()}
        self.assertIn(("innerAllocation", "script.js", 2), own)
        self.assertIn(("outerWork", "script.js", 7), own)


if __name__ == "__main__":
    import unittest
    unittest.main()
