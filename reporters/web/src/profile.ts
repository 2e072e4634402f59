/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A log as the page sees it: the header's lists and one typed array for each column. Everything
 * that other modules index with is checked here, once, so that they need not.
 */
import { DataError, type Container } from "./container.ts";

export interface Meta {
  command: string;
  host: string;
  directory: string;
  version: string;
  start: string;
  duration_seconds: number;
  mode: "exact" | "sampled" | "mixed";
  sampling_interval_bytes: number;
  complete: boolean;
  incomplete_reason: string;
  exit: { status: number | null; signal: number | string | null };
  peak_bytes: number;
  peak_time_seconds: number;
  peak_rss_bytes: number;
  tracker_rss_bytes: number;
  hints: string[];
  folded: { nodes: number; peak_bytes: number };
}

export interface Totals {
  peak_bytes: number;
  live_bytes: number;
  allocated_bytes: number;
  allocations: number;
  temporary: number | null;
}

export interface Header {
  meta: Meta;
  totals: Totals;
  errors?: Partial<Record<keyof Totals, number>>;
  strings: string[];
  processes: { pid: number; command: string; image: number }[];
  threads: { process: number; name: string }[];
  kinds: string[];
  leak_kinds: string[];
  windows: { count: number; end_seconds: number } | null;
  base: { meta: Meta; totals: Totals } | null;
}

/* What a row, or a node of the base, costs. */
export interface CostColumns {
  allocations: Float64Array;
  allocatedBytes: Float64Array;
  peakBlocks: Float64Array;
  peakBytes: Float64Array;
  liveBlocks: Float64Array;
  liveBytes: Float64Array;
  temporary: Float64Array;
}

export interface Profile extends Header {
  frames: {
    count: number;
    function: Int32Array;
    file: Int32Array;
    module: Int32Array;
    line: Int32Array;
    flags: Int32Array;
  };
  nodes: { count: number; parent: Int32Array; frame: Int32Array };
  rows: { count: number; node: Int32Array; thread: Int32Array; kind: Int32Array; leak: Int32Array };
  rowCosts: CostColumns;
  survivors: {
    count: number;
    row: Int32Array;
    born: Int32Array;
    died: Int32Array;
    blocks: Float64Array;
    bytes: Float64Array;
  } | null;
  timeline: { timeUs: Float64Array; liveBytes: Float64Array; maxBytes: Float64Array } | null;
  rss: { timeUs: Float64Array; bytes: Float64Array; trackerBytes: Float64Array } | null;
  baseNodes: Int32Array | null;
  baseCosts: CostColumns | null;
  sources: { file: number; firstLine: number; text: string }[];
}

export enum FrameFlag {
  Inlined = 1,
  Guessed = 2,
  CutOff = 4,
  Folded = 8,
}

type Columns = Map<string, Float64Array>;

export function buildProfile({ header, columns }: Container<Header>): Profile {
  const strings = header.strings.length;
  const frameCount = tableLength(columns, "frames.function");
  const nodeCount = tableLength(columns, "nodes.parent");
  const rowCount = tableLength(columns, "rows.node");
  if (nodeCount === 0) throw new DataError("the data has no root node");
  required(columns, "nodes.frame")[0] = 0; /* the root's means nothing */
  return {
    ...header,
    frames: {
      count: frameCount,
      function: indexColumn(columns, "frames.function", strings),
      file: indexColumn(columns, "frames.file", strings),
      module: indexColumn(columns, "frames.module", strings),
      line: indexColumn(columns, "frames.line", 2 ** 27),
      flags: indexColumn(columns, "frames.flags", 2 ** 31),
    },
    nodes: {
      count: nodeCount,
      parent: parentColumn(required(columns, "nodes.parent")),
      frame: indexColumn(columns, "nodes.frame", Math.max(frameCount, 1)),
    },
    rows: {
      count: rowCount,
      node: indexColumn(columns, "rows.node", nodeCount),
      thread: indexColumn(columns, "rows.thread", header.threads.length),
      kind: indexColumn(columns, "rows.kind", header.kinds.length),
      leak: indexColumn(columns, "rows.leak", header.leak_kinds.length),
    },
    rowCosts: costColumns(columns, "rows"),
    survivors: header.windows && survivorColumns(columns, rowCount, header.windows.count),
    timeline: timelineColumns(columns),
    rss: rssColumns(columns),
    baseNodes: header.base && indexColumn(columns, "base.node", nodeCount),
    baseCosts: header.base && costColumns(columns, "base"),
    sources: sourceExcerpts(columns, header.strings),
  };
}

function required(columns: Columns, name: string): Float64Array {
  const column = columns.get(name);
  if (!column) throw new DataError(`the data has no column ${name}`);
  return column;
}

function tableLength(columns: Columns, firstColumn: string): number {
  const table = firstColumn.split(".")[0];
  const count = required(columns, firstColumn).length;
  for (const [name, column] of columns)
    if (name.startsWith(table + ".") && column.length !== count)
      throw new DataError(`column ${name} has ${column.length} values, its table ${count}`);
  return count;
}

function indexColumn(columns: Columns, name: string, limit: number): Int32Array {
  const values = required(columns, name);
  for (let i = 0; i < values.length; i++)
    if (!(values[i] >= 0 && values[i] < limit))
      throw new DataError(`column ${name} has ${values[i]}, beyond ${limit}`);
  return Int32Array.from(values);
}

function parentColumn(distances: Float64Array): Int32Array {
  const parents = new Int32Array(distances.length);
  for (let i = 1; i < distances.length; i++) {
    parents[i] = i - distances[i];
    if (!(distances[i] >= 1 && distances[i] <= i))
      throw new DataError(`node ${i} comes before its parent`);
  }
  return parents;
}

function costColumns(columns: Columns, table: string): CostColumns {
  return {
    allocations: required(columns, table + ".allocations"),
    allocatedBytes: required(columns, table + ".allocated_bytes"),
    peakBlocks: required(columns, table + ".peak_blocks"),
    peakBytes: required(columns, table + ".peak_bytes"),
    liveBlocks: required(columns, table + ".live_blocks"),
    liveBytes: required(columns, table + ".live_bytes"),
    temporary: required(columns, table + ".temporary"),
  };
}

function survivorColumns(columns: Columns, rowCount: number, windowCount: number) {
  if (!columns.has("survivors.row") || windowCount === 0) return null;
  return {
    count: tableLength(columns, "survivors.row"),
    row: indexColumn(columns, "survivors.row", rowCount),
    born: indexColumn(columns, "survivors.born", windowCount),
    died: indexColumn(columns, "survivors.died", windowCount + 1),
    blocks: required(columns, "survivors.blocks"),
    bytes: required(columns, "survivors.bytes"),
  };
}

function timelineColumns(columns: Columns) {
  if (!columns.get("timeline.time_us")?.length) return null;
  tableLength(columns, "timeline.time_us");
  return {
    timeUs: required(columns, "timeline.time_us"),
    liveBytes: required(columns, "timeline.live_bytes"),
    maxBytes: required(columns, "timeline.max_bytes"),
  };
}

function rssColumns(columns: Columns) {
  if (!columns.get("rss.time_us")?.length) return null;
  tableLength(columns, "rss.time_us");
  /* Of a very short run there may be one look, or only such at a process that had ended. */
  if (required(columns, "rss.bytes").filter((bytes) => bytes > 0).length < 2) return null;
  return {
    timeUs: required(columns, "rss.time_us"),
    bytes: required(columns, "rss.bytes"),
    trackerBytes: required(columns, "rss.tracker_bytes"),
  };
}

function sourceExcerpts(columns: Columns, strings: string[]) {
  const excerpts: Profile["sources"] = [];
  if (!columns.has("sources.file")) return excerpts;
  const count = tableLength(columns, "sources.file");
  const file = indexColumn(columns, "sources.file", strings.length);
  const firstLine = indexColumn(columns, "sources.first_line", 2 ** 31);
  const text = indexColumn(columns, "sources.text", strings.length);
  for (let i = 0; i < count; i++)
    excerpts.push({ file: file[i], firstLine: firstLine[i], text: strings[text[i]] });
  return excerpts;
}
