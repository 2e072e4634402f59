#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every header compiles alone: check_headers.py ROOT COMPILER..."""

import pathlib
import subprocess
import sys

LAYERS = ("include", "common", "libtrack", "reader", "reporters", "cmd")


def main():
    root = pathlib.Path(sys.argv[1])
    failed = []
    for layer in LAYERS:
        for header in sorted((root / layer).rglob("*.h")):
            if "node_modules" in str(header):
                continue
            done = subprocess.run([*sys.argv[2:], "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Werror", "-Wall",
                                   f"-I{root}", "-include", str(header), "-x", "c", "/dev/null"],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                failed.append(f"{header.relative_to(root)}:\n{done.stderr}")
    print("\n".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
