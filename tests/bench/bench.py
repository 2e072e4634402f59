#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What recording costs, beside other profilers: docs/performance.md, "Capture".

Every subject is run under every profiler, one after the other, in rounds: a ratio is of one round, and what
is printed is the median over the rounds. A stopwatch (programs/stopwatch.c) stands between profiler and
program, so that the program's own cost is known. What the whole command costs is measured in a run without it:
memtrace would record the stopwatch too.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

import measure
import profilers
import report
import subjects

# In the rounds of --pairs: what is cheap enough for small differences to matter.
CHEAP = ("bare", "512k", "jemalloc", "jemalloc-prof")
START_UP = ("bare", "auto", "exact", "512k", "heaptrack")

STOPWATCH, COMMAND = True, False
RUNS = {"all": (STOPWATCH, COMMAND), "pairs": (STOPWATCH,), "start-up": (COMMAND,),
        "start-up in a recording": (STOPWATCH,)}
OF_COMMAND = ("command_wall", "all_cpu", "events", "file_bytes", "event_bytes")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench", description="Measure what recording costs, beside other profilers.")
    parser.add_argument("--build", default=os.environ.get("MEMTRACE_BUILD"), help="build directory")
    parser.add_argument("-s", "--subjects", metavar="NAME,...", help="only these programs")
    parser.add_argument("-p", "--profilers", metavar="NAME,...", help="only these profilers (and what they compare with)")
    parser.add_argument("-r", "--rounds", type=int, default=3, help="rounds of every profiler (default: 3)")
    parser.add_argument("--pairs", type=int, default=0, metavar="ROUNDS",
                        help=f"further rounds on real programs of {', '.join(CHEAP)} only (default: 0)")
    parser.add_argument("--start-up", type=int, default=50, metavar="ROUNDS", help="rounds of `true` (default: 50)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the work of every subject (default: 1)")
    parser.add_argument("--save", metavar="FILE", help="write what was measured as JSON")
    parser.add_argument("--load", metavar="FILE", action="append", default=[],
                        help="don't measure: report on what --save wrote; again for several files")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the tables to FILE, not to standard output")
    parser.add_argument("-l", "--list", action="store_true", help="list subjects and profilers")
    return parser.parse_args()


class Bench:
    def __init__(self, build, directory):
        self.build = pathlib.Path(build).resolve()
        self.directory = pathlib.Path(directory)
        self.profilers, self.missing = profilers.all_profilers(self.build)
        self.results = []
        self.failures = []

    def stopwatch(self, profiler):
        name = "bench_stopwatch_static" if profiler.statically else "bench_stopwatch"
        return str(self.build / "tests" / "bench" / name)

    def once(self, subject, profiler, timed):
        """One run, under the stopwatch or not; its cost, or None if it failed."""
        output = str(self.directory / "output")
        before, environment = profiler.command(output)
        watched = str(self.directory / "watched")
        pathlib.Path(watched).unlink(missing_ok=True)
        command = [*before, *([self.stopwatch(profiler), watched] if timed else []), *subject.command]
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith(("LD_", "MEMTRACE", "MALLOC", "PYTHON", "TCMALLOC"))}
        try:
            cost = measure.run(command, {**inherited, **subject.environment, **environment}, self.directory,
                               watched if timed else None, subject.drive)
            if cost.status != 0:
                raise RuntimeError(f"status {cost.status}: {cost.said.strip()[-200:]}")
            profilers.read_output(profiler, self.build, output, cost)
        except (OSError, RuntimeError) as error:
            self.failures.append({"subject": subject.name, "profiler": profiler.name, "why": str(error)})
            print(f"bench: {subject.name} under {profiler.name} failed: {error}", file=sys.stderr)
            return None
        return cost

    def cost_of(self, subject, profiler, kind):
        """What the runs of a round say together, or None if one failed."""
        costs = []
        for timed in RUNS[kind]:
            costs.append(self.once(subject, profiler, timed))
            if not costs[-1]:
                return None
        return dataclasses.replace(costs[0], **{name: getattr(costs[-1], name) for name in OF_COMMAND})

    def rounds(self, subject, names, count, kind):
        failed = set()
        for index in range(count):
            # Forth and back, so that no profiler always follows the same one.
            for name in names if index % 2 == 0 else reversed(names):
                if name in failed:
                    continue
                cost = self.cost_of(subject, self.profilers[name], kind)
                if cost is None:
                    failed.add(name)
                    continue
                row = dataclasses.asdict(cost)
                del row["said"]
                self.results.append({"kind": kind, "subject": subject.name, "profiler": name, "round": index,
                                     "load": os.getloadavg()[0], **row})

    def selected(self, wanted):
        if not wanted:
            return [name for name, profiler in self.profilers.items() if not profiler.is_slow]
        unknown = [name for name in wanted if name not in self.profilers and name not in self.missing]
        if unknown:
            sys.exit(f"bench: no such profiler: {', '.join(unknown)}")
        chosen = {"bare", *wanted, *(self.profilers[name].base for name in wanted if name in self.profilers)}
        return [name for name in self.profilers if name in chosen]


def command_line(options):
    """What to type for the same measurement."""
    words = ["tools/bench"]
    words += [f"-s {options.subjects}"] if options.subjects else []
    words += [f"-p {options.profilers}"] if options.profilers else []
    words += [f"--rounds={options.rounds}", f"--pairs={options.pairs}", f"--start-up={options.start_up}"]
    words += [f"--scale={options.scale:g}"] if options.scale != 1 else []
    return " ".join(words)


def measure_all(options, directory):
    bench = Bench(options.build, directory)
    names = bench.selected(options.profilers.split(",") if options.profilers else None)
    wanted = options.subjects.split(",") if options.subjects else list(subjects.NAMES)
    unknown = [name for name in wanted if name not in subjects.NAMES]
    if unknown:
        sys.exit(f"bench: no such subject: {', '.join(unknown)}")
    started = time.time()
    described, absent = [], []
    for name in wanted:
        subject = subjects.make(name, bench.build, directory, options.scale)
        if not subject:
            absent.append(name)
            continue
        print(f"bench: {name}, {time.time() - started:.0f} s so far", file=sys.stderr)
        described.append({"name": name, "what": subject.what, "real": subject.real, "threads": subject.threads})
        bench.rounds(subject, names, options.rounds, "all")
        if subject.real and options.pairs:
            bench.rounds(subject, [cheap for cheap in CHEAP if cheap in names], options.pairs, "pairs")
    if options.start_up:
        true = subjects.Subject("true", "`true`", [shutil.which("true")])
        chosen = [name for name in START_UP if name in names]
        bench.rounds(true, chosen, options.start_up, "start-up")
        bench.rounds(true, [name for name in chosen if name != "heaptrack"], options.start_up, "start-up in a recording")
    return {
        "machine": report.describe_machine(bench.build),
        "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
        "seconds": time.time() - started,
        "commands": [command_line(options)],
        "subjects": described,
        "profilers": [{"name": name, "what": bench.profilers[name].what, "base": bench.profilers[name].base}
                      for name in names],
        "missing": [f"{name} ({package})" for name, package in bench.missing.items()] + absent,
        "failures": bench.failures,
        "results": bench.results,
    }


def list_all(build):
    found, missing = profilers.all_profilers(build)
    print("subjects:", *subjects.NAMES)
    for profiler in found.values():
        print(f"{profiler.name}: {profiler.what}")
    for name, package in missing.items():
        print(f"{name}: not installed ({package})")


def main():
    options = parse_arguments()
    if options.load:
        measured = report.merge([json.loads(pathlib.Path(path).read_text()) for path in options.load])
    elif not options.build:
        sys.exit("bench: --build is needed")
    elif options.list:
        return list_all(options.build)
    else:
        measure.adopt_orphans()
        with tempfile.TemporaryDirectory(prefix="memtrace-bench-") as directory:
            measured = measure_all(options, pathlib.Path(directory))
        if options.save:
            pathlib.Path(options.save).write_text(json.dumps(measured, indent=1) + "\n")
    text = report.markdown(measured)
    if options.output:
        pathlib.Path(options.output).write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
