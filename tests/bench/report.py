# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was measured, as tables in Markdown; beside the aims."""

import os
import pathlib
import re
import statistics
import subprocess
import textwrap

from measure import geometric_mean, median_interval

VERSIONS = {
    "heaptrack": ["heaptrack", "--version"], "cc1 and clang": ["clang", "--version"], "gcc": ["gcc", "--version"],
    "git": ["git", "--version"], "sqlite3": ["sqlite3", "--version"], "redis": ["redis-server", "--version"],
    "node": ["node", "--version"], "python3": ["/usr/bin/python3", "--version"],
}
PACKAGES = ("libjemalloc2", "libgoogle-perftools4", "liblsan0", "libc6")
MEGABYTE = 1e6


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    match = re.search(r"\d+\.\d[\w.+~-]*", done.stdout + done.stderr)
    return match.group(0) if match else None


def describe_machine(build):
    """Processor, kernel and versions, as text."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    release = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    versions = {}
    for name, command in VERSIONS.items():
        version = first_line(command)
        if version:
            versions[name.replace("cc1 and ", "")] = version
    for package in PACKAGES:
        try:
            done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
            if done.returncode == 0:
                versions[package] = done.stdout
        except OSError:
            pass
    return {
        "processors": f"{os.cpu_count()} x {model.group(1) if model else os.uname().machine}",
        "memory": f"{memory:.0f} GiB", "kernel": os.uname().release,
        "release": release.group(1) if release else "", "versions": versions,
        "memtrace": first_line([str(build / "cmd" / "memtrace"), "--version"]) or "",
    }


def merge(files):
    """Results of several runs of the same build as one."""
    merged = files[0]
    for other in files[1:]:
        # A ratio is of one round: those of another run are others.
        first = 1 + max((row["round"] for row in merged["results"]), default=-1)
        merged["results"] += [{**row, "round": first + row["round"]} for row in other["results"]]
        for key in ("failures", "missing"):
            merged[key] += [row for row in other[key] if row not in merged[key]]
        for key in ("subjects", "profilers"):
            known = {row["name"] for row in merged[key]}
            merged[key] += [row for row in other[key] if row["name"] not in known]
        merged["commands"] += other["commands"]
        merged["seconds"] += other["seconds"]
    return merged


class Results:
    def __init__(self, measured):
        self.measured = measured
        self.rows = measured["results"]
        self.bases = {row["name"]: row["base"] for row in measured["profilers"]}
        self.names = [row["name"] for row in measured["profilers"]]
        self.subjects = measured["subjects"]

    def of(self, kind, subject, profiler):
        return [r for r in self.rows if (r["kind"], r["subject"], r["profiler"]) == (kind, subject, profiler)]

    def median(self, subject, profiler, field, kind="all"):
        values = [row[field] for row in self.of(kind, subject, profiler)]
        return statistics.median(values) if values else None

    def per_round(self, kind, subject, profiler, field, combine):
        """combine(profiler's, base's) for each round that has both."""
        if profiler not in self.bases:
            return []
        base = {row["round"]: row[field] for row in self.of(kind, subject, self.bases[profiler])}
        return [combine(row[field], base[row["round"]]) for row in self.of(kind, subject, profiler)
                if row["round"] in base]

    def ratios(self, kind, subject, profiler, field):
        return self.per_round(kind, subject, profiler, field, lambda value, base: value / base if base else 0)

    def ratio(self, subject, profiler, field):
        found = self.ratios("all", subject, profiler, field)
        return statistics.median(found) if found else None

    def added(self, subject, profiler, field, kind="all"):
        found = self.per_round(kind, subject, profiler, field, lambda value, base: value - base)
        return statistics.median(found) if found else None

    def events(self, subject):
        return self.median(subject, "exact", "events")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell if cell else "-" for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value, form="{:.2f}"):
    return "" if value is None else form.format(value)


def by_profiler(results, field, form, cell, unit=1):
    """A row for each program: what it takes alone, and a cell for each profiler."""
    names = [name for name in results.names if name != "bare"]
    rows = []
    for subject in results.subjects:
        bare = results.median(subject["name"], "bare", field)
        rows.append([subject["name"], number(None if bare is None else bare / unit, form),
                     *(cell(subject["name"], name) for name in names)])
    return table(["", "bare", *names], rows)


def ratio_table(results, field):
    return by_profiler(results, field, "{:.2f} s", lambda subject, name: number(results.ratio(subject, name, field)))


def rss_table(results):
    return by_profiler(
        results, "target_rss", "{:.1f}",
        lambda subject, name: number(megabytes(results.added(subject, name, "target_rss")), "{:+.1f}"),
        unit=MEGABYTE)


def megabytes(value):
    return None if value is None else value / MEGABYTE


def exact_table(results):
    """Files and CPU time by event."""
    rows = []
    for subject in results.subjects:
        name, events = subject["name"], results.events(subject["name"])
        if not events:
            continue
        row = [name, f"{events:,.0f}"]
        for profiler in ("exact", "auto", "heaptrack"):
            size = results.median(name, profiler, "event_bytes")
            row.append(number(None if size is None else size / events))
        for profiler in ("exact", "heaptrack"):
            added = results.added(name, profiler, "all_cpu")
            row.append(number(None if added is None else added / events * 1e9, "{:.0f} ns"))
        row.append(number(megabytes(results.median(name, "exact", "file_bytes")), "{:.2f}"))
        row.append(number(megabytes(results.median(name, "512k", "file_bytes")), "{:.3f}"))
        row.append(number(megabytes(results.median(name, "heaptrack", "file_bytes")), "{:.2f}"))
        rows.append(row)
    return table(["", "events", "exact, bytes an event", "auto", "heaptrack", "exact, CPU time added by event",
                  "heaptrack", "exact, file (MB)", "512k (MB)", "heaptrack (MB)"], rows)


def interval(values, form="{:.3f}"):
    if not values:
        return ""
    found = median_interval(values)
    middle = form.format(statistics.median(values))
    return middle + (f" ({form.format(found[0])} to {form.format(found[1])})" if found else "")


def pairs_table(results):
    rows = []
    for subject in results.subjects:
        name = subject["name"]
        found = {key: results.ratios("pairs", name, *key) for key in
                 (("512k", "target_cpu"), ("512k", "target_wall"), ("jemalloc-prof", "target_cpu"),
                  ("jemalloc-prof", "target_wall"))}
        if any(found.values()):
            rows.append([name, str(max(map(len, found.values()))), *(interval(values) for values in found.values())])
    return table(["", "rounds", "memtrace: CPU time of the program", "its wall-clock time",
                  "jemalloc's profiler: CPU time", "wall-clock time"], rows) if rows else ""


def start_up_table(results):
    rows = []
    for kind, what in (("start-up", "`PROFILER true`, until the command returns"),
                       ("start-up in a recording", "`true` started by a recorded program, until it ends")):
        field = "command_wall" if kind == "start-up" else "target_wall"
        for name in ("auto", "exact", "512k", "heaptrack"):
            added = results.per_round(kind, "true", name, field, lambda a, b: (a - b) * 1e3)
            if added:
                cpu_field = "all_cpu" if kind == "start-up" else "target_cpu"
                cpu = results.per_round(kind, "true", name, cpu_field, lambda a, b: (a - b) * 1e3)
                rows.append([what, name, str(len(added)), number(results.median("true", "bare", field, kind) * 1e3),
                             interval(added, "{:.2f}"), interval(cpu, "{:.2f}")])
    return table(["", "profiler", "rounds", "bare (ms)", "added, wall-clock (ms)", "added, CPU time (ms)"],
                 rows) if rows else ""


def verdict(values, limit):
    """met, if all are within; else which are not."""
    over = [name for name, value in values.items() if value > limit]
    return "met" if not over else "not met: " + ", ".join(over)


def shares(results, field):
    """What exact recording adds as a share of what heaptrack adds, by subject."""
    found = {}
    for subject in results.subjects:
        ours, theirs = (results.added(subject["name"], name, field) for name in ("exact", "heaptrack"))
        if ours is not None and theirs and theirs > 0:
            found[subject["name"]] = max(ours, 0) / theirs
    return found


def span(values):
    return f"{min(values):.2f} to {max(values):.2f}" if values else ""


def share_aims(results):
    rows = []
    for field, what in (("target_wall", "program's end"), ("command_wall", "command's return")):
        found = shares(results, field)
        if found:
            rows.append([f"exact: wall-clock time added, of heaptrack's, until the {what}", "1/3 each", span(found.values()),
                         verdict(found, 1 / 3)])
            mean = geometric_mean([max(value, 1e-3) for value in found.values()])
            rows.append(["the same, geometric mean", "1/6", number(mean), "met" if mean <= 1 / 6 else "not met"])
    found = shares(results, "all_cpu")
    if found:
        mean = geometric_mean([max(value, 1e-3) for value in found.values()])
        rows.append(["exact: CPU time of everything added, of heaptrack's, geometric mean", "1/6", number(mean),
                     "met" if mean <= 1 / 6 else "not met"])
    return rows


def aims_table(results):
    rows = []
    events = {s["name"]: results.events(s["name"]) for s in results.subjects}
    if events.get("pairs") and results.added("pairs", "512k", "target_cpu") is not None:
        added = results.added("pairs", "512k", "target_cpu") / (events["pairs"] / 2) * 1e9
        rows.append(["512k: CPU time added by malloc and free in the loop", "4 ns", f"{added:.1f} ns",
                     "met" if added <= 4 else "not met"])
    medians = {s["name"]: statistics.median(found) for s in results.subjects
               if (found := results.ratios("pairs", s["name"], "512k", "target_wall"))}
    if medians:
        rows.append(["512k: wall-clock time of real programs", "1.02 each", span(medians.values()), verdict(medians, 1.02)])
        medians = {name: statistics.median(results.ratios("pairs", name, "512k", "target_cpu")) for name in medians}
        rows.append(["512k: CPU time of real programs", "1.02 each", span(medians.values()), verdict(medians, 1.02)])
    rows += share_aims(results)
    one, two = (results.added(name, "exact", "target_cpu") for name in ("churn", "churn-2"))
    if one and two and events.get("churn") and events.get("churn-2"):
        more = two / events["churn-2"] / (one / events["churn"])
        rows.append(["exact: CPU time added to the program by event, two allocating threads beside one", "1.10",
                     number(more), "met" if more <= 1.1 else "not met"])
    for kind, field, what in (("start-up", "command_wall", "`memtrace run true`"),
                              ("start-up in a recording", "target_wall", "`true` in a recording")):
        added = results.added("true", "auto", field, kind)
        if added is not None:
            rows.append([f"start-up: {what}, added", "2 ms", f"{added * 1e3:.2f} ms", "met" if added <= 2e-3 else "not met"])
    long = {name: results.median(name, "exact", "event_bytes") / count for name, count in events.items()
            if count and count >= 1e6}
    if long:
        middle = statistics.median(long.values())
        rows.append(["log, bytes an event, runs of a million events and more: median", "1.5", number(middle),
                     "met" if middle <= 1.5 else "not met"])
        rows.append(["the same, each", "2.5", span(long.values()), verdict(long, 2.5)])
        beside = {name: results.median(name, "exact", "file_bytes") / size for name in long
                  if (size := results.median(name, "heaptrack", "file_bytes"))}
        if beside:
            rows.append(["log beside heaptrack's file", "1 each", span(beside.values()), verdict(beside, 1)])
    return table(["aim", "at most", "measured", ""], rows) if rows else ""


def introduction(measured):
    machine = measured["machine"]
    loads = [row["load"] for row in measured["results"]]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{', '.join(f'`{command}`' for command in measured['commands'])}, {measured['date']}, {measured['seconds'] / 60:.0f} minutes; {machine['processors']}, {machine['memory']}, "
        f"{machine['release']}, Linux {machine['kernel']}; memtrace {machine['memtrace']}, {versions}.",
        f"Load average while measuring: {min(loads):.1f} to {max(loads):.1f}, median {statistics.median(loads):.1f} (on "
        f"{machine['processors'].split()[0]} processors): CPU times tell more than wall-clock times.",
        "All profilers ran one after the other in each round; a ratio is of one round, the table has the median. "
        "Profilers compare with the bare program, `jemalloc-prof` and `tcmalloc-prof` with their allocator.",
    ]
    return "\n\n".join(textwrap.fill(line, 120, break_on_hyphens=False, break_long_words=False) for line in lines) + "\n"


def markdown(measured):
    results = Results(measured)
    sections = [introduction(measured)]
    sections.append(table(["profiler", "what"], [[row["name"], row["what"]] for row in measured["profilers"]]))
    sections.append(table(["program", "what"], [[row["name"], row["what"]] for row in measured["subjects"]]))

    def section(title, text):
        if text:
            sections.append(f"### {title}\n")
            sections.append(text)

    section("Aims", aims_table(results))
    if results.subjects:
        section("CPU time of everything, ratio", ratio_table(results, "all_cpu"))
        section("CPU time of the program, ratio", ratio_table(results, "target_cpu"))
        section("Wall-clock time until the program's end, ratio", ratio_table(results, "target_wall"))
        section("Wall-clock time until the command returns, ratio", ratio_table(results, "command_wall"))
        section("Resident memory of the program (MB): bare, and what is added", rss_table(results))
        section("Files", exact_table(results))
    section("Sampled at 512 KiB: ratio, median with its 95 % interval", pairs_table(results))
    section("Start-up", start_up_table(results))
    notes = [f"- {row['subject']} under {row['profiler']}: {row['why'].splitlines()[0]}" for row in measured["failures"]]
    notes += [f"- not installed, left out: {name}" for name in measured["missing"]]
    section("Not measured", "\n".join(notes) + "\n" if notes else "")
    return "\n".join(sections)
