# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of addresses, in every kind of file that has them.

Small programs are built in all the ways that debug information can be stored. Each return address
in them is looked up by us, by eu-addr2line and by addr2line; the frames have to be the same. Where
those tools differ, the test says why one of them is right.
"""

import http.server
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

from support import BUILD, needs

DRIVER = os.environ.get("MEMTRACE_SYMBOLIZE_ADDRESSES",
                        str(BUILD / "tests" / "support" / "symbolize_addresses"))

FULL, SYMBOLS, EXPORTED, NONE, MISMATCH, MISSING = range(6)

UNKNOWN = ("?", "?", 0)

LIBRARY = r"""
#include <stdlib.h>
#include "library.h"
static char *keep(char *block) { __asm__ volatile("" : "+r"(block)); return block; }
static __attribute__((noinline)) char *local_function(size_t size)
{
	char *block = keep(malloc(size));
	return block;
}
static inline __attribute__((always_inline)) char *inner(size_t size)
{
	return keep(malloc(size + 1));
}
static inline __attribute__((always_inline)) char *middle(size_t size)
{
	char *block = inner(size);
	block[0] = 1;
	return keep(block);
}
char *exported_function(size_t size)
{
	char *block = local_function(size);
	for (size_t i = 0; i < size; i++)
		if (block[i] == 'x')
			free(middle(i));
	free(block);
	return middle(size * 2);
}
"""

HEADER = r"""
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
char *exported_function(size_t size);
static inline __attribute__((always_inline)) char *from_header(size_t size)
{
	return exported_function(size + 3);
}
#ifdef __cplusplus
}
#endif
"""

PROGRAM_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include "library.h"
__attribute__((noinline)) void *caller(int count)
{
	char *block = from_header(count);
	if (count > 3)
		free(from_header(count * 2));
	return block;
}
__attribute__((noinline)) int recursive(int count)
{
	if (count == 0)
		return puts("end");
	int result = recursive(count - 1) + 1;
	__asm__ volatile("" : "+r"(result));
	return result;
}
int main(int argc, char **argv)
{
	free(caller(argc));
	printf("%s %d\n", argv[0], recursive(argc));
	return 0;
}
"""

PROGRAM_CXX = r"""
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "library.h"
namespace shapes {
template <typename T> struct Shape {
	virtual ~Shape() {}
	__attribute__((noinline)) virtual T *grow(int count) { return new T[count](); }
};
struct Square : Shape<std::string> {
	std::vector<std::string> names;
	std::string *grow(int count) override
	{
		names.push_back(std::to_string(count));
		return Shape<std::string>::grow(count + 1);
	}
};
template <class K, class V> __attribute__((noinline)) size_t fill(std::map<K, V> &map, int count)
{
	for (int i = 0; i < count; i++)
		map[K(i)] = V(count, 'x');
	return map.size();
}
}
int main(int argc, char **argv)
{
	std::map<long, std::string> map;
	auto square = std::make_unique<shapes::Square>();
	delete[] square->grow(argc);
	exported_function(argc);
	return (int)shapes::fill(map, argc) + argv[0][0];
}
"""


PROGRAM_LAMBDAS = r"""
#include <cstdlib>
#include <string>
#include <variant>
__attribute__((noinline)) static int take(size_t size)
{
	void *block = malloc(size);
	__asm__ volatile("" : "+r"(block));
	return block != nullptr;
}
template <class F> __attribute__((noinline)) static int out_of_line(F function)
{
	return function(std::string(), 7ul) + take(1);
}
template <class... Parts> static inline int join(Parts &&...parts)
{
	return (take((size_t)parts) + ...);
}
namespace shapes {
struct Square {
	int side;
	int area(int scale)
	{
		auto outer = [this, scale](int n) mutable {
			auto inner = [&](char c) { return take(c) + n; };
			return inner('x') + take(side += scale);
		};
		return outer(3) + take(2);
	}
};
}
int main(int argc, char **argv)
{
	auto first = [&](int n) { return take(n + argc); };
	auto generic = [](auto n, const auto &m) { return take((size_t)n + m); };
	struct Local {
		int operator()(unsigned long n) { return take(n); }
	} local;
	int sum = 0;
	if (argc > 1) {
		auto in_block = [](const char *text, const std::string &other, long *place) {
			return take(text[0] + other.size() + *place);
		};
		long place = 4;
		sum += in_block(argv[0], std::string(), &place);
	}
	auto last = [](std::string &&text, unsigned long n) { return take(text.size() + n); };
	std::variant<int, long> either = argc;
	std::visit([&](auto &value) { sum += join(value, 'x') + take((size_t)value); }, either);
	shapes::Square square{argc};
	return sum + first(2) + generic(2, 'x') + local(3) + last(std::string(), 3) + out_of_line(last) +
	       square.area(2);
}
"""


PROGRAM_RUST = r"""
mod store {
    pub struct Shelf {
        pub items: Vec<Box<u64>>,
    }
    impl Shelf {
        #[inline(never)]
        pub fn add(&mut self, item: u64) {
            self.items.push(Box::new(item));
        }
    }
}
#[inline(never)]
fn generic<T: Clone + std::fmt::Debug>(value: &T) -> String {
    let copies: Vec<T> = vec![value.clone(); 10];
    format!("{:?}", copies)
}
#[inline(never)]
fn call<F: Fn(u64) -> String>(function: F) -> String {
    function(std::env::args().count() as u64)
}
fn main() {
    let mut shelf = store::Shelf { items: Vec::new() };
    let name = std::env::args().next().unwrap();
    for i in 0..10 {
        shelf.add(i);
    }
    println!("{}", generic(&(shelf.items.len() as i64)));
    println!("{}", call(|count| name.repeat(count as usize)));
}
"""


def sh(*command, **options):
    options.setdefault("timeout", 120)
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def return_addresses(path):
    """The addresses behind the call instructions of a file."""
    after_call, addresses = False, []
    for line in sh("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        match = re.match(r"^ *([0-9a-f]+):\s+(.*)", line)
        if not match:
            continue
        if after_call:
            addresses.append(int(match[1], 16))
        after_call = re.match(r"(bnd |notrack )*call", match[2]) is not None
    return addresses


def split_location(text):
    """Of "file:line" or "file:line:column", with the notes that addr2line adds."""
    match = re.match(r"^(.*?):(\d+|\?)(?::\d+)?(?: \(discriminator \d+\))?$", text)
    name, line = match[1], 0 if match[2] == "?" else int(match[2])
    # A name without a directory is not of the line table: addr2line also takes symbols of files.
    return (name, line) if "/" in name else ("?", 0)


def parse_tool(text):
    """address -> [(function, file, line)] from what addr2line -a -i -f prints."""
    found, lines, at = {}, text.splitlines(), 0
    while at < len(lines):
        if re.fullmatch(r"0x[0-9a-f]{16}", lines[at]):
            frames = found.setdefault(int(lines[at], 16) + 1, [])
            at += 1
            continue
        name = lines[at]
        if not frames:  # eu-addr2line writes "inner inlined at file:1:2 in outer" here
            name = re.split(r" inlined(?: at .*?| from .*?)? in ", name)[0]
        frames.append(("?" if name == "??" else name, *split_location(lines[at + 1])))
        at += 2
    return found


def ask(tool, path, addresses):
    """A call is before its return address; the tools have to be told so."""
    options = ["-A"] if tool == "eu-addr2line" else []
    done = subprocess.run([tool, "-a", "-i", "-f", "-C", *options, "-e", path], stdout=subprocess.PIPE, timeout=120,
                          input="".join(f"{a - 1:#x}\n" for a in addresses).encode())
    return parse_tool(done.stdout.decode())  # eu-addr2line fails if it knows nothing of the last address


class Result:
    def __init__(self, text):
        lines = text.splitlines()
        self.quality = int(lines[0])
        self.frames, self.kinds = {}, {}
        for line in lines[1:]:
            if line.startswith("@"):
                address = int(line[1:], 16)
                self.frames[address], self.kinds[address] = [], []
            else:
                function, name, number, kind = line.split("\t")
                self.frames[address].append((function, name, int(number)))
                self.kinds[address].append(kind)

    def functions(self):
        return {frame[0] for frames in self.frames.values() for frame in frames}


def resolve(path, addresses, *options, **run_options):
    return Result(sh(DRIVER, *options, path, input="".join(f"{a:x}\n" for a in addresses).encode(), **run_options))


def normal(frames):
    return [(function, os.path.normpath(name), line) for function, name, line in frames]


def build_id(path):
    return re.search(r"Build ID: ([0-9a-f]+)", sh("readelf", "-n", path))[1]


def compiles(*flags, compiler="gcc"):
    done = subprocess.run([compiler, *flags, "-x", "c", "-c", "-o", "/dev/null", "-"], input=b"int x;",
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0


class SymbolsTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="memtrace-symbols-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        for name, text in {"library.c": LIBRARY, "library.h": HEADER, "program.c": PROGRAM_C,
                           "program.cpp": PROGRAM_CXX, "lambdas.cpp": PROGRAM_LAMBDAS}.items():
            (self.directory / name).write_text(text)

    def build(self, *flags, name="program", compiler="gcc", sources=("program.c", "library.c")):
        """Compiles each source by itself, then links."""
        objects = []
        for source in sources:
            objects.append(f"{name}-{source}.o")
            of_source = {"g++": "gcc", "clang++": "clang", "gdc": "gcc"} if source.endswith(".c") else {}
            sh(of_source.get(compiler, compiler), "-c", *(f for f in flags if not f.startswith("-Wl,")), source, "-o", objects[-1],
               cwd=self.directory)
        sh(compiler, *flags, *objects, "-o", name, cwd=self.directory)
        return self.directory / name

    def assert_frames(self, path, result, expected):
        wrong = {hex(a): (result.frames[a], frames) for a, frames in expected.items()
                 if normal(result.frames[a] or [UNKNOWN]) != normal(frames)}
        self.assertEqual(wrong, {}, f"{len(wrong)} of {len(expected)} addresses of {path}")

    def assert_as_eu_addr2line(self, path, *options):
        """
        The frames of all return addresses are those of eu-addr2line. It looks up the inlined frames
        not of the address, but of the start of its line's instructions; where that is in another
        inlined call, addr2line is the judge.
        """
        addresses = return_addresses(path)
        self.assertGreater(len(addresses), 5)
        result = resolve(path, addresses, *options)
        self.assertEqual(result.quality, FULL)
        expected = ask("eu-addr2line", path, addresses)
        doubtful = [a for a in addresses if normal(result.frames[a] or [UNKNOWN]) != normal(expected[a])]
        if doubtful:
            self.assertLess(len(doubtful), 0.02 * len(addresses) + 2)
            expected.update(ask("addr2line", path, doubtful))
        self.assert_frames(path, result, expected)
        return result

    def assert_as_before(self, reference, path, *options, object_path=None):
        """The frames are those that the program had with its debug information in itself."""
        addresses = return_addresses(reference)
        expected = resolve(reference, addresses)
        result = resolve(object_path or path, addresses, *options)
        self.assertEqual((expected.quality, result.quality), (FULL, FULL))
        self.assertEqual(result.frames, expected.frames)
        self.assertEqual(result.kinds, expected.kinds)
        return result

    def assert_names(self, path, quality, known, unknown, *options, addresses=None):
        result = resolve(path, addresses or return_addresses(path), *options)
        self.assertEqual(result.quality, quality)
        self.assertLessEqual(set(known), result.functions())
        self.assertFalse(set(unknown) & result.functions())
        return result

    def debug_directory(self, debug, identity, suffix=".debug"):
        """Puts a debug file where its build-id says. Returns the directory of debug files."""
        place = self.directory / "debug" / ".build-id" / identity[:2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.move(debug, place / (identity[2:] + suffix))
        return self.directory / "debug"

    def split_debug(self, program, *flags):
        """Moves the debug information of a copy of `program` to a file of its own."""
        stripped, debug = self.directory / "stripped", self.directory / "stripped.debug"
        sh("objcopy", "--only-keep-debug", *flags, program, debug)
        shutil.copy(program, stripped)
        sh("strip", stripped)
        return stripped, debug


@needs("eu-addr2line", "addr2line")
class Formats(SymbolsTest):
    """The debug information is in the object itself."""

    def test_dwarf_versions_and_optimisation(self):
        for version in ("-gdwarf-4", "-gdwarf-5"):
            for level in ("-O0", "-O2", "-Os"):
                with self.subTest(version=version, level=level):
                    self.assert_as_eu_addr2line(self.build(version, level))

    def test_cplusplus_templates(self):
        for version in ("-gdwarf-4", "-gdwarf-5"):
            for level in ("-O0", "-O2"):
                with self.subTest(version=version, level=level):
                    path = self.build(version, level, compiler="g++", sources=("program.cpp", "library.c"))
                    result = self.assert_as_eu_addr2line(path)
                    self.assertIn("unsigned long shapes::fill<long, std::__cxx11::basic_string<char, "
                                  "std::char_traits<char>, std::allocator<char> > >(std::map<long, "
                                  "std::__cxx11::basic_string<char, std::char_traits<char>, "
                                  "std::allocator<char> >, std::less<long>, std::allocator<std::pair<long "
                                  "const, std::__cxx11::basic_string<char, std::char_traits<char>, "
                                  "std::allocator<char> > > > >&, int)", result.functions())

    def test_lambdas(self):
        """gcc gives them no names: they are called as demanglers call them, and as in symbols."""
        for version in ("-gdwarf-4", "-gdwarf-5"):
            for level in ("-O2", "-O0"):
                with self.subTest(version=version, level=level):
                    path = self.build(version, level, "-std=c++17", compiler="g++", sources=("lambdas.cpp",))
                    functions = self.assert_lambdas(path)
                    self.assertLessEqual({
                        "main::{lambda(int)#1}::operator()(int) const",
                        "shapes::Square::area(int)::{lambda(int)#1}::operator()(int)",
                        "shapes::Square::area(int)::{lambda(int)#1}::operator()(int)::"
                        "{lambda(char)#1}::operator()(char) const"}, functions)
                    # From their symbols out of line, from debug information if they are inlined.
                    known = "".join(sorted(functions))
                    self.assertRegex(known, r"main::\{lambda\(auto:1, auto:2 const&\)#2\}::operator\(\)<int, char>\(int, ")
                    self.assertRegex(known, r"main::\{lambda\(char const\*, \S.* const&, long\*\)#3\}::operator\(\)")
                    self.assertRegex(known, r"main::\{lambda\(\S.*&&, unsigned long\)#4\}::operator\(\)")
                    self.assertIn("main::Local::operator()", known)
                    self.assertIn("out_of_line<main", known)

    def assert_lambdas(self, path):
        functions = resolve(path, return_addresses(path)).functions()
        self.assertFalse([name for name in functions if "{unnamed type}" in name])
        # Functions that come behind a function that ends with a lambda are not in it.
        self.assertFalse([name for name in functions if re.search(r"\}::(?!operator\(\)|\{lambda|_FUN)", name)])
        return functions

    def test_kinds_of_objects(self):
        for flags in (("-no-pie",), ("-pie", "-fPIE"), ("-static-pie", "-fPIE"), ("-static",),
                      ("-shared", "-fPIC"), ("-Wl,-z,noseparate-code",), ("-Wl,-Ttext-segment=0x10000000",)):
            with self.subTest(flags=flags):
                path = self.build("-g", "-O2", *flags)
                addresses = return_addresses(path)
                # Most of a static program is libc's, whose debug information need not be there.
                ours = [a for a, f in ask("eu-addr2line", path, addresses).items() if f[-1][1] != "?"]
                result = resolve(path, ours)
                self.assertLessEqual({"main", "caller", "inner", "middle", "local_function", "from_header"}
                                     - ({"main"} if "-shared" in flags else set()), result.functions())
                self.assert_frames(path, result, ask("addr2line", path, ours))

    def test_compressed_sections(self):
        reference = self.build("-g", "-O2")
        for kind in ("zlib", "zlib-gnu"):
            with self.subTest(kind=kind):
                packed = self.directory / "packed"
                sh("objcopy", f"--compress-debug-sections={kind}", reference, packed)
                self.assertNotEqual(sh("readelf", "-SW", packed), sh("readelf", "-SW", reference))
                self.assert_as_before(reference, packed)
        self.assert_as_eu_addr2line(self.build("-g", "-O2", "-gz=zlib"))

    def test_relative_names_are_made_absolute(self):
        path = self.build("-g", "-O2")
        files = {f[1] for frames in resolve(path, return_addresses(path)).frames.values() for f in frames}
        self.assertIn(str(self.directory / "program.c"), files)
        self.assertTrue(all(name == "?" or name.startswith("/") for name in files), files)

    def test_link_time_optimisation(self):
        """Here inlined functions are described in other units, which eu-addr2line gives up on."""
        path = self.build("-gdwarf-4", "-O2", "-flto", "-flto-partition=one")
        addresses = return_addresses(path)
        result = resolve(path, addresses)
        self.assert_frames(path, result, ask("addr2line", path, addresses))
        self.assertLessEqual({"inner", "middle", "from_header"}, result.functions())

    @needs("clang")
    def test_clang_without_aranges(self):
        """clang does not write .debug_aranges, without which eu-addr2line knows no unit."""
        for version in ("-gdwarf-4", "-gdwarf-5"):
            with self.subTest(version=version):
                path = self.build(version, "-O2", compiler="clang")
                addresses = return_addresses(path)
                result = resolve(path, addresses)
                self.assertLessEqual({"inner", "middle", "from_header", "caller"}, result.functions())
                self.assert_frames(path, result, ask("addr2line", path, addresses))
                path = self.build(version, "-O2", "-gdwarf-aranges", compiler="clang", name="with-aranges")
                self.assert_as_eu_addr2line(path)

    def test_discarded_functions_own_nothing(self):
        """What the linker discards it leaves at address 0, across the code of a small program."""
        big = "volatile int sink;\n" + "".join(
            f"int unused{n}(int x) {{ {'sink += x; sink *= x; ' * 300} return sink; }}\n" for n in range(4))
        (self.directory / "unused.c").write_text(big)
        path = self.build("-g", "-O1", "-ffunction-sections", "-Wl,--gc-sections",
                          sources=("unused.c", "program.c", "library.c"))
        self.assertNotIn("unused", sh("nm", path))
        addresses = return_addresses(path)
        functions = resolve(path, addresses).functions()
        self.assertFalse([f for f in functions if f.startswith("unused")])
        self.assertLessEqual({"main", "caller", "inner"}, functions)

    def test_functions_of_a_file_have_their_whole_name(self):
        """
        gcc gives them no linkage name, so eu-addr2line says only "run"; gdb and addr2line tell which.
        """
        (self.directory / "local.cpp").write_text(r"""
            #include <cstdlib>
            #define NOINLINE __attribute__((noinline))
            static inline void *keep(void *p) { __asm__ volatile("" : "+r"(p)); return p; }
            namespace { struct Worker {
                NOINLINE void *run(int n) { return keep(malloc(n)); }
                __attribute__((always_inline)) void *inlined(int n) { return keep(calloc(n, 7)); }
            }; }
            namespace outer { static NOINLINE void *helper(int n) { return keep(malloc(n)); } }
            int main(int argc, char **) {
                Worker worker;
                auto lambda = [](int n) NOINLINE { return keep(malloc(n + 9)); };
                return worker.run(argc) == worker.inlined(argc) || outer::helper(argc) == lambda(argc); }
            """)
        path = self.build("-g", "-O2", compiler="g++", sources=("local.cpp",))
        self.assert_names(path, FULL,
                          ["(anonymous namespace)::Worker::run(int)", "outer::helper(int)", "main",
                           "(anonymous namespace)::Worker::inlined", "main::{lambda(int)#1}::operator()(int) const"],
                          ["run", "helper", "inlined"])

    def test_nested_functions(self):
        (self.directory / "nested.c").write_text(r"""
            #include <stdlib.h>
            int main(int argc, char **argv) {
                __attribute__((noinline)) void *nested(int n) {
                    void *p = malloc(n + argc); __asm__ volatile("" : "+r"(p)); return p; }
                free(nested(3)); return argv == nested(4); }
            """)
        path = self.build("-g", "-O2", sources=("nested.c",))
        self.assert_names(path, FULL, ["nested", "main"], [])

    @needs("rustc")
    def test_rust(self):
        """Both ways to mangle; names of functions, closures and generics without their hashes."""
        (self.directory / "program.rs").write_text(PROGRAM_RUST)
        for mangling in ("legacy", "v0"):
            with self.subTest(mangling=mangling):
                path = self.directory / "program"
                version = ["-Csymbol-mangling-version=" + mangling]
                if subprocess.run(["rustc", *version, "--print", "cfg"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL).returncode != 0:
                    version = ["-Zunstable-options", *version]  # it was one of the compiler's own then
                sh("rustc", "-g", "-Copt-level=1", *version, "-o", path, "program.rs", cwd=self.directory,
                   env={**os.environ, "RUSTC_BOOTSTRAP": "1"})
                addresses = [a for a, frames in ask("addr2line", path, return_addresses(path)).items()
                             if frames[-1][1].endswith("program.rs")]
                functions = resolve(path, addresses).functions()
                method = {"legacy": "program::store::Shelf::add", "v0": "<program::store::Shelf>::add"}[mangling]
                self.assertLessEqual({"program::main", method}, functions)
                self.assertTrue([name for name in functions if re.match(r"program::generic(::<i64>)?$", name)], functions)
                self.assertTrue([name for name in functions if "{{closure}}" in name or "{closure#0}" in name], functions)
                self.assertFalse([name for name in functions if re.search(r"::h[0-9a-f]{16}$|^_R|^_ZN", name)])

    @needs("gdc")
    def test_d(self):
        (self.directory / "program.d").write_text(
            'module demo; class Thing { int[] grow(int n) { return new int[n]; } }\n'
            'int main(string[] a) { auto t = new Thing; return t.grow(cast(int) a.length)[0]; }\n')
        path = self.build("-g", "-O0", compiler="gdc", sources=("program.d",))
        self.assert_names(path, FULL, ["demo.Thing.grow(int)"], [])


@needs("eu-addr2line")
class WithoutDebugInformation(SymbolsTest):
    def test_symbol_table(self):
        path = self.build("-O2")
        self.assert_names(path, SYMBOLS, ["main", "caller", "local_function", "recursive"], ["inner"])

    def test_cplusplus(self):
        path = self.build("-O1", compiler="g++", sources=("program.cpp", "library.c"))
        addresses = return_addresses(path)
        self.assert_frames(path, resolve(path, addresses), ask("eu-addr2line", path, addresses))

    def test_exported_functions_do_not_name_others(self):
        path = self.build("-O2", "-shared", "-fPIC", sources=("library.c",), name="library.so")
        symbols = {line.split()[2]: int(line.split()[0], 16) for line in sh("nm", path).splitlines()
                   if len(line.split()) == 3}
        local = symbols["local_function"] + 1
        sh("strip", path)
        self.assert_names(path, EXPORTED, ["exported_function"], ["local_function"])
        self.assertEqual(resolve(path, [local], "--exact").frames[local], [])

    def test_no_section_headers(self):
        """As after sstrip: the dynamic segment still tells where the symbols are."""
        path = self.build("-O2", "-shared", "-fPIC", sources=("library.c",), name="library.so")
        addresses = return_addresses(path)
        data = bytearray(path.read_bytes())
        data[0x28:0x30] = bytes(8)  # offset of the section headers
        data[0x3a:0x40] = bytes(6)  # their size, number, and the index of their names
        path.write_bytes(data)
        self.assert_names(path, EXPORTED, ["exported_function"], ["local_function"], addresses=addresses)

    def test_fully_stripped(self):
        path = self.build("-O2", "-static")
        addresses = return_addresses(path)[:50]
        sh("strip", path)
        result = resolve(path, addresses)
        self.assertEqual(result.quality, NONE)
        self.assertEqual(result.functions(), set())

    def test_assembly(self):
        (self.directory / "hand.S").write_text("""
            .text
            .globl no_size
            no_size: call puts@plt
            nop
            local_label: call puts@plt
            nop
            ret
            .globl sized
            .type sized, @function
            sized: call puts@plt
            ret
            .size sized, .-sized
            after_sized: call puts@plt
            ret
            .section .text.other, "ax"
            call puts@plt
            ret
            .section .note.GNU-stack, "", @progbits
            """)
        path = self.build("-O1", sources=("program.c", "library.c", "hand.S"))
        text = sh("objdump", "-d", path)
        names = {m[2]: int(m[1], 16) for m in re.finditer(r"^([0-9a-f]+) <(\w+)>:", text, re.M)}
        result = resolve(path, [names[n] + 5 for n in ("no_size", "local_label", "sized", "after_sized")])
        self.assertEqual([f[0][0] for f in result.frames.values()],
                         ["no_size", "local_label", "sized", "after_sized"])

    def test_indirect_functions_and_versions(self):
        (self.directory / "indirect.c").write_text(r"""
            #include <stdlib.h>
            static void *chosen(int n) { void *p = malloc(n); free(p); return p; }
            static void *(*resolver(void))(int) { return getenv("X") ? chosen : chosen; }
            void *indirect(int n) __attribute__((ifunc("resolver")));
            void *new_name(int n) { void *p = calloc(n, 3); free(p); return p; }
            __asm__(".symver new_name,versioned@@VERSION_1");
            """)
        (self.directory / "map").write_text("VERSION_1 { global: versioned; indirect; local: *; };")
        path = self.build("-O2", "-shared", "-fPIC", "-Wl,--version-script=map", sources=("indirect.c",),
                          name="indirect.so")
        functions = resolve(path, return_addresses(path)).functions()
        self.assertLessEqual({"chosen"}, functions)
        self.assertTrue({"indirect", "resolver"} & functions)  # two names of one place
        self.assertTrue({"versioned", "new_name"} & functions)
        self.assertFalse([f for f in functions if "@" in f])

    @needs("xz", "nm", "objcopy")
    def test_mini_debug_information(self):
        """.gnu_debugdata, as Fedora makes it: functions that .dynsym lacks, in an object in xz."""
        path = self.build("-g", "-O2", "-rdynamic")
        addresses = return_addresses(path)

        def functions(*options):
            return {line.split()[0] for line in sh("nm", path, *options, "--format=posix", "--defined-only").splitlines()
                    if line.split()[1] in "TtD"}

        (self.directory / "keep").write_text("\n".join(sorted(functions() - functions("-D"))) + "\n")
        sh("objcopy", "--only-keep-debug", path, self.directory / "mini")
        sh("objcopy", "-S", "--remove-section", ".comment", f"--keep-symbols={self.directory / 'keep'}",
           self.directory / "mini")
        sh("strip", "--strip-all", "-R", ".comment", path)
        self.assert_names(path, EXPORTED, ["main", "caller"], ["local_function"], addresses=addresses)
        sh("xz", self.directory / "mini")
        sh("objcopy", "--add-section", f".gnu_debugdata={self.directory / 'mini.xz'}", path)
        self.assert_names(path, SYMBOLS, ["main", "caller", "local_function"], ["inner"], addresses=addresses)


class SeparateFiles(SymbolsTest):
    def setUp(self):
        super().setUp()
        self.program = self.build("-g", "-O2", "-Wl,--build-id=sha1")
        self.identity = build_id(self.program)

    def test_build_id_directory(self):
        stripped, debug = self.split_debug(self.program)
        self.assert_names(stripped, NONE, [], ["inner"], addresses=return_addresses(self.program))
        directories = self.debug_directory(debug, self.identity)
        self.assert_as_before(self.program, stripped, "--debug-path", f"/nowhere:{directories}")

    def test_compressed_debug_file(self):
        stripped, debug = self.split_debug(self.program, "--compress-debug-sections=zlib")
        directories = self.debug_directory(debug, self.identity)
        self.assert_as_before(self.program, stripped, "--debug-path", directories)

    def test_debug_link(self):
        stripped, debug = self.split_debug(self.program)
        sh("objcopy", f"--add-gnu-debuglink={debug}", stripped)
        self.assert_as_before(self.program, stripped)
        (self.directory / ".debug").mkdir()
        shutil.move(debug, self.directory / ".debug" / debug.name)
        self.assert_as_before(self.program, stripped)
        place = self.directory / "tree" / str(self.directory).lstrip("/")
        place.mkdir(parents=True)
        shutil.move(self.directory / ".debug" / debug.name, place / debug.name)
        self.assert_as_before(self.program, stripped, "--debug-path", self.directory / "tree")
        link = self.directory / "bin"
        link.mkdir()
        os.symlink(stripped, link / "stripped")
        self.assert_as_before(self.program, link / "stripped", "--debug-path", self.directory / "tree")

    def test_debug_link_without_build_id(self):
        program = self.build("-g", "-O2", "-Wl,--build-id=none", name="bare")
        stripped, debug = self.split_debug(program)
        sh("objcopy", f"--add-gnu-debuglink={debug}", stripped)
        self.assert_as_before(program, stripped)
        with open(debug, "ab") as file:
            file.write(b"changed")
        self.assert_names(stripped, NONE, [], ["inner"], addresses=return_addresses(program))

    def test_debug_link_to_itself(self):
        stripped, debug = self.split_debug(self.program)
        shutil.copy(stripped, self.directory / "copy")
        sh("objcopy", f"--add-gnu-debuglink={debug}", stripped)
        os.remove(debug)
        os.symlink(stripped, debug)
        self.assert_names(stripped, NONE, [], ["inner"], addresses=return_addresses(self.program))

    def test_sysroot(self):
        stripped, debug = self.split_debug(self.program)
        root = self.directory / "root"
        (root / "usr/lib/debug/.build-id" / self.identity[:2]).mkdir(parents=True)
        (root / "opt").mkdir()
        shutil.move(stripped, root / "opt/tool")
        shutil.move(debug, root / "usr/lib/debug/.build-id" / self.identity[:2] / (self.identity[2:] + ".debug"))
        self.assert_as_before(self.program, None, "--sysroot", root, object_path="/opt/tool")
        self.assertEqual(resolve("/opt/tool", [0x1000]).quality, MISSING)

    def test_stale_object(self):
        """The file was rebuilt since it was recorded."""
        addresses = return_addresses(self.program)
        other = self.build("-g", "-O1", name="other")
        result = resolve(other, addresses, "--build-id", self.identity)
        self.assertEqual((result.quality, result.functions()), (MISMATCH, set()))
        # The debug file of the recorded one is as good as the object.
        stripped, debug = self.split_debug(self.program)
        directories = self.debug_directory(debug, self.identity)
        options = ("--build-id", self.identity, "--debug-path", directories)
        self.assert_as_before(self.program, None, *options, object_path=other)
        # So is a copy in the sysroot, or one that was kept open, or by build-id.
        root = self.directory / "root"
        place = root / str(other).lstrip("/")
        place.parent.mkdir(parents=True)
        shutil.copy(self.program, place)
        self.assert_as_before(self.program, None, "--build-id", self.identity, "--sysroot", root, object_path=other)
        self.assert_as_before(self.program, None, "--build-id", self.identity, "--file", self.program,
                              object_path=other)
        shutil.copy(self.program, self.directory / "byid")
        directories = self.debug_directory(self.directory / "byid", self.identity, suffix="")
        self.assert_as_before(self.program, None, *options, object_path=other)

    def test_missing_object(self):
        stripped, debug = self.split_debug(self.program)
        self.assertEqual(resolve("/gone", [0x1000], "--build-id", self.identity).quality, MISSING)
        directories = self.debug_directory(debug, self.identity)
        self.assert_as_before(self.program, None, "--build-id", self.identity, "--debug-path", directories,
                              object_path="/gone")
        self.assert_as_before(self.program, None, "--build-id", self.identity, "--file", self.program,
                              object_path="/gone")

    def test_debug_file_with_symbols_only(self):
        program = self.build("-O2", "-Wl,--build-id=sha1", name="plain")
        stripped, debug = self.split_debug(program)
        directories = self.debug_directory(debug, build_id(program))
        self.assert_names(stripped, SYMBOLS, ["local_function"], ["inner"], "--debug-path", directories,
                          addresses=return_addresses(program))

    @needs("dwz")
    def test_alternate_file(self):
        """dwz moves what several debug files have in common to a third."""
        for version in ("-gdwarf-4", "-gdwarf-5"):
            with self.subTest(version=version):
                names, references, debugs = ("one", "two"), [], []
                for name in names:
                    (self.directory / "dwz").mkdir(exist_ok=True)
                    references.append(self.build(version, "-O2", "-Wl,--build-id=sha1", f"-DNAME_{name}", compiler="g++",
                                                 sources=("program.cpp", "library.c"), name=name))
                    stripped, debug = self.split_debug(references[-1])
                    shutil.move(stripped, self.directory / f"{name}.stripped")
                    debugs.append(shutil.copy(debug, self.directory / "dwz" / f"{name}.debug"))
                common = self.directory / "dwz" / "common.debug"
                common.unlink(missing_ok=True)
                sh("dwz", "-m", common, "-M", "common.debug", *debugs)
                self.assertIn(".gnu_debugaltlink", sh("readelf", "-SW", debugs[0]))
                for name, reference, debug in zip(names, references, debugs):
                    sh("objcopy", f"--add-gnu-debuglink={debug}", self.directory / f"{name}.stripped")
                    self.assert_as_before(reference, self.directory / f"{name}.stripped", "--debug-path",
                                          f"{self.directory / 'dwz'}:{self.directory}")
                stripped = self.directory / "one.stripped"
                directories = f"{self.directory / 'elsewhere'}:{self.directory}"
                # Beside the debug file, then in .dwz of a directory of debug files, then by build-id.
                (self.directory / "elsewhere/.dwz").mkdir(parents=True, exist_ok=True)
                shutil.copy(debugs[0], self.directory / "one.debug")
                moved = shutil.move(common, self.directory / "elsewhere/.dwz/common.debug")
                self.assert_as_before(references[0], stripped, "--debug-path", directories)
                self.debug_directory(moved, build_id(moved))
                self.assert_as_before(references[0], stripped, "--debug-path", self.directory / "debug")
                # A wrong one of the right name is not read: functions are named by their symbols.
                shutil.rmtree(self.directory / "debug")
                shutil.copy(self.directory / "two.stripped", self.directory / "common.debug")
                result = resolve(stripped, return_addresses(references[0]))
                self.assertIn("main", result.functions())
                (self.directory / "common.debug").unlink()


class SplitDwarf(SymbolsTest):
    """-gsplit-dwarf: eu-addr2line 0.188 does not show its inlined frames, so the unsplit program is the judge."""

    def build_both(self, version, compiler):
        flags = (version, "-O2", *(("-gdwarf-aranges",) if "clang" in compiler else ()))
        sources = ("program.cpp", "library.c") if "++" in compiler else ("program.c", "library.c")
        whole = self.build(*flags, compiler=compiler, sources=sources, name="whole")
        split = self.build(*flags, "-gsplit-dwarf", compiler=compiler, sources=sources, name="split")
        self.assertEqual(sh("objdump", "-d", whole).splitlines()[3:], sh("objdump", "-d", split).splitlines()[3:])
        self.assertTrue(list(self.directory.glob("split-*.dwo")))
        return whole, split

    def variants(self, without=()):
        for compiler in ("gcc", "g++", "clang", "clang++"):
            for version in ("-gdwarf-4", "-gdwarf-5"):
                if shutil.which(compiler) and (compiler, version) not in without:
                    for old in self.directory.glob("*.dw[op]"):
                        old.unlink()
                    with self.subTest(compiler=compiler, version=version):
                        yield self.build_both(version, compiler)

    def test_dwo_where_the_compiler_left_it(self):
        for whole, split in self.variants():
            self.assert_as_before(whole, split)

    def test_dwo_beside_the_object_and_in_the_sysroot(self):
        for whole, split in self.variants():
            root = self.directory / "root"
            shutil.rmtree(root, ignore_errors=True)
            place = root / str(self.directory).lstrip("/")
            place.mkdir(parents=True)
            for dwo in self.directory.glob("split-*.dwo"):
                shutil.move(dwo, place)
            self.assert_as_before(whole, split, "--sysroot", root)
            moved = self.directory / "moved"
            shutil.rmtree(moved, ignore_errors=True)
            moved.mkdir()
            shutil.copy(split, moved / "tool")
            for dwo in place.glob("*.dwo"):
                shutil.move(dwo, moved)
            self.assert_as_before(whole, moved / "tool")

    def check_package(self, tool, without):
        for whole, split in self.variants(without):
            package = self.directory / "split.dwp"
            sh(tool, "-e", split, "-o", package, cwd=self.directory)
            for dwo in self.directory.glob("split-*.dwo"):
                dwo.unlink()
            self.assert_as_before(whole, split)
            package.unlink()
            # Without the functions: lines from the skeleton, names of functions from the symbols.
            result = resolve(split, return_addresses(split))
            self.assertIn("main", result.functions())
            self.assertNotIn("inner", result.functions())

    @needs("llvm-dwp")
    def test_package_of_llvm_dwp(self):
        """Version 14 does not come to an end with gcc's DWARF 5."""
        self.check_package("llvm-dwp", [("gcc", "-gdwarf-5"), ("g++", "-gdwarf-5")])

    @needs("dwp")
    def test_package_of_dwp(self):
        """That of binutils 2.40 crashes on DWARF 5."""
        self.check_package("dwp", [(c, "-gdwarf-5") for c in ("gcc", "g++", "clang", "clang++")])

    @needs("llvm-dwp")
    def test_package_of_another_program(self):
        whole, split = self.build_both("-gdwarf-4", "gcc")
        sh("llvm-dwp", "-e", split, "-o", "split.dwp", cwd=self.directory)
        (self.directory / "library.c").write_text(LIBRARY.replace("size * 2", "size * 5"))
        other = self.build("-gdwarf-4", "-O2", "-gsplit-dwarf", name="split")
        for dwo in self.directory.glob("split-*.dwo"):
            dwo.unlink()
        functions = resolve(other, return_addresses(other)).functions()
        self.assertIn("exported_function", functions)
        self.assertNotIn("middle", functions)


class Servers(SymbolsTest):
    """debuginfod: asked only if told to, whatever the environment says."""

    def setUp(self):
        super().setUp()
        self.program = self.build("-g", "-O2", "-Wl,--build-id=sha1")
        self.identity = build_id(self.program)
        self.stripped, debug = self.split_debug(self.program)
        self.asked = asked = []
        files = {f"/buildid/{self.identity}/debuginfo": pathlib.Path(debug).read_bytes(),
                 f"/buildid/{self.identity}/executable": self.stripped.read_bytes()}
        debug.unlink()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                content = files.get(self.path)
                self.send_response(200 if content else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment = {**os.environ, "DEBUGINFOD_URLS": f"http://127.0.0.1:{server.server_port}",
                            "DEBUGINFOD_CACHE_PATH": str(self.directory / "cache")}

    def test_no_server_is_asked_by_itself(self):
        for path in (self.stripped, "/gone"):
            resolve(path, [0x1100], "--build-id", self.identity, env=self.environment)
        self.assertEqual(self.asked, [])

    @unittest.skipUnless(list(pathlib.Path("/usr/lib").glob("*/libdebuginfod.so.1")) or
                         list(pathlib.Path("/usr/lib64").glob("libdebuginfod.so.1")), "no libdebuginfod")
    def test_a_server_is_asked_on_request(self):
        addresses = return_addresses(self.program)
        expected = resolve(self.program, addresses).frames
        for path in (self.stripped, "/gone"):
            with self.subTest(path=path):
                result = resolve(path, addresses, "--debuginfod", "--build-id", self.identity, env=self.environment)
                self.assertEqual((result.quality, result.frames), (FULL, expected))
        self.assertIn(f"/buildid/{self.identity}/debuginfo", self.asked)


class Vdso(SymbolsTest):
    def test_the_kernel_s_own_object(self):
        for path in ("[vdso]", "linux-vdso.so.1"):
            result = resolve(path, range(0, 8192, 16), "--exact")
            if result.quality == MISSING:
                self.skipTest("this process has no vdso")
            self.assertTrue([f for f in result.functions() if "clock_gettime" in f])
            self.assertEqual(resolve(path, [], "--build-id", "00" * 20).quality, MISMATCH)


class Damage(SymbolsTest):
    def test_damaged_files_do_no_harm(self):
        """Bytes of debug sections, symbol tables and headers are changed at random."""
        import random
        rng = random.Random(3)
        for flags in (("-gdwarf-5",), ("-gdwarf-4",), ("-g", "-gz")):
            path = self.build("-O2", *flags)
            addresses = return_addresses(path)
            whole = path.read_bytes()
            places = [(int(m[2], 16), int(m[3], 16)) for m in
                      re.finditer(r"\] (\.debug_\S+|\.symtab|\.strtab|\.note\S+)\s+\S+\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)",
                                  sh("readelf", "-SW", path))] + [(0, 64), (len(whole) - 2000, 2000)]
            for _ in range(60):
                damaged = bytearray(whole)
                for _ in range(rng.choice((1, 5, 50, 300))):
                    offset, size = rng.choice(places)
                    damaged[offset + rng.randrange(size)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
                if rng.random() < 0.1:
                    damaged = damaged[:rng.randrange(len(damaged))]
                (self.directory / "damaged").write_bytes(damaged)
                resolve(self.directory / "damaged", addresses, timeout=60)


if __name__ == "__main__":
    unittest.main()
