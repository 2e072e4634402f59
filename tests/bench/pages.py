#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Pages of Memray and heaptrack beside memtrace's, of the same work: docs/performance.md, "The page".

    python3 tests/bench/pages.py [--root=DIR] [--rounds=3] [--scale=1]

Every program is recorded by each profiler that is installed; then each of its reports is written --rounds
times, and opened as often in headless Chromium (tests/web/open_report.mjs). With --root the profilers and the
programs are those of another Debian below DIR (chroot, as root), where memtrace is installed too; Chromium
and node are this machine's. Printed are medians, as the table of the document.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
OPENER = HERE.parent / "web" / "open_report.mjs"

PYTHON = """
import collections, json, re
class Order:
    def __init__(self, number):
        self.number = number
        self.lines = [{{"sku": f"sku-{{i}}", "count": i, "price": i * 1.5}} for i in range(5)]
def load(count):
    return [Order(i) for i in range(count)]
def by_product(rows):
    products = collections.defaultdict(list)
    for row in rows:
        for line in row["lines"]:
            products[line["sku"]].append((row["number"], line["price"]))
    return products
kept = []
for turn in range({turns}):
    orders = load(3000 + 500 * turn)
    text = json.dumps([order.__dict__ for order in orders])
    rows = json.loads(text)
    kept.append(list(by_product(rows))[:3])
    collections.Counter(re.findall(r"[a-z]+", text))
"""

ARROW = """
import pyarrow, pyarrow.compute
tables = []
for turn in range({turns}):
    count = 200000
    table = pyarrow.table({{"key": [f"key {{i % 1000}}" for i in range(count)], "value": list(range(count))}})
    tables.append(table.group_by("key").aggregate([("value", "sum"), ("value", "mean")]).sort_by("key"))
    tables.append(table.filter(pyarrow.compute.greater(table["value"], count // 2)))
"""

CXX = "".join(f"#include <{name}>\n" for name in (
    "algorithm", "chrono", "filesystem", "functional", "iostream", "map", "memory", "regex", "set", "string",
    "unordered_map", "variant", "vector")) + """
int main(int count, char **arguments)
{
	std::map<std::string, std::vector<std::variant<int, std::string>>> places;
	for (int i = 0; i < count; i++)
		if (std::regex_match(arguments[i], std::regex("[a-z]+(/[a-z]+)*")))
			places[arguments[i]].push_back(i);
	return (int)places.size();
}
"""


@dataclasses.dataclass
class Report:
    """One file that a profiler makes of its recording: the commands, and what the file shows."""

    profiler: str
    shows: str
    commands: list
    output: str


@dataclasses.dataclass
class Figures:
    record_cpu: float = 0
    recording_bytes: int = 0
    write_cpu: list = dataclasses.field(default_factory=list)
    write_wall: list = dataclasses.field(default_factory=list)
    report_bytes: int = 0
    opened: list = dataclasses.field(default_factory=list)


class Place:
    """Where the profilers run: this machine, or a root below a directory."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve() if root else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pages-", dir=self.root / "tmp" if root else None))
        self.inside = "/" + str(self.directory.relative_to(self.root)) if root else str(self.directory)

    def run(self, command, wrong_allowed=False):
        """Runs a shell command; (CPU seconds, wall-clock seconds) of it and its children."""
        if self.root:
            command = ["chroot", self.root, "sh", "-c", f"cd {self.inside} && {command}"]
        else:
            command = ["sh", "-c", f"cd {self.inside} && {command}"]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode and not wrong_allowed:
            raise RuntimeError(f"{command[-1]}: status {done.returncode}: {done.stderr[-500:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return (cpu, wall) if not done.returncode else None

    def has(self, what):
        return self.run(what, wrong_allowed=True) is not None

    def output_of(self, command):
        self.run(f"{command} > said")
        return (self.directory / "said").read_text().strip()


def programs(place, scale):
    """{name: (what is said of it, command, whether Memray can record it)}"""
    turns = max(1, round(10 * scale))
    (place.directory / "orders.py").write_text(PYTHON.format(turns=turns))
    (place.directory / "arrow.py").write_text(ARROW.format(turns=max(1, round(5 * scale))))
    (place.directory / "headers.cpp").write_text(CXX)
    found = {"python3": ("JSON of objects", "orders.py", True)}
    if place.has("python3 -c 'import pyarrow'"):
        found["pyarrow"] = ("PyArrow tables", "arrow.py", True)
    if place.has("g++ --version"):
        compiler = place.output_of("g++ -print-prog-name=cc1plus")
        architecture = place.output_of("g++ -print-multiarch")
        where = f"-imultiarch {architecture}" if architecture else ""
        found["cc1plus"] = ("13 C++ headers",
                            f"{compiler} -quiet {where} -D_GNU_SOURCE -O2 -g headers.cpp -o headers.s", False)
    return found


def recorders(place, command, of_python):
    """{profiler: (command that records, its file)}"""
    program = f"PYTHONMALLOC=malloc python3 {command}" if of_python else command
    found = {"memtrace": (program.replace("python3", "memtrace run -q -f --exact -o a.mtlog -- python3", 1)
                          if of_python else f"memtrace run -q -f --exact -o a.mtlog -- {command}", "a.mtlog")}
    if of_python and place.has("memray --version"):
        found["memray"] = (f"PYTHONMALLOC=malloc memray run -q --native -f -o a.bin {command}", "a.bin")
    if place.has("heaptrack --version"):
        found["heaptrack"] = (program.replace("python3", "heaptrack -o a python3", 1)
                              if of_python else f"heaptrack -o a {command}", "a.*z*")
    return found


def reports(place, profiler, recording):
    if profiler == "memtrace":
        return [Report(profiler, "all costs, times", [f"memtrace flamegraph -f -o a.html {recording}"], "a.html")]
    if profiler == "memray":
        return [Report(profiler, shows, [f"memray flamegraph --no-web -f {option} -o a.html {recording}"], "a.html")
                for shows, option in (("peak", ""), ("leaked", "--leaks"),
                                      ("temporary", "--temporary-allocations"), ("times", "--temporal"))]
    script = "/usr/share/perl5/Devel/NYTProf/flamegraph.pl"  # of libdevel-nytprof-perl
    found = []
    for cost in ("peak", "allocations"):
        command = f"heaptrack_print -F a.stacks --flamegraph-cost-type {cost} {recording}"
        found.append(Report(profiler, f"{cost}, text", [command], "a.stacks"))
        if place.has(f"test -e {script}"):
            found.append(Report(profiler, f"{cost}, flamegraph.pl", [command, f"perl {script} a.stacks > a.svg"],
                                "a.svg"))
    return found


def open_report(path, rounds):
    if path.suffix not in (".html", ".svg"):
        return []
    done = subprocess.run(["node", OPENER, path, str(rounds)], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{OPENER.name}: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def measure(place, report, figures, rounds):
    for _ in range(rounds):
        costs = [place.run(command) for command in report.commands]
        figures.write_cpu.append(sum(cpu for cpu, _ in costs))
        figures.write_wall.append(sum(wall for _, wall in costs))
    path = place.directory / report.output
    figures.report_bytes = path.stat().st_size
    figures.opened = open_report(path, rounds)


def size(count):
    return f"{count / 1e6:.2f} MB"


def row(program, report, figures):
    cpu, wall = statistics.median(figures.write_cpu), statistics.median(figures.write_wall)
    shown, memory = "", ""
    if figures.opened:
        shown = ", ".join(f"{statistics.median(turn[name] for turn in figures.opened) / 1000:.2f} s"
                          for name in ("cpu_ms", "shown_ms"))
        memory = f"{statistics.median(turn['resident_bytes'] for turn in figures.opened) / 1e6:.0f} MB"
    return (f"| {program} | {report.profiler} | {report.shows} | {figures.record_cpu:.1f} s "
            f"| {size(figures.recording_bytes)} | {cpu:.2f} s, {wall:.2f} s | {size(figures.report_bytes)} "
            f"| {shown} | {memory} |")


def compare(place, options):
    columns = ("work", "profiler", "report shows", "recording, CPU", "recording", "writing: CPU, wall clock", "report",
               "opening: CPU, wall clock", "tab")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for name, (what, command, of_python) in programs(place, options.scale).items():
        if options.programs and name not in options.programs.split(","):
            continue
        for profiler, (record, pattern) in recorders(place, command, of_python).items():
            try:
                cpu, _ = place.run(record)
            except RuntimeError as failure:  # a program that crashes under a profiler has no row
                print(f"pages: {name}, {profiler}: {failure}", file=sys.stderr)
                for left in place.directory.glob("a.*"):
                    left.unlink()
                continue
            (recording,) = place.directory.glob(pattern)
            for report in reports(place, profiler, recording.name):
                figures = Figures(cpu, recording.stat().st_size)
                measure(place, report, figures, options.rounds)
                print(row(f"{name}: {what}", report, figures), flush=True)
                if options.keep:
                    kept = f"{name}-{profiler}-{report.shows.replace(', ', '-').replace(' ', '-')}"
                    source = place.directory / report.output
                    shutil.copy(source, pathlib.Path(options.keep) / (kept + source.suffix))
            recording.unlink()


def main():
    parser = argparse.ArgumentParser(prog="pages", description="Compare pages of memtrace, Memray and heaptrack.")
    parser.add_argument("--root", metavar="DIR", help="profilers and programs are those of the root DIR")
    parser.add_argument("-p", "--programs", metavar="NAME,...", help="only these programs")
    parser.add_argument("--rounds", type=int, default=3, help="how often to write and open each (default: 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the work (default: 1)")
    parser.add_argument("--keep", metavar="DIR", help="keep the reports in DIR")
    options = parser.parse_args()
    place = Place(options.root)
    try:
        if not place.has("memtrace --version"):
            sys.exit("pages: memtrace is not installed there")
        print("load average " + " ".join(f"{load:.1f}" for load in os.getloadavg()), file=sys.stderr)
        compare(place, options)
    finally:
        shutil.rmtree(place.directory)


if __name__ == "__main__":
    main()
