# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run unittest modules and print TAP, so that meson counts each test."""

import os
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.number = 0

    def line(self, test, ok, note="", detail=""):
        self.number += 1
        name = test.id().replace("#", "")
        self.stream.write(f"{'ok' if ok else 'not ok'} {self.number} {name}{note}\n")
        for text in detail.rstrip().splitlines():
            self.stream.write(f"# {text}\n")
        self.stream.flush()

    def addSuccess(self, test):
        self.line(test, True)

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, False, detail="".join(traceback.format_exception(*err)))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, False, detail="".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(test, True, note=f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.failures.append((subtest, ""))
            self.line(subtest, False, detail="".join(traceback.format_exception(*err)))


def main():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = TapResult(sys.stdout)
    suite.run(result)
    # A class's set-up that fails or skips ends up here without a test of its own.
    print(f"1..{result.number}")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
