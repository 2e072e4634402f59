/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The costs a page can show, and the sums of rows that pass the filters. */
import type { CostColumns, Profile, Totals } from "./profile.ts";

export type CostId = "peak" | "leaked" | "allocated" | "allocations" | "temporary";
export type Unit = "bytes" | "count";

export interface Cost {
  id: CostId;
  label: string;
  unit: Unit;
  column: keyof CostColumns;
  blocks: keyof CostColumns | null; /* how many blocks the bytes are */
  total: keyof Totals;
  meaning: string;
}

export const COSTS: readonly Cost[] = [
  {
    id: "peak",
    label: "Peak",
    unit: "bytes",
    column: "peakBytes",
    blocks: "peakBlocks",
    total: "peak_bytes",
    meaning: "live when the heap was at its largest",
  },
  {
    id: "leaked",
    label: "Leaked",
    unit: "bytes",
    column: "liveBytes",
    blocks: "liveBlocks",
    total: "live_bytes",
    meaning: "never freed",
  },
  {
    id: "allocated",
    label: "Total allocated",
    unit: "bytes",
    column: "allocatedBytes",
    blocks: "allocations",
    total: "allocated_bytes",
    meaning: "everything that was ever allocated",
  },
  {
    id: "allocations",
    label: "Allocations",
    unit: "count",
    column: "allocations",
    blocks: null,
    total: "allocations",
    meaning: "how often memory was allocated",
  },
  {
    id: "temporary",
    label: "Temporary",
    unit: "count",
    column: "temporary",
    blocks: null,
    total: "temporary",
    meaning: "allocations freed by their thread before its next allocation",
  },
];

export function findCost(id: CostId): Cost {
  return COSTS.find((cost) => cost.id === id)!;
}

/* -1: everything */
export interface RowFilter {
  process: number;
  thread: number;
  kind: number;
  leakKind: number;
  module: number; /* string number: stack traces through the module */
}

/* A part of the run; window numbers. An instant has first === 0: all that is live at its end. */
export interface TimeSelection {
  first: number;
  last: number;
}

/* 1 for the rows that pass, null when all do. */
export function passingRows(profile: Profile, filter: RowFilter): Uint8Array | null {
  const { process, thread, kind, leakKind, module } = filter;
  if (process < 0 && thread < 0 && kind < 0 && leakKind < 0 && module < 0) return null;
  const { rows, threads } = profile;
  const threadPasses = threads.map(
    (entry, i) => (process < 0 || entry.process === process) && (thread < 0 || i === thread),
  );
  const nodePasses = module < 0 ? null : nodesThroughModule(profile, module);
  const passes = new Uint8Array(rows.count);
  for (let i = 0; i < rows.count; i++) {
    if (!threadPasses[rows.thread[i]]) continue;
    if (kind >= 0 && rows.kind[i] !== kind) continue;
    if (leakKind >= 0 && rows.leak[i] !== leakKind) continue;
    if (nodePasses && !nodePasses[rows.node[i]]) continue;
    passes[i] = 1;
  }
  return passes;
}

function nodesThroughModule(profile: Profile, module: number): Uint8Array {
  const { nodes, frames } = profile;
  const through = new Uint8Array(nodes.count);
  for (let i = 1; i < nodes.count; i++)
    if (through[nodes.parent[i]] || frames.module[nodes.frame[i]] === module) through[i] = 1;
  return through;
}

/* By row: what is selected by time; see docs/page_data.md for the two equations. */
export function survivorValues(
  profile: Profile,
  selection: TimeSelection,
  unit: Unit,
): Float64Array {
  const values = new Float64Array(profile.rows.count);
  const survivors = profile.survivors;
  if (!survivors) return values;
  const { row, born, died } = survivors;
  const amounts = unit === "bytes" ? survivors.bytes : survivors.blocks;
  for (let i = 0; i < survivors.count; i++)
    if (born[i] >= selection.first && born[i] <= selection.last && died[i] > selection.last)
      values[row[i]] += amounts[i];
  return values;
}

/* Sums of rows by the log's node. */
export function sumByNode(
  profile: Profile,
  rowValues: Float64Array,
  passes: Uint8Array | null,
): Float64Array {
  const sums = new Float64Array(profile.nodes.count);
  const { node, count } = profile.rows;
  for (let i = 0; i < count; i++) if (!passes || passes[i]) sums[node[i]] += rowValues[i];
  return sums;
}

export function baseByNode(profile: Profile, cost: Cost, module: number): Float64Array {
  const sums = new Float64Array(profile.nodes.count);
  const { baseNodes, baseCosts } = profile;
  if (!baseNodes || !baseCosts) return sums;
  const through = module < 0 ? null : nodesThroughModule(profile, module);
  for (let i = 0; i < baseNodes.length; i++)
    if (!through || through[baseNodes[i]]) sums[baseNodes[i]] += baseCosts[cost.column][i];
  return sums;
}

export function baseTotal(profile: Profile, cost: Cost, module: number): number {
  if (module < 0 && profile.baseCosts) return sumRows(profile.baseCosts[cost.column], null);
  return sumRows(baseByNode(profile, cost, module), null);
}

export function sumRows(values: Float64Array, passes: Uint8Array | null): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) if (!passes || passes[i]) sum += values[i];
  return sum;
}
