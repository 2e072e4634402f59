# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reports: what they say, what they refuse, and that they say the same however they are read."""

import json
import os
import random

from support import COUNTS, MEMTRACE, SOURCE, MemtraceTest, program, run


class Reports(MemtraceTest):
    def test_summary_has_all_its_fields(self):
        self.record(program("tree"))
        summary = self.summary()
        for name in ("command", "mode", "sampling_interval_bytes", "complete", "exit", "duration_seconds", "threads",
                     "peak_bytes", "peak_time_seconds", "peak_rss_bytes", "log_bytes", "anomalies", "processes",
                     "top") + COUNTS:
            self.assertIn(name, summary)
        for process in summary["processes"]:
            for name in ("pid", "image", "command", "traced", "reason", "peak_bytes") + COUNTS:
                self.assertIn(name, process)
        for site in summary["top"]:
            self.assertEqual(set(site), {"function", "file", "line", "module", "peak_bytes", "live_bytes",
                                         "allocated_bytes", "allocations", "lifetimes"})
        self.assertEqual(summary["mode"], "exact")
        self.assertEqual(summary["exit"], {"status": 0, "signal": None})
        self.assertEqual(summary["command"], program("tree"))
        for name in COUNTS:
            self.assertEqual(summary[name], sum(p[name] for p in summary["processes"]), name)

    def test_temporary_blocks_are_those_freed_within_a_window(self):
        self.record(program("temporary_window"), "100")
        found = {}
        for window in (1, 2, 3, 4):
            summary = self.summary(f"--temporary={window}")
            self.assertEqual(summary["temporary_window"], window)
            found[window] = summary["temporary_allocations"]
        self.assertEqual(self.summary()["temporary_allocations"], found[1])
        self.assertEqual(self.summary()["temporary_window"], 1)
        self.assertEqual([found[n] - found[1] for n in (1, 2, 3, 4)], [0, 100, 200, 200])
        self.assertGreaterEqual(found[1], 101)
        for window in ("0", "-1", "x", "", "65537", "1x"):
            refused = self.report("summary", f"--temporary={window}", check=False)
            self.assertEqual(refused.returncode, 2, window)

    def test_lifetimes_are_of_all_freed_blocks(self):
        self.record(program("temporary_window"), "100")
        summary = self.summary()
        self.assertEqual(sum(summary["lifetimes"]), summary["deallocations"])
        # A block lived for a tenth of a second at least: 2^16 us and more.
        self.assertGreaterEqual(sum(summary["lifetimes"][17:]), 1)
        self.assertEqual(summary["lifetimes"], self.summary("--temporary=2")["lifetimes"])

    def test_leaks_sum_up(self):
        self.record(program("threads_exchange"), "4", "1000")
        leaks = self.leaks()
        self.assertEqual(leaks["total"]["bytes"], sum(leak["bytes"] for leak in leaks["leaks"]))
        self.assertEqual(leaks["total"]["blocks"], sum(leak["blocks"] for leak in leaks["leaks"]))
        self.assertEqual(leaks["total"]["bytes"], self.summary()["live_bytes"])
        self.assertEqual([leak["bytes"] for leak in leaks["leaks"]],
                         sorted((leak["bytes"] for leak in leaks["leaks"]), reverse=True))
        self.assertTrue(all(leak["kind"] == "unclassified" for leak in leaks["leaks"]))

    def test_summary_fits_into_80_columns(self):
        for command in ((program("tree"),), (program("call_sites_cxx"),), ("/bin/sh", "-c", "true \n" * 100)):
            self.record(*command, options=["-f"])
            for line in self.report("summary").stdout.decode().splitlines():
                if "not traced" not in line:
                    self.assertLessEqual(len(line), 80, line)

    def test_leaks_say_how_much(self):
        self.record(program("steady"), "100", "0")
        self.assertIn("3.9 KiB in 100 blocks", self.report("leaks").stdout.decode())

    def test_summary_lists_untraced_programs_once(self):
        child = program("static_child")
        self.record("/bin/sh", "-c", f"{child} one; {child} two; {child} three")
        text = self.report("summary").stdout.decode()
        self.assertEqual(text.count("not traced"), 1)
        self.assertIn(f"{child}: statically linked (3 times)", text)

    def test_leaks_name_files_below_the_directory_without_it(self):
        source = SOURCE / "tests" / "e2e" / "programs" / "call_sites.c"
        self.record(program("call_sites"), cwd=source.parent)
        self.assertIn("inner_inlined (call_sites.c:9)", self.report("leaks").stdout.decode())

    def test_dump_prints_every_event(self):
        self.record(program("steady"), "100", "0")
        events = self.events()
        self.assertEqual(sum(e.get("bytes") == 40 for e in events), 100)
        text = self.report("dump").stdout.decode()
        self.assertEqual(text.count("\nevent allocate"), sum(e["what"] == "allocate" for e in events))

    def test_bad_files(self):
        cases = {
            "missing": (None, 1, "No such file"),
            "empty": (b"", 1, "not a memtrace log"),
            "garbage": (random.Random(1).randbytes(5000), 1, "not a memtrace log"),
            "text": (b"hello, world\n" * 100, 1, "not a memtrace log"),
            "header": (b"MTLOG\r\n\x1a", 1, "cut off"),
            "future": (b"MTLOG\r\n\x1a" + (99).to_bytes(4, "little") + bytes(4), 1, "version 99"),
            "nothing": (b"MTLOG\r\n\x1a" + (1).to_bytes(4, "little") + bytes(4), 1, "cut off"),
        }
        for name, (content, status, says) in cases.items():
            path = self.directory / name
            if content is not None:
                path.write_bytes(content)
            for report in ("summary", "leaks", "flamegraph", "dump"):
                with self.subTest(file=name, report=report):
                    done = run(MEMTRACE, report, path, cwd=self.directory)
                    self.assertEqual(done.returncode, status)
                    self.assertEqual(done.stdout, b"")
                    self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
                    self.assertIn(says, done.stderr.decode())
        self.assertEqual(run(MEMTRACE, "summary", self.directory).returncode, 1)

    def test_a_log_cut_anywhere(self):
        self.record(program("steady"), "50", "0")
        whole = self.summary()
        content = self.log.read_bytes()
        rng = random.Random(2)
        cut = self.directory / "cut.mtlog"
        for size in sorted(rng.sample(range(1, len(content)), 60)):
            cut.write_bytes(content[:size])
            done = run(MEMTRACE, "summary", "--json", cut)
            self.assertIn(done.returncode, (0, 1))
            if done.returncode == 1:
                self.assertEqual(done.stderr.count(b"\n"), 1)
                continue
            summary = json.loads(done.stdout)
            self.assertLessEqual(summary["allocations"], whole["allocations"])
            if summary["complete"]:
                self.assertEqual(summary["allocations"], whole["allocations"])
            else:
                self.assertIn(b"incomplete", done.stderr)

    def test_a_finished_log_says_the_same_as_its_replay(self):
        self.record(program("tree"))
        finished = self.summary()
        # Without what finishing added, the events are replayed.
        blocks = [json.loads(line) for line in self.report("dump", "--json").stdout.splitlines()]
        size = 16
        for block in blocks:
            if block["line"] != "block":
                continue
            if block["what"] == "profile":
                break
            size += 48 + block["stored_bytes"]
        bare = self.directory / "bare.mtlog"
        bare.write_bytes(self.log.read_bytes()[:size])
        replayed = self.summary(log=bare)
        for name in COUNTS + ("peak_bytes", "peak_time_seconds", "anomalies", "events"):
            self.assertEqual(finished[name], replayed[name], name)
        for one, other in zip(finished["processes"], replayed["processes"]):
            self.assertEqual(one, other)

    def test_output_files(self):
        self.record("true")
        self.assertEqual(self.report("flamegraph").returncode, 0)
        page = self.directory / "log.html"
        self.assertTrue(page.exists())
        again = self.report("flamegraph", check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn(b"use -f", again.stderr)
        self.report("flamegraph", "-f")
        self.report("flamegraph", "-o", self.directory / "other.html")
        self.assertEqual((self.directory / "other.html").read_bytes(), page.read_bytes())
        to_nowhere = self.report("flamegraph", "-o", self.directory / "no" / "x.html", check=False)
        self.assertEqual(to_nowhere.returncode, 1)
        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                for report in ("summary", "leaks", "dump"):
                    done = run(MEMTRACE, report, self.log, stdout=full)
                    self.assertEqual(done.returncode, 1, report)
                    self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertEqual(sorted(p.name for p in self.directory.iterdir()), ["log.html", "log.mtlog", "other.html"])

    def test_help(self):
        overview = run(MEMTRACE, "--help")
        self.assertEqual(overview.returncode, 0)
        for name in ("run", "summary", "leaks", "flamegraph", "dump"):
            self.assertIn(name.encode(), overview.stdout)
            done = run(MEMTRACE, name, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"memtrace {name}".encode(), done.stdout)
        self.assertEqual(run(MEMTRACE, "--version").returncode, 0)

    def test_ten_million_events_in_bounded_memory(self):
        self.record(program("many_stacks"), "5000000")
        page = self.directory / "page.html"
        done = run("/usr/bin/env", "python3", "-c",
                   "import resource, subprocess, sys\n"
                   "code = subprocess.run(sys.argv[1:]).returncode\n"
                   "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
                   "sys.exit(code)", MEMTRACE, "flamegraph", "-o", page, self.log)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(self.summary()["events"], 10_000_000)
        self.assertLess(int(done.stdout.split()[-1]) * 1024, 1 << 30)
