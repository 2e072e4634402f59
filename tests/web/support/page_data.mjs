/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encodes the data of a page as docs/page_data.md says: { header, tables } to base64. A table is
 * { column: array }, and the header is completed with the list of columns.
 */
import { gzipSync } from "node:zlib";

const DELTA = new Set([
  "rows.node",
  "survivors.row",
  "timeline.time_us",
  "rss.time_us",
  "base.node",
]);

export function encodeData({ header, tables }) {
  const columns = [];
  const parts = [];
  for (const [table, arrays] of Object.entries(tables)) {
    for (const [column, values] of Object.entries(arrays)) {
      const name = `${table}.${column}`;
      const encoding = DELTA.has(name) ? "delta" : "varint";
      columns.push({ name, count: values.length, encoding });
      parts.push(encodeColumn(values, encoding));
    }
  }
  const json = Buffer.from(JSON.stringify({ format: 1, ...header, columns }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return gzipSync(Buffer.concat([length, json, ...parts])).toString("base64");
}

function encodeColumn(values, encoding) {
  const bytes = Buffer.alloc(values.length * 10);
  let length = 0;
  let before = 0;
  for (const value of values) {
    let left = value;
    if (encoding === "delta") {
      const difference = value - before;
      left = difference < 0 ? -2 * difference - 1 : 2 * difference;
      before = value;
    }
    while (left >= 0x80) {
      bytes[length++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    bytes[length++] = left;
  }
  return bytes.subarray(0, length);
}

/* The page around the data, as reporters/flamegraph.c writes it. */
export function insertData(template, base64) {
  const [before, after, ...more] = template.split("<!--memtrace-data-->");
  if (after === undefined || more.length > 0)
    throw new Error("the template has no one place");
  const open =
    '<script id="memtrace-data" type="application/octet-stream;base64">';
  return `${before}${open}${base64}</script>${after}`;
}

export const DEFAULT_META = {
  command: "/usr/bin/server --port 1",
  host: "box",
  directory: "/srv",
  version: "0.1.0",
  start: "2026-11-22T15:04:05Z",
  duration_seconds: 12.5,
  mode: "exact",
  sampling_interval_bytes: 0,
  complete: true,
  incomplete_reason: "",
  exit: { status: 0, signal: null },
  peak_bytes: 0,
  peak_time_seconds: 7.25,
  peak_rss_bytes: 0,
  tracker_rss_bytes: 0,
  hints: [],
  folded: { nodes: 0, peak_bytes: 0 },
};

export const COST_COLUMNS = [
  "allocations",
  "allocated_bytes",
  "peak_blocks",
  "peak_bytes",
  "live_blocks",
  "live_bytes",
  "temporary",
];
