#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Checks installed programs for leaks, as they are and with leaks injected, as a Markdown table:

    check_programs.py MEMTRACE INJECT_LIBRARY [--valgrind] [GROUP...]

A clean program must pass with nothing suppressed but what memtrace has built in. What fails is run
under valgrind's memcheck too, which must find definitely lost blocks as well; with --valgrind all
are. (perl, gcc and gdb don't allocate quite the same in two runs.) Then leaks are injected by a preloaded library (tests/e2e/programs/inject_leak.c), and each of
them must be found. Exits with 1 if memtrace was wrong in a case.
"""

import json
import mmap
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

TIMEOUT_S = 120
INJECTED_BYTES = 4242

# {group: commands}; a command is for sh if it has one of |<>;&, and goes without it otherwise.
GROUPS = {
    "coreutils": [
        "ls -la /usr/bin", "ls -lR --color=always /etc/apt", "cat /etc/passwd", "cp /etc/passwd copy", "mv copy moved",
        "sort -k2 /etc/services", "sort --parallel=4 -n /etc/services", "uniq -c /etc/services", "wc /etc/services",
        "cut -d: -f1,3 /etc/passwd", "paste /etc/passwd /etc/group", "join /etc/passwd /etc/passwd", "tr a-z A-Z",
        "head -c 1000 /etc/services", "tail -n 5 /etc/services", "tac /etc/services", "nl /etc/services",
        "fold -w 20 /etc/services", "fmt /etc/services", "pr /etc/services", "od -x /etc/passwd",
        "md5sum /etc/services", "sha256sum /etc/services", "sha512sum /etc/services", "b2sum /etc/services",
        "cksum /etc/services", "sum /etc/services", "base64 /etc/services", "base32 /etc/services",
        "comm /etc/passwd /etc/group", "csplit -f part /etc/services 10", "split -l 50 /etc/services", "date", "df",
        "du -sh /etc/apt", "echo text", "printf %s text", "seq 1000", "factor 123456789", "expr 3 + 4", "env",
        "printenv", "id", "groups", "whoami", "hostid", "uname -a", "pwd", "readlink -f /bin", "realpath /bin/ls",
        "stat /etc/passwd", "basename /a/b", "dirname /a/b", "mkdir -p a/b/c", "rmdir a/b/c", "touch file",
        "ln -s file link", "rm -rf link", "chmod 600 file", "chown root file", "truncate -s 1000 file",
        "dd if=/etc/services of=copied bs=512", "install file installed", "mktemp -u", "nproc", "numfmt 12345", "ptx /etc/passwd",
        "shuf -n 5 /etc/services", "shred -u installed", "tee teed", "test -f file", "[ -f file ]", "timeout 5 true",
        "true", "tsort", "tty", "unexpand /etc/services", "expand /etc/services", "vdir /etc/apt",
        "dir /etc/apt", "yes --version", "nice true", "nohup true", "stdbuf -o0 true", "sync file", "who", "users",
        "arch", "link file linked", "unlink linked", "mkfifo pipe", "pathchk file", "sleep 0", "logname --version",
    ],
    "shells": [
        "bash -c 'for i in 1 2 3; do x=$(echo $i); a[$i]=$x; done; declare -A m; m[k]=v; echo ${m[@]}'",
        "bash -c 'f() { local y=$1; echo ${y^^}; }; f text; case x in a*) ;; *) echo other;; esac'",
        "dash -c 'for i in 1 2 3; do x=$(echo $i); done; echo $x'", "perl -e 'my %h = map { $_ => [$_] } 1..1000; print scalar keys %h'",
        "perl -MData::Dumper -e 'print Dumper([map { {a => $_} } 1..50])'", "awk 'BEGIN { for (i = 0; i < 999; i++) a[i] = i; print length(a) }'",
        "sed s/a/b/g /etc/services", "grep -E '^[a-z]+ +[0-9]+' /etc/services", "find /etc/apt -name '*.conf'", "tclsh script.tcl",
    ],
    "languages": [
        "python3 -c 'import json, re, collections; print(len(json.dumps({str(i): [i] * 10 for i in range(1000)})))'",
        "python3 -S -c 'import threading; t = [threading.Thread(target=print) for _ in range(8)]; [x.start() for x in t]; [x.join() for x in t]'",
        "/usr/bin/python3 -c 'import sqlite3, ssl, hashlib; print(hashlib.md5(b\"\").hexdigest())'",
        "node -e 'console.log(JSON.stringify([...Array(1000).keys()]).length)'",
    ],
    "tools": [
        "git init -q repository", "git -C repository status", "git -C repository log", "git --no-pager config -l",
        "make -f makefile", "gcc -c program.c -o program.o", "gcc program.c -o program", "g++ -O2 -c program.cpp -o programcpp.o", "ld -v",
        "as program.s -o assembled.o", "objdump -d program.o", "readelf -a program.o", "nm program.o", "strings /bin/true", "ar rcs lib.a program.o",
        "sqlite3 data.db 'create table t(a,b); insert into t values(1,2),(3,4); select * from t; create index i on t(b); drop table t;'",
        "openssl dgst -sha256 /etc/services", "openssl genrsa -out key.pem 1024", "openssl enc -aes-128-cbc -k x -pbkdf2 -in /etc/services -out encrypted",
        "openssl req -x509 -key key.pem -subj /CN=x -out certificate.pem", "openssl x509 -in certificate.pem -noout -text",
        "curl -s file:///etc/services", "curl --version", "tar cf archive.tar /etc/apt", "tar czf archive.tgz /etc/apt", "tar tf archive.tar",
        "gzip -k -f moved", "xz -k -f moved", "xz -T2 -k -f -c moved", "zstd -q -f moved", "bzip2 -k -f moved", "diff /etc/passwd /etc/group", "patch --version",
        "file /bin/true", "jq -n '[range(100)] | map({a: .})'", "xmllint --noout page.xml", "dpkg -l", "dpkg -L bash", "apt-cache show bash", "gpg --version",
        "ps aux", "redis-cli --version", "redis-server --version", "vim --version", "cmake --version", "ninja --version", "wget --version", "psql --version",
    ],
    "glib": ["gio list /etc/apt", "gio info /etc/passwd", "gdbus --help", "glib-compile-schemas --strict schemas", "gapplication help", "gresource help"],
    "threads": ["./threads"],
}

FILES = {
    "script.tcl": "set l {}\nfor {set i 0} {$i < 1000} {incr i} {lappend l $i}\nputs [llength $l]\n",
    "makefile": "all: one two\none two:\n\t@echo $@\n",
    "program.c": "#include <stdio.h>\nint main(void) { puts(\"x\"); return 0; }\n",
    "program.cpp": "#include <map>\n#include <string>\nint f(std::map<int, std::string> &m) { m[1] = \"x\"; return m.size(); }\n",
    "program.s": ".globl f\nf:\n\tret\n",
    "page.xml": "<a><b c='d'>text</b></a>\n",
    "threads.cpp": """
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
static std::map<int, std::string> shared;
static std::mutex guard;
int main()
{
	std::vector<std::thread> all;
	for (int i = 0; i < 16; i++)
		all.emplace_back([i] {
			for (int k = 0; k < 1000; k++) {
				std::lock_guard<std::mutex> lock(guard);
				shared[i * 1000 + k] = std::string(k % 100, 'x');
				if (k % 3 == 0)
					shared.erase(i * 1000 + k / 2);
			}
		});
	for (auto &thread : all)
		thread.join();
	auto result = std::async(std::launch::async, [] { return shared.size(); });
	try { throw std::string(100, 'e'); } catch (const std::string &) {}
	return result.get() == 0;
}
""",
}


def prepare(folder):
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "schemas").mkdir()
    subprocess.run(["g++", "-O1", "-pthread", "threads.cpp", "-o", "threads"], cwd=folder, check=True)


def words_of(text):
    return ["sh", "-c", text] if re.search(r"(?<!')[|<>]", re.sub(r"'[^']*'", "", text)) else shlex.split(text)


class Checker:
    def __init__(self, memtrace, library, folder):
        self.memtrace, self.library, self.folder = memtrace, library, folder
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder),
                            "DEBUGINFOD_URLS": ""}

    def check(self, words, **environment):
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run([self.memtrace, "check", "--json", f"--report={report}", "--", *words],
                              cwd=self.folder, env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=TIMEOUT_S)
        for log in self.folder.glob("memtrace-check.*.mtlog"):
            log.unlink()
        return done.returncode, json.loads(report.read_text()) if report.exists() else None

    def injected(self, words):
        """(found, injected) blocks. Those of a process that became another program by exec are given back."""
        counter = self.folder / "counter"
        counter.write_bytes(bytes(4096))
        _, report = self.check(["env", f"LD_PRELOAD={self.library}", f"INJECT_COUNTER={counter}", *words])
        count = int.from_bytes(counter.read_bytes()[:4], "little")
        found = replaced = 0
        for leak in report["leaks"] if report else []:
            if leak["bytes"] != leak["blocks"] * INJECTED_BYTES:
                continue
            if leak["kind"] == "definite":
                found += leak["blocks"]
            elif leak["replaced_by_exec"]:
                replaced += leak["blocks"]
        return found, count - replaced, report["verdict"]["outcome"] if report else "none"

    def memcheck(self, words):
        """Definitely lost bytes and blocks over all processes; None: it takes too long."""
        logs = self.folder / "valgrind"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        try:
            subprocess.run(["valgrind", "--leak-check=full", "--trace-children=yes", f"--log-file={logs}/%p.log",
                            *words], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return None
        sums = [0, 0]
        for log in logs.iterdir():
            for found in re.findall(r"definitely lost: ([\d,]+) bytes in ([\d,]+) blocks", log.read_text(errors="replace"))[-1:]:
                sums = [total + int(part.replace(",", "")) for total, part in zip(sums, found)]
        return tuple(sums)


def examine(checker, words, wants_valgrind):
    """(cells, is good)"""
    status, report = checker.check(words)
    if report is None:
        return [f"status {status}", "", ""], False
    lost = report["kinds"]["definite"]
    ours = (lost["bytes"], lost["blocks"])
    outcome = report["verdict"]["outcome"]
    cell = outcome if ours == (0, 0) else f"{ours[0]:,} in {ours[1]:,}"
    theirs = checker.memcheck(words) if outcome != "passed" or wants_valgrind else None
    their_cell = "too slow" if theirs is None and outcome != "passed" else "" if theirs is None else "passed" if theirs == (0, 0) else f"{theirs[0]:,} in {theirs[1]:,}"
    found, injected, injected_outcome = checker.injected(words)
    is_found = found == injected and injected > 0 and injected_outcome == "failed"
    is_good = outcome == "passed" or (ours != (0, 0) and theirs != (0, 0))
    return [cell, their_cell, f"{found} of {injected}"], is_good and is_found


def main():
    arguments = [argument for argument in sys.argv[3:] if argument != "--valgrind"]
    memtrace, library = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:3])
    totals = {}
    bad = 0
    print("| program | memtrace | valgrind | injected leaks found | |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="memtrace-programs-") as name:
        folder = pathlib.Path(name)
        prepare(folder)
        checker = Checker(memtrace, library, folder)
        for group in arguments or GROUPS:
            for text in GROUPS[group]:
                words = words_of(text)
                if not shutil.which(words[0], path=f"{os.environ['PATH']}:{folder}"):
                    continue
                cells, is_good = examine(checker, words, "--valgrind" in sys.argv)
                total = totals.setdefault(group, [0, 0])
                total[0] += 1
                total[1] += is_good
                bad += not is_good
                if not is_good or cells[0] != "passed" or "--all" in sys.argv:
                    print("| " + " | ".join([f"`{text}`", *cells, "" if is_good else "**wrong**"]) + " |", flush=True)
    for group, (count, good) in totals.items():
        print(f"\n{group}: {good} of {count} as they should be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
