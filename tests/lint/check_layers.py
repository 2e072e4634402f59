#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who includes whom: fails on an include that crosses a layer the wrong way (docs/architecture.md)."""

import pathlib
import re
import sys

ALLOWED = {
    "common": {"common"},
    "libtrack/preload": {"common", "libtrack/preload"},
    "libtrack/collector": {"common", "libtrack/collector"},
    "include": {"include"},
    "reader": {"common", "include", "reader"},
    "reporters": {"common", "reader", "reporters"},
    "cmd": {"common", "libtrack/collector", "reader", "reporters", "cmd"},
}


def layer_of(path):
    return next((layer for layer in ALLOWED if path.startswith(layer + "/")), None)


def main():
    root = pathlib.Path(sys.argv[1])
    wrong = []
    for layer, allowed in ALLOWED.items():
        for source in sorted((root / layer).rglob("*.[ch]")):
            name = str(source.relative_to(root))
            if "node_modules" in name:
                continue
            for number, line in enumerate(source.read_text().splitlines(), 1):
                match = re.match(r'#include "([^"]+)"', line)
                if match and layer_of(match[1]) not in allowed:
                    wrong.append(f"{name}:{number}: {layer} must not include {match[1]}")
                # The tracker has no heap: what it takes from common/ must have none either.
                if match and layer == "libtrack/preload" and match[1].startswith("common/log/"):
                    wrong.append(f"{name}:{number}: the tracker must not include {match[1]}")
    names = {}
    for source in sorted(root.rglob("*.[ch]")):
        relative = str(source.relative_to(root))
        if "node_modules" in relative or "/programs/" in relative or "/examples/" in relative:
            continue
        names.setdefault(source.name, []).append(relative)
    wrong += [f"two files of one name: {', '.join(paths)}" for paths in names.values() if len(paths) > 1]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
