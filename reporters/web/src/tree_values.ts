/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numbers of a CallTree for one question. `self` is what stack traces ending in the node
 * cost, `total` adds everything below: total[n] = self[n] + the sum of its children's totals.
 *
 * `weight` is what widths follow: this log's cost, or when two logs are compared the sum of both
 * logs' costs (or one of them), so that what is gone still has a width.
 */
import type { CallTree } from "./call_tree.ts";

export interface Sums {
  self: Float64Array;
  total: Float64Array;
}

export interface TreeValues {
  now: Sums;
  base: Sums | null;
  weight: Sums;
}

export type CompareWidth = "both" | "this" | "base";

export function sumTree(tree: CallTree, nodeValues: Float64Array): Sums {
  const self = new Float64Array(tree.count);
  for (let i = 0; i < nodeValues.length; i++) self[tree.ofNode[i]] += nodeValues[i];
  const total = self.slice();
  for (let i = tree.count - 1; i > 0; i--) total[tree.parent[i]] += total[i];
  return { self, total };
}

export function combineSums(now: Sums, base: Sums, width: CompareWidth): Sums {
  if (width === "this") return now;
  if (width === "base") return base;
  return { self: add(now.self, base.self), total: add(now.total, base.total) };
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]);
}
