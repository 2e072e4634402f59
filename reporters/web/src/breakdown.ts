/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All costs of some stack traces, and who they belong to: for the panel beside the flamegraph. */
import type { CallTree } from "./call_tree.ts";
import { COSTS } from "./costs.ts";
import type { Answer } from "./model.ts";

export interface Breakdown {
  costs: { now: number; blocks: number | null }[]; /* of COSTS */
  threads: { index: number; now: number }[]; /* of the shown cost, largest first */
  kinds: { index: number; now: number }[];
}

/* `members`: by tree node, 1 for those in which the stack traces end. */
export function breakDown(answer: Answer, members: Uint8Array): Breakdown {
  const { profile, tree, passes, rowValues } = answer;
  const { rows, rowCosts } = profile;
  const picked: number[] = [];
  for (let i = 0; i < rows.count; i++)
    if (members[tree.ofNode[rows.node[i]]] && (!passes || passes[i])) picked.push(i);

  const sum = (column: Float64Array) => picked.reduce((total, row) => total + column[row], 0);
  const by = (index: Int32Array, count: number) => {
    const sums = new Float64Array(count);
    for (const row of picked) sums[index[row]] += rowValues[row];
    return [...sums]
      .map((now, i) => ({ index: i, now }))
      .filter((entry) => entry.now > 0)
      .sort((a, b) => b.now - a.now);
  };
  return {
    costs: COSTS.map((cost) => ({
      now: sum(rowCosts[cost.column]),
      blocks: cost.blocks && sum(rowCosts[cost.blocks]),
    })),
    threads: by(rows.thread, profile.threads.length),
    kinds: by(rows.kind, profile.kinds.length),
  };
}

/* Where stack traces end that go through a function. */
export function functionMembers(tree: CallTree, group: number): Uint8Array {
  const members = new Uint8Array(tree.count);
  for (let node = 1; node < tree.count; node++)
    if (tree.group[node] === group || members[tree.parent[node]]) members[node] = 1;
  return members;
}
