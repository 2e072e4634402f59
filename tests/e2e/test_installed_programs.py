# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installed programs: what is clean passes, and every leak that is injected into it is found.

The short part of tests/support/check_programs.py, which has some 180 commands.
"""

import pathlib
import shutil
import sys
import tempfile
import unittest

from support import MEMTRACE, PROGRAMS, SOURCE

sys.path.insert(0, str(SOURCE / "tests" / "support"))
import check_programs  # noqa: E402


class InstalledPrograms(unittest.TestCase):
    CLEAN = ["ls -la /usr/bin", "cat /etc/passwd", "env", "md5sum /etc/passwd", "bash -c 'x=$(echo 1); echo $x'",
             "git init -q repository", "sqlite3 data.db 'create table t(a); insert into t values(1); select * from t'",
             "openssl dgst -sha256 /etc/passwd", "curl --version", "make -f makefile", "./threads"]

    def test_clean_programs_pass_and_fail_with_a_leak(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="memtrace-test-"))
        self.addCleanup(shutil.rmtree, folder)
        check_programs.prepare(folder)
        checker = check_programs.Checker(MEMTRACE, PROGRAMS / "libinject_leak.so", folder)
        for text in self.CLEAN:
            words = check_programs.words_of(text)
            if not text.startswith("./") and not shutil.which(words[0]):
                continue
            with self.subTest(text):
                _, report = checker.check(words)
                self.assertEqual(report["verdict"]["outcome"], "passed", report)
                found, injected, outcome = checker.injected(words)
                self.assertEqual((found, outcome), (injected, "failed"))
                self.assertGreater(injected, 0)


if __name__ == "__main__":
    unittest.main()
