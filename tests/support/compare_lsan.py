#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Compares verdicts with LeakSanitizer's on its own tests, as a Markdown table:

    compare_lsan.py MEMTRACE TESTS SCRATCH

TESTS is compiler-rt/test/lsan/TestCases of LLVM's source (apt-get source --download-only
llvm-toolchain-14, and unpack that folder). Each test is compiled twice, with LeakSanitizer and
without, and run in each way that its RUN lines name arguments, with LeakSanitizer's default
options, since options that leave out roots have no counterpart. The figures are bytes in blocks
that each calls leaked; what LeakSanitizer reports last counts. Exits with 1 if verdicts differ.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

TIMEOUT_S = 120


def run_quietly(command, **options):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, **options)
    except subprocess.TimeoutExpired:
        return None


def build(test, program, *arguments):
    compiler = "g++" if test.suffix == ".cpp" else "gcc"
    level = "-O1" if "-O1" in test.read_text() else "-O2" if "%s -O2" in test.read_text() else "-O0"
    text = test.read_text()
    if "-DBUILD_DSO" in text:
        run_quietly([compiler, test, "-DBUILD_DSO", "-fPIC", "-shared", "-o", f"{program}-so.so"])
    objects = []
    if "-DTEST_LIB" in text:
        objects = [f"{program}.lib.o"]
        run_quietly([compiler, "-O2", "-w", test, "-DTEST_LIB", "-c", "-o", objects[0], "-I", test.parents[2]])
    include = next(path for path in test.parents if path.name == "test") / "sanitizer_common"
    built = run_quietly([compiler, level, "-g", "-w", "-pthread", "-I", include, "-I", include.parent, test, *objects,
                         "-o", program, *arguments, "-ldl"])
    return built is not None and built.returncode == 0


def build_interface(scratch):
    """A library with what the tests call of LeakSanitizer's interface; memtrace's comes before it."""
    names = ("disable", "enable", "ignore_object", "do_leak_check", "do_recoverable_leak_check",
             "register_root_region", "unregister_root_region")
    source = scratch / "interface.c"
    source.write_text("".join(f"int __lsan_{name}(void) {{ return 0; }}\n" for name in names))
    library = scratch / "libinterface.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", library, source], check=True)
    return library


def argument_lists(test):
    """Those of the RUN lines, without repetitions; a test without any is run without arguments."""
    found = []
    for line in re.findall(r"RUN:(.*)", test.read_text()):
        for words in re.findall(r"%run %t\b(?!-)([^|&>\n]*)", line):
            arguments = [word for word in words.split() if not word.startswith("2")]
            if arguments not in found:
                found.append(arguments)
    return found or [[]]


def lsan_says(program, arguments):
    """(status, text)"""
    done = run_quietly([program, *arguments])
    if done is None:
        return None, "does not end"
    text = (done.stdout + done.stderr).decode(errors="replace")
    sums = re.findall(r"Sanitizer: (\d+) byte\(s\) leaked in (\d+) alloc", text)
    if sums:
        return "leaks", f"{int(sums[-1][0]):,} in {sums[-1][1]}"
    return ("clean", "clean") if done.returncode == 0 else (f"status {done.returncode}", f"status {done.returncode}")


def memtrace_says(memtrace, program, arguments, report):
    report.unlink(missing_ok=True)
    done = run_quietly([memtrace, "check", "-q", "--json", f"--report={report}", "--fail-on=definite,indirect",
                        "-o", f"{report}.mtlog", "-f", "--", program, *arguments])
    if done is None:
        return None, "does not end"
    if not report.exists():
        return f"status {done.returncode}", f"status {done.returncode}"
    content = json.loads(report.read_text())
    lost = [content["kinds"][kind] for kind in ("definite", "indirect")]
    if content["verdict"]["outcome"] == "failed":
        return "leaks", f"{sum(s['bytes'] for s in lost):,} in {sum(s['blocks'] for s in lost)}"
    if done.returncode == 0:
        return "clean", "clean"
    return f"status {done.returncode}", f"status {done.returncode}, verdict: {content['verdict']['outcome']}"


def main():
    memtrace, tests, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    scratch.mkdir(parents=True, exist_ok=True)
    os.chdir(scratch)
    interface = build_interface(scratch)
    is_same = True
    print("| test | LeakSanitizer | memtrace | |\n|---|---|---|---|")
    for test in sorted([*tests.rglob("*.c"), *tests.rglob("*.cpp")]):
        plain, linked = scratch / test.name, scratch / f"{test.name}.lsan"
        if not build(test, plain, "-Wl,--no-as-needed", interface) or \
                not build(test, linked, "-fsanitize=leak"):
            print(f"| {test.name} | cannot be built | | |", flush=True)
            continue
        for arguments in argument_lists(test):
            theirs, their_text = lsan_says(linked, arguments)
            ours, our_text = memtrace_says(memtrace, plain, arguments, scratch / "report.json")
            is_same = is_same and ours == theirs
            name = " ".join([str(test.relative_to(tests)), *arguments])
            print(f"| {name} | {their_text} | {our_text} | {'the same' if ours == theirs else 'differs'} |", flush=True)
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
