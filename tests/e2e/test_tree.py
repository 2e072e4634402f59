# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run, one log, the whole process tree."""

import os
import subprocess
import sys
import textwrap

from support import MEMTRACE, MemtraceTest, needs, program, run


def blocks_by_size(test):
    """{size: blocks} of what each process left, from one leak report a process."""
    found = {}
    for pid in {p["pid"] for p in test.summary()["processes"] if p["traced"]}:
        for leak in test.leaks("--pid", pid)["leaks"]:
            size = leak["bytes"] // leak["blocks"]
            found[size] = found.get(size, 0) + leak["blocks"]
    return found


class Tree(MemtraceTest):
    def test_each_process_image_has_its_own_counts(self):
        summary = self.assert_same_behaviour(program("tree"))
        blocks = blocks_by_size(self)
        # The fork's child frees three of its parent's: the parent still has all ten.
        expected = {1001: 10, 2002: 5, 3003: 7, 4004: 2, 5005: 3, 6006: 4}
        self.assertEqual({size: blocks.get(size) for size in expected}, expected)
        traced = [p for p in summary["processes"] if p["traced"]]
        forked = [p for p in traced if p["origin"] == "fork" and p["allocations"] == 5]
        self.assertEqual(len(forked), 1)
        self.assertEqual(forked[0]["inherited_frees"], 3)
        self.assertEqual(forked[0]["live_bytes"], 5 * 2002)
        self.assertEqual(forked[0]["deallocations"], 0)
        leaves = {p["command"].split("leaf ")[1] for p in traced if "leaf " in p["command"] and "sh" not in
                  p["command"].split()[0]}
        self.assertEqual(leaves, {"3003 7", "4004 2", "5005 3", "6006 4"})

    def test_a_child_may_only_free_what_its_parent_had(self):
        summary = self.assert_same_behaviour(program("tree"), "heirs")
        parent, child = summary["processes"]
        self.assertEqual((parent["allocations"], parent["deallocations"]), (500, 0))
        self.assertEqual((child["allocations"], child["inherited_frees"]), (0, 500))

    def test_exec_makes_another_image_of_the_same_process(self):
        summary = self.assert_same_behaviour("/bin/sh", "-c", f"exec {program('tree')} leaf 100 5")
        images = [p for p in summary["processes"]]
        self.assertEqual([p["image"] for p in images], [0, 1])
        self.assertEqual(images[0]["pid"], images[1]["pid"])
        self.assertGreaterEqual(images[1]["allocations"], 5)

    def test_pid_selects_one_process(self):
        self.record(program("tree"))
        for process in self.summary()["processes"]:
            of_pid = self.summary("--pid", process["pid"])
            self.assertEqual({p["pid"] for p in of_pid["processes"]}, {process["pid"]})
        bad = self.report("summary", "--pid", "1", check=False)
        self.assertEqual(bad.returncode, 2)
        self.assertEqual(bad.stderr.count(b"\n"), 1)

    def test_a_trees_peak_is_the_largest_sum_at_one_time(self):
        # Two children one after the other hold 40 MB each, their parent 10 MB.
        code = textwrap.dedent("""
            import subprocess, sys
            keep = bytearray(10_000_000)
            for _ in range(2):
                subprocess.run([sys.executable, "-S", "-E", "-c", "x = bytearray(40_000_000)"], check=True)
        """)
        self.record("/usr/bin/python3", "-S", "-E", "-c", code.replace("sys.executable", "'/usr/bin/python3'"))
        peak = self.summary()["peak_bytes"]
        self.assertGreater(peak, 50_000_000)
        self.assertLess(peak, 60_000_000)

    @needs("make", "gcc")
    def test_make_j2(self):
        (self.directory / "Makefile").write_text(
            "all: " + " ".join(f"f{i}.o" for i in range(6)) + "\n%.o: %.c\n\tgcc -c $< -o $@\n")
        for i in range(6):
            (self.directory / f"f{i}.c").write_text(f"int f{i}(void) {{ return {i}; }}\n")
        done = self.record("make", "-j2", "-s")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        summary = self.summary()
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        self.assertEqual(summary["anomalies"], 0)
        compilers = [p for p in summary["processes"] if "/cc1" in p["command"].split()[0]]
        self.assertEqual(len(compilers), 6)
        self.assertTrue(all(p["allocations"] > 100 for p in compilers))

    def test_a_child_without_an_environment_is_traced(self):
        summary = self.assert_same_behaviour("env", "-i", program("tree"), "leaf", "123", "4")
        self.assertEqual(blocks_by_size(self).get(123), 4)
        self.assertEqual(len(summary["processes"]), 2)

    def test_a_static_child_runs_untraced_and_is_listed(self):
        child = program("static_child")
        summary = self.assert_same_behaviour("/bin/sh", "-c", f"{child} one; {child} two")
        untraced = [p for p in summary["processes"] if not p["traced"]]
        self.assertEqual([p["reason"] for p in untraced], ["statically linked"] * 2)
        self.assertTrue(all(p["command"] == child for p in untraced))

    def test_a_set_user_id_child_runs_untraced_and_is_listed(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make a program set-user-ID for somebody else")
        child = self.directory / "setuid_child"
        child.write_bytes(open("/usr/bin/id", "rb").read())
        child.chmod(0o4755)
        self.directory.chmod(0o777)
        summary = self.assert_same_behaviour("/bin/sh", "-c", f"{child} -u; true", user=65534, group=65534)
        untraced = [p for p in summary["processes"] if not p["traced"]]
        self.assertEqual(len(untraced), 1)
        self.assertIn("set-user-ID", untraced[0]["reason"])

    def test_programs_behind_a_static_one_are_traced(self):
        static = self.directory / "run_static"
        source = self.directory / "run_static.c"
        source.write_text("#include <unistd.h>\nint main(int c, char **v) { execv(v[1], v + 1); return c; }\n")
        run("gcc", "-static", "-o", static, source)
        self.assert_same_behaviour("/bin/sh", "-c", f"{static} {program('tree')} leaf 321 6; true")
        self.assertEqual(blocks_by_size(self).get(321), 6)

    def test_no_children_records_the_program_only(self):
        summary = self.assert_same_behaviour(program("tree"), options=["--no-children"])
        self.assertEqual(len(summary["processes"]), 1)
        self.assertEqual(summary["live_bytes"], 10 * 1001)

    def test_the_program_sees_its_own_environment(self):
        environment = {"PATH": os.environ["PATH"], "A": "1", "EMPTY": ""}
        self.assert_same_behaviour(program("environment"), env=environment)
        self.assert_same_behaviour(program("environment"), "too", env=environment)
        environment["LD_PRELOAD"] = str(self.preload())
        self.assert_same_behaviour(program("environment"), "too", env=environment)
        self.assert_same_behaviour(program("environment"), env={})

    def preload(self):
        source = self.directory / "other.c"
        library = self.directory / "other.so"
        source.write_text("int other_library;\n")
        run("gcc", "-shared", "-fPIC", "-o", library, source)
        return library

    def test_processes_that_go_on_are_recorded_to_their_end(self):
        go = self.directory / "go"
        os.mkfifo(go)
        done = self.record("/bin/sh", "-c", f"(read line < {go}; {program('steady')} 3000 0) > /dev/null 2>&1 & exit 3")
        self.assertEqual(done.returncode, 3)
        live = self.report("summary", check=False)
        self.assertEqual(live.returncode, 0)
        self.assertIn(b"still being recorded", live.stderr)
        go.write_text("\n")
        for _ in range(100):
            subprocess.run(["sleep", "0.1"])
            summary = self.summary()
            if summary["complete"]:
                break
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        self.assertEqual(blocks_by_size(self).get(40), 3000)
