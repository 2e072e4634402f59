# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snippets of docs/ci.md do what the guide says, with a program that leaks and with one that doesn't."""

import json
import os
import re
import subprocess
import unittest

from support import MEMTRACE, SOURCE, MemtraceTest, needs, run

GUIDE = SOURCE / "docs" / "ci.md"
SYSTEM_PYTHON = "/usr/bin/python3"

PROGRAM = """
#include <stdlib.h>
static void *volatile sink;
static void __attribute__((noinline)) lose(void) { sink = malloc(1234); sink = 0; }
int main(void) { if (LEAKS) lose(); return 0; }
"""


def snippets():
    """{file name: text} of the fenced blocks, which begin with a comment that names their file."""
    return {name: text for name, text in
            re.findall(r"^```[a-z]+\n# (\S+)\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)}


def has_module(name):
    return os.path.exists(SYSTEM_PYTHON) and \
        subprocess.run([SYSTEM_PYTHON, "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode == 0


def commands_of(workflow, steps):
    """The shell commands of a YAML snippet, which [(key, ...)] lead to."""
    code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
    done = subprocess.run([SYSTEM_PYTHON, "-c", code], input=workflow.encode(), stdout=subprocess.PIPE, check=True)
    return steps(json.loads(done.stdout))


class CiGuide(MemtraceTest):
    def setUp(self):
        super().setUp()
        tools = self.directory / "bin"
        tools.mkdir()
        (tools / "memtrace").symlink_to(MEMTRACE)
        self.project = self.directory / "project"
        self.project.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if k != "GITHUB_WORKSPACE"}
        self.environment.update(PATH=f"{tools}:{os.environ['PATH']}", TMPDIR=str(self.directory),
                                GITHUB_WORKSPACE=str(self.project))
        # A test runs in the environment of a test runner, which is not the example's.
        for name in ("MAKEFLAGS", "MESON_TEST_ITERATION", "MALLOC_PERTURB_"):
            self.environment.pop(name, None)
        for name, text in snippets().items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def leak(self, leaks):
        (self.project / "unit_tests.c").write_text(PROGRAM.replace("LEAKS", str(int(leaks))))
        (self.project / "Makefile").write_text("unit_tests: unit_tests.c\n\t$(CC) -g -O1 -fno-builtin -o $@ $<\n")

    def shell(self, command, cwd=None):
        return run("bash", "-e", "-c", command, cwd=cwd or self.project, env=self.environment)

    def build(self, leaks):
        self.leak(leaks)
        self.assertEqual(self.shell("make -B unit_tests").returncode, 0)

    def test_the_snippets_are_there(self):
        self.assertEqual(set(snippets()), {"adopt.sh", "accept.sh", ".github/workflows/leaks.yml", ".gitlab-ci.yml",
                                           "CMakeLists.txt", "meson.build", "conftest.py", "test_example.py"})

    def test_adopting_with_a_baseline(self):
        self.build(True)
        done = run("bash", "-e", "adopt.sh", cwd=self.project, env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        source = self.project / "unit_tests.c"
        source.write_text("\n\n" + source.read_text().replace("1234", "4321"))
        self.assertEqual(self.shell("make unit_tests && memtrace check --baseline=leaks.json ./unit_tests").returncode, 23)

    def test_accepting_with_suppressions(self):
        self.build(True)
        done = run("bash", "-e", "accept.sh", cwd=self.project, env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(has_module("yaml"), "not installed: python3-yaml")
    def test_github_actions(self):
        steps = commands_of((self.project / ".github/workflows/leaks.yml").read_text(),
                            lambda y: y["jobs"]["leaks"]["steps"])
        runs = [(step["run"], step.get("if")) for step in steps if "run" in step]
        self.assertEqual(len(runs), 3)
        for leaks in (False, True):
            self.leak(leaks)
            statuses, output = [], b""
            for command, _ in runs:
                done = self.shell(command.replace("make", "make -B"))
                statuses.append(done.returncode)
                output += done.stderr
            self.assertEqual(statuses, [0, 23 if leaks else 0, 0], output)
            self.assertEqual(b"::error file=unit_tests.c,line=4" in output, leaks, output)
            self.assertEqual("definite-leak\",\n\t\t\t\t\t\"ruleIndex" in (self.project / "leaks.sarif").read_text(), leaks)
            (self.project / "leaks.mtlog").unlink()

    @unittest.skipUnless(has_module("yaml"), "not installed: python3-yaml")
    def test_gitlab_ci(self):
        script = commands_of((self.project / ".gitlab-ci.yml").read_text(), lambda y: y["leaks"]["script"])
        for leaks in (False, True):
            self.leak(leaks)
            statuses = [self.shell(command.replace("make", "make -B")).returncode for command in script]
            self.assertEqual(statuses, [0, 23 if leaks else 0])
            self.assertEqual("<failure" in (self.project / "leaks.xml").read_text(), leaks)
            for name in ("leaks.mtlog", "leaks.xml"):
                (self.project / name).unlink()

    @needs("cmake", "ctest")
    def test_ctest(self):
        for leaks in (False, True):
            self.leak(leaks)
            self.assertEqual(self.shell("cmake -S . -B cmake && cmake --build cmake").returncode, 0)
            done = self.shell("ctest --output-on-failure", cwd=self.project / "cmake")
            self.assertEqual(done.returncode != 0, leaks, done.stdout)
            self.assertEqual(b"1234 B" in done.stdout or b"1.2 KiB in 1 block" in done.stdout, leaks, done.stdout)

    @needs("meson", "ninja")
    def test_meson(self):
        for leaks in (False, True):
            self.leak(leaks)
            self.assertEqual(self.shell("[ -d meson ] || meson setup meson").returncode, 0)
            self.assertEqual(self.shell("meson test -C meson").returncode, 0)
            done = self.shell("meson test -C meson --setup=leaks --print-errorlogs")
            self.assertEqual(done.returncode != 0, leaks, done.stdout)
            self.assertEqual(b"1.2 KiB in 1 block" in done.stdout, leaks, done.stdout)

    @unittest.skipUnless(has_module("pytest"), "not installed: python3-pytest")
    def test_pytest(self):
        for leaks in (False, True):
            self.build(leaks)
            done = run(SYSTEM_PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=self.project,
                       env=self.environment)
            self.assertEqual(done.returncode != 0, leaks, done.stdout)
            self.assertEqual(b"1.2 KiB in 1 block" in done.stdout, leaks, done.stdout)


if __name__ == "__main__":
    unittest.main()
