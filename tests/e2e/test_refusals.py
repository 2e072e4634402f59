# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can't be done is refused before anything happens: one line, the documented status."""

import contextlib
import os
import pathlib
import resource
import struct
import subprocess

from support import MEMTRACE, MemtraceTest, needs, program, run


class Refusals(MemtraceTest):
    def refused(self, *arguments, status, says, **options):
        options.setdefault("cwd", self.directory)
        done = run(self.memtrace_for(options), "run", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, b"")
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("memtrace: "), lines[0])
        self.assertIn(says, lines[0])
        return done

    def nothing_left(self):
        left = [p.name for p in self.directory.iterdir() if "mtlog" in p.name]
        self.assertEqual(left, [])

    def copy_of_true(self, name):
        copy = self.directory / name
        copy.write_bytes(pathlib.Path("/bin/true").read_bytes())
        copy.chmod(0o755)
        return copy

    def test_a_missing_program(self):
        self.refused("no-such-program", status=127, says="not found")
        self.refused("/no/such/program", status=127, says="not found")
        self.nothing_left()

    def test_a_program_that_is_not_executable(self):
        plain = self.directory / "plain"
        plain.write_text("hello\n")
        self.refused(plain, status=126, says="not executable")
        self.refused(self.directory, status=126, says="not executable")
        self.nothing_left()

    def test_a_static_program(self):
        self.refused(program("static_child"), status=126, says="statically linked")
        self.nothing_left()

    def test_a_set_user_id_program(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make a program set-user-ID for somebody else")
        copy = self.copy_of_true("setuid")
        copy.chmod(0o4755)
        self.directory.chmod(0o777)
        self.refused(copy, status=126, says="set-user-ID", user=65534, group=65534)
        # Root gains nothing by root's own set-user-ID program.
        self.assertEqual(self.record(copy).returncode, 0)
        self.assertEqual(len(self.summary()["processes"]), 1)

    def test_a_program_of_another_architecture(self):
        copy = self.copy_of_true("foreign")
        image = bytearray(copy.read_bytes())
        struct.pack_into("<H", image, 18, 243)  # e_machine: RISC-V
        copy.write_bytes(image)
        self.refused(copy, status=126, says="another architecture")
        image[4] = 1  # EI_CLASS: 32 bits
        copy.write_bytes(image)
        self.refused(copy, status=126, says="another architecture")
        self.nothing_left()

    @needs("gcc")
    def test_a_program_of_another_libc(self):
        source = self.directory / "m.c"
        source.write_text("int main(void) { return 0; }\n")
        run("gcc", "-o", self.directory / "musl", source, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
        self.refused(self.directory / "musl", status=126, says="glibc")
        self.nothing_left()

    @needs("gcc")
    def test_sanitizer_builds(self):
        source = self.directory / "s.c"
        source.write_text("int main(void) { return 0; }\n")
        for sanitizer in ("address", "leak", "thread"):
            target = self.directory / sanitizer
            built = run("gcc", f"-fsanitize={sanitizer}", "-o", target, source)
            self.assertEqual(built.returncode, 0, built.stderr)
            self.refused(target, status=126, says="sanitizer")
        # UndefinedBehaviorSanitizer has no allocator of its own.
        built = run("gcc", "-fsanitize=undefined", "-o", self.directory / "ub", source)
        self.assertEqual(self.record(self.directory / "ub").returncode, 0)

    @needs("clang")
    def test_sanitizers_that_are_linked_into_the_program(self):
        source = self.directory / "s.c"
        source.write_text("int main(void) { return 0; }\n")
        for sanitizer in ("address", "leak", "thread", "memory"):
            for linked in ("-static-libsan", "-shared-libsan"):
                target = self.directory / f"{sanitizer}{linked}"
                built = run("clang", f"-fsanitize={sanitizer}", linked, "-o", target, source)
                self.assertEqual(built.returncode, 0, built.stderr)
                self.refused(target, status=126, says="sanitizer")

    def test_an_interpreter_that_is_static(self):
        script = self.directory / "script"
        script.write_text(f"#!{program('static_child')}\n")
        script.chmod(0o755)
        self.refused(script, status=126, says="statically linked")

    def test_a_script_that_names_no_interpreter_is_the_shells(self):
        script = self.directory / "script"
        script.write_text("echo $0 $1 $2\nexit 4\n")
        script.chmod(0o755)
        bare = run("/bin/sh", "-c", '"$@"', "sh", script, "one", "two")
        recorded = self.record(script, "one", "two")
        self.assertEqual(recorded.returncode, 4)
        self.assertEqual(recorded.stdout, bare.stdout)

    def test_a_script_is_its_interpreter(self):
        script = self.directory / "script"
        script.write_text("#!/bin/sh\necho $0 $1\nexit 4\n")
        script.chmod(0o755)
        self.assert_same_behaviour(script, "argument")
        bare = self.directory / "bare"
        bare.write_text("echo from sh\n")
        bare.chmod(0o755)
        done = self.record(bare, options=["-f"])
        self.assertEqual((done.returncode, done.stdout), (0, b"from sh\n"))

    def test_wrong_usage(self):
        for arguments in ((), ("--no-such-option", "true"), ("-o",)):
            done = run(MEMTRACE, "run", *arguments)
            self.assertEqual(done.returncode, 125)
            self.assertIn(b"memtrace run", done.stderr)
        self.assertEqual(run(MEMTRACE, "no-such-command").returncode, 2)
        self.assertEqual(run(MEMTRACE).returncode, 2)
        self.assertEqual(run(MEMTRACE, "summary").returncode, 2)

    def test_an_existing_log_is_not_overwritten(self):
        self.log.write_text("precious")
        self.refused("-o", self.log, "true", status=125, says="use -f")
        self.assertEqual(self.log.read_text(), "precious")
        # With -f it is, but not for a program that can't even start.
        self.refused("-f", "-o", self.log, "no-such-program", status=127, says="not found")
        self.assertEqual(self.log.read_text(), "precious")
        broken = self.directory / "broken"
        broken.write_bytes(pathlib.Path("/bin/true").read_bytes()[:1000])
        broken.chmod(0o755)
        done = run(MEMTRACE, "run", "-f", "-o", self.log, broken)
        self.assertIn(done.returncode, (126, 139))
        if done.returncode == 126:
            self.assertEqual(self.log.read_text(), "precious")
        self.assertEqual(self.record("true", options=["-f"]).returncode, 0)
        self.assertTrue(self.summary()["complete"])

    def test_a_log_that_is_being_written_is_not_overwritten(self):
        first = subprocess.Popen([str(a) for a in (MEMTRACE, "run", "-q", "-o", self.log, "sleep", "60")])
        try:
            while not self.log.exists():
                pass
            self.refused("-f", "-o", self.log, "true", status=125, says="another memtrace")
        finally:
            first.terminate()
            first.wait()
        self.assertTrue(self.summary()["complete"])

    def test_a_directory_that_cannot_be_written(self):
        if os.geteuid() == 0:
            self.directory.chmod(0o755)
            self.refused("true", status=125, says="cannot write", user=65534, group=65534)
        else:
            self.directory.chmod(0o555)
            self.refused("true", status=125, says="cannot write")
        self.nothing_left()
        self.refused("-o", "/proc/x.mtlog", "true", status=125, says="cannot write")
        self.refused("-o", "/dev/null", "-f", "true", status=125, says="not a regular file")

    def test_the_program_is_not_run_where_there_can_be_no_collector(self):
        """It has been started already then, and waits."""
        library = program("librefuse_second_fork.so")
        for _ in range(10):
            self.refused("-o", self.log, "sh", "-c", "echo >ran", status=125, says="cannot start a process",
                         env=dict(os.environ, LD_PRELOAD=library))
            self.assertFalse((self.directory / "ran").exists())
            self.nothing_left()

    def test_the_default_name_has_program_and_pid(self):
        done = run(MEMTRACE, "run", "/bin/sh", "-c", "echo $$", cwd=self.directory)
        pid = int(done.stdout)
        self.assertTrue((self.directory / f"memtrace.sh.{pid}.mtlog").exists())
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertIn(f"memtrace.sh.{pid}.mtlog".encode(), done.stderr)


class LimitedSpace(MemtraceTest):
    """No room for the log: the program is not hurt."""

    def test_a_file_size_limit(self):
        def limit(kilobytes):
            return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

        # Too small even for the segment: refused. The program writes nothing itself.
        done = run(MEMTRACE, "run", "-o", self.log, program("threads_exchange"), "2", "1000",
                   preexec_fn=limit(64))
        self.assertEqual(done.returncode, 125)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertFalse(self.log.exists())

    def test_a_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small file system")
        mount = self.directory / "small"
        mount.mkdir()
        made = run("mount", "-t", "tmpfs", "-o", "size=12m", "none", mount)
        if made.returncode != 0:
            self.skipTest("no mounting here")
        try:
            log = mount / "log.mtlog"
            # Room for the segment as it begins, not for what it grows by.
            done = run(MEMTRACE, "run", "-o", log, program("threads_exchange"), "4", "400000")
            self.assertEqual((done.returncode, done.stdout), (0, b"1600004\n"))
            self.assertIn(b"No space left", done.stderr)
            log.unlink()
            run("mount", "-o", "remount,size=14m", mount)
            done = run(MEMTRACE, "run", "-o", log, program("threads_exchange"), "4", "400000")
            self.assertEqual((done.returncode, done.stdout), (0, b"1600004\n"))
            self.assertEqual(done.stderr.count(b"\n"), 1)
            self.assertIn(b"No space left", done.stderr)
            summary = self.summary(log=log)
            self.assertFalse(summary["complete"])
            self.assertIn("could not be written", summary["incomplete_reason"])
            self.assertGreater(summary["allocations"], 1000)
            self.assertEqual(summary["anomalies"], 0)
            self.assertEqual(sorted(p.name for p in mount.iterdir()), ["log.mtlog"])
            # No room from the start: refused.
            with contextlib.suppress(OSError), open(mount / "filler", "wb") as filler:
                while True:
                    filler.write(b"x" * 65536)
                    filler.flush()
            done = run(MEMTRACE, "run", "-o", mount / "other.mtlog", "true")
            self.assertEqual(done.returncode, 125)
            self.assertEqual(done.stderr.count(b"\n"), 1)
            self.assertFalse((mount / "other.mtlog").exists())
        finally:
            run("umount", mount)

    @needs("gcc")
    def test_the_log_reaches_its_file_size_limit(self):
        limit = 14 << 20
        done = run(MEMTRACE, "run", "-o", self.log, program("threads_exchange"), "4", "1500000",
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual((done.returncode, done.stdout), (0, b"6000004\n"), done.stderr)
        self.assertIn(b"File too large", done.stderr)
        summary = self.summary()
        self.assertFalse(summary["complete"])
        self.assertGreater(summary["allocations"], 1000)
