# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of sampled addresses are those of eu-addr2line, addr2line and gdb: see compare_symbols.py,
which does the same with 10,000 addresses of more files, by hand."""

import contextlib
import io
import os
import shutil
import unittest

import compare_symbols
from support import needs

COUNT = 100


@needs("eu-addr2line", "addr2line", "gdb", "objdump")
class Sampled(unittest.TestCase):
    def setUp(self):
        self.comparison = compare_symbols.Comparison(COUNT, 1)
        self.addCleanup(shutil.rmtree, self.comparison.directory)

    def test_files_of_the_system(self):
        for path in compare_symbols.default_files():
            if os.path.getsize(path) > 50 << 20:
                continue
            with self.subTest(path=path):
                self.check(lambda: self.comparison.compare(path, path))

    def test_a_program_with_its_debug_information_in_all_places(self):
        self.check(lambda: self.comparison.compare_program(("g++",), ("-gdwarf-5",)))

    def check(self, compare):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            compare()
        self.assertFalse(self.comparison.failed, said.getvalue())


if __name__ == "__main__":
    unittest.main()
