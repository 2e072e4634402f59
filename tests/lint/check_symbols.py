#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tracker exports what libtrack.map lists and nothing else, and needs libc only."""

import pathlib
import re
import subprocess
import sys


def main():
    library, version_script = sys.argv[1:]
    listed = set(re.findall(r"^\s+(\w+);", open(version_script).read(), re.M))
    symbols = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    exported = {line.split()[2].split("@")[0] for line in symbols.stdout.splitlines()}
    dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    problems = [f"not exported: {name}" for name in sorted(listed - exported)]
    problems += [f"exported, not listed: {name}" for name in sorted(exported - listed)]
    problems += [f"needs {name}" for name in sorted(needed - {"libc.so.6", "ld-linux-x86-64.so.2",
                                                              "ld-linux-aarch64.so.1"})]
    undefined = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    wanted = {line.split()[-1].split("@")[0] for line in undefined.stdout.splitlines()}
    # What would allocate, lock, print or end the process in somebody else's program.
    banned = {"malloc", "calloc", "realloc", "free", "printf", "fprintf", "fopen", "exit", "abort", "setenv",
              "pthread_create", "__assert_fail"}
    problems += [f"uses {name}" for name in sorted(wanted & banned)]
    # It takes the loader's lock, as dlopen does: on an event that would be a deadlock.
    sources = (pathlib.Path(version_script).parent / "preload").glob("*.c")
    problems += [f"{source.name} uses dl_iterate_phdr" for source in sources
                 if "dl_iterate_phdr(" in source.read_text() and source.name != "deepbind.c"]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
