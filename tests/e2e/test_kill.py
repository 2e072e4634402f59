# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever dies first: nothing published is lost, and the program runs on."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

from support import MEMTRACE, MemtraceTest, kill_and_wait, program, run


def children_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in text.split()]


class Kill(MemtraceTest):
    def start(self, *command):
        """`memtrace run` in the background, with the pids of its program and its collector."""
        launcher = subprocess.Popen([str(a) for a in (MEMTRACE, "run", "-o", self.log, *command)],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                    process_group=0)
        self.addCleanup(launcher.stdout.close)
        self.addCleanup(launcher.stderr.close)
        self.addCleanup(kill_and_wait, launcher)
        for _ in range(2000):
            children = children_of(launcher.pid)
            names = {child: pathlib.Path(f"/proc/{child}/comm").read_text().strip()
                     for child in children if pathlib.Path(f"/proc/{child}").exists()}
            wanted = pathlib.Path(command[0]).name[:15]
            programs = [child for child, name in names.items() if name == wanted]
            others = [child for child in names if child not in programs]
            # The program waits until the collector has written how it was called.
            if programs and others and self.log.exists() and self.log.stat().st_size > 64:
                time.sleep(0.02)
                return launcher, programs[0], others[0]
            time.sleep(0.002)
        self.fail("the program did not start")

    def blocks_of_40(self):
        return sum(leak["blocks"] for leak in self.leaks()["leaks"] if leak["bytes"] == 40 * leak["blocks"])

    def test_a_program_that_kills_itself_leaves_a_complete_log(self):
        for _ in range(5):
            self.log.unlink(missing_ok=True)
            done = self.record(program("allocate_then_kill"), "100000")
            self.assertEqual(done.returncode, 128 + signal.SIGKILL)
            summary = self.summary()
            self.assertEqual(summary["allocations"], 100000)
            self.assertEqual(summary["live_allocations"], 1000)
            self.assertEqual(summary["exit"], {"status": None, "signal": 9})
            self.assertTrue(summary["complete"])
            self.assertEqual(summary["anomalies"], 0)
        self.assertIn("signal 9", self.report("summary").stdout.decode())

    def test_the_collector_killed_at_any_time(self):
        """The program ends as ever; what it published before its ring was full is all there."""
        rng = random.Random(5)
        recorded = 0
        for _ in range(40):
            self.log.unlink(missing_ok=True)
            launcher, target, collector = self.start(program("steady"), "3000", "2000")
            time.sleep(rng.random() * 0.06)
            with contextlib.suppress(ProcessLookupError):  # on a busy machine all may be over
                os.kill(collector, signal.SIGKILL)
            out, err = launcher.communicate(timeout=60)
            self.assertEqual((launcher.returncode, out), (7, b"done\n"))
            summary = self.summary()
            if summary["allocations"] == 0:
                # Killed before the program had a ring: nothing was published, and the log says so.
                self.assertIn("the collector was killed", summary["incomplete_reason"])
                continue
            # 3000 events fit into a ring, so none at all is missing.
            self.assertEqual(self.blocks_of_40(), 3000)
            if summary["complete"]:
                continue
            self.assertEqual(summary["anomalies"], 0)
            self.assertEqual(summary["exit"]["status"], 7)
            self.assertFalse(pathlib.Path(f"{self.log}.segment").exists())
            recorded += 1
            if recorded == 8:
                return
        self.fail("the collector was always killed too early or too late")

    def test_the_collector_killed_under_load(self):
        rng = random.Random(6)
        for _ in range(6):
            self.log.unlink(missing_ok=True)
            launcher, target, collector = self.start(program("threads_exchange"), "4", "150000")
            time.sleep(rng.random() * 0.15)
            with contextlib.suppress(ProcessLookupError):
                os.kill(collector, signal.SIGKILL)
            out, err = launcher.communicate(timeout=60)
            self.assertEqual((launcher.returncode, out), (0, b"600004\n"))
            summary = self.summary()
            if summary["complete"]:
                continue  # it was over before the kill
            # Everything up to the kill, in order: each release finds its block.
            self.assertEqual(summary["anomalies"], 0)
            self.assertEqual(summary["allocations"] - summary["deallocations"], summary["live_allocations"])

    def test_a_report_while_the_collector_is_dead_and_the_program_alive(self):
        launcher, target, collector = self.start(program("steady"), "3000", "100000")
        time.sleep(0.1)
        os.kill(collector, signal.SIGKILL)
        time.sleep(0.1)
        before = self.blocks_of_40()
        time.sleep(0.2)
        after = self.blocks_of_40()
        self.assertGreater(before, 0)
        self.assertGreater(after, before)
        self.assertTrue(pathlib.Path(f"{self.log}.segment").exists())
        out, err = launcher.communicate(timeout=60)
        self.assertEqual((launcher.returncode, out), (7, b"done\n"))
        self.assertEqual(self.blocks_of_40(), 3000)

    def await_end(self, target):
        """Waits until the program has ended, which nobody may have noticed."""
        deadline = time.monotonic() + 60
        state = pathlib.Path(f"/proc/{target}/stat")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while state.read_text().rsplit(")", 1)[1].split()[0] != "Z":
                self.assertLess(time.monotonic(), deadline, "the program hangs")
                time.sleep(0.05)

    def start_children(self, count):
        """A shell with a stopped collector that starts more programs than there are rings."""
        go = self.directory / "go"
        go.unlink(missing_ok=True)
        launcher, target, collector = self.start(
            "/bin/sh", "-c", f"until [ -e {go} ]; do :; done; "
            f"i=0; while [ $i -lt {count} ]; do /bin/true; i=$((i + 1)); done; echo done")
        os.kill(collector, signal.SIGSTOP)
        go.touch()
        return launcher, target, collector

    def test_children_while_the_collector_takes_its_time(self):
        launcher, target, collector = self.start_children(60)
        time.sleep(3)
        os.kill(collector, signal.SIGCONT)
        out, err = launcher.communicate(timeout=60)
        self.assertEqual((launcher.returncode, out), (0, b"done\n"))
        summary = self.summary()
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        traced = [pathlib.Path(p["path"]).name for p in summary["processes"] if p["traced"]]
        self.assertEqual(traced.count("true"), 60)

    def test_children_of_a_collector_that_is_stopped_for_good(self):
        """They are waited for once, together; then it is told that they are missing, and why."""
        launcher, target, collector = self.start_children(60)
        try:
            self.await_end(target)
        finally:
            os.kill(collector, signal.SIGCONT)
        out, err = launcher.communicate(timeout=60)
        self.assertEqual((launcher.returncode, out), (0, b"done\n"))
        self.assertEqual(self.summary()["incomplete_reason"],
                         "the collector was stopped or too slow, and recording ended")

    def test_full_rings_while_the_collector_takes_its_time(self):
        launcher, target, collector = self.start(program("threads_exchange"), "2", "300000")
        os.kill(collector, signal.SIGSTOP)
        time.sleep(3)
        os.kill(collector, signal.SIGCONT)
        out, err = launcher.communicate(timeout=60)
        self.assertEqual((launcher.returncode, out), (0, b"600002\n"))
        summary = self.summary()
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        self.assertEqual(summary["anomalies"], 0)

    def test_the_collector_stopped(self):
        launcher, target, collector = self.start(program("threads_exchange"), "2", "300000")
        os.kill(collector, signal.SIGSTOP)
        try:
            self.await_end(target)
        finally:
            os.kill(collector, signal.SIGCONT)
        out, err = launcher.communicate(timeout=60)
        self.assertEqual((launcher.returncode, out), (0, b"600002\n"))
        summary = self.summary()
        self.assertFalse(summary["complete"])
        self.assertEqual(summary["anomalies"], 0)

    def test_the_launcher_killed(self):
        launcher, target, collector = self.start(program("steady"), "3000", "100000")
        time.sleep(0.1)
        launcher.kill()
        launcher.wait()
        self.assertTrue(pathlib.Path(f"/proc/{target}").exists())
        for _ in range(200):
            summary = self.summary()
            if not pathlib.Path(f"/proc/{collector}").exists():
                break
            time.sleep(0.1)
        self.assertEqual(self.blocks_of_40(), 3000)
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        self.assertEqual(self.summary()["exit"], {"status": None, "signal": None})

    def test_where_memory_is_short_the_program_goes_first(self):
        if run("sh", "-c", "echo -1 > /proc/self/oom_score_adj").returncode != 0:
            self.skipTest("not allowed here")
        launcher, target, collector = self.start("/bin/sleep", "30")
        scores = [int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (target, collector)]
        self.assertLess(scores[1], scores[0])
        launcher.terminate()
        launcher.communicate(timeout=20)

    def test_signals_to_the_launcher_reach_the_program(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
            self.log.unlink(missing_ok=True)
            launcher, target, collector = self.start("/bin/sleep", "30")
            launcher.send_signal(number)
            self.assertEqual(launcher.wait(timeout=20), 128 + number)
            self.assertEqual(self.summary()["exit"]["signal"], number)

    def test_a_stopped_job_goes_on(self):
        launcher, target, collector = self.start(program("steady"), "8000", "20000")
        launcher.send_signal(signal.SIGTSTP)
        for _ in range(200):
            state = pathlib.Path(f"/proc/{launcher.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            of_target = pathlib.Path(f"/proc/{target}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state == "T" and of_target == "T":
                break
            time.sleep(0.02)
        self.assertEqual((state, of_target), ("T", "T"))
        launcher.send_signal(signal.SIGCONT)
        out, err = launcher.communicate(timeout=60)
        self.assertEqual((launcher.returncode, out), (7, b"done\n"))
        self.assertTrue(self.summary()["complete"])
