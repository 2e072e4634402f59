#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Every command and option that --help shows is in the manual, and nothing else is:
check_manual.py ROOT MEMTRACE
"""

import pathlib
import re
import shutil
import subprocess
import sys

OF_EVERY_COMMAND = {"help", "usage"}


def help_of(memtrace, *arguments):
    return subprocess.run([memtrace, *arguments, "--help"], capture_output=True, text=True, check=True).stdout


def commands_of(text):
    return set(re.findall(r"^  ([a-z][a-z-]*)  +\S", text, re.MULTILINE))


def options_of_help(text):
    """{"--output", "-o", ...} of what argp prints."""
    found = set()
    for short, long in re.findall(r"^ {2,6}(?:-(\S), )? *--([a-z-]+)", text, re.MULTILINE):
        if long not in OF_EVERY_COMMAND:
            found |= {f"--{long}"} | ({f"-{short}"} if short else set())
    return found


def options_of_page(text):
    items = [line for line in text.splitlines() if line.startswith(".It Fl ")]
    return {f"-{name}" for line in items for name in re.findall(r"\bFl (-?[A-Za-z-]+)", line)}


def differences(what, told, written):
    for name in sorted(told - written):
        yield f"{what}: {name} is not in the manual"
    for name in sorted(written - told):
        yield f"{what}: {name} is in the manual, but not in --help"


def check(root, memtrace):
    manual = root / "docs" / "man"
    overview = (manual / "memtrace.1").read_text()
    installed = (root / "docs" / "meson.build").read_text()
    commands = commands_of(help_of(memtrace))
    yield from differences("memtrace", commands, set(re.findall(r"^\.It Cm (\S+)", overview, re.MULTILINE)))
    pages = {"memtrace.1"} | {f"memtrace-{command}.1" for command in commands}
    yield from differences("pages", pages, {page.name for page in manual.glob("*.1")})
    for page in sorted(pages):
        if f"'man/{page}'" not in installed:
            yield f"{page} is not installed: see docs/meson.build"
    for command in sorted(commands):
        page = manual / f"memtrace-{command}.1"
        if page.exists():
            yield from differences(f"memtrace {command}", options_of_help(help_of(memtrace, command)),
                                   options_of_page(page.read_text()))
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *sorted(manual.glob("*.1"))], capture_output=True, text=True)
        yield from done.stdout.splitlines()


def main():
    root, memtrace = pathlib.Path(sys.argv[1]), sys.argv[2]
    if not commands_of(help_of(memtrace)) or not options_of_help(help_of(memtrace, "run")):
        print("--help cannot be read")
        return 1
    wrong = list(check(root, memtrace))
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
