# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a program maps itself: recorded with stacks, apart from the heap."""

import unittest

from support import MemtraceTest, program

PAGE = 4096


class Mappings(MemtraceTest):
    def setUp(self):
        super().setUp()
        self.heap = self.assert_same_behaviour(program("mappings"))
        self.parent, self.child = (p["pid"] for p in self.heap["processes"])

    def mappings(self, *options):
        return self.summary("--mappings", *options)["mappings"]

    def test_totals_are_the_programs(self):
        found = self.mappings("--pid", self.parent)
        self.assertEqual(found["live_bytes"], 97 * PAGE)
        self.assertEqual(found["peak_bytes"], 1105 * PAGE)
        # 100, 10 and 30 pages, two remaps, 1000 reserved, one remap, a file, shared memory twice, the break twice.
        self.assertEqual(found["mapped"], 12)
        self.assertEqual(found["mapped_bytes"],
                         (100 + 10 + 30 + 50 + 20 + 1000 + 20 + 1 + 4 + 4) * PAGE + 10000 + 14000)

    def test_each_stack_keeps_what_was_not_unmapped_of_its_own(self):
        left = {}
        for item in self.mappings("--pid", self.parent)["stacks"]:
            if item["live_bytes"]:
                name = (item["source"], item["stack"][0]["function"])
                left.setdefault(name, []).append((item["live_bytes"], item["live_ranges"]))
        self.assertEqual(left.pop(("anonymous", "map_pages")), [(75 * PAGE, 2)])
        self.assertEqual(left.pop(("anonymous", "main")), [(10 * PAGE, 1)])
        self.assertEqual(left.pop(("file", "main")), [(PAGE, 1)])
        self.assertEqual(sorted(left.pop(("shared", "main"))), [(4 * PAGE, 1)] * 2)
        broken = [entry for (source, _), entries in left.items() for entry in entries if source == "break"]
        self.assertEqual(sum(size for size, _ in broken), 3 * PAGE)
        self.assertEqual({source for source, _ in left}, {"break"})

    def test_a_forks_child_has_only_its_own(self):
        found = self.mappings("--pid", self.child)
        self.assertEqual((found["live_bytes"], found["mapped"]), (7 * PAGE, 1))

    def test_the_heap_does_not_count_them(self):
        self.assertEqual(self.heap["allocations"], 1)
        self.assertEqual(self.heap["peak_bytes"], 1 << 20)
        self.assertEqual(self.heap["live_bytes"], 0)
        self.assertNotIn("mappings", self.heap)

    def test_the_text_has_them_when_asked(self):
        text = self.report("summary", "--mappings").stdout.decode()
        self.assertIn("mapped by the program itself", text)
        self.assertIn("reserve_pages", text)
        self.assertNotIn("mapped by the program itself", self.report("summary").stdout.decode())

    def test_the_log_has_addresses_for_partial_unmaps(self):
        lines = self.report("dump").stdout.decode().splitlines()
        self.assertEqual(sum(line.startswith("mapping map image=0") for line in lines), 12)
        self.assertEqual(sum(line.startswith("mapping restore") for line in lines), 1)


class ManyThreads(MemtraceTest):
    def test_threads_that_map_and_unmap_the_same_ranges(self):
        self.assert_same_behaviour(program("mappings_threads"), "8", "2000")
        found = self.summary("--mappings")["mappings"]
        self.assertEqual(found["mapped"], 8 * 2000 + 8)
        self.assertEqual(found["live_bytes"], 8 * 3 * PAGE)
        self.assertEqual(found["live_ranges"], 8)


if __name__ == "__main__":
    unittest.main()
