# SPDX-License-Identifier: LGPL-2.1-or-later
"""The data in a flamegraph page: every figure is the one of the other reports, nothing gets lost."""

import json
import os
import pathlib
import time

from page import COSTS, Page
from support import MEMTRACE, MemtraceTest, program, run

FOLDED, INLINED = 8, 1

TOTALS = {"peak_bytes": "peak_bytes", "live_bytes": "live_bytes", "allocated_bytes": "allocated_bytes",
          "allocations": "allocations", "temporary": "temporary_allocations"}

SOURCE = """\
#include <stdlib.h>
static __attribute__((noinline)) void *inner_function(int size)
{
	char *block = malloc(size); /* the line in question */
	block[0] = 1;
	return block;
}
int main(void)
{
	return inner_function(1000) == NULL;
}
"""


class PageTest(MemtraceTest):
    def page(self, *options, log=None):
        path = self.directory / "page.html"
        done = run(MEMTRACE, "flamegraph", "-f", "-o", path, *options, log or self.log)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return Page(path)

    def refused(self, *options, status=1):
        done = run(MEMTRACE, "flamegraph", "-f", "-o", self.directory / "page.html", *options, self.log)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stderr.decode()

    def sums_by_path(self, page, cost, table="rows"):
        """Paths with cost -> cost; nodes of one path (calls from several lines) are one."""
        sums = {}
        for node, value in enumerate(page.sums(cost, table)):
            path = page.path(node)
            sums[path] = sums.get(path, 0) + value
        return sums

    def build(self, source=SOURCE, name="program", *flags):
        (self.directory / "program.c").write_text(source)
        path = self.directory / name
        done = run("gcc", "-g", "-O2", *flags, "-o", path, self.directory / "program.c")
        self.assertEqual(done.returncode, 0, done.stderr)
        return path


class Figures(PageTest):
    def check(self, *options):
        page, summary = self.page(*options), self.summary(*options)
        for name, in_summary in TOTALS.items():
            with self.subTest(total=name):
                self.assertEqual(page.header["totals"][name], summary[in_summary])
                self.assertEqual(sum(page["rows." + name]), summary[in_summary])
                self.assertEqual(page.sums(name)[0], summary[in_summary])
        self.assertEqual(sum(page["rows.live_blocks"]), summary["live_allocations"])
        self.assertEqual(page.header["meta"]["peak_bytes"], summary["peak_bytes"])
        self.assertEqual(page.header["meta"]["folded"], {"nodes": 0, "peak_bytes": 0})
        return page

    def check_nodes(self, page):
        """A node is what it costs itself and its children; a parent comes before its children."""
        parents = page.parents()
        self.assertTrue(all(parent < node for node, parent in enumerate(parents) if node))
        for cost in COSTS:
            own, sums = page.self_costs(cost), page.sums(cost)
            children = [0] * len(sums)
            for node in range(1, len(sums)):
                children[parents[node]] += sums[node]
            self.assertEqual([a + b for a, b in zip(own, children)], sums)

    def check_rows(self, page):
        keys = [(row["node"], row["thread"], row["kind"], row["leak"]) for row in page.table("rows")]
        self.assertEqual(len(keys), len(set(keys)))
        for thread in page["rows.thread"]:
            self.assertLess(thread, len(page.header["threads"]))

    def test_a_tree_of_processes(self):
        self.record(program("tree"))
        self.check_nodes(self.check())
        for process in self.summary()["processes"]:
            self.check("--pid", str(process["pid"]))

    def test_threads(self):
        self.record(program("threads_exchange"), "4", "1000")
        page = self.check()
        self.check_nodes(page)
        self.check_rows(page)

    def test_many_nodes(self):
        self.record(program("many_nodes"), "300")
        page = self.check()
        self.check_nodes(page)
        self.check_rows(page)
        self.assertGreater(len(page["nodes.parent"]), 500)

    def test_a_real_program(self):
        self.record("python3", "-c", "import json, http.client; json.dumps([{str(i): i} for i in range(1000)])")
        page = self.check()
        self.check_nodes(page)
        self.check_rows(page)

    def test_kinds_of_leaks(self):
        source = """
#include <stdlib.h>
static void *volatile reachable;
static __attribute__((noinline)) void lose(int size) { void *volatile block = malloc(size); block = NULL; }
static __attribute__((noinline)) void keep(int size) { reachable = malloc(size); }
int main(void)
{
	for (int i = 0; i < 5; i++)
		lose(700 + i);
	keep(3000);
	free(malloc(10));
	return 0;
}
"""
        self.record(self.build(source), options=["--leak-check"])
        page = self.check()
        self.check_nodes(page)
        self.check_rows(page)
        self.assertEqual(page.header["leak_kinds"], ["definite", "indirect", "possible", "reachable", "unclassified"])
        found, expected = {}, {}
        for leak, size, blocks in zip(page["rows.leak"], page["rows.live_bytes"], page["rows.live_blocks"]):
            name = page.header["leak_kinds"][leak]
            found[name] = (found.get(name, (0, 0))[0] + size, found.get(name, (0, 0))[1] + blocks)
        report = json.loads(self.report("leaks", "--json", check=False).stdout)  # its status is the verdict
        for leak in report["leaks"]:
            name = leak["kind"]
            expected[name] = (expected.get(name, (0, 0))[0] + leak["bytes"],
                              expected.get(name, (0, 0))[1] + leak["blocks"])
        self.assertEqual({name: sums for name, sums in found.items() if sums != (0, 0)}, expected)
        self.assertEqual(expected["definite"], (700 * 5 + 10, 5))
        folded = self.page("--max-nodes", "3")
        self.assertEqual(sum(folded["rows.live_bytes"]), sum(page["rows.live_bytes"]))
        self.assertEqual(folded.header["leak_kinds"], page.header["leak_kinds"])

    def test_leaks_are_those_of_the_report(self):
        self.record("bash", "-c", "x=$(echo hello); for i in 1 2 3; do echo $x | cat; done")
        page, expected = self.page(), {}
        for leak in self.leaks()["leaks"]:
            path = tuple(frame["function"] for frame in reversed(leak["stack"]))
            blocks, size = expected.get(path, (0, 0))
            expected[path] = (blocks + leak["blocks"], size + leak["bytes"])
        found = {}
        for node, blocks, size in zip(page["rows.node"], page["rows.live_blocks"], page["rows.live_bytes"]):
            if blocks:
                path = page.path(node)
                before = found.get(path, (0, 0))
                found[path] = (before[0] + blocks, before[1] + size)
        self.assertEqual(found, expected)

    def test_of_a_process_that_told_sums_only_what_the_log_has_is_reachable(self):
        """Blocks of this size are told of at once: the log has one though check only counted it."""
        done = run(MEMTRACE, "check", "--", program("verdicts"), "reachable:5000000", "child", "definite:30",
                   env={**os.environ, "TMPDIR": str(self.directory)})
        self.assertEqual(done.returncode, 23, done.stderr)
        (log,) = self.directory.glob("memtrace-check.*.mtlog")
        page, held = self.page(log=log), {}
        for leak, size in zip(page["rows.leak"], page["rows.live_bytes"]):
            name = page.header["leak_kinds"][leak]
            held[name] = held.get(name, 0) + size
        self.assertEqual({name: size for name, size in held.items() if size}, {"reachable": 5000000, "definite": 30})


class Folding(PageTest):
    def check(self, whole, folded, max_nodes):
        count = len(folded["nodes.parent"])
        self.assertLessEqual(count, max_nodes)
        self.assertGreater(count, max_nodes // 2)
        frames = [folded.frame(number) for number in range(len(folded["frames.function"]))]
        others = [node for node in range(1, count) if frames[folded["nodes.frame"][node]]["flags"] & FOLDED]
        self.assertTrue(others)
        # One for all below a node, and nothing below it.
        parents = folded.parents()
        self.assertEqual(len({parents[node] for node in others}), len(others))
        self.assertFalse(set(others) & set(parents))
        for cost in COSTS:
            before, after = self.sums_by_path(whole, cost), self.sums_by_path(folded, cost)
            self.assertEqual(before[()], after[()])
            for path, value in after.items():
                if path and path[-1] != "(folded away)":
                    self.assertLessEqual(value, before[path])
            sums = folded.sums(cost)
            own = folded.self_costs(cost)
            for node in range(1, count):  # kept nodes have all that they had
                if node not in others and own[node] == 0 and sums[node]:
                    self.assertIn(folded.path(node), before)
        said = folded.header["meta"]["folded"]
        self.assertEqual(said["nodes"], len(whole["nodes.parent"]) - (count - len(others)))
        self.assertEqual(said["peak_bytes"], sum(folded.self_costs("peak_bytes")[node] for node in others))
        # Names of what is gone are gone too.
        used = {folded["frames." + name][i] for name in ("function", "file", "module") for i in range(len(frames))}
        used |= set(folded.columns.get("sources.file", [])) | set(folded.columns.get("sources.text", []))
        self.assertEqual(used | {0}, set(range(len(folded.strings))))

    def test_the_sums_stay(self):
        self.record(program("many_nodes"), "300")
        whole = self.page()
        nodes = len(whole["nodes.parent"])
        for max_nodes in (2, 3, 10, 100, nodes // 2, nodes - 1):
            with self.subTest(max_nodes=max_nodes):
                folded = self.page("--max-nodes", str(max_nodes))
                self.check(whole, folded, max_nodes)
        for max_nodes in (nodes, 0):
            same = self.page("--max-nodes", str(max_nodes))
            self.assertEqual(same.columns, whole.columns)

    def test_the_heaviest_stay(self):
        self.record(program("many_nodes"), "300")
        whole, folded = self.page(), self.page("--max-nodes", "40")
        totals = {cost: whole.sums(cost)[0] for cost in COSTS}
        heavy = {path for cost in COSTS for path, value in self.sums_by_path(whole, cost).items()
                 if totals[cost] and value > 0.5 * totals[cost]}
        self.assertLessEqual(heavy, set(self.sums_by_path(folded, "allocations")))

    def test_the_size_of_the_file(self):
        self.record(program("many_nodes"), "5000")
        whole = self.page("--no-source")
        size = (self.directory / "page.html").stat().st_size
        text = (self.directory / "page.html").read_bytes()
        data_size = text.index(b"</script>", text.index(b'id="memtrace-data"')) - text.index(b'id="memtrace-data"')
        for part in (0.9, 0.5):
            bound = size - int(data_size * (1 - part))
            folded = self.page("--no-source", "--max-size", str(bound))
            self.assertLessEqual((self.directory / "page.html").stat().st_size, bound)
            self.assertEqual(sum(folded["rows.allocations"]), sum(whole["rows.allocations"]))
            self.assertGreater(folded.header["meta"]["folded"]["nodes"], 0)
        self.assertEqual(self.refused("--max-size", "1000").count("\n"), 1)
        for wrong in ("0", "-1", "1.5", "12X", "K", "1KK", "99999999999999999999"):
            with self.subTest(size=wrong):
                self.refused("--max-size", wrong, status=2)
        for wrong in ("1", "-1", "x", "5000000000"):
            with self.subTest(nodes=wrong):
                self.refused("--max-nodes", wrong, status=2)


class Difference(PageTest):
    def check_totals(self, page, base_log):
        base = self.summary(log=base_log)
        for name, in_summary in TOTALS.items():
            self.assertEqual(page.header["base"]["totals"][name], base[in_summary])
            self.assertEqual(sum(page["base." + name]), base[in_summary])
        self.assertEqual(page.header["base"]["meta"]["command"], base["command"])

    def test_a_log_and_itself(self):
        self.record(program("many_nodes"), "300")
        page = self.page("--diff", self.log)
        self.check_totals(page, self.log)
        for cost in COSTS:
            self.assertEqual(page.self_costs(cost), page.self_costs(cost, "base"))

    def test_lines_and_directories_move(self):
        self.record(self.build())
        base = self.directory / "base.mtlog"
        self.log.rename(base)
        moved = self.directory / "moved"
        moved.mkdir()
        source = SOURCE.replace("1000", "5000").replace("static", "/* new */\n\n/* lines */\nstatic")
        self.record(self.build(source, name="program-2.0"))
        page = self.page("--diff", base)
        self.check_totals(page, base)
        now, before = self.sums_by_path(page, "live_bytes"), self.sums_by_path(page, "live_bytes", "base")
        paths = [path for path in now if path and path[-1] == "inner_function"]
        self.assertEqual(len(paths), 1)
        self.assertEqual((now[paths[0]], before[paths[0]]), (5000, 1000))
        nodes = [node for node in range(len(page["nodes.parent"])) if page.path(node) == paths[0]]
        self.assertEqual(len(nodes), 1)  # its line has moved, but it is the same call

    def test_what_is_new_and_what_is_gone(self):
        self.record(self.build())
        base = self.directory / "base.mtlog"
        self.log.rename(base)
        self.record(self.build(SOURCE.replace("inner_function", "other_function")))
        page = self.page("--diff", base)
        self.check_totals(page, base)
        now, before = self.sums_by_path(page, "live_bytes"), self.sums_by_path(page, "live_bytes", "base")
        value = {path[-1]: (now[path], before[path]) for path in now if path and path[-1].endswith("_function")}
        self.assertEqual(value, {"inner_function": (0, 1000), "other_function": (1000, 0)})

    def test_folded(self):
        self.record(program("many_nodes"), "300")
        base = self.directory / "base.mtlog"
        self.log.rename(base)
        self.record(program("many_nodes"), "400")
        whole, folded = self.page("--diff", base), self.page("--diff", base, "--max-nodes", "60")
        self.assertLessEqual(len(folded["nodes.parent"]), 60)
        self.check_totals(folded, base)
        for cost in COSTS:
            self.assertEqual(whole.sums(cost, "base")[0], folded.sums(cost, "base")[0])

    def test_a_base_that_cannot_be_read(self):
        self.record("true")
        self.assertIn("No such file", self.refused("--diff", self.directory / "no.mtlog"))
        self.assertIn("not a memtrace log", self.refused("--diff", __file__))


class Sources(PageTest):
    def excerpts(self, page):
        """Of files in our directory: [(file name, first line, text)]."""
        return [(pathlib.Path(page.strings[s["file"]]).name, s["first_line"], page.strings[s["text"]])
                for s in (page.table("sources") if "sources.file" in page.columns else [])
                if page.strings[s["file"]].startswith(str(self.directory))]

    def record_source(self, source=SOURCE):
        self.record(self.build(source))

    def test_lines_around_the_frames(self):
        self.record_source()
        self.assertEqual(self.excerpts(self.page()), [("program.c", 1, "\n".join(SOURCE.splitlines()))])
        self.assertEqual(self.excerpts(self.page("--no-source")), [])

    def test_far_lines_are_excerpts_of_their_own(self):
        filler = "".join(f"/* filler {i} */\n" for i in range(100))
        self.record_source(SOURCE.replace("int main", filler + "int main"))
        excerpts = self.excerpts(self.page())
        self.assertEqual([first for _, first, _ in excerpts], [1, 106])
        self.assertIn("the line in question", excerpts[0][2])
        self.assertNotIn("filler 50", "".join(text for _, _, text in excerpts))
        self.assertTrue(excerpts[1][2].splitlines()[4], "\treturn inner_function(1000) == NULL;")

    def test_a_build_beside_the_source_tree(self):
        for name in ("build", "source"):
            (self.directory / name).mkdir()
        (self.directory / "source" / "program.c").write_text(SOURCE)
        done = run("gcc", "-g", "-O2", "-o", "program", ".././source/program.c", cwd=self.directory / "build")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.record(self.directory / "build" / "program")
        page = self.page()
        paths = {page.strings[file] for file in page["frames.file"]}
        self.assertIn(str(self.directory / "source" / "program.c"), paths)
        self.assertFalse([path for path in paths if {".", ".."} & set(path.split("/"))], paths)
        self.assertEqual(self.excerpts(page), [("program.c", 1, "\n".join(SOURCE.splitlines()))])

    def test_what_looks_like_a_secret_stays_out(self):
        for name in (".env", "prod.env", "server.pem", "id_rsa", "id_ed25519.c", "my_secrets.c", "credentials.c",
                     "notes.txt", "noending", "a.key", ".hidden.c", ".ssh/key.c"):
            with self.subTest(name=name):
                path = self.directory / name
                path.parent.mkdir(exist_ok=True)
                path.write_text("PASSWORD=hunter2\n" * 20)
                self.record_source(SOURCE.replace("static __", f'#line 2 "{path}"\nstatic __'))
                page = self.page()
                self.assertIn(str(path), page.strings)  # it is the frame's file
                self.assertFalse([s for s in page.strings if "hunter2" in s])
                self.log.unlink()

    def test_files_of_the_system_stay_out(self):
        self.record_source(SOURCE.replace("static __", '#line 2 "/etc/passwd"\nstatic __'))
        self.assertFalse([s for s in self.page().strings if "root:" in s])

    def test_files_that_are_no_plain_recent_text(self):
        self.record_source()
        source = self.directory / "program.c"
        later = time.time() + 100
        cases = {"changed later": lambda: os.utime(source, (later, later)),
                 "gone": source.unlink,
                 "a pipe": lambda: os.mkfifo(source)}
        for name, change in cases.items():
            with self.subTest(case=name):
                change()
                self.assertEqual(self.excerpts(self.page()), [])
        source.unlink()
        source.write_bytes(b"\0binary\n" * 20)
        os.utime(source, (1e9, 1e9))
        self.assertEqual(self.excerpts(self.page()), [])
        source.write_text("x\n" * 5_000_000)
        os.utime(source, (1e9, 1e9))
        self.assertEqual(self.excerpts(self.page()), [])
        source.write_text("one\ntwo\n")  # shorter than the lines of the frames
        os.utime(source, (1e9, 1e9))
        self.page()


if __name__ == "__main__":
    import unittest
    unittest.main()
