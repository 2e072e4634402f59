# SPDX-License-Identifier: LGPL-2.1-or-later
"""`memtrace check` and the verdict of `memtrace leaks`: exit statuses, limits, suppressions, baselines, formats."""

import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree

from support import MEMTRACE, PROGRAMS, SOURCE, MemtraceTest, needs, program, run

VERDICTS = program("verdicts")
VALIDATOR = SOURCE / "tests" / "formats" / "validate_sarif.mjs"


def wait_for(look, seconds=60):
    """What `look` finds, as soon as that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not in {seconds} s")


class CheckTest(MemtraceTest):
    def setUp(self):
        super().setUp()
        self.temporary = self.directory / "tmp"
        self.temporary.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if k != "GITHUB_WORKSPACE"}
        self.environment["TMPDIR"] = str(self.temporary)

    def check(self, *actions, options=(), command=None, **run_options):
        run_options.setdefault("cwd", self.directory)
        run_options.setdefault("env", self.environment)
        return run(MEMTRACE, "check", *options, "--", *(command or (VERDICTS,) + actions), **run_options)

    def status(self, *actions, options=(), **run_options):
        return self.check(*actions, options=options, **run_options).returncode

    def check_json(self, *actions, options=(), status=None):
        """The JSON report and the finished process."""
        report = self.directory / "report.json"
        done = self.check(*actions, options=("--json", "-f", f"--report={report}", *options))
        if status is not None:
            self.assertEqual(done.returncode, status, done.stderr.decode())
        return json.loads(report.read_text())

    def kept_logs(self):
        return list(self.temporary.glob("*"))


class ExitStatuses(CheckTest):
    def test_a_clean_program_passes_and_leaves_nothing_behind(self):
        done = self.check("allocate:10", "reachable:100", "say")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, b"out\n")
        self.assertTrue(done.stderr.startswith(b"err\n"))
        self.assertIn(b"Passed", done.stderr)
        self.assertEqual(list(self.temporary.iterdir()), [])
        self.assertEqual([p.name for p in self.directory.iterdir()], ["tmp"])

    def test_a_leak_fails_with_23_and_the_log_is_kept(self):
        done = self.check("definite:100")
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"definitely lost: 100 B in 1 block", done.stderr)
        self.assertIn(b"lose_definite", done.stderr)
        (log,) = self.kept_logs()
        self.assertIn(str(log).encode(), done.stderr)
        self.assertEqual(run(MEMTRACE, "leaks", log).returncode, 23)

    def test_a_log_that_is_kept_has_the_names_of_stack_traces_that_did_not_leak_too(self):
        self.assertEqual(self.status("reachable:10", "definite:100"), 23)
        (log,) = self.kept_logs()
        summary = json.loads(run(MEMTRACE, "summary", "--json", log, check=True).stdout)
        self.assertEqual({site["function"] for site in summary["top"]},
                         {"main", "lose_definite"})

    def test_of_what_is_no_failure_only_the_sums_are_told(self):
        """The log of a process without leaks need not have its blocks, though it is kept for another's."""
        done = self.check("reachable:150", "child", "definite:30")
        self.assertEqual(done.returncode, 23, done.stderr)
        self.assertIn(b"still reachable: 150 B in 1 block, only counted\n", done.stderr)
        (log,) = self.kept_logs()
        leaks = run(MEMTRACE, "leaks", log)
        self.assertEqual(leaks.returncode, 23)
        self.assertIn(b"still reachable: 150 B in 1 block, only counted\n", leaks.stdout)
        kinds = json.loads(run(MEMTRACE, "leaks", "--json", log).stdout)["kinds"]
        self.assertEqual(kinds["reachable"], {"bytes": 150, "blocks": 1, "stacks": None})
        self.assertEqual(kinds["definite"]["stacks"], 1)
        self.assertIn(b"a process without failing leaks still held", run(MEMTRACE, "summary", log).stdout)
        judged = run(MEMTRACE, "leaks", "--fail-on=reachable", log)
        self.assertEqual(judged.returncode, 3, judged.stdout)
        self.assertIn(b"still reachable are only counted in this log", judged.stdout)
        for limit, status in (("180", 0), ("179", 3), ("29", 23)):
            limited = run(MEMTRACE, "leaks", "--fail-on=definite,reachable", f"--max-leaked={limit}", log)
            self.assertEqual(limited.returncode, status, limited.stdout)
        self.assertIn(b"a process without failing leaks still held", run(MEMTRACE, "leaks", "--growth", log).stderr)

    def test_where_it_fails_everything_is_recorded(self):
        self.assertEqual(self.status("reachable:150", options=("--fail-on=reachable",)), 23)
        (log,) = self.kept_logs()
        self.assertIn(b"still reachable: 150 B in 1 block from 1 stack trace\n", run(MEMTRACE, "leaks", log).stdout)
        self.assertNotIn(b"a process without failing leaks still held", run(MEMTRACE, "summary", log).stdout)

    def test_a_program_whose_file_is_gone_has_its_names(self):
        """Only the collector has its file then."""
        copy = self.directory / "gone"
        for options in ((), ("--fail-on=none",)):
            with self.subTest(options):
                shutil.copy(VERDICTS, copy)
                done = self.check(command=("sh", "-c", f"{copy} definite:100; rm {copy}"), options=options)
                self.assertIn(b"definitely lost: 100 B in 1 block", done.stderr)
                self.assertIn(b"lose_definite", done.stderr)

    def test_a_program_whose_file_was_replaced_has_its_names(self):
        copy = self.directory / "replaced"
        shutil.copy(VERDICTS, copy)
        done = self.check(command=("sh", "-c", f"{copy} definite:100; rm {copy}; cp /bin/true {copy}"))
        self.assertIn(b"lose_definite", done.stderr)

    def test_a_process_without_a_free_descriptor_has_no_verdict_and_the_report_says_why(self):
        done = self.check(command=(program("leak_cases"), "takes-all-descriptors"))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b"it could not open /proc for the scan: no free descriptor", done.stderr)

    def test_another_exit_status_for_a_passed_limit(self):
        self.assertEqual(self.status("definite:100", options=["--error-exitcode=42"]), 42)
        self.assertEqual(self.status("definite:100", options=["--error-exitcode=0"]), 0)
        self.assertEqual(self.status("reachable:100", options=["--error-exitcode=42"]), 0)

    def test_a_program_that_fails_by_itself_keeps_its_status(self):
        done = self.check("definite:100", "exit:5")
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"FAILED", done.stderr)
        self.assertEqual(self.status("exit:3"), 3)
        self.assertEqual(self.status("exit:125"), 125)

    def test_a_program_that_a_signal_ends_keeps_its_status_and_has_no_verdict(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
            done = self.check("definite:100", f"kill:{int(number)}")
            self.assertEqual(done.returncode, 128 + number)
            self.assertIn(b"No verdict", done.stderr)
            self.assertIn(f"killed by signal {int(number)} ({number.name})".encode(), done.stderr)
            self.assertIn(b"unclassified: 100 B in 1 block", done.stderr)

    def killed_at_the_end(self, *actions):
        """What check reports of a process that is killed while it is scanned, and of how many blocks it had."""
        count = 500_000
        while True:
            process = subprocess.Popen([MEMTRACE, "check", "--", "sh", "-c", 'echo $$; exec "$0" "$@"', VERDICTS,
                                        *actions, f"list:{count}", "say", "wait"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=self.environment)
            pid = int(process.stdout.readline())
            process.stdout.readline()
            descriptor = os.pidfd_open(pid)
            process.stdin.write(b"go\n")
            process.stdin.flush()
            time.sleep(random.random() / 20)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)
            report = process.communicate()[1].decode()
            if process.returncode == 137:
                return count, report
            count *= 2

    def test_what_a_process_held_that_was_killed_while_it_was_scanned_is_told(self):
        for _ in range(3):
            count, report = self.killed_at_the_end()
            self.assertIn(f" in {count:,} blocks", report)
            self.assertIn("No verdict", report)

    @unittest.skipUnless(os.geteuid() == 0, "only root may become somebody else")
    def test_the_same_of_one_whose_end_is_waited_for(self):
        """After a fork that failed a dead process is watched for a while: a child may still appear."""
        for _ in range(3):
            count, report = self.killed_at_the_end("lone")
            self.assertIn(f" in {count:,} blocks", report)
            self.assertIn("No verdict", report)

    def test_a_child_that_is_killed_makes_it_3(self):
        report = self.check_json("child", "definite:100", "kill:9", status=3)
        self.assertEqual(report["verdict"]["outcome"], "none")
        self.assertEqual(report["kinds"]["unclassified"]["bytes"], 100)

    def test_a_leak_in_a_child_fails(self):
        report = self.check_json("child", "definite:100", status=23)
        self.assertEqual(report["kinds"]["definite"]["bytes"], 100)
        self.check_json("child", "definite:100", options=["--no-children"], status=0)

    def test_the_whole_tree_is_waited_for_with_a_bound(self):
        report = self.check_json("detach:1500", status=23)
        self.assertEqual(report["kinds"]["definite"]["bytes"], 40)
        self.assertEqual(self.status("detach:6000", options=["--wait=1"]), 3)

    def test_a_log_is_finished_when_the_last_process_ends_though_the_report_is_still_being_written(self):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        command = [MEMTRACE, "check", "--wait=0", "--", VERDICTS, "detach:700"]
        process = subprocess.Popen(command, stderr=writer, cwd=self.directory, env=self.environment)
        os.close(writer)
        log = wait_for(lambda: next(iter(self.temporary.glob("*.mtlog")), None))
        wait_for(lambda: b"block index" in run(MEMTRACE, "dump", log).stdout)
        self.assertIsNone(process.poll())
        with os.fdopen(reader, "rb") as stream:
            self.assertIn(b"No verdict", stream.read())
        self.assertEqual(process.wait(), 3)

    def test_a_child_that_still_runs_makes_it_3_though_it_has_nothing_yet(self):
        done = self.check("linger:6000", options=["--wait=1", "-q"])
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b"No verdict: the recording is not complete: a process that the program left behind", done.stderr)

    def test_a_program_that_exec_replaces_is_not_judged(self):
        report = self.check_json("replace", "reachable:10", status=0)
        self.assertTrue(any(leak["replaced_by_exec"] and leak["bytes"] == 500 for leak in report["leaks"]))

    def test_a_collector_that_dies_makes_it_3(self):
        script = ("for p in $(cat /proc/$PPID/task/$PPID/children); do "
                  "[ $p = $$ ] || kill -9 $p; done; exit 0")
        done = self.check(command=("sh", "-c", script))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b"No verdict", done.stderr)
        self.assertIn(b"most of what was not freed then is missing", done.stderr)

    def test_what_cannot_be_run(self):
        self.assertEqual(self.status(command=("/nonexistent",)), 127)
        self.assertEqual(self.status(command=("/etc/passwd",)), 126)
        self.assertEqual(self.status(command=(program("static_child"),)), 126)
        self.assertEqual(list(self.temporary.iterdir()), [])

    def test_mistakes_are_told_before_the_program_starts(self):
        (self.directory / "bad.supp").write_text("leak:fine\nnonsense\n")
        (self.directory / "bad.json").write_text("{\n nonsense")
        (self.directory / "there").write_text("")
        cases = {
            ("--suppressions=bad.supp",): "bad.supp:2:",
            ("--suppressions=missing",): "missing",
            ("--baseline=bad.json",): "bad.json:2:",
            ("--baseline=missing",): "missing",
            ("--write-baseline",): "--baseline",
            ("--fail-on=definitely",): "definitely",
            ("--max-leaked=much",): "much",
            ("--max-peak=-1",): "-1",
            ("--format=xml",): "xml",
            ("--error-exitcode=256",): "256",
            ("--wait=soon",): "soon",
            ("--report=there",): "use -f",
            ("--report=no/report",): "cannot write no/report",
            ("--report=/no/report", "-f"): "cannot write /no/report",
            ("--report=tmp", "-f"): "cannot write tmp",
            ("--baseline=no/b.json", "--write-baseline"): "cannot write no/b.json",
            ("--baseline=tmp", "--write-baseline"): "cannot write tmp",
            ("-o", "there"): "use -f",
        }
        for options, says in cases.items():
            with self.subTest(options=options):
                done = self.check("say", options=options)
                self.assertEqual(done.returncode, 125, done.stderr)
                self.assertIn(says, done.stderr.decode())
                self.assertEqual(done.stdout, b"")
        self.assertEqual(run(MEMTRACE, "check").returncode, 125)

    def test_quiet_says_nothing_when_limits_are_kept(self):
        self.assertEqual(self.check("reachable:10", options=["-q"]).stderr, b"")
        self.assertIn(b"FAILED", self.check("definite:10", options=["-q"]).stderr)

    def test_a_limit_of_address_space_leaves_the_scan_enough(self):
        """Less than what edges between these blocks could take beside the blocks themselves."""
        limit = 300 << 20
        done = self.check("reachable:250000000", "definite:77",
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.assertEqual(done.returncode, 23, done.stderr)
        self.assertIn(b"leaked 77 B in 1 block", done.stderr)

    def test_no_room_for_the_log(self):
        done = self.check("say", env=dict(self.environment, TMPDIR=str(self.directory / "no")))
        self.assertEqual(done.returncode, 125)
        self.assertEqual(done.stdout, b"")


class Limits(CheckTest):
    def test_only_the_kinds_that_were_named_fail(self):
        actions = {"definite": "definite:100", "indirect": "indirect:50", "possible": "possible:70",
                   "reachable": "reachable:80"}
        for leak, action in actions.items():
            for kind in actions:
                with self.subTest(leak=leak, fail_on=kind):
                    fails = kind == leak or (leak == "indirect" and kind == "definite")
                    self.assertEqual(self.status(action, options=[f"--fail-on={kind}"]), 23 if fails else 0)
        self.assertEqual(self.status("reachable:80", options=["--fail-on=definite,reachable"]), 23)
        self.assertEqual(self.status("definite:80", options=["--fail-on=none"]), 0)
        self.assertEqual(self.status("reachable:80", options=["--fail-on=all"]), 23)

    def test_sums_by_kind(self):
        report = self.check_json("definite:100", "other:30", "indirect:50", "possible:70", "reachable:80", status=23)
        bytes_of = {kind: sums["bytes"] for kind, sums in report["kinds"].items()}
        self.assertEqual(bytes_of, {"definite": 146, "indirect": 50, "possible": 70, "reachable": 80,
                                    "unclassified": 0})
        self.assertEqual(sum(leak["indirect_bytes"] for leak in report["leaks"]), 50)
        self.assertEqual(report["verdict"]["failed_bytes"], 146)

    def test_max_leaked(self):
        self.assertEqual(self.status("definite:1024", options=["--max-leaked=1k"]), 0)
        self.assertEqual(self.status("definite:1025", options=["--max-leaked=1K"]), 23)
        self.assertEqual(self.status("definite:1024", "other:1", options=["--max-leaked=1024"]), 23)
        self.assertEqual(self.status("reachable:5000", options=["--max-leaked=1k"]), 0)

    def test_max_peak_and_max_allocations(self):
        self.assertEqual(self.status("peak:100000", options=["--max-peak=90k"]), 23)
        self.assertEqual(self.status("peak:100000", options=["--max-peak=100k"]), 0)
        self.assertEqual(self.status("allocate:1000", options=["--max-allocations=900"]), 23)
        self.assertEqual(self.status("allocate:1000", options=["--max-allocations=1100"]), 0)
        # A budget that is passed is certain even where leaks are not known.
        self.assertEqual(self.status("child", "peak:100000", "definite:1", "kill:9",
                                     options=["--max-peak=90k"]), 23)


class OfLogs(CheckTest):
    def test_leaks_of_a_scanned_log_judges_as_check_does(self):
        self.assertEqual(self.status("definite:100", "reachable:10", options=["-o", self.log]), 23)
        self.assertEqual(self.report("leaks", check=False).returncode, 23)
        self.assertEqual(self.report("leaks", "--fail-on=possible").returncode, 0)
        self.assertEqual(self.report("leaks", "--max-leaked=100").returncode, 0)
        self.assertEqual(self.report("leaks", "--error-exitcode=9", check=False).returncode, 9)
        self.assertEqual(self.report("leaks", "--max-peak=1", "--fail-on=none", check=False).returncode, 23)
        report = json.loads(self.report("leaks", "--json", check=False).stdout)
        self.assertEqual(report["kinds"]["reachable"]["bytes"], 10)

    def test_leaks_of_a_log_without_a_scan(self):
        self.record(VERDICTS, "definite:100")
        self.assertEqual(self.leaks()["kinds"]["unclassified"]["bytes"], 100)
        self.assertEqual(self.report("leaks").returncode, 0)
        self.assertEqual(self.report("leaks", "--fail-on=definite", check=False).returncode, 3)
        self.assertEqual(self.report("leaks", "--max-leaked=1k").returncode, 0)
        self.assertEqual(self.report("leaks", "--max-leaked=10", check=False).returncode, 3)

    def test_mistakes_in_files(self):
        self.record(VERDICTS, "definite:100")
        bad = self.directory / "bad.supp"
        bad.write_text("race:x\n")
        self.assertEqual(self.report("leaks", f"--suppressions={bad}", check=False).returncode, 2)
        self.assertEqual(self.report("leaks", "--suppressions=missing", check=False).returncode, 1)
        self.assertEqual(self.report("leaks", "--pid=1", check=False).returncode, 2)

    def test_holders_are_shown_when_asked_for(self):
        self.assertEqual(self.status("reachable:77", options=["-o", self.log]), 0)
        self.assertNotIn("77 B in 1 block\n", self.report("leaks").stdout.decode())
        text = self.report("leaks", "--retained-by").stdout.decode()
        self.assertIn("still reachable: 77 B in 1 block\n", text)
        self.assertIn("held by", text)

    def test_the_blocks_that_hold_a_block_are_shown_with_what_made_them(self):
        self.record(program("leak_cases"), "long-list", options=("--leak-check",))
        text = self.report("leaks", "--retained-by").stdout.decode()
        last = text[text.index("still reachable: 7.7 KiB in 1 block"):]
        self.assertRegex(last, r"  held by data of leak_cases\+0x[0-9a-f]+\n"
                               r"(    > 7\.6 KiB of make \([^ ]*leak_cases\.c:[0-9]+\)\n){8}"
                               r"    > \.\.\. \(14 more\)\n"
                               r"(    > 7\.6 KiB of make \([^ ]*leak_cases\.c:[0-9]+\)\n){8}"
                               r"    make \([^ ]*leak_cases\.c:[0-9]+\)\n"
                               r"    long_list \(")
        leaks = json.loads(self.report("leaks", "--json").stdout)["leaks"]
        (leak,) = [item for item in leaks if item["bytes"] == 7899]
        self.assertEqual([step["bytes"] for step in leak["path"]], [*range(7801, 7809), *range(7823, 7831)])
        self.assertEqual({step["function"] for step in leak["path"]}, {"make"})
        self.assertEqual(leak["path_skipped"], 14)
        self.assertRegex(leak["held_by"], r"^data of leak_cases\+0x")


class Growth(CheckTest):
    def growth(self, *options):
        return json.loads(self.report("leaks", "--growth", "--json", *options).stdout)["growth"]

    def test_what_keeps_growing_is_listed_though_all_is_freed(self):
        self.record(program("growing"))
        self.assertEqual(self.leaks()["total"]["bytes"], 0)
        (item,) = self.growth()
        self.assertEqual(item["stack"][0]["function"], "grow")
        self.assertEqual(item["allocated_bytes"], 100_000)
        self.assertEqual(sorted(item["live_bytes_at_instants"]), item["live_bytes_at_instants"])
        self.assertEqual(item["live_bytes"], item["live_blocks"] * 1000)
        self.assertGreater(item["surviving_percent"], 50)
        text = self.report("leaks", "--growth").stdout.decode()
        self.assertIn("1 stack trace keeps growing", text)
        self.assertIn("    grow (", text)

    def test_nothing_grows(self):
        self.record(VERDICTS, "reachable:100000")
        self.assertEqual(self.growth(), [])
        self.assertIn(b"Nothing keeps growing", self.report("leaks", "--growth").stdout)

    def test_a_ranking_is_no_verdict(self):
        self.status("definite:100", options=["-o", self.log])
        self.report("leaks", "--growth")
        for option in ("--fail-on=definite", "--format=sarif", "--print-suppressions=lsan"):
            self.assertEqual(self.report("leaks", "--growth", option, check=False).returncode, 2, option)


class Suppressions(CheckTest):
    def write(self, text):
        path = self.directory / "accepted.supp"
        path.write_text(text)
        return f"--suppressions={path}"

    def test_lsan_and_valgrind_entries_in_one_file(self):
        option = self.write("leak:lose_other\n{\n known\n Memcheck:Leak\n match-leak-kinds: definite\n fun:malloc\n"
                            " fun:lose_definite\n ...\n fun:main\n}\nleak:never_there\n")
        self.assertEqual(self.status("definite:100", "other:10", options=[option]), 0)
        done = self.check("definite:100", "indirect:10", options=[option])
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"leak:never_there: unused", done.stderr)
        self.assertIn(b"known: 100 B in 1 block", done.stderr)
        self.assertNotIn(b"    lose_definite", done.stderr)

    def test_files_and_modules(self):
        self.assertEqual(self.status("definite:100", options=[self.write("leak:verdicts.c")]), 0)
        self.assertEqual(self.status("definite:100", options=[self.write("leak:programs/verdicts$")]), 0)
        self.assertEqual(self.status("definite:100", options=[self.write("leak:^verdicts")]), 23)

    def test_what_a_suppressed_leak_held_goes_with_it(self):
        option = self.write("{\n outer\n Memcheck:Leak\n match-leak-kinds: definite\n fun:malloc\n fun:lose_indirect\n}\n")
        self.assertEqual(self.status("indirect:100", options=[option, "--fail-on=definite,indirect"]), 0)

    def test_printed_suppressions_suppress(self):
        self.assertEqual(self.status("definite:100", "other:10", "possible:50", options=["-o", self.log]), 23)
        for syntax in ("lsan", "valgrind"):
            printed = self.report("leaks", f"--print-suppressions={syntax}", check=False).stdout.decode()
            self.assertEqual("leak:" in printed, syntax == "lsan")
            option = self.write(printed)
            # The possible leak is one of main: a function's name would hide every leak there is.
            self.assertEqual("# main: " in printed, syntax == "lsan")
            kinds = "definite" if syntax == "lsan" else "definite,possible"
            done = self.report("leaks", option, f"--fail-on={kinds}", check=False)
            self.assertEqual(done.returncode, 0, printed + done.stdout.decode())
            self.assertNotIn(b"unused", done.stdout)

    def test_printed_suppressions_are_all_that_is_printed(self):
        done = self.check("definite:100", options=["--print-suppressions=lsan"])
        self.assertEqual(done.stderr, b"leak:^lose_definite$\n")

    def test_printed_entries_for_cxx_suppress_and_name_every_function(self):
        self.check(options=["-o", self.log], command=[program("leak_cases_cxx"), "leave"])
        printed = self.report("leaks", "--print-suppressions=valgrind", "--fail-on=all", check=False).stdout.decode()
        self.assertNotIn("fun:*", printed)
        done = self.report("leaks", self.write(printed), "--fail-on=all", check=False)
        self.assertEqual(done.returncode, 0, printed + done.stdout.decode())
        self.assertNotIn(b"unused", done.stdout)

    @needs("valgrind")
    def test_entries_that_valgrind_prints_and_reads(self):
        valgrind = ("valgrind", "-q", "--leak-check=full", "--error-exitcode=9")
        done = run(*valgrind, "--gen-suppressions=all", VERDICTS, "definite:100")
        lines = done.stderr.decode().splitlines()
        entry = "\n".join(line for line in lines if not line.startswith("=="))
        self.assertIn("fun:lose_definite", entry)
        self.assertEqual(self.status("definite:100", options=[self.write(entry)]), 0)
        self.status("definite:100", options=["-o", self.log])
        printed = self.report("leaks", "--print-suppressions=valgrind", check=False).stdout.decode()
        self.assertEqual(run(*valgrind, self.write(printed), VERDICTS, "definite:100").returncode, 0)


YAMA = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
WITHOUT_PTRACE = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
GDB = ("gdb", "-q", "-nx", "-batch", "-return-child-result", "-ex", "set debuginfod enabled off", "-ex", "run", "--args")
STRACE = ("strace", "-f", "-qq", "-o", "/dev/null")


class Surroundings(CheckTest):
    """What is found does not depend on who looks on, on rights, and on the way in which a program ends."""

    CASES = {
        "kinds": 0, "_exit": 0, "quick_exit": 0, "abort": 128 + signal.SIGABRT, "forks": 0,
        "closes-all": 0, "threads": 0,
    }
    alone = {}  # what is found with nothing around

    def found(self, case, outside=(), inside=()):
        """The subject's blocks by kind and size, and the verdict."""
        report = self.directory / "report.json"
        report.unlink(missing_ok=True)
        command = [*outside, MEMTRACE, "check", "--json", f"--report={report}", "--",
                   *inside, program("leak_cases"), case]
        done = run(*command, cwd=self.directory, env=self.environment)
        self.assertTrue(report.exists(), done.stderr.decode(errors="replace"))
        content = json.loads(report.read_text())
        leaks = sorted((leak["kind"], leak["bytes"], leak["blocks"]) for leak in content["leaks"]
                       if leak["origins"][0]["image"].endswith("leak_cases") and leak["bytes"] >= 7000)
        return leaks, content["verdict"]["outcome"], done.returncode

    def compare(self, outside=(), inside=()):
        for case, status in self.CASES.items():
            with self.subTest(case):
                if case not in self.alone:
                    self.alone[case] = self.found(case)
                plain = self.alone[case]
                self.assertEqual(plain[1:], ("failed", status or 23))
                self.assertIn("definite", {kind for kind, _, _ in plain[0]})
                leaks, outcome, _ = self.found(case, outside, inside)
                self.assertEqual((leaks, outcome), plain[:2])

    @needs("strace")
    def test_all_of_it_under_strace(self):
        self.compare(outside=STRACE)

    @needs("strace")
    def test_the_program_under_strace(self):
        self.compare(inside=STRACE)

    def failing(self, call, error):
        return ["strace", "-qq", "-f", "-o", self.directory / "strace", "-e", f"trace={call}",
                "-e", f"inject={call}:error={error}"]

    @needs("strace")
    def test_where_memory_is_not_read_by_system_calls_of_debuggers(self):
        self.compare(outside=self.failing("process_vm_readv", "EPERM"))

    @needs("strace")
    def test_where_there_are_no_pidfds(self):
        for error in ("ENOSYS", "EPERM", "EMFILE"):
            with self.subTest(error=error):
                inject = self.failing("pidfd_open", error)
                self.compare(outside=inject)
                self.assertEqual(self.found("main-ends", outside=inject), self.found("main-ends"))
                done = run(*inject, MEMTRACE, "check", "--", "sh", "-c", f"{program('verdicts')} definite:100; true",
                           cwd=self.directory, env=self.environment)
                self.assertEqual(done.returncode, 23, done.stderr)

    @needs("strace")
    def test_what_a_child_has_that_a_handler_forked_is_not_its_parents(self):
        for number in (1, 2, 3):  # regions of the table of deferred blocks: each is mapped by mremap
            with self.subTest(number):
                done = run("strace", "-qq", "-f", "-o", self.directory / "strace", "-e", "trace=mremap",
                           "-e", f"inject=mremap:signal=SIGUSR1:when={number}",
                           MEMTRACE, "check", "--", PROGRAMS / "hazards" / "forks_in_handler",
                           cwd=self.directory, env=self.environment)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn(b"still reachable: 200.0 MiB in 200 blocks", done.stderr)
                self.assertNotIn(b"definitely", done.stderr)

    @needs("gdb")
    def test_memtrace_under_gdb(self):
        self.compare(outside=GDB)

    @needs("gdb")
    def test_the_program_under_gdb(self):
        self.compare(inside=GDB)

    @needs("setpriv")
    def test_without_the_right_to_trace_processes(self):
        self.compare(outside=WITHOUT_PTRACE)

    @needs("setpriv")
    def test_a_program_whose_memory_nobody_else_may_read(self):
        self.assertEqual(self.found("not-dumpable", outside=WITHOUT_PTRACE), self.found("kinds"))

    @unittest.skipUnless(YAMA.exists() and os.access(YAMA, os.W_OK), "there is no yama, or it can't be set here")
    def test_where_only_root_may_trace_processes(self):
        before = YAMA.read_text()
        self.addCleanup(YAMA.write_text, before)
        YAMA.write_text("2")
        self.compare(outside=WITHOUT_PTRACE)


class Wishes(CheckTest):
    """What a program has for LeakSanitizer."""

    def test_suppressions_that_the_program_has_itself(self):
        for name in ("leak_wishes", "leak_wishes_exported"):
            with self.subTest(name):
                done = self.check(command=(program(name), "known"))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(b"leak:lose_known: 100 B in 1 block (__lsan_default_suppressions:2)", done.stderr)
                self.assertNotIn(b"never_called", done.stderr)
                done = self.check(command=(program(name), "known", "unknown"))
                self.assertEqual(done.returncode, 23)
                self.assertIn(b"definitely lost: 50 B in 1 block", done.stderr)
                self.assertNotIn(b"definitely lost: 100 B", done.stderr)

    def test_those_of_a_program_that_runs_for_long(self):
        """Whose executable the collector has looked at; so has it at the shell's."""
        for command in (("known", "rest"), ("rest", "known", "unknown")):
            found = self.check(command=(program("leak_wishes"), *command))
            after = self.check(command=("sh", "-c", 'sleep 0.3; exec "$0" "$@"', program("leak_wishes"), *command))
            for done in (found, after):
                self.assertEqual(done.returncode, 23 if "unknown" in command else 0, done.stderr)
                self.assertIn(b"leak:lose_known: 100 B in 1 block", done.stderr)

    def test_those_of_a_large_executable(self):
        """More symbols than are read at a time, and more names than the collector looks at."""
        large = self.directory / "large"
        names = "".join(f".set s{i},{i}\n" for i in range(30000))
        names += "".join(f".set {'long' * 10000}{i},{i}\n" for i in range(450))
        (self.directory / "names.s").write_text(f'.section .note.GNU-stack,"",@progbits\n.text\n{names}')
        run("gcc", "-O1", "-fno-inline", "-o", large, SOURCE / "tests/e2e/programs/leak_wishes.c",
            self.directory / "names.s")
        for actions in (("known",), ("known", "rest"), ("unknown", "off", "rest")):
            done = self.check(command=(large, *actions))
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_those_of_a_program_that_comes_after_others(self):
        """Whose place in the segment has been theirs."""
        done = self.check(command=("sh", "-c", 'sleep 0.3; sleep 0.1; "$0" known; true', program("leak_wishes")))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_child_that_becomes_one_program_and_another(self):
        for _ in range(5):
            done = self.check(command=(program("leak_wishes"), "child", "/bin/sh", "-c", "exec /bin/true"))
            self.assertEqual(done.returncode, 0, done.stderr)

    @needs("strace")
    def test_the_process_does_not_search_where_the_collector_did(self):
        """The program ends when the collector has looked."""
        trace = self.directory / "trace"
        go = self.directory / "go"
        os.mkfifo(go)
        traced = subprocess.Popen([str(part) for part in (
            "strace", "-f", "-qq", "-e", "trace=openat,close", "-o", trace, MEMTRACE, "check", "-q", "/bin/sh", "-c",
            f"read line < {go}")])
        looked = re.compile(r'^(\d+) +openat\(\w+, "/proc/\d+/exe".* = (\d+)\n(?:.*\n)*?\1 +close\(\2\)', re.MULTILINE)
        wait_for(lambda: traced.poll() is not None or trace.exists() and looked.search(trace.read_text()), 20)
        self.assertIsNone(traced.poll())
        go.write_text("\n")
        self.assertEqual(traced.wait(timeout=60), 0)
        self.assertNotIn('"/proc/self/exe"', trace.read_text())
        trace.unlink()
        self.assertEqual(run("strace", "-f", "-qq", "-e", "trace=openat", "-o", trace, MEMTRACE, "check", "-q",
                             program("leak_wishes"), "rest").returncode, 0)
        self.assertIn('"/proc/self/exe"', trace.read_text())

    def test_they_are_for_that_program_only(self):
        done = self.check(command=(program("leak_wishes"), "known", "child", VERDICTS, "definite:77"))
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"definitely lost: 77 B in 1 block", done.stderr)
        self.assertNotIn(b"definitely lost: 100 B", done.stderr)

    def test_a_program_that_turns_checks_off(self):
        for name in ("leak_wishes", "leak_wishes_exported"):
            done = self.check(command=(program(name), "unknown", "off"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(b"Note: 1 process has turned leak checks off", done.stderr)


class Baselines(CheckTest):
    def setUp(self):
        super().setUp()
        self.baseline = self.directory / "leaks.json"
        self.option = f"--baseline={self.baseline}"
        self.assertEqual(self.status("definite:100", "other:30", options=[self.option, "--write-baseline"]), 0)

    def test_known_leaks_pass(self):
        self.assertEqual(self.status("definite:100", "other:30", options=[self.option]), 0)
        self.assertEqual(self.status("definite:100", options=[self.option]), 0)
        self.assertEqual(self.status(options=[self.option]), 0)

    def test_a_new_leak_fails_alone(self):
        report = self.check_json("definite:100", "other:30", "indirect:5", options=[self.option], status=23)
        failing = [leak for leak in report["leaks"] if leak["fails"]]
        self.assertEqual([leak["stack"][0]["function"] for leak in failing], ["lose_indirect"])
        self.assertEqual([leak["baseline"] for leak in failing], ["new"])

    def test_a_leak_that_has_grown_fails(self):
        report = self.check_json("definite:101", "other:30", options=[self.option], status=23)
        failing = [leak for leak in report["leaks"] if leak["fails"]]
        self.assertEqual([(leak["baseline"], leak["baseline_bytes"]) for leak in failing], [("grown", 100)])
        self.assertEqual(report["verdict"]["failed_bytes"], 1)

    def test_another_line_of_the_same_function_changes_nothing(self):
        self.assertEqual(self.status("again:100", "other:30", options=[self.option]), 0)
        self.assertEqual(self.status("again:100", "definite:100", options=[self.option]), 23)

    def test_the_file_is_left_alone_without_a_verdict(self):
        before = self.baseline.read_bytes()
        self.assertEqual(self.status("child", "definite:9", "kill:9", options=[self.option, "--write-baseline"]), 3)
        self.assertEqual(self.baseline.read_bytes(), before)
        self.assertEqual(self.status("other:7", options=[self.option, "--write-baseline"]), 0)
        self.assertEqual([leak["bytes"] for leak in json.loads(self.baseline.read_text())["leaks"]], [7])

    def test_other_kinds_are_left_alone(self):
        both = self.option, "--fail-on=definite,reachable"
        actions = "definite:100", "other:30", "reachable:20"
        self.assertEqual(self.status(*actions, options=[*both, "--write-baseline"]), 0)
        before = self.baseline.read_bytes()
        done = self.check(*actions, options=[self.option])
        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"did not happen", done.stderr)
        self.assertEqual(self.status(*actions, options=[self.option, "--write-baseline"]), 0)
        self.assertEqual(self.baseline.read_bytes(), before)

    def test_writing_it_again_changes_no_byte(self):
        before = self.baseline.read_bytes()
        self.assertEqual(self.status("definite:100", "other:30", options=[self.option, "--write-baseline"]), 0)
        self.assertEqual(self.baseline.read_bytes(), before)


class Formats(CheckTest):
    ACTIONS = ("definite:100", "other:30", "possible:50", "reachable:10", "indirect:20")

    def report_as(self, name, actions=ACTIONS, options=(), status=23):
        path = self.directory / f"report.{name}"
        done = self.check(*actions, options=(f"--format={name}", f"--report={path}", "-f", *options),
                          env=dict(self.environment, GITHUB_WORKSPACE=str(SOURCE)))
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr, b"")
        return path

    def test_the_report_goes_where_it_is_told(self):
        to_stderr = self.check("definite:1", "say", options=["--json"])
        self.assertEqual(to_stderr.stdout, b"out\n")
        self.assertEqual(json.loads(to_stderr.stderr.removeprefix(b"err\n"))["verdict"]["outcome"], "failed")
        to_stdout = self.check("definite:1", options=["--json", "--report=-"])
        self.assertEqual(json.loads(to_stdout.stdout)["verdict"]["outcome"], "failed")
        self.assertEqual(to_stdout.stderr, b"")

    def test_a_report_that_cannot_be_written_in_the_end_goes_to_stderr(self):
        done = self.check("definite:1", options=["--report=/dev/full"])
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"cannot be written: No space left", done.stderr)
        self.assertIn(b"FAILED: leaked 1 B", done.stderr)
        self.assertEqual(self.status("allocate:1", options=["--report=/dev/full"]), 3)
        with open("/dev/full", "wb") as full:
            done = self.check("definite:1", options=["--report=-"], stdout=full)
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"FAILED: leaked 1 B", done.stderr)

    @unittest.skipUnless((VALIDATOR.parent / "node_modules").exists(), "tools/setup --tests was not run")
    @needs("node")
    def test_sarif_keeps_to_the_schema(self):
        cases = {(): 0, self.ACTIONS: 23, ("child", "definite:1", "kill:9"): 3}
        for actions, status in cases.items():
            path = self.report_as("sarif", actions, ["--max-allocations=100k"], status)
            done = run("node", VALIDATOR, path)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.report_as("sarif", self.ACTIONS, ["--max-peak=1"])
        self.assertEqual(run("node", VALIDATOR, path).returncode, 0)

    def test_sarif_points_at_lines_of_the_checkout(self):
        (log,) = json.loads(self.report_as("sarif").read_text())["runs"]
        results = {result["ruleId"]: result for result in log["results"]}
        self.assertEqual(sorted(results), ["definite-leak", "indirect-leak", "possible-leak"])
        place = results["definite-leak"]["locations"][0]["physicalLocation"]
        self.assertEqual(place["artifactLocation"]["uri"], "tests/e2e/programs/verdicts.c")
        self.assertEqual(results["definite-leak"]["level"], "error")
        self.assertEqual(results["possible-leak"]["level"], "warning")

    def test_github_annotations(self):
        lines = self.report_as("github").read_text().splitlines()
        source = (SOURCE / "tests" / "e2e" / "programs" / "verdicts.c").read_text().splitlines()
        errors = [line for line in lines if line.startswith("::error file=")]
        self.assertEqual(len(errors), 3)
        for line in errors:
            properties = dict(p.split("=", 1) for p in line[len("::error "):].split("::")[0].split(","))
            self.assertEqual(properties["file"], "tests/e2e/programs/verdicts.c")
            self.assertIn("malloc", source[int(properties["line"]) - 1])
        self.assertTrue(any(line.startswith("::error title=memtrace::leaked 146 B") for line in lines))

    def test_junit(self):
        suite = xml.etree.ElementTree.parse(self.report_as("junit")).getroot().find("testsuite")
        cases = suite.findall("testcase")
        self.assertEqual(int(suite.get("tests")), len(cases))
        self.assertEqual(int(suite.get("failures")), len(suite.findall("testcase/failure")))
        self.assertEqual({c.get("name") for c in cases},
                         {"lose_definite", "lose_other", "lose_indirect", "leaks", "recording"})
        clean = xml.etree.ElementTree.parse(self.report_as("junit", ("reachable:1",), status=0)).getroot()
        self.assertEqual(clean.find("testsuite").get("failures"), "0")
        unjudged = xml.etree.ElementTree.parse(
            self.report_as("junit", ("child", "definite:1", "kill:9"), status=3)).getroot()
        self.assertEqual(unjudged.find("testsuite").get("errors"), "1")


if __name__ == "__main__":
    unittest.main()
