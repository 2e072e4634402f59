# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sum up meson's JUnit files: count.py FILE... The last line is "N passed, N failed"."""

import os
import sys
import xml.etree.ElementTree


def main():
    passed = failed = 0
    for path in filter(os.path.exists, sys.argv[1:]):
        for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
            for case in suite.iter("testcase"):
                if case.find("skipped") is not None:
                    print(f"skipped: {suite.get('name')} {case.get('name')}")
                elif case.find("failure") is not None or case.find("error") is not None:
                    failed += 1
                else:
                    passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
