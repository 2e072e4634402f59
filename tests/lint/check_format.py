# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check that clang-format leaves every C file as it is: check_format.py ROOT CLANG-FORMAT"""

import pathlib
import subprocess
import sys

DIRECTORIES = ("cmd", "common", "docs", "libtrack", "reader", "reporters", "tests")


def main():
    root, clang_format = pathlib.Path(sys.argv[1]), sys.argv[2]
    files = [path for directory in DIRECTORIES for path in sorted((root / directory).rglob("*.[ch]"))
             if "node_modules" not in path.parts]
    if not files:
        print("no C files found")
        return 1
    return subprocess.run([clang_format, "--dry-run", "-Werror", *files]).returncode


if __name__ == "__main__":
    sys.exit(main())
