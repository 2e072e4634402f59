# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever a program does to itself: it behaves as without memtrace, and its blocks are counted.

Each program keeps blocks of odd sizes from 5001 on; their numbers are known.
tests/hazards_soak runs each of these many times in a row.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time
import unittest

from support import MEMTRACE, MemtraceTest, needs, program, run, shell_status

IS_ROOT = os.geteuid() == 0
NO_ROOM = ("a thread or process could not be recorded: there were too many at a time, or no room on the disk "
           "for its records")


def hazard(name):
    return program(f"hazards/{name}")


def can(*command):
    """Whether a command that needs privileges works here."""
    try:
        return run(*command).returncode == 0
    except FileNotFoundError:
        return False


class HazardTest(MemtraceTest):
    def kept(self, log=None):
        """{size: live blocks} of the sizes that the programs keep, over all processes."""
        found = {}
        for pid in {p["pid"] for p in self.summary(log=log)["processes"] if p["traced"]}:
            for leak in self.leaks("--pid", pid, log=log)["leaks"]:
                size = leak["bytes"] // leak["blocks"]
                self.assertTrue(leak["stack"])
                if 5000 < size < 6000:
                    found[size] = found.get(size, 0) + leak["blocks"]
        return found

    def kept_in_all(self):
        """The same of the whole tree at once."""
        sizes = [(leak["bytes"] // leak["blocks"], leak["blocks"]) for leak in self.leaks()["leaks"]]
        return {size: sum(blocks for s, blocks in sizes if s == size) for size, _ in sizes if 5000 < size < 6000}

    def survives(self, *command, keeps, **options):
        """The program behaves the same and keeps `keeps`: {size: blocks}."""
        summary = self.assert_same_behaviour(*command, **options)
        self.assertEqual(self.kept(), keeps)
        return summary


class Life(HazardTest):
    """Starting, threads, and ending."""

    def test_allocations_before_constructors_and_after_destructors(self):
        self.survives(hazard("early_and_late"), keeps={5001: 3, 5003: 4, 5005: 5, 5007: 6})

    def test_look_ups_that_allocate(self):
        self.survives(hazard("missing_symbols"), keeps={5011: 1600})

    def test_destructors_of_threads_that_allocate(self):
        self.survives(hazard("thread_endings"), keeps={5023: 50, 5025: 200, 5029: 50})

    def test_many_short_threads(self):
        few = self.survives(hazard("many_threads"), "1", "50", keeps={5171: 150})
        many = self.survives(hazard("many_threads"), "1", "5000", keeps={5171: 15000})
        self.assertEqual(many["threads"], 5001)
        self.assertLess(many["tracker_rss_bytes"], few["tracker_rss_bytes"] * 1.5 + (1 << 20))

    def test_a_thousand_threads_at_a_time(self):
        self.survives(hazard("many_threads"), "1000", "2", keeps={5171: 6000})

    def test_threads_without_room_on_the_disk(self):
        """The segment can't grow beyond the rings that it has in the beginning."""
        bare = run(hazard("many_threads"), "40", "2")
        traced = self.record(hazard("many_threads"), "40", "2", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (13 << 20, 13 << 20)))
        self.assertEqual((traced.returncode, traced.stdout, traced.stderr),
                         (bare.returncode, bare.stdout, bare.stderr))
        summary = self.summary()
        self.assertEqual(summary["incomplete_reason"], NO_ROOM)
        self.assertEqual(summary["anomalies"], 0)
        self.assertEqual(summary["threads"], 16)

    def test_every_way_to_end(self):
        for how in ("return", "_exit", "quick_exit", "abort", "segv", "overflow", "9", "15", "11"):
            with self.subTest(how=how):
                extra = {5151: 2} if how == "quick_exit" else {}
                self.survives(hazard("ends_by"), how, keeps={5153: 30000, **extra})

    def test_a_double_free(self):
        self.survives(hazard("ends_by"), "double-free", keeps={5153: 30000}, anomalies=None)

    def test_libc_called_past_the_hooks(self):
        """A leak check zeroes no more than what is freed."""
        for what in ("cut", "twice"):
            with self.subTest(what=what):
                bare = run(hazard("past_hooks"), what)
                if what == "cut":
                    self.assertEqual(bare.stdout, b"behind it\n0 changed\n")
                checked = run(MEMTRACE, "check", "--", hazard("past_hooks"), what, cwd=self.directory,
                              env={**os.environ, "TMPDIR": str(self.directory)})
                self.assertEqual(checked.stdout, bare.stdout)
                self.assertEqual(checked.returncode, shell_status(bare.returncode))
                self.assertIn(bare.stderr, checked.stderr)

    def test_exceptions_across_many_frames(self):
        summary = self.survives(program("exceptions"), keeps={})
        # Two vectors and a string a frame, one exception and its message a throw; C++'s reserve, stdout's buffer.
        self.assertEqual(summary["allocations"], 3 * sum(i % 60 + 1 for i in range(2000)) + 2 * 2000 + 2)
        self.assertEqual(summary["live_allocations"], 2)


class Processes(HazardTest):
    """Forks, clones, execs, daemons."""

    def test_a_thousand_processes_at_a_time(self):
        self.assert_same_behaviour(hazard("many_processes"), "1000")
        self.assertEqual(self.kept_in_all(), {5221: 1000, 5223: 1})

    def test_more_processes_at_a_time_than_there_is_room_for(self):
        bare = run(hazard("many_processes"), "1100")
        traced = self.record(hazard("many_processes"), "1100")
        self.assertEqual((traced.returncode, traced.stdout, traced.stderr),
                         (bare.returncode, bare.stdout, bare.stderr))
        summary = self.summary()
        self.assertEqual(summary["incomplete_reason"], NO_ROOM)
        self.assertEqual(len(summary["processes"]), 1024)
        self.assertEqual(summary["anomalies"], 0)
        self.assertEqual(self.kept_in_all(), {5221: 1023, 5223: 1})

    def test_forks_while_threads_allocate(self):
        self.survives(hazard("fork_with_threads"), keeps={5031: 100, 5033: 2})

    def test_every_way_to_start_a_program(self):
        self.survives(hazard("new_processes"), keeps={5041: 18 * 3, 5043: 5})

    def test_execs_with_pointers_to_nowhere(self):
        self.assert_same_behaviour(hazard("exec_nonsense"))

    def test_a_malloc_without_a_realloc(self):
        self.assert_same_behaviour(hazard("own_malloc_only"))

    def test_clones_without_libc(self):
        self.survives(hazard("raw_clone"), keeps={5051: 6, 5053: 2, 5055: 500, 5059: 501})

    def test_a_daemon(self):
        bare = run(hazard("becomes_daemon"))
        done = self.record(hazard("becomes_daemon"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (bare.returncode, bare.stdout, bare.stderr))
        self.assertEqual(done.stdout, b"daemon is up\n")
        for _ in range(200):
            if self.summary()["complete"]:
                break
            time.sleep(0.05)
        self.assertTrue(self.summary()["complete"])
        self.assertEqual(self.kept(), {5071: 12})

    def test_a_daemon_that_allocates_long_after_its_parent_has_ended(self):
        self.survives(hazard("late_daemon"), keeps={5075: 3})
        images = self.summary()["processes"]
        self.assertEqual(len(images), 3)
        last = max(images, key=lambda image: image["allocations"])
        self.assertEqual([image["command"] for image in images], [hazard("late_daemon")] * 3)
        self.assertIn(last["parent_pid"], [image["pid"] for image in images if image != last])
        leaks = self.leaks("--pid", last["pid"])["leaks"]
        kept = [leak for leak in leaks if leak["bytes"] == 3 * 5075]
        self.assertEqual([frame["function"] for frame in kept[0]["stack"]][:3], ["keep", "keep_late", "main"])

    def test_an_environment_that_is_emptied_or_replaced(self):
        self.survives(hazard("replaces_environment"), keeps={5201: 24}, env={"PATH": os.environ["PATH"]})

    def test_another_session(self):
        self.survives(hazard("changes_root"), "session", hazard("changes_root"),
                      keeps={5091: 200, 5093: 1, 5095: 2, 5097: 4})

    def test_namespaces_of_its_own(self):
        if not can("unshare", "-U", "true"):
            self.skipTest("no user namespaces here")
        self.survives(hazard("changes_root"), "unshare", hazard("changes_root"),
                      keeps={5091: 200, 5093: 1, 5095: 2, 5097: 4})

    @unittest.skipUnless(IS_ROOT, "only root can change its root directory")
    def test_another_root_directory(self):
        """What it executes there can't load the tracker: it runs untraced, without a complaint."""
        root = self.directory / "root"
        libraries = [line.split()[-2] for line in run("ldd", hazard("changes_root")).stdout.decode().splitlines()
                     if "/" in line]
        for file in [hazard("changes_root"), *libraries]:
            (root / file.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / file.lstrip("/"))
        summary = self.survives(hazard("changes_root"), "chroot", root, hazard("changes_root"),
                                keeps={5091: 200, 5093: 1, 5097: 4})
        self.assertEqual([p["reason"] for p in summary["processes"] if not p["traced"]],
                         ["memtrace's library is out of its reach"])

    @unittest.skipUnless(IS_ROOT, "only root can become somebody else")
    def test_another_user(self):
        """A user who may not write the segment: what is executed then is not traced."""
        self.directory.chmod(0o755)
        # Below /root others can't execute anything.
        copy = self.directory / "changes_root"
        shutil.copy(hazard("changes_root"), copy)
        summary = self.survives(copy, "setuid", copy,
                                keeps={5091: 200, 5093: 1, 5097: 4})
        self.assertEqual(len([p["reason"] for p in summary["processes"] if not p["traced"]]), 1)

    @needs("setpriv")
    @unittest.skipUnless(IS_ROOT, "only root can become somebody else")
    def test_another_user_with_the_capabilities_of_root(self):
        """They are gone after the exec, and with them the way to the segment."""
        for groups in ("--clear-groups", "--keep-groups"):
            with self.subTest(groups=groups):
                summary = self.assert_same_behaviour("setpriv", "--reuid=65534", "--regid=65534", groups, "/bin/true")
                self.assertEqual([p["traced"] for p in summary["processes"]], [True, False])
                self.assertIn("out of its reach", summary["processes"][1]["reason"])

    @needs("setpriv")
    @unittest.skipUnless(IS_ROOT, "only root can give capabilities")
    def test_a_capability_that_outlives_the_exec(self):
        summary = self.assert_same_behaviour(
            "setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
            "/bin/true")
        self.assertEqual([p["traced"] for p in summary["processes"]], [True, True])


# A root directory that is no mount point, as of a chroot, can't have a /proc mounted in a namespace.
HAS_OWN_PROC = can("unshare", "--pid", "--fork", "--mount-proc", "true")
NAMESPACES = (("--fork",), ("--fork", "--mount-proc")) if HAS_OWN_PROC else (("--fork",),)


@unittest.skipUnless(IS_ROOT and can("unshare", "--pid", "--fork", "true"), "no pid namespaces here")
class PidNamespaces(HazardTest):
    """Processes whose numbers are not the collector's, and memtrace as the first of a namespace."""

    def test_a_program_in_a_namespace_of_its_own(self):
        for how in NAMESPACES:
            with self.subTest(how=how):
                self.survives("unshare", "--pid", *how, hazard("fork_with_threads"), keeps={5031: 100, 5033: 2})
                # Long enough to be looked at: it has a number of its own with the collector.
                summary = self.survives("unshare", "--pid", *how, "sleep", "1", keeps={})
                self.assertTrue(all(p["pid"] > 1 for p in summary["processes"]))

    def test_two_namespaces_at_a_time(self):
        command = f"unshare --pid --fork {hazard('fork_with_threads')}"
        self.survives("/bin/sh", "-c", f"{command} & {command}; wait", keeps={5031: 200, 5033: 4})

    def test_memtrace_in_a_namespace_of_its_own(self):
        """As its pid 1, and not; with the /proc of the namespace, and with the one around it."""
        for how in NAMESPACES:
            for inner in ((), ("/bin/sh", "-c", '"$0" "$@"; exit $?')):
                with self.subTest(how=how, inner=inner):
                    self.log.unlink(missing_ok=True)
                    done = run("unshare", "--pid", *how, *inner, MEMTRACE, "run", "-q", "-o", self.log, "--",
                               hazard("fork_with_threads"), cwd=self.directory)
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"20\n", b""))
                    self.assertTrue(self.summary()["complete"])
                    self.assertEqual(self.kept(), {5031: 100, 5033: 2})
                    self.assertGreater(self.summary()["peak_rss_bytes"], 0)

    def as_first(self, *command, **options):
        self.log.unlink(missing_ok=True)
        return run("unshare", "--pid", "--fork", "--mount-proc", MEMTRACE, "run", "-q", "-o", self.log, "--", *command,
                   cwd=self.directory, **options)

    @staticmethod
    def children(pid):
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    @unittest.skipUnless(HAS_OWN_PROC, "no /proc of a namespace's own here")
    def test_the_first_process_waits_for_the_tree_and_reaps_it(self):
        done = self.as_first(hazard("becomes_daemon"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"daemon is up\n", b""))
        self.assertTrue(self.summary()["complete"])
        self.assertEqual(self.kept(), {5071: 12})
        # A process whose parent is gone is nobody's zombie.
        code = """
            (sleep 0.1 & exec true)
            sleep 0.3
            for i in $(seq 100); do
                zombies=$(ps -eo stat= | grep -c ^Z)
                [ $zombies = 0 ] && break
                sleep 0.1
            done
            echo $zombies
        """
        self.assertEqual(self.as_first("/bin/sh", "-c", code).stdout, b"0\n")

    @unittest.skipUnless(HAS_OWN_PROC, "no /proc of a namespace's own here")
    def test_the_first_process_ends_what_does_not_end(self):
        first = subprocess.Popen(
            [str(a) for a in ("unshare", "--pid", "--fork", "--mount-proc", MEMTRACE, "run", "-q", "-o", self.log, "--",
                              "/bin/sh", "-c", "sleep 1000 & exit 6")], stdout=subprocess.PIPE)
        self.addCleanup(first.stdout.close)
        inner = []
        while not inner:
            self.assertIsNone(first.poll())
            inner = self.children(first.pid)
        names = []
        while "sleep" not in names or "sh" in names:  # until the shell has left it behind
            self.assertIsNone(first.poll())
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                names = [pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in self.children(inner[0])]
        os.kill(int(inner[0]), signal.SIGTERM)
        self.assertEqual(first.wait(timeout=20), 6)
        self.assertTrue(self.summary()["complete"])


class Limits(HazardTest):
    """Programs that forbid themselves this and that."""

    def test_all_descriptors_closed(self):
        self.survives(hazard("closes_everything"), keeps={5081: 600})

    def test_no_more_files_or_bytes(self):
        for what in ("files", "file-size", "core"):
            with self.subTest(what=what):
                self.survives(hazard("limits_itself"), what, keeps={5111: 200, 5113: 1})

    def test_closed_standard_streams(self):
        """What is opened for the recording does not take their places."""
        for closed in ((0,), (0, 2), (2,)):
            with self.subTest(closed=closed):
                summary = self.assert_same_behaviour("sh", "-c", "ls /proc/self/fd", close_fds=True,
                                                     preexec_fn=lambda: [os.close(fd) for fd in closed])
                self.assertTrue(summary["complete"], summary["incomplete_reason"])
                self.assertEqual(sum(process["traced"] for process in summary["processes"]), 2)

    def test_few_descriptors(self):
        """Names are looked up without processes where no pipes to them can be had."""
        for count in (7, 8, 9, 10):
            with self.subTest(count=count):
                self.survives(hazard("early_and_late"), keeps={5001: 3, 5003: 4, 5005: 5, 5007: 6},
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
                frames = [frame["function"] for leak in self.leaks()["leaks"] for frame in leak["stack"]]
                self.assertIn("before_everything", frames)

    def test_small_stacks(self):
        """The limit is the program's: memtrace gets along with any that the program gets along with."""
        for kibibytes in (1024, 128, 64):
            with self.subTest(kibibytes=kibibytes):
                options = {"cwd": self.directory, "preexec_fn": lambda: resource.setrlimit(
                    resource.RLIMIT_STACK, (kibibytes << 10, kibibytes << 10))}
                self.survives(hazard("early_and_late"), keeps={5001: 3, 5003: 4, 5005: 5, 5007: 6}, **options)
                done = run(MEMTRACE, "check", "--", hazard("early_and_late"), **options,
                           env={**os.environ, "TMPDIR": str(self.directory)})
                self.assertEqual(done.returncode, 3)  # the program's own
                self.assertIn(b"FAILED: leaked", done.stderr)
                for report in ("dump", "leaks", "summary", "symbolize"):
                    self.assertEqual(run(MEMTRACE, report, self.log, **options).returncode, 0, report)

    def test_no_more_processes(self):
        """Root may have as many as it likes."""
        options = {"user": 65534, "group": 65534} if IS_ROOT else {}
        self.directory.chmod(0o777)
        copy = self.directory / "limits_itself"
        shutil.copy(hazard("limits_itself"), copy)
        self.survives(copy, "processes", keeps={5111: 200, 5113: 1}, **options)

    def test_malloc_that_returns_null(self):
        self.survives(hazard("limits_itself"), "address-space", keeps={5113: 1, 5115: 3})

    def test_system_calls_that_kill(self):
        self.survives(hazard("filters_calls"), "strict", keeps={5103: 7})
        for how in ((), ("syscall",)):
            with self.subTest(how=how):
                self.survives(hazard("filters_calls"), "few", *how, keeps={5103: 7})
                self.survives(hazard("filters_calls"), "more", *how, keeps={5101: 400, 5103: 7, 5105: 5})

    def test_calls_that_make_no_sense(self):
        self.survives(hazard("unmaps_nonsense"), keeps={5211: 6})

    def test_100_gigabytes_of_address_space(self):
        self.survives(hazard("much_address_space"), keeps={5181: 4})


def memory_group(limit):
    """A control group with a limit of memory, of version 2 or 1; None if there can't be one."""
    for root, name in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        group = pathlib.Path(root, f"memtrace-test-{os.getpid()}")
        if not pathlib.Path(root, "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
            return group
        except OSError:
            if group.is_dir():
                group.rmdir()
    return None


def remove_group(group):
    """What was killed in it takes a moment to go."""
    for _ in range(200):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.05)


class Deaths(HazardTest):
    """What `memtrace run` says of a program that memory has killed."""

    def explained(self, *command, **options):
        self.log.unlink(missing_ok=True)
        done = run(MEMTRACE, "run", "-o", self.log, "--", *command, cwd=self.directory, **options)
        return done, [line for line in done.stderr.decode().splitlines()
                      if line.startswith(("memtrace: ", "  "))]

    def assert_consumers(self, lines):
        self.assertEqual(lines[0].strip(), "at its death the most memory was held by")
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[1], r"^ +\d\d\.\d MiB  hold_most \(.*holds_memory.c:\d+\)$")
        self.assertRegex(lines[2], r"^ +\d\.\d MiB  hold_some \(.*holds_memory.c:\d+\)$")
        self.assertRegex(lines[3], r"^ +\d+\.\d KiB  hold_little \(.*holds_memory.c:\d+\)$")

    def test_a_sigkill(self):
        done, lines = self.explained(hazard("holds_memory"), "kill")
        self.assertEqual(done.returncode, 137)
        self.assertRegex(lines[1], r"^memtrace: killed by SIGKILL: peak RSS .* of limit .* \(.*\)$")
        self.assert_consumers(lines[2:])
        # Nothing of the kind for other ends.
        for how in ("nothing", "term"):
            self.assertEqual(len(self.explained(hazard("holds_memory"), how)[1]), 1)

    def test_what_was_held_before_an_exec_is_gone(self):
        done, lines = self.explained(hazard("execs_and_dies"))
        self.assertEqual(done.returncode, 137)
        self.assertEqual(len(lines), 4, lines)
        self.assertRegex(lines[3], r"^ +10\.0 MiB  hold_second ")

    def test_the_kernels_out_of_memory_killer(self):
        group = memory_group(120 << 20)
        if not group:
            self.skipTest("no control groups for memory here")
        self.addCleanup(remove_group, group)
        enter = f"echo $$ > {group}/cgroup.procs; exec \"$@\""
        self.log.unlink(missing_ok=True)
        done = run("/bin/sh", "-c", enter, "sh", MEMTRACE, "run", "-o", self.log, "--", hazard("holds_memory"), "grow",
                   cwd=self.directory)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(done.returncode, 137)
        self.assertRegex(lines[1], r"^memtrace: killed by SIGKILL, out of memory: peak RSS \d+\.\d MiB "
                         r"of limit 120\.0 MiB \(its control group\)$")
        self.assertIn("hold_most (", lines[3])
        self.assertTrue(self.summary()["complete"])
        # A child of the program.
        self.log.unlink()
        done = run("/bin/sh", "-c", enter, "sh", MEMTRACE, "run", "-o", self.log, "--", "/bin/sh", "-c",
                   f"{hazard('holds_memory')} grow; exit 5", cwd=self.directory)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"a process that the program started was killed, out of memory", done.stderr)

    def test_an_abort_after_allocations_that_failed(self):
        done, lines = self.explained(
            hazard("holds_memory"), "abort",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20)))
        self.assertEqual(done.returncode, 134)
        self.assertRegex(lines[1], r"^memtrace: 1 allocations failed before the end: peak RSS .*, "
                         r"address space limited to 300\.0 MiB$")
        self.assert_consumers(lines[2:])


class Control(HazardTest):
    """Signals, jumps, coroutines."""

    def storm(self, how, **options):
        counted = self.directory / "strikes"
        summary = self.assert_same_behaviour(hazard("signal_storm"), how, counted, **options)
        return summary, int(counted.read_text())

    def test_signals_inside_malloc(self):
        self.storm("plain")
        self.assertEqual(self.kept(), {5125: 9})
        self.storm("alternate")
        self.assertEqual(self.kept(), {5125: 9})

    def test_handlers_that_allocate_inside_malloc(self):
        for how in ("allocates", "allocates alternate"):
            with self.subTest(how=how):
                summary, strikes = self.storm(how, env={**os.environ, "LD_PRELOAD": hazard("bump_allocator.so")})
                self.assertEqual(self.kept(), {5121: strikes, 5125: 9})

    def test_handlers_that_jump_out_of_malloc(self):
        for how in ("jumps", "allocates jumps", "allocates alternate jumps"):
            with self.subTest(how=how):
                summary, strikes = self.storm(how, env={**os.environ, "LD_PRELOAD": hazard("bump_allocator.so")})
                kept = self.kept()
                self.assertEqual(kept[5125], 9)
                # Each strike may have cut short the recording of the handler that it interrupted.
                self.assertGreaterEqual(kept.get(5121, 0), strikes * 0.9 if "allocates" in how else 0)

    def test_handlers_that_allocate_and_jump(self):
        self.survives(hazard("handlers"), keeps={5131: 202, 5133: 100, 5135: 2, 5137: 1})

    def test_coroutines(self):
        self.survives(hazard("coroutines"), keeps={5141: 2000})


class Libraries(HazardTest):
    """Other allocators, other linking, other preloaded libraries."""

    def test_libraries_that_bind_by_themselves(self):
        # Its libc is its own too: nothing of it is seen.
        summary = self.survives(hazard("other_namespaces"), "dlmopen", hazard("block_library.so"),
                                keeps={5161: 1000, 5163: 1})
        self.assertLess(summary["allocations"], 1100)
        for how in ("deepbind", "lazily"):
            with self.subTest(how=how):
                summary = self.survives(hazard("other_namespaces"), how, hazard("block_library.so"),
                                        keeps={5161: 1000, 5163: 1, **self.OF_LIBRARY})
                # 4000 in the loop; the library's, one of them by realloc, another by strdup; stdout's, the loader's.
                self.assertEqual(summary["allocations"] // 100, 40)
                stacks = self.summary("--mappings")["mappings"]["stacks"]
                self.assertIn("keep_blocks", [s["stack"][0]["function"] for s in stacks])

    OF_LIBRARY = {size: 1 for size in range(5241, 5254, 2)}

    def test_libraries_that_bind_by_themselves_and_whose_loader_looks_at_its_caller(self):
        """The loader finds what it finds without memtrace; where the caller matters, the library is not seen."""
        (self.directory / "below").mkdir()
        shutil.copy(hazard("block_library.so"), self.directory / "below" / "only_here.so")
        shutil.copy(hazard("block_library.so"), self.directory / "anywhere.so")
        for name in ("opener_runpath.so", "opener_rpath.so"):
            shutil.copy(hazard(name), self.directory)
        runpath, rpath = self.directory / "opener_runpath.so", self.directory / "opener_rpath.so"
        for mode, opener, path, sees in (
                ("now", runpath, "only_here.so", True), ("lazy", rpath, "only_here.so", True),
                ("now", runpath, "$ORIGIN/anywhere.so", True),
                ("deepbind", runpath, self.directory / "anywhere.so", True),
                ("deepbind", runpath, "only_here.so", False), ("deepbind", rpath, "only_here.so", False),
                ("deepbind", rpath, self.directory / "anywhere.so", False),
                ("deepbind", runpath, "$ORIGIN/anywhere.so", False), ("deepbind", runpath, "nowhere.so", None)):
            with self.subTest(mode=mode, opener=opener.name, path=path):
                # The last one by libc itself: reallocarray calls realloc.
                keeps = {None: {}, True: self.OF_LIBRARY, False: {5247: 1}}[sees]
                self.survives(hazard("other_namespaces"), "by", mode, opener, path, keeps={5163: 1, **keeps})

    def test_a_program_with_its_own_malloc(self):
        # Its calls, which it counts, are as many as without memtrace.
        self.survives(hazard("own_malloc"), keeps={})
        self.assertEqual(run(hazard("own_malloc")).returncode, 0)

    def test_a_preloaded_malloc_that_cannot_tell_its_sizes(self):
        environment = {**os.environ, "LD_PRELOAD": hazard("bump_allocator.so")}
        self.survives(hazard("missing_symbols"), keeps={5011: 1600}, env=environment)
        self.assert_same_behaviour(hazard("missing_symbols"), env=environment, options=["--leak-check"])

    def test_preloaded_libraries_with_spaces_and_colons(self):
        wrapper = hazard("allocating_wrapper.so")
        other = self.directory / "other.so"
        shutil.copy(hazard("block_library.so"), other)
        for text in (f"{wrapper} {other}", f"{other}:{wrapper}", f" {wrapper}: {other}:", f"{other}"):
            with self.subTest(text=text):
                environment = {"PATH": os.environ["PATH"], "LD_PRELOAD": text}
                self.survives(hazard("missing_symbols"), keeps={5011: 1600}, env=environment)
                self.survives(program("environment"), "too", keeps={}, env=environment)


class Slack(HazardTest):
    """Bytes beyond those that were asked for, which malloc_usable_size() grants."""

    def test_a_program_that_uses_every_usable_byte(self):
        for options in ((), ("--sample=512",), ("--leak-check",)):
            with self.subTest(options=options):
                self.assert_same_behaviour(hazard("uses_slack"), options=options)
                if not options:
                    self.assertEqual(self.kept(), {5231: 2})


class Looks(HazardTest):
    """What a program sees of itself."""

    def test_a_program_that_looks_around(self):
        self.survives(hazard("looks_around"), "unshare", keeps={5191: 1})

    @unittest.skipUnless(IS_ROOT, "only root can become somebody else")
    def test_a_program_of_somebody_else_that_looks_around(self):
        self.directory.chmod(0o777)
        copy = self.directory / "looks_around"
        shutil.copy(hazard("looks_around"), copy)
        self.survives(copy, keeps={5191: 1}, user=65534, group=65534)


if __name__ == "__main__":
    unittest.main()
