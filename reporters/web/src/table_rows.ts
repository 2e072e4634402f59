/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of the table: sums by function, file, module, stack trace, thread or allocator. A
 * stack trace counts once for each function, file or module that it goes through, so `self` sums
 * up to the total and `total` does not.
 */
import type { CallTree } from "./call_tree.ts";
import type { Profile } from "./profile.ts";
import { firstInOrder } from "./largest.ts";
import type { TreeValues } from "./tree_values.ts";

export type TableGrouping = "function" | "file" | "module" | "stack" | "thread" | "kind";
export type TableColumn = "name" | "self" | "total" | "selfChange" | "totalChange";

export interface TableSums {
  count: number;
  key: Int32Array; /* group, string number, tree node, thread or kind */
  self: Float64Array;
  total: Float64Array;
  baseSelf: Float64Array;
  baseTotal: Float64Array;
}

export interface TablePage {
  order: number[]; /* rows of TableSums */
  hiddenCount: number;
  hiddenSelf: number;
  hiddenBaseSelf: number;
}

function emptySums(count: number): TableSums {
  return {
    count,
    key: new Int32Array(count),
    self: new Float64Array(count),
    total: new Float64Array(count),
    baseSelf: new Float64Array(count),
    baseTotal: new Float64Array(count),
  };
}

export function sumByFrames(
  profile: Profile,
  tree: CallTree,
  values: TreeValues,
  grouping: "function" | "file" | "module",
): TableSums {
  const { groups } = tree;
  const keyCount = grouping === "function" ? groups.count : profile.strings.length;
  const keyOf = grouping === "function" ? null : groups[grouping];
  const sums = emptySums(keyCount);
  const covered = new Int32Array(keyCount); /* end of the outermost subtree of a key */
  const { now, base } = values;
  for (let node = 1; node < tree.count; node++) {
    const group = tree.group[node];
    const key = keyOf ? keyOf[group] : group;
    sums.self[key] += now.self[node];
    if (base) sums.baseSelf[key] += base.self[node];
    if (node < covered[key]) continue;
    covered[key] = tree.end[node];
    sums.total[key] += now.total[node];
    if (base) sums.baseTotal[key] += base.total[node];
  }
  for (let key = 0; key < keyCount; key++) sums.key[key] = key;
  return withoutZeros(sums);
}

export function sumByStack(tree: CallTree, values: TreeValues): TableSums {
  const { now, base } = values;
  const sums = emptySums(tree.count);
  for (let node = 0; node < tree.count; node++) {
    sums.key[node] = node;
    sums.self[node] = sums.total[node] = now.self[node];
    if (base) sums.baseSelf[node] = sums.baseTotal[node] = base.self[node];
  }
  return withoutZeros(sums);
}

/* By an index in the rows themselves; there is no base to compare with. */
export function sumByRowIndex(
  index: Int32Array,
  keyCount: number,
  rowValues: Float64Array,
  passes: Uint8Array | null,
): TableSums {
  const sums = emptySums(keyCount);
  for (let i = 0; i < index.length; i++)
    if (!passes || passes[i]) sums.self[index[i]] += rowValues[i];
  for (let key = 0; key < keyCount; key++) {
    sums.key[key] = key;
    sums.total[key] = sums.self[key];
  }
  return withoutZeros(sums);
}

function withoutZeros(sums: TableSums): TableSums {
  let count = 0;
  for (let i = 0; i < sums.count; i++) {
    if (sums.total[i] === 0 && sums.baseTotal[i] === 0) continue;
    sums.key[count] = sums.key[i];
    sums.self[count] = sums.self[i];
    sums.total[count] = sums.total[i];
    sums.baseSelf[count] = sums.baseSelf[i];
    sums.baseTotal[count] = sums.baseTotal[i];
    count++;
  }
  return { ...sums, count };
}

/* `wanted` null: every key. Rows below `minimum` or beyond `limit` are counted, not listed. */
export function pageOf(
  sums: TableSums,
  column: TableColumn,
  descending: boolean,
  limit: number,
  minimum: number,
  wanted: ((key: number) => boolean) | null,
  nameOf: (key: number) => string,
): TablePage {
  const shown: number[] = [];
  const page = { hiddenCount: 0, hiddenSelf: 0, hiddenBaseSelf: 0 };
  const hide = (row: number) => {
    page.hiddenCount++;
    page.hiddenSelf += sums.self[row];
    page.hiddenBaseSelf += sums.baseSelf[row];
  };
  for (let row = 0; row < sums.count; row++) {
    if (wanted && !wanted(sums.key[row])) continue;
    if (Math.max(sums.total[row], sums.baseTotal[row]) < minimum) hide(row);
    else shown.push(row);
  }
  const sortKeys = column === "name" ? null : shown.map((row) => sortValue(sums, column, row));
  const name = (index: number) => nameOf(sums.key[shown[index]]);
  const direction = descending ? -1 : 1;
  const compare = sortKeys
    ? (a: number, b: number) => direction * (sortKeys[a] - sortKeys[b]) || a - b
    : (a: number, b: number) => direction * compareText(name(a), name(b)) || a - b;
  const order = firstInOrder(shown.length, limit, compare).map((index) => shown[index]);
  if (order.length < shown.length) {
    const listed = new Set(order);
    for (const row of shown) if (!listed.has(row)) hide(row);
  }
  return { order, ...page };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/* Changes are sorted by size, whatever their sign. */
function sortValue(sums: TableSums, column: TableColumn, row: number): number {
  switch (column) {
    case "self":
      return sums.self[row];
    case "total":
      return sums.total[row];
    case "selfChange":
      return Math.abs(sums.self[row] - sums.baseSelf[row]);
    case "totalChange":
      return Math.abs(sums.total[row] - sums.baseTotal[row]);
    case "name":
      return 0;
  }
}
