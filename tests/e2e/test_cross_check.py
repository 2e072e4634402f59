# SPDX-License-Identifier: LGPL-2.1-or-later
"""The unwinder beside libunwind, on every trace of real programs and of this directory's.

MEMTRACE_CROSS_CHECK compares each trace with a plain walk and with libunwind's steps. The programs
do little work here; set MEMTRACE_TEST_LONG to let them do more.
"""

import os
import pathlib
import unittest

from support import PROGRAMS, MemtraceTest, needs, program, run

IS_LONG = "MEMTRACE_TEST_LONG" in os.environ

# Programs of other tests that end normally, and how they are called.
OWN_PROGRAMS = (
    ("allocator_calls",), ("call_sites",), ("call_sites_cxx",), ("deep_stacks",), ("entry_points",), ("environment", "too"),
    ("extras",), ("leak_cases_cxx", "leave"), ("many_nodes", "3000"), ("many_stacks", "3000"), ("mappings",),
    ("mappings_threads", "2", "50"), ("names_found",), ("operators",), ("pairs", "2000"), ("pool",), ("pool_cxx",),
    ("pool_no_pie",), ("steady", "50", "0"), ("thread_names",), ("threads_exchange", "4", "1000"), ("tree",), ("unseen",),
    ("use_own_allocator",), ("verdicts",), ("ways_left",), ("hazards/closes_everything",), ("hazards/coroutines",),
    ("hazards/looks_around",), ("hazards/many_threads", "4", "20"), ("hazards/missing_symbols",),
    ("hazards/much_address_space",), ("hazards/new_processes",), ("hazards/raw_clone",), ("hazards/replaces_environment",),
    ("hazards/thread_endings",), ("hazards/unmaps_nonsense",),
)
NEED_TIME = (("exceptions",), ("hazards/handlers",), ("hazards/fork_with_threads",), ("size_mix", "2"),
             ("leak_cases", "kinds"), ("hazards/signal_storm", "allocates alternate", "/dev/null"))

CXX_SOURCE = """
#include <algorithm>
#include <map>
#include <regex>
#include <string>
int main() { std::map<std::string, std::regex> all; return std::regex_match("aaa", all["a"]); }
"""
C_SOURCE = "".join(f"struct s{i} {{ int a[{i + 1}]; }}; int f{i}(struct s{i} *s) {{ return s->a[{i}] + {i}; }}\n" for i in range(300 if IS_LONG else 30))

PYTHON = """
import json, re, threading
def work():
    for i in range(%d):
        re.compile(f"a{i}|b*")
        json.loads(json.dumps({str(n): [n] * 20 for n in range(9)}))
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""" % (60 if IS_LONG else 5)
PERL = 'my %h; $h{$_} = [$_, "x$_"] for 1..2000; eval { die {a => $_} } for 1..50; print scalar(keys %h), "\\n"'
SQL = ("create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<1000) "
       "insert into t select x,hex(x) from c; create index i on t(b); select count(*),max(b) from t group by a%7;")
JAVASCRIPT = "let a = []; for (let i = 0; i < 2000; i++) a.push({i, s: String(i)}); console.log(JSON.stringify(a).length)"


class CrossCheck(MemtraceTest):
    def check(self, *command, at_least=1, guessed_share=0.01, status=None):
        self.log.unlink(missing_ok=True)
        done = self.record(*command, options=["--no-symbols"], timeout=600,
                           env={**os.environ, "MEMTRACE_CROSS_CHECK": "1", "PYTHONMALLOC": "malloc"})
        if status is not None:
            self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn(b"stack traces differ", done.stderr)
        checks = self.summary()["cross_check"]
        self.assertEqual(checks["differing"], 0)
        self.assertGreaterEqual(checks["checked"], at_least)
        self.assertLessEqual(checks["guessed"], guessed_share * checks["checked"])
        if IS_LONG:
            print("#", pathlib.Path(str(command[0])).name, self.summary()["threads"], "threads", checks)

    def test_programs_of_other_tests(self):
        for command, *arguments in OWN_PROGRAMS + (NEED_TIME if IS_LONG else ()):
            with self.subTest(program=command):
                self.check(program(command), *arguments, at_least=0)

    def test_libraries_at_one_address(self):
        libraries = [PROGRAMS / f"liblibrary_{name}.so" for name in ("first", "second")]
        self.check(program("same_address"), *libraries, at_least=2)

    def test_python(self):
        self.check("/usr/bin/python3", "-c", PYTHON, at_least=2000, status=0)

    @needs("g++")
    def test_compilers(self):
        source = self.directory / "source.c"
        source.write_text(C_SOURCE)
        self.check("gcc", "-O1", "-c", "-o", "/dev/null", source, at_least=1000, status=0)
        if IS_LONG:
            source = self.directory / "source.cpp"
            source.write_text(CXX_SOURCE)
        else:
            source = self.directory / "short.cpp"
            source.write_text("template <class T> struct a { T t; a() { throw t; } }; int main() { a<int> b; }")
        self.check("g++", "-c", "-o", "/dev/null", source, at_least=1000, status=0)

    @needs("clang")
    def test_clang(self):
        source = self.directory / "source.c"
        source.write_text(C_SOURCE if IS_LONG else "int main(void) { return 0; }")
        self.check("clang", "-O1", "-c", "-o", "/dev/null", source, at_least=1000, status=0)

    @needs("sqlite3")
    def test_sqlite(self):
        self.check("sqlite3", ":memory:", SQL, at_least=1000, status=0)

    @needs("perl")
    def test_perl(self):
        self.check("perl", "-e", PERL, at_least=3000, status=0)

    @needs("git")
    def test_git(self):
        repository = self.directory / "repository"
        run("git", "init", "-q", repository)
        for number in range(5):
            (repository / f"file{number}").write_text("line\n" * number * 100)
            run("git", "-C", repository, "add", ".")
            run("git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
        self.check("git", "-C", repository, "log", "--stat", "-p", at_least=500, status=0)

    @unittest.skipUnless(IS_LONG, "takes long: set MEMTRACE_TEST_LONG")
    @needs("gdb")
    def test_gdb(self):
        self.check("gdb", "-q", "-nx", "-batch", "-ex", "info line main", program("call_sites"), at_least=3000, status=0)

    @unittest.skipUnless(IS_LONG, "takes long: set MEMTRACE_TEST_LONG")
    @needs("node")
    def test_node(self):
        """Machine code of its own: those frames are guessed."""
        self.check("node", "-e", JAVASCRIPT, at_least=3000, guessed_share=1, status=0)


if __name__ == "__main__":
    unittest.main()
