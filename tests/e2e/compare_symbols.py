#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares our frames with those of eu-addr2line, addr2line and gdb on sampled return addresses.

    MEMTRACE_BUILD=BUILD tests/e2e/compare_symbols.py [--count=10000] [--seed=1] [FILE...]

Without files: clang and its libraries, cc1plus, python3.11, libc, and a program of C++ that is built
here with gcc and clang, with its debug information in all the ways that it can be stored.

An address agrees if all its frames (function, file, line, inlined ones included) are those of
eu-addr2line -i -f -C. If not, they have to be those of addr2line, or of gdb: eu-addr2line knows
nothing of what clang compiled (no .debug_aranges), looks inlined frames up at the start of the line,
and leaves out namespaces; symbolizer.c says more. gdb is compared by the names of the functions of
all frames, without parameters, and by file and line of the innermost, or eu-addr2line's: gdb takes the
line of the last statement's beginning (is_stmt), the other two and we that of the instruction. What is
left is printed, and makes the status 1.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

from test_symbols import UNKNOWN, ask, build_id, normal, resolve, sh

WINDOW = 24 << 10
ADDRESSES_PER_WINDOW = 60

GDB = r"""
import gdb, json, sys
def frames(address):
    names, block = [], gdb.block_for_pc(address)
    while block is not None and not block.is_global and not block.is_static:
        if block.function is not None:
            names.append(block.function.name)
        block = block.superblock
    place = gdb.find_pc_line(address)
    return names, place.symtab.fullname() if place.symtab else "?", place.line
found = {}
for line in open(gdb.convenience_variable("wanted").string()):
    address = int(line, 16)
    try:
        found[address] = frames(address)
    except (gdb.error, RuntimeError):
        pass
json.dump(found, open(gdb.convenience_variable("answer").string(), "w"))
"""

PROGRAM = r"""
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>
namespace {
struct Shape {
	virtual ~Shape() {}
	virtual std::string text(int count) const = 0;
};
template <class T> struct Kind : Shape {
	std::map<T, std::vector<std::string>> items;
	std::string text(int count) const override
	{
		std::ostringstream out;
		for (auto &item : items)
			for (auto &word : item.second)
				out << count << word << std::hex << item.first;
		return out.str();
	}
};
}
template <class... Parts> static std::string join(Parts &&...parts)
{
	std::ostringstream out;
	((out << parts << ' '), ...);
	return out.str();
}
int main(int count, char **arguments)
{
	std::vector<std::string> words(arguments, arguments + count);
	std::unordered_map<std::string, std::function<std::string(int)>> functions;
	std::variant<int, std::string, double> either = words[0];
	std::regex expression(words[0]);
	std::smatch match;
	Kind<int> numbers;
	Kind<std::string> names;
	std::mt19937 random(std::chrono::steady_clock::now().time_since_epoch().count());
	functions["a"] = [&](int n) { return words[n % words.size()] + join(n, words.size()); };
	functions["b"] = [&](int n) { return numbers.text(n) + names.text(n); };
	for (auto &entry : std::filesystem::recursive_directory_iterator("."))
		names.items[entry.path().string()].push_back(entry.path().filename());
	std::shuffle(words.begin(), words.end(), random);
	std::stable_sort(words.begin(), words.end(), [](auto &a, auto &b) { return b < a; });
	if (std::regex_search(words[0], match, expression))
		std::cout << match.str() << std::regex_replace(words[0], expression, "x");
	std::visit([](auto &value) { std::cout << value; }, either);
	for (auto &function : functions)
		std::cout << function.first << function.second(count);
	Shape *shape = new Kind<double>;
	std::cout << shape->text(3);
	delete shape;
	return 0;
}
"""


def text_ranges(path):
    """(address, size) of the sections with code."""
    ranges = re.findall(r"\] \.(?:text\S*|plt\S*|init|fini)\s+PROGBITS\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)",
                        sh("readelf", "-SW", path))
    return [(int(address, 16), int(size, 16)) for address, size in ranges if int(size, 16) > 64]


def calls_in(path, start, end):
    """Return addresses behind calls; a window may begin within an instruction, so some are left out."""
    text = sh("objdump", "-d", "--no-show-raw-insn", f"--start-address={start}", f"--stop-address={end}", path)
    lines = re.findall(r"^ *([0-9a-f]+):\s+(.*)", text, re.M)
    return [int(after[0], 16) for before, after in zip(lines[8:], lines[9:])
            if re.match(r"(bnd |notrack )*call", before[1])]


def sample(path, count, rng):
    ranges = text_ranges(path)
    whole = sum(size for _, size in ranges)
    if whole < 4 << 20:
        found = [a for address, size in ranges for a in calls_in(path, address, address + size)]
    else:
        found = []
        while len(found) < count * 1.2:
            address, size = rng.choices(ranges, [size for _, size in ranges])[0]
            start = address + rng.randrange(max(1, size - WINDOW))
            window = calls_in(path, start, start + WINDOW)
            found += rng.sample(window, min(len(window), ADDRESSES_PER_WINDOW))
    found = sorted(set(found))
    return sorted(rng.sample(found, min(count, len(found))))


def ask_gdb(path, addresses, directory):
    """address -> (functions, file, line)."""
    files = {name: pathlib.Path(directory) / f"gdb-{name}" for name in ("wanted", "answer", "script.py")}
    files["wanted"].write_text("".join(f"{a - 1:x}\n" for a in addresses))
    files["script.py"].write_text(GDB)
    files["answer"].unlink(missing_ok=True)
    subprocess.run(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", path,
                    "-ex", f"set $wanted = \"{files['wanted']}\"", "-ex", f"set $answer = \"{files['answer']}\"",
                    "-x", files["script.py"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1200,
                   env={**os.environ, "DEBUGINFOD_URLS": ""}, check=False)
    return {int(a) + 1: (names, name, line) for a, (names, name, line) in json.loads(files["answer"].read_text()).items()}


def plain(name):
    """A function's name without namespaces, template arguments, parameters and clone marks."""
    name = re.sub(r" \[clone [^\]]*\]| \[[^\]]*\]$", "", name)
    name = name.replace("(anonymous namespace)", "anonymous")
    name = re.sub(r"operator\(\)", "operator_call", name)
    name = re.sub(r"operator ?(<=>|<<=|>>=|<<|>>|<=|>=|->\*|->|<|>)", "operator_angle", name)
    depth, kept = 0, []
    for character in name:
        if character in "<({[":
            depth += 1
        elif character in ">)}]":
            depth -= 1
        elif depth == 0:
            kept.append(character)
    name = re.sub(r"\b(const|volatile|&|&&)\s*$", "", "".join(kept).strip()).strip()
    name = re.split(r"::", name)[-1]
    return name if name.startswith("operator") else name.split(" ")[-1].split("@")[0]


def has_functions_of_gdb(frames, of_gdb):
    ours = [plain(frame[0]) for frame in frames if frame[0] != "?"]
    theirs = [plain(name) for name in of_gdb[0] if name]
    return ours == theirs[:len(ours)]  # it goes on to functions that a lambda is written in


def has_line_of_gdb(frames, of_gdb):
    return of_gdb[2] == 0 or (os.path.basename(frames[0][1]), frames[0][2]) == (os.path.basename(of_gdb[1]), of_gdb[2])


def is_same_with_scopes(frames, of_elfutils):
    """The same but for namespaces, classes and parameters, which eu-addr2line has of linkage names only."""
    return len(frames) == len(of_elfutils or []) and all(
        ours[1:] == theirs[1:] and plain(ours[0]) == plain(theirs[0]) for ours, theirs in zip(frames, of_elfutils))


class Comparison:
    def __init__(self, count, seed):
        self.count, self.rng = count, random.Random(seed)
        self.directory = tempfile.mkdtemp(prefix="memtrace-compare-")
        self.failed = False

    def compare(self, label, path, options=()):
        addresses = sample(path, self.count, self.rng)
        result = resolve(path, addresses, *options)
        ours = {a: normal(result.frames[a] or [UNKNOWN]) for a in addresses}
        of_elfutils = {a: normal(frames) for a, frames in ask("eu-addr2line", path, addresses).items()}
        tally, left = collections.Counter(), [a for a in addresses if ours[a] != of_elfutils.get(a)]
        tally["eu-addr2line"] = len(addresses) - len(left)
        same = [a for a in left if is_same_with_scopes(ours[a], of_elfutils.get(a))]
        tally["eu-addr2line, with namespaces and classes"] = len(same)
        left = sorted(set(left) - set(same))
        if left:
            of_binutils = {a: normal(frames) for a, frames in ask("addr2line", path, left).items()}
            same = [a for a in left if ours[a] == of_binutils.get(a)]
            tally["addr2line"] = len(same)
            left = sorted(set(left) - set(same))
        of_gdb = ask_gdb(path, addresses, self.directory)
        known = [a for a in addresses if a in of_gdb and (of_gdb[a][0] or of_gdb[a][2])]
        differing = [a for a in known if not has_functions_of_gdb(ours[a], of_gdb[a])]
        lines = sum(has_line_of_gdb(ours[a], of_gdb[a]) for a in known)
        rescued = [a for a in left if a in known and a not in differing and
                   (has_line_of_gdb(ours[a], of_gdb[a]) or ours[a][0][1:] == of_elfutils[a][0][1:])]
        tally["gdb alone"] = len(rescued)
        left = sorted(set(left) - set(rescued))
        print(f"{label}: {len(addresses)} addresses, {sum(len(f) for f in ours.values())} frames, "
              f"quality {result.quality}: " + ", ".join(f"{n} as {tool}" for tool, n in tally.items() if n) +
              f", {len(left)} unlike all; of {len(known)} that gdb has debug information of, "
              f"{len(known) - len(differing)} have its functions and {lines} its line", flush=True)
        for a in left[:10]:
            self.failed = True
            print(f"  {a:#x}\n    ours  {ours[a]}\n    eu    {of_elfutils.get(a)}\n    gdb   {of_gdb.get(a)}")
        for a in [a for a in differing if a not in left][:3]:
            print(f"  {a:#x} with other functions in gdb\n    ours  {ours[a]}\n    gdb   {of_gdb[a]}")
        self.failed |= bool(left)
        return addresses, result

    def compare_variant(self, label, addresses, expected, path, *options):
        result = resolve(path, addresses, *options)
        differing = [a for a in addresses if result.frames[a] != expected.frames[a]]
        print(f"{label}: {len(addresses)} addresses, {len(differing)} unlike the program as it was built", flush=True)
        self.failed |= bool(differing)

    def build(self, name, compiler, *flags):
        path = pathlib.Path(self.directory) / name
        sh(compiler, "-std=c++17", "-O2", "-Wl,--build-id=sha1", *flags, "program.cpp", "-o", path, cwd=self.directory)
        return path

    def compare_program(self, compilers=("g++", "clang++"), versions=("-gdwarf-5", "-gdwarf-4")):
        (pathlib.Path(self.directory) / "program.cpp").write_text(PROGRAM)
        for compiler in compilers:
            for version in versions:
                if not shutil.which(compiler):
                    continue
                path = self.build("program", compiler, version)
                name = f"program ({compiler} {version})"
                addresses, expected = self.compare(name, path)
                self.compare_variants(name, path, addresses, expected)
                split = self.build("split", compiler, version, "-gsplit-dwarf")
                if len(sh("readelf", "-SW", split)) and sample(split, 10 ** 9, random.Random(0)) == \
                        sample(path, 10 ** 9, random.Random(0)):
                    self.compare_variant(f"{name} split", addresses, expected, split)

    def compare_variants(self, name, path, addresses, expected):
        directory = pathlib.Path(self.directory)
        identity = build_id(path)
        place = directory / "debug" / ".build-id" / identity[:2]
        place.mkdir(parents=True, exist_ok=True)
        debug, stripped = place / (identity[2:] + ".debug"), directory / "stripped"
        for kind, flags in (("plain", ()), ("compressed", ("--compress-debug-sections=zlib",))):
            sh("objcopy", "--only-keep-debug", *flags, path, debug)
            shutil.copy(path, stripped)
            sh("strip", stripped)
            self.compare_variant(f"{name} by build-id, {kind}", addresses, expected, stripped, "--debug-path",
                                 directory / "debug")
        debug.rename(directory / "stripped.debug")
        sh("objcopy", f"--add-gnu-debuglink={directory / 'stripped.debug'}", stripped)
        self.compare_variant(f"{name} by debuglink", addresses, expected, stripped)
        root = directory / "root" / str(directory).lstrip("/")
        root.mkdir(parents=True, exist_ok=True)
        shutil.move(stripped, root / "stripped")
        shutil.move(directory / "stripped.debug", root / "stripped.debug")
        self.compare_variant(f"{name} in a sysroot", addresses, expected, stripped, "--sysroot", directory / "root")


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def default_files():
    clang = shutil.which("clang")
    files = [sh("gcc", "-print-prog-name=cc1plus").strip(), shutil.which("python3.11", path="/usr/bin"),
             shutil.which("python3"), clang]
    if clang:
        files += re.findall(r"=> (\S+lib(?:LLVM|clang)\S+)", sh("ldd", clang))
    if shutil.which("python3"):
        files += re.findall(r"=> (\S+libpython\S+)", sh("ldd", os.path.realpath(sh(
            "python3", "-c", "import sys; print(sys.executable)").strip())))
    files += re.findall(r"=> (\S+libc\.so\.6)", sh("ldd", "/bin/true"))
    files = [os.path.realpath(f) for f in dict.fromkeys(files) if f and os.path.exists(f)]
    return [f for f in files if is_elf(f)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    comparison = Comparison(arguments.count, arguments.seed)
    try:
        for path in arguments.files or default_files():
            comparison.compare(path, path)
        if not arguments.files:
            comparison.compare_program()
    finally:
        shutil.rmtree(comparison.directory)
    sys.exit(comparison.failed)


if __name__ == "__main__":
    main()
