# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that nobody here wrote run unchanged under memtrace: the same output, the same status."""

import socket
import subprocess
import time

from support import MEMTRACE, SOURCE, MemtraceTest, needs, run
from test_counts import compiler_proper, make_repository, write_c_source

BULK = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100000)
  INSERT INTO t SELECT i, 'row number '||i||hex(i*7919), i*1.5 FROM n;
COMMIT;
CREATE INDEX tb ON t(b);
SELECT count(*), max(b) FROM t WHERE b LIKE '%99%';
SELECT x.a, y.a FROM t x JOIN t y ON x.b = y.b WHERE x.a % 9973 = 0 ORDER BY 1;
SELECT substr(b,1,12), sum(c) FROM t GROUP BY substr(b,1,12) ORDER BY 2 DESC LIMIT 3;
PRAGMA integrity_check;
"""

CXX = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>
int main()
{
	std::map<std::string, std::vector<int>> places;
	int line = 0;
	for (std::string word; std::cin >> word; line++)
		places[word].push_back(line);
	std::function<bool(int)> is_odd = [](int n) { return n % 2; };
	for (auto &entry : places)
		std::cout << entry.first << std::count_if(entry.second.begin(), entry.second.end(), is_odd);
}
"""

JSON = """
import json, re, sys
rows = [{"number": i, "name": str(i) * 3, "parts": [{"n": k} for k in range(i % 5)]} for i in range(20000)]
text = json.dumps(rows, indent=1)
assert json.loads(text) == rows
print(len(text), sum(row["number"] for row in rows), len(re.findall("parts", text)))
try:
    json.loads(text[:-1])
except ValueError as error:
    print(error)
sys.exit(3)
"""


class Programs(MemtraceTest):
    @needs("sqlite3")
    def test_sqlite3_bulk_insert_index_and_query(self):
        script = self.directory / "bulk.sql"
        script.write_text(BULK)
        database = self.directory / "bulk.db"
        contents = []

        def forget():
            for path in self.directory.glob("bulk.db*"):
                contents.append(path.read_bytes())
                path.unlink()

        bare = run("sqlite3", "-batch", "-init", script, database, ".quit", cwd=self.directory)
        self.assertIn(b"\nok\n", bare.stdout)
        forget()
        traced = self.record("sqlite3", "-batch", "-init", script, database, ".quit")
        forget()
        self.assertEqual((traced.returncode, traced.stdout, traced.stderr), (0, bare.stdout, bare.stderr))
        self.assertEqual(len(contents), 2)
        self.assertEqual(contents[0], contents[1])
        summary = self.summary()
        self.assertTrue(summary["complete"])
        self.assertEqual(summary["anomalies"], 0)
        self.assertGreater(summary["allocations"], 100_000)

    @needs("git")
    def test_git_log_stat(self):
        repository = SOURCE
        if run("git", "-C", SOURCE, "-c", "safe.directory=*", "rev-parse", "--git-dir").returncode != 0:
            repository = self.directory / "repository"
            make_repository(repository, 300)
        summary = self.assert_same_behaviour("git", "-C", repository, "-c", "safe.directory=*", "--no-pager", "log",
                                             "--stat", "-C")
        self.assertGreater(summary["allocations"], 1000)

    @needs("gcc")
    def test_cc1_on_a_large_file(self):
        """The sum of 700 terms in its main makes recursions deeper than a trace is long."""
        cc1 = compiler_proper("cc1")
        if not cc1:
            self.skipTest("gcc has no cc1 of its own")
        source = self.directory / "source.c"
        write_c_source(source, 700)
        summary = self.assert_same_behaviour(cc1, "-quiet", "-O2", source, "-o", "/dev/stdout")
        self.assertGreater(summary["allocations"], 2_000_000)

    @needs("g++")
    def test_cxx_compiler_with_its_children(self):
        source = self.directory / "source.cpp"
        source.write_text(CXX)
        (self.directory / "broken.cpp").write_text(CXX + "int f() { return undeclared; }\n")
        summary = self.assert_same_behaviour("g++", "-O1", "-S", "-o", "-", source)
        self.assertEqual(len(summary["processes"]), 2)
        self.assert_same_behaviour("g++", "-c", "broken.cpp", "-o", "broken.o")

    def test_python_with_json_work(self):
        for environment in ({}, {"PYTHONMALLOC": "malloc"}):
            summary = self.assert_same_behaviour("/usr/bin/python3", "-S", "-c", JSON, env=environment)
            self.assertEqual(summary["exit"], {"status": 3, "signal": None})
            self.assertGreater(summary["peak_bytes"], 1_000_000)


COMMANDS = [
    ("set", "name", "value " * 100), ("get", "name"), ("append", "name", "more"), ("strlen", "name"),
    ("rpush", "list", *map(str, range(500))), ("lrange", "list", "0", "-1"), ("sort", "list", "desc", "limit", "0", "9"),
    ("hset", "hash", "a", "1", "b", "2"), ("hgetall", "hash"), ("sadd", "set", "x", "y", "x"),
    ("eval", "local t = {} for i = 1, 1000 do t[i] = i * 3 end return t[999]", "0"),
    ("incr", "name"), ("nonsense",), ("flushall",), ("dbsize",),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis(MemtraceTest):
    def serve(self, *prefix):
        """The replies of a server to COMMANDS after a benchmark, and its status."""
        port = free_port()
        command = [*prefix, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--io-threads", "2"]
        server = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.directory)
        try:
            for _ in range(600):
                if run("redis-cli", "-p", port, "ping").stdout.strip() == b"PONG":
                    break
                self.assertIsNone(server.poll(), "the server ended")
                time.sleep(0.05)
            load = run("redis-benchmark", "-p", port, "-n", "20000", "-c", "20", "-q", "-t", "set,get,lpush,lpop,mset")
            self.assertEqual(load.returncode, 0, load.stderr)
            self.assertEqual(load.stdout.count(b"requests per second"), 5)
            replies = [run("redis-cli", "-p", port, *words) for words in COMMANDS]
            run("redis-cli", "-p", port, "shutdown", "nosave")
            status = server.wait(timeout=60)
            return [(reply.stdout, reply.returncode) for reply in replies], status
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()

    @needs("redis-server", "redis-benchmark")
    def test_redis_server_under_its_benchmark(self):
        bare = self.serve()
        traced = self.serve(MEMTRACE, "run", "-q", "-o", self.log, "--")
        self.assertEqual(traced, bare)
        self.assertEqual(traced[1], 0)
        summary = self.summary()
        self.assertTrue(summary["complete"], summary["incomplete_reason"])
        self.assertEqual(summary["anomalies"], 0)
        self.assertGreaterEqual(summary["threads"], 4)
        self.assertGreater(summary["allocations"], 20_000)
