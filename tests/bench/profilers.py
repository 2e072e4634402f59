# SPDX-License-Identifier: LGPL-2.1-or-later
"""What measures: memtrace in its modes and its peers; how each is started, and what its files hold."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
from typing import Callable

# Kinds of blocks in a log that don't grow with the events (docs/log_format.md).
MODULE, UNLOAD, SYMBOLS = 3, 4, 12
BLOCK_HEADER = struct.Struct("<IHHII")
BLOCK_HEADER_BYTES = 48


@dataclasses.dataclass
class Profiler:
    """`command(subject, output)` gives what to put before the program, and the environment it needs."""

    name: str
    what: str
    command: Callable
    base: str = "bare"
    statically: bool = True
    pattern: str = ""
    package: str = ""
    is_slow: bool = False  # measured only when it is named


def library(name):
    """The path of a shared library that the loader knows, or None."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    match = re.search(rf"^\s*{re.escape(name)} .*=> (\S+)$", known, re.MULTILINE)
    return match.group(1) if match else None


def preloading(path, **environment):
    return lambda output: ([], {"LD_PRELOAD": path, **environment})


def all_profilers(build):
    """Every profiler by name, and the names of those that are not installed with their packages."""
    memtrace = str(pathlib.Path(build) / "cmd" / "memtrace")

    def recording(*options, keeps_names=True):
        """Names are kept from round to round, as they are from run to run, in a place of the benchmark's own."""
        return lambda output: ([memtrace, "run", "-q", *options, "-o", f"{output}.mtlog", "--"],
                               {"MEMTRACE_NAME_CACHE": f"{os.path.dirname(output)}/names" if keeps_names else ""})

    def checking(keeps_names):
        return lambda output: ([memtrace, "check", "-q", "--error-exitcode=0", "--report", "/dev/null"],
                               {"MEMTRACE_NAME_CACHE": f"{os.path.dirname(output)}/names" if keeps_names else ""})

    def heaptrack(*options):
        return lambda output: ([shutil.which("heaptrack"), *options, "-o", output], {})

    jemalloc, tcmalloc, lsan = library("libjemalloc.so.2"), library("libtcmalloc.so.4"), library("liblsan.so.0")
    found = [Profiler("bare", "the program alone", lambda output: ([], {}))]
    for name, what, options in (
            ("exact", "memtrace run --exact", ["--exact"]),
            ("auto", "memtrace run", []),
            ("512k", "memtrace run --sample=512k", ["--sample=512k"]),
            ("leak-check", "memtrace run --leak-check", ["--leak-check"])):
        found.append(Profiler(name, what, recording(*options), statically=False, pattern=".mtlog"))
    for name, what, keeps_names in (
            ("check", "memtrace check", True),
            ("check-first", "memtrace check, no names known from a run before", False)):
        found.append(Profiler(name, what, checking(keeps_names), statically=False))
    found.append(Profiler("exact-first", "memtrace run --exact, no names known from a run before",
                          recording("--exact", keeps_names=False), statically=False, pattern=".mtlog"))
    missing = {}

    def add(there, package, *profilers):
        for profiler in profilers:
            if there:
                found.append(profiler)
            else:
                missing[profiler.name] = package

    add(shutil.which("heaptrack"), "heaptrack",
        Profiler("heaptrack", "heaptrack", heaptrack(), pattern="*.zst"),
        Profiler("heaptrack-raw", "heaptrack --raw", heaptrack("--raw"), pattern="*.zst"))
    add(jemalloc, "libjemalloc2",
        Profiler("jemalloc", "jemalloc", preloading(jemalloc)),
        Profiler("jemalloc-prof", "jemalloc, MALLOC_CONF=prof:true,lg_prof_sample:19",
                 preloading(jemalloc, MALLOC_CONF="prof:true,lg_prof_sample:19"), base="jemalloc"))
    add(tcmalloc, "libgoogle-perftools4",
        Profiler("tcmalloc", "gperftools' tcmalloc", preloading(tcmalloc, TCMALLOC_SAMPLE_PARAMETER="0")),
        Profiler("tcmalloc-prof", "the same, TCMALLOC_SAMPLE_PARAMETER=524288",
                 preloading(tcmalloc, TCMALLOC_SAMPLE_PARAMETER="524288"), base="tcmalloc"))
    add(lsan, "liblsan0",
        Profiler("lsan", "LeakSanitizer, check at the end",
                 preloading(f"{lsan} {build}/tests/bench/libbench_lsan_start.so", LSAN_OPTIONS="exitcode=0")))
    add(shutil.which("valgrind"), "valgrind",
        Profiler("valgrind", "memcheck, valgrind --leak-check=full -q",
                 lambda output: ([shutil.which("valgrind"), "-q", "--leak-check=full", "--trace-children=yes"], {}),
                 statically=False, is_slow=True))
    return {profiler.name: profiler for profiler in found}, missing


def read_log(memtrace, path, cost):
    """Adds to a cost what a log of memtrace holds: events, and its bytes without modules and symbols."""
    summary = json.loads(subprocess.run([memtrace, "summary", "--json", path], capture_output=True, check=True).stdout)
    if not summary["complete"]:
        raise RuntimeError(f"the log is not complete: {summary['incomplete_reason']}")
    cost.events = summary["events"]
    data = pathlib.Path(path).read_bytes()
    cost.file_bytes = cost.event_bytes = len(data)
    offset = 16
    while offset + BLOCK_HEADER_BYTES <= len(data):
        _, kind, _, stored_bytes, _ = BLOCK_HEADER.unpack_from(data, offset)
        size = BLOCK_HEADER_BYTES + stored_bytes
        if kind in (MODULE, UNLOAD, SYMBOLS):
            cost.event_bytes -= size
        offset += size


def read_output(profiler, build, output, cost):
    """Adds to a cost what the profiler wrote, and removes it."""
    for path in pathlib.Path(output).parent.glob(pathlib.Path(output).name + "*"):
        if profiler.pattern == ".mtlog" and path.suffix == ".mtlog":
            read_log(pathlib.Path(build) / "cmd" / "memtrace", path, cost)
        elif profiler.pattern and path.match(profiler.pattern):
            cost.file_bytes = cost.event_bytes = os.path.getsize(path)
        path.unlink()
    if profiler.name == "heaptrack":
        match = re.search(r"allocations:\s+(\d+)", cost.said)
        if not match or "terminate called" in cost.said:
            raise RuntimeError("its interpreter failed")
