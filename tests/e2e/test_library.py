# SPDX-License-Identifier: LGPL-2.1-or-later
"""libmemtrace-reader as another project uses it: installed, found by pkg-config, linked, run."""

import os
import re
import shutil
import unittest

from support import BUILD, SOURCE, MemtraceTest, program, run


class Library(MemtraceTest):
    def setUp(self):
        super().setUp()
        self.stage = self.directory / "stage"
        meson = shutil.which("meson")
        if not meson:
            self.skipTest("meson is not installed")
        done = run(meson, "install", "-C", BUILD, "--no-rebuild", "--destdir", self.stage)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        found = list(self.stage.rglob("memtrace-reader.pc"))
        self.assertEqual(len(found), 1)
        self.environment = dict(os.environ, PKG_CONFIG_PATH=str(found[0].parent),
                                PKG_CONFIG_SYSROOT_DIR=str(self.stage))
        self.libraries = next(self.stage.rglob("libmemtrace-reader.so")).parent

    def pkg_config(self, *options):
        done = run("pkg-config", *options, "memtrace-reader", env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode().split()

    def build_example(self):
        example = self.directory / "top_functions"
        done = run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", *self.pkg_config("--cflags"),
                   SOURCE / "docs" / "example" / "top_functions.c", "-o", example, *self.pkg_config("--libs"))
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return example

    def run_example(self, example, *arguments):
        return run(example, *arguments, env=dict(os.environ, LD_LIBRARY_PATH=str(self.libraries)))

    def test_the_example_says_what_summary_says(self):
        example = self.build_example()
        self.record(program("call_sites"))
        summary = self.summary()
        done = self.run_example(example, self.log)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[0], f"{summary['command']}: {summary['peak_bytes']} bytes at the peak:")
        wanted = {}
        for site in summary["top"]:
            wanted[site["function"]] = wanted.get(site["function"], 0) + site["peak_bytes"]
        found = {line.split(None, 1)[1]: int(line.split(None, 1)[0]) for line in lines[1:]}
        self.assertGreater(len(found), 0)
        for function, size in found.items():
            self.assertEqual(size, wanted[function], function)

    def test_a_window_over_everything_has_what_was_never_freed(self):
        example = self.build_example()
        self.record(program("steady"), "100", "0")
        done = self.run_example(example, self.log, "0", "1000")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        found = {line.split(None, 1)[1]: int(line.split(None, 1)[0])
                 for line in done.stdout.decode().splitlines()[1:]}
        self.assertEqual(sum(found.values()), self.summary()["live_bytes"])

    def test_failures_have_messages(self):
        example = self.build_example()
        for name, text in (("none", None), ("text", b"this is no log")):
            path = self.directory / name
            if text:
                path.write_bytes(text)
            done = self.run_example(example, path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(name, done.stderr.decode())
        self.record(program("steady"), "1", "0")
        done = self.run_example(example, self.log, "2", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ends before it begins", done.stderr.decode())

    def test_only_its_own_names_are_exported(self):
        done = run("nm", "-D", "--defined-only", self.libraries / "libmemtrace-reader.so")
        names = [line.split()[-1] for line in done.stdout.decode().splitlines()]
        header = (SOURCE / "include" / "memtrace" / "reader.h").read_text()
        declared = set(re.findall(r"MEMTRACE_PUBLIC[^;]*?\b(memtrace_\w+)\(", header))
        self.assertGreater(len(declared), 15)
        self.assertEqual(set(names), declared)

    def test_the_header_is_cxx_too(self):
        done = run("g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++",
                   *self.pkg_config("--cflags"), "-include", "memtrace/reader.h", "/dev/null")
        self.assertEqual(done.returncode, 0, done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
