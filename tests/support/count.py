# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sum up meson's JUnit files: count.py FILE...

What failed is told with its output, since the end of a log may be all that one gets to see.
The last line is "N passed, N failed".
"""

import os
import re
import sys
import xml.etree.ElementTree


def output_of(suite, case):
    """What a test printed: the TAP lines from its own to the next test's, or all that the suite printed."""
    printed = [text for part in ("system-out", "system-err") for text in (suite.findtext(part) or "").splitlines()]
    starts = [i for i, line in enumerate(printed) if re.match(r"(not )?ok \d+ ", line)]
    for start, end in zip(starts, starts[1:] + [len(printed)]):
        if printed[start].startswith("not ok") and printed[start].endswith(case.get("name").split(" ", 1)[-1]):
            return printed[start:end]
    return printed


def main():
    passed = failed = 0
    for path in filter(os.path.exists, sys.argv[1:]):
        for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
            for case in suite.iter("testcase"):
                if case.find("skipped") is not None:
                    print(f"skipped: {suite.get('name')} {case.get('name')}")
                elif case.find("failure") is not None or case.find("error") is not None:
                    failed += 1
                    print(f"failed: {suite.get('name')} {case.get('name')}", *output_of(suite, case)[-80:], sep="\n    ")
                else:
                    passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
