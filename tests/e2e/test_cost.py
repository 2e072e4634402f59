# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tracing costs, in figures that are the same on every run: instructions and bytes."""

import re
import unittest

from support import MEMTRACE, MemtraceTest, program, run


class Cost(MemtraceTest):
    def instructions(self, count, *options):
        """Instructions of `pairs COUNT` as callgrind counts them, with memtrace when options are given."""
        command = [program("pairs"), str(count)]
        if options:
            command = [MEMTRACE, "run", "-q", "-f", "-o", self.log, "--no-symbols", *options, "--", *command]
        done = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=yes",
                   "--log-file=" + str(self.directory / "callgrind.%p"), *command, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in self.directory.glob("callgrind.*"):
            text = path.read_text()
            path.unlink()
            if re.search(r"Command: \S*/pairs ", text):
                found = int(re.search(r"Collected : (\d+)", text).group(1))
        return found

    def per_pair(self, *options):
        return (self.instructions(300000, *options) - self.instructions(100000, *options)) / 200000

    def test_an_allocation_that_is_not_sampled_and_its_release_cost_25_instructions(self):
        added = self.per_pair("--sample=512k") - self.per_pair()
        self.assertGreater(added, 5)
        self.assertLessEqual(added, 25)


if __name__ == "__main__":
    unittest.main()
