# SPDX-License-Identifier: LGPL-2.1-or-later
"""Modules that come and go, and the names of threads."""

import unittest

from support import PROGRAMS, MemtraceTest, program


class Modules(MemtraceTest):
    def check(self, *how):
        libraries = [PROGRAMS / f"liblibrary_{name}.so" for name in ("first", "second")]
        summary = self.assert_same_behaviour(program("same_address"), *libraries, *how)
        self.assertEqual(summary["processes"][0]["skipped_events"], 0)
        found = {}
        for leak in self.leaks()["leaks"]:
            if leak["bytes"] // leak["blocks"] in (2001, 3001):
                functions = [frame["function"] for frame in leak["stack"]]
                self.assertEqual(functions[1:], ["leave_block"] + functions[2:])
                self.assertIn("main", functions)
                size = leak["bytes"] // leak["blocks"]
                found.setdefault((size, functions[0]), 0)
                found[(size, functions[0])] += leak["blocks"]
        self.assertEqual(found, {(2001, "first_library"): 3, (3001, "second_library"): 3})

    def test_two_libraries_at_one_address_are_not_mixed_up(self):
        self.check()

    def test_libraries_that_bind_to_libc_before_the_hooks(self):
        self.check("deep")

    def test_libraries_in_a_namespace_of_their_own(self):
        """What they allocate goes to a libc of their own: it isn't seen, and nothing breaks."""
        libraries = [PROGRAMS / f"liblibrary_{name}.so" for name in ("first", "second")]
        self.assert_same_behaviour(program("same_address"), *libraries, "namespace")
        sizes = {leak["bytes"] // leak["blocks"] for leak in self.leaks()["leaks"]}
        self.assertFalse(sizes & {2001, 3001})


class ThreadNames(MemtraceTest):
    def test_names_from_every_function(self):
        self.assert_same_behaviour(program("thread_names"))
        names = {line.rsplit("name=", 1)[1].strip("'") for line in self.report("dump").stdout.decode().splitlines()
                 if line.startswith("thread named")}
        self.assertLessEqual({"by itself", "by prctl", "by another"}, names)


if __name__ == "__main__":
    unittest.main()
