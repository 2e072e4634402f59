# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command to its last process and says what it cost, the program itself and everything apart."""

import ctypes
import dataclasses
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Processes that outlive their parent (collectors, interpreters) become ours, and so count."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclasses.dataclass
class Cost:
    """Of one run, in seconds and bytes; a field is 0 where nothing was measured."""

    status: int
    command_wall: float
    all_cpu: float
    target_wall: float = 0
    target_cpu: float = 0
    target_rss: int = 0
    events: int = 0
    file_bytes: int = 0
    event_bytes: int = 0
    said: str = ""


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def reap_all():
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def run(command, environment, directory, stopwatch_file=None, drive=None, timeout=300):
    """
    Run a command and wait for it and for all that it leaves behind.

    drive, if given, is called while the command runs and returns (seconds, CPU seconds): what its
    own work took, which is then the target's wall-clock time, and its CPU time, which doesn't count.
    """
    said_path = pathlib.Path(directory) / "said"
    before = children_cpu()
    with open(os.devnull, "r+b") as null, open(said_path, "wb") as said:
        start = time.monotonic()
        process = subprocess.Popen(command, env=environment, cwd=directory, stdin=null, stdout=null, stderr=said,
                                   start_new_session=True)
        timer = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            driven = drive() if drive else None
            status = process.wait()
            command_wall = time.monotonic() - start
            reap_all()
        finally:
            timer.cancel()
    cost = Cost(status, command_wall, children_cpu() - before - (driven[1] if driven else 0))
    cost.said = said_path.read_text(errors="replace")[-4000:]
    if stopwatch_file and os.path.exists(stopwatch_file):
        wall_ns, user_us, system_us, rss_kib = map(int, pathlib.Path(stopwatch_file).read_text().split())
        cost.target_wall = driven[0] if driven else wall_ns / 1e9
        cost.target_cpu = (user_us + system_us) / 1e6
        cost.target_rss = rss_kib * 1024
    return cost


def median_interval(values):
    """The 95 % interval of the median by order statistics; None below six values, where there is none."""
    ordered, count = sorted(values), len(values)
    probability, below = 0.0, 0.5 ** count
    rank = 0
    while probability + below <= 0.025:
        probability += below
        rank += 1
        below *= (count - rank + 1) / rank
    return (ordered[rank - 1], ordered[count - rank]) if rank else None


def geometric_mean(values):
    return statistics.geometric_mean(values) if values else None
