#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Compares leak kinds at exit with memcheck's, as a Markdown table:

    compare_memcheck.py MEMTRACE -- PROGRAM [ARGUMENT...]
    compare_memcheck.py MEMTRACE --tests VALGRIND_SOURCE SCRATCH
    compare_memcheck.py MEMTRACE --all-tests VALGRIND_SOURCE SCRATCH

The second form builds valgrind's own leak tests, the third all of memcheck's tests that can be
built, from an unpacked source package of Debian's (apt-get source valgrind), into the folder
SCRATCH. What they ask valgrind for while they run, by client requests, memtrace does not see; the
tables are of the end. A test that a signal ends where no tool is at work has no scan. Exits with 1
if kinds differ.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

KINDS = ("definite", "indirect", "possible", "reachable")
VALGRIND_NAMES = ("definitely lost", "indirectly lost", "possibly lost", "still reachable")


def kinds_of_memtrace(memtrace, command):
    """{kind: (bytes, blocks)} of the first process."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.mtlog")
        subprocess.run([memtrace, "run", "-q", "--leak-check", "--no-symbols", "-o", log, "--", *command],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=300, cwd=folder)
        if not os.path.exists(log):
            return None
        dump = subprocess.run([memtrace, "dump", "--json", log], capture_output=True, check=True).stdout
    sums = None
    for line in map(json.loads, dump.splitlines()):
        if line["line"] == "block" and line["what"] == "leaks" and line["image"] == 0:
            sums = {kind: (0, 0) for kind in KINDS}
        if line["line"] == "leak" and line["image"] == 0:
            size, count = sums[line["what"]]
            sums[line["what"]] = (size + line["bytes"], count + line["blocks"])
    return sums


def kinds_of_memcheck(command):
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["valgrind", "--leak-check=full", "--show-leak-kinds=all", "--run-libc-freeres=no",
                        "--run-cxx-freeres=no", "--child-silent-after-fork=yes", f"--log-file={log.name}",
                        *command], stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
        text = log.read()
    text = text[max(text.rfind("LEAK SUMMARY"), text.rfind("no leaks are possible"), 0):]
    if "no leaks are possible" in text:
        return {kind: (0, 0) for kind in KINDS}
    sums = {}
    for kind, name in zip(KINDS, VALGRIND_NAMES):
        found = re.findall(name + r": ([\d,]+) bytes in ([\d,]+) blocks", text)
        if found:
            sums[kind] = tuple(int(figure.replace(",", "")) for figure in found[-1])
    return sums or None


def cell(sums):
    return [" / ".join(f"{sums[kind][0]:,} in {sums[kind][1]:,}" for kind in KINDS)] if sums else ["no scan"]


def status_alone(command):
    """The exit status of a test with no tool at work."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, cwd=folder).returncode


def compare(memtrace, name, command):
    try:
        alone = status_alone(command)
        ours = kinds_of_memtrace(memtrace, command)
        theirs = kinds_of_memcheck(command)
    except subprocess.TimeoutExpired:
        print(f"| {name} | does not end | | |", flush=True)
        return True
    same = "the same" if ours == theirs else "differs"
    if ours is None and alone < 0:
        same = f"signal {-alone} ends it, with no tool at work too"
    print("| " + " | ".join([name, *cell(ours), *cell(theirs), same]) + " |", flush=True)
    return ours == theirs


def build_tests(source, scratch, is_all):
    """(name, command) of each leak test that can be built."""
    folder = source / "memcheck" / "tests"
    scratch.mkdir(parents=True, exist_ok=True)
    arguments = {"leak-pool": map(str, range(6)), "leak-autofreepool": map(str, range(7))}
    found = {*folder.glob("leak*.c"), *folder.glob("leak*.cpp"), *folder.glob("nanoleak*.c"),
             *folder.glob("trivialleak.c"), *folder.glob("mempool*.c")}
    if is_all:
        found = {*folder.glob("*.c"), *folder.glob("*.cpp")}
    for path in sorted(found):
        program = scratch / path.stem
        compiler = "g++" if path.suffix == ".cpp" else "gcc"
        built = subprocess.run([compiler, "-g", "-O0", "-w", "-fno-builtin", "-I", source / "include", "-I", source / "memcheck",
                                "-I", source, "-I", "/usr/include/valgrind", "-I", folder, "-o", program, path, "-pthread",
                                "-lm", "-ldl"], capture_output=True)
        if built.returncode != 0:
            print(f"{path.name} cannot be built", file=sys.stderr)
            continue
        for argument in arguments.get(path.stem, [None]):
            yield (f"{path.stem} {argument or ''}".strip(), [str(program)] + ([argument] if argument else []))


def main():
    memtrace = str(pathlib.Path(sys.argv[1]).resolve())
    if sys.argv[2] in ("--tests", "--all-tests"):
        commands = list(build_tests(pathlib.Path(sys.argv[3]).resolve(), pathlib.Path(sys.argv[4]).resolve(),
                                    sys.argv[2] == "--all-tests"))
    else:
        commands = [(pathlib.Path(sys.argv[3]).name, sys.argv[3:])]
    print("Bytes in blocks: definite / indirect / possible / reachable.\n")
    print("| program | memtrace | memcheck | |\n|---|---|---|---|")
    results = [compare(memtrace, name, command) for name, command in commands]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
