# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: programs of this directory, and real ones on generated input."""

import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from typing import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from test_counts import compiler_proper, make_repository, write_c_source  # noqa: E402

SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{rows})
  INSERT INTO t SELECT i, 'row number '||i||hex(i*7919), i*1.5 FROM n;
COMMIT;
CREATE INDEX tb ON t(b);
SELECT count(*), max(b) FROM t WHERE b LIKE '%99%';
SELECT substr(b,1,12), sum(c) FROM t GROUP BY substr(b,1,12) ORDER BY 2 DESC LIMIT 3;
.quit
"""

PYTHON = """
import json
for turn in range({turns}):
    rows = [{{"number": i, "name": str(i) * 3, "parts": [{{"n": k}} for k in range(i % 5)]}} for i in range(10000)]
    assert json.loads(json.dumps(rows)) == rows
"""

NODE = """
const rows = [];
for (let turn = 0; turn < {turns}; turn++) {{
	for (let i = 0; i < 20000; i++) rows[i] = {{ number: i, name: String(i).repeat(3), parts: [i, i + 1] }};
	const bytes = Buffer.from(JSON.stringify(rows));
	if (JSON.parse(bytes.toString()).length !== rows.length) process.exit(1);
	for (let i = 0; i < 2000; i++) Buffer.alloc(4096 + i).fill(i);
}}
"""

CXX = """
#include <algorithm>
#include <map>
#include <string>
#include <vector>
int main(int count, char **arguments)
{
	std::map<std::string, std::vector<int>> places;
	for (int i = 0; i < count; i++)
		places[arguments[i]].push_back(i);
	return (int)places.size();
}
"""


@dataclasses.dataclass
class Subject:
    """A program to measure: `command` is its argument vector; `real` if nobody here wrote it."""

    name: str
    what: str
    command: list
    real: bool = False
    threads: int = 1
    environment: dict = dataclasses.field(default_factory=dict)
    drive: Callable = None


class Factory:
    """Makes subjects, with their input in a directory; `scale` multiplies the work."""

    def __init__(self, build, directory, scale):
        self.build, self.directory, self.scale = pathlib.Path(build), pathlib.Path(directory), scale

    def times(self, count):
        return max(1, int(count * self.scale))

    def bench(self, name, *arguments):
        return [str(self.build / "tests" / "bench" / f"bench_{name}"), *map(str, arguments)]

    def pairs(self):
        count = self.times(5000000)
        program = str(self.build / "tests" / "e2e" / "programs" / "pairs")
        return Subject("pairs", f"{count:,} times malloc(64) and free in a loop", [program, str(count)])

    def churn(self):
        count = self.times(5000000)
        return Subject("churn", f"{count:,} malloc and free, four shallow stacks, 64 live blocks",
                       self.bench("churn", count))

    def churn_2(self):
        count = self.times(2500000)
        return Subject("churn-2", f"the same in 2 threads, {count:,} each", self.bench("churn", count, 2), threads=2)

    def deep(self):
        count = self.times(5000000)
        return Subject("deep", f"{count:,} malloc and free at some thousand stacks of about 30 frames",
                       self.bench("deep", count))

    def exchange(self, threads):
        count = self.times(3000000) // threads
        program = str(self.build / "tests" / "e2e" / "programs" / "threads_exchange")
        return Subject(f"exchange-{threads}", f"{threads} threads free each other's blocks, {count:,} each",
                       [program, str(threads), str(count)], threads=threads)

    def exchange_2(self):
        return self.exchange(2)

    def exchange_4(self):
        return self.exchange(4)

    def cc1(self):
        compiler = compiler_proper("cc1")
        if not compiler:
            return None
        functions = self.times(150)
        path = self.directory / "large.c"
        write_c_source(path, functions)
        return Subject("cc1", f"cc1 -O2, {functions} generated functions",
                       [compiler, "-quiet", "-O2", str(path), "-o", os.devnull], real=True)

    def sqlite3(self):
        if not shutil.which("sqlite3"):
            return None
        rows = self.times(200000)
        path = self.directory / "bulk.sql"
        path.write_text(SQL.format(rows=rows))
        return Subject("sqlite3", f"in memory, {rows:,} rows, an index, two queries",
                       [shutil.which("sqlite3"), "-batch", "-init", str(path), ":memory:"], real=True)

    def git(self):
        if not shutil.which("git"):
            return None
        commits = self.times(2500)
        repository = self.directory / "repository.git"
        if not repository.exists():
            make_repository(repository, commits)
        return Subject("git", f"git log --stat, {commits:,} commits",
                       [shutil.which("git"), "--git-dir", str(repository), "log", "--stat"], real=True,
                       environment={"GIT_CONFIG_GLOBAL": os.devnull, "GIT_PAGER": "cat"})

    def redis(self):
        server, client = shutil.which("redis-server"), shutil.which("redis-benchmark")
        if not server or not client:
            return None
        requests = self.times(60000)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = str(found.getsockname()[1])
        return Subject("redis", f"redis-server, redis-benchmark -n {requests} -t set,get,lpush,hset",
                       [server, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], real=True,
                       drive=lambda: drive_redis(client, port, requests))

    def python3(self):
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        turns = self.times(3)
        return Subject("python3", f"PYTHONMALLOC=malloc, {turns} times json of 10,000 objects",
                       [python, "-c", PYTHON.format(turns=turns)], real=True, environment={"PYTHONMALLOC": "malloc"})

    def node(self):
        if not shutil.which("node"):
            return None
        turns = self.times(8)
        return Subject("node", f"{turns} times JSON of 20,000 objects and 2,000 buffers",
                       [os.path.realpath(shutil.which("node")), "-e", NODE.format(turns=turns)], real=True)

    def clang(self):
        if not shutil.which("clang"):
            return None
        path = self.directory / "headers.cpp"
        path.write_text(CXX)
        return Subject("clang", "clang -fsyntax-only, C++ with four headers of the library",
                       [shutil.which("clang"), "-fsyntax-only", str(path)], real=True)


NAMES = ("pairs", "churn", "churn-2", "deep", "exchange-2", "exchange-4", "cc1", "sqlite3", "git", "redis",
         "python3", "node", "clang")


def make(name, build, directory, scale):
    """The subject of that name, or None where its program is not installed."""
    return getattr(Factory(build, directory, scale), name.replace("-", "_"))()


def drive_redis(client, port, requests):
    """Wait for the server, load it, stop it; how long the load took and the CPU time that was not the server's."""
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=10).close()
            break
        except OSError:
            time.sleep(0.01)
    start = time.monotonic()
    process = subprocess.Popen([client, "-p", port, "-n", str(requests), "-t", "set,get,lpush,hset", "-r", "10000", "-q"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - start
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
        connection.sendall(b"SHUTDOWN NOSAVE\r\n")
        connection.recv(100)
    if process.returncode != 0:
        raise RuntimeError("redis-benchmark failed")
    return elapsed, usage.ru_utime + usage.ru_stime
