# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the data out of a flamegraph page (docs/page_data.md), written from that document alone."""

import base64
import functools
import gzip
import json
import pathlib
import re
import struct

COSTS = ("allocations", "allocated_bytes", "peak_blocks", "peak_bytes", "live_blocks", "live_bytes", "temporary")


def varints(data, at, count):
    values = []
    for _ in range(count):
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        values.append(value)
    return values, at


def undelta(values):
    total, out = 0, []
    for value in values:
        total += (value >> 1) ^ -(value & 1)
        out.append(total)
    return out


class Page:
    def __init__(self, path):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        match = re.search(r'<script id="memtrace-data" type="application/octet-stream;base64">([^<]*)</script>', text)
        data = gzip.decompress(base64.b64decode(match[1]))
        length = struct.unpack("<I", data[:4])[0]
        self.header = json.loads(data[4:4 + length])
        self.strings = self.header["strings"]
        self.columns, at = {}, 4 + length
        for column in self.header["columns"]:
            values, at = varints(data, at, column["count"])
            self.columns[column["name"]] = undelta(values) if column["encoding"] == "delta" else values
        if at != len(data):
            raise AssertionError(f"{len(data) - at} bytes left behind the columns")

    def __getitem__(self, name):
        return self.columns[name]

    def table(self, name):
        """The rows of a table as dictionaries."""
        columns = {n.split(".", 1)[1]: v for n, v in self.columns.items() if n.startswith(name + ".")}
        return [dict(zip(columns, values)) for values in zip(*columns.values())]

    @functools.lru_cache
    def parents(self):
        return [i - parent for i, parent in enumerate(self["nodes.parent"])]

    def self_costs(self, cost, table="rows"):
        """Cost of each node by itself."""
        costs = [0] * len(self["nodes.parent"])
        for node, value in zip(self[table + ".node"], self[table + "." + cost]):
            costs[node] += value
        return costs

    def sums(self, cost, table="rows"):
        """Cost of each node with all below it."""
        sums, parents = self.self_costs(cost, table), self.parents()
        for node in range(len(sums) - 1, 0, -1):
            sums[parents[node]] += sums[node]
        return sums

    def frame(self, number):
        texts = {name: self.strings[self["frames." + name][number]] for name in ("function", "file", "module")}
        return {**texts, "line": self["frames.line"][number], "flags": self["frames.flags"][number]}

    @functools.lru_cache
    def paths(self):
        """By node: names of functions, the outermost first."""
        paths, parents, functions = [()], self.parents(), self["frames.function"]
        for node in range(1, len(parents)):
            name = self.strings[functions[self["nodes.frame"][node]]]
            paths.append(paths[parents[node]] + (name,))
        return paths

    def path(self, node):
        return self.paths()[node]
