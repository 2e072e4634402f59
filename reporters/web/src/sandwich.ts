/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One function, wherever it is called: who calls it and what it calls. Recursion is counted once:
 * the caller of a stack trace is the one of the outermost frame of the function, the callee the
 * one of the innermost. So both lists, with `self` for the second, sum up to the function's total.
 */
import type { CallTree } from "./call_tree.ts";
import type { Profile } from "./profile.ts";
import type { TreeValues } from "./tree_values.ts";

export interface Neighbour {
  group: number; /* -1: the function is the outermost frame */
  now: number;
  base: number;
}

export interface Sandwich {
  now: number;
  base: number;
  selfNow: number;
  selfBase: number;
  callers: Neighbour[];
  callees: Neighbour[];
}

class NeighbourList {
  private readonly byGroup = new Map<number, Neighbour>();

  add(group: number, now: number, base: number) {
    const entry = this.byGroup.get(group);
    if (!entry) {
      this.byGroup.set(group, { group, now, base });
      return;
    }
    entry.now += now;
    entry.base += base;
  }

  sorted(): Neighbour[] {
    return [...this.byGroup.values()]
      .filter((entry) => entry.now !== 0 || entry.base !== 0)
      .sort((a, b) => b.now + b.base - (a.now + a.base) || a.group - b.group);
  }
}

const OUTSIDE = -1;
const SELF = -2;

export function functionSandwich(tree: CallTree, values: TreeValues, group: number): Sandwich {
  const sandwich = { now: 0, base: 0, selfNow: 0, selfBase: 0 };
  const callers = new NeighbourList();
  const callees = new NeighbourList();
  const { now, base } = values;
  /* Under the innermost frame of the function: the group of its child on the way, SELF, OUTSIDE. */
  const callee = new Int32Array(tree.count).fill(OUTSIDE);
  let covered = 0;

  for (let node = 1; node < tree.count; node++) {
    const above = callee[tree.parent[node]];
    if (tree.group[node] === group) {
      callee[node] = SELF;
      if (node >= covered) {
        covered = tree.end[node];
        const total = base ? base.total[node] : 0;
        sandwich.now += now.total[node];
        sandwich.base += total;
        callers.add(tree.group[tree.parent[node]], now.total[node], total);
      }
    } else {
      callee[node] = above === SELF ? tree.group[node] : above;
    }
    if (callee[node] === OUTSIDE) continue;
    const nowSelf = now.self[node];
    const baseSelf = base ? base.self[node] : 0;
    if (nowSelf === 0 && baseSelf === 0) continue;
    if (callee[node] === SELF) {
      sandwich.selfNow += nowSelf;
      sandwich.selfBase += baseSelf;
    } else {
      callees.add(callee[node], nowSelf, baseSelf);
    }
  }
  return { ...sandwich, callers: callers.sorted(), callees: callees.sorted() };
}

export interface LineValue {
  line: number;
  now: number;
}

/* The function's total by the line of its innermost frame, largest first; line 0: not known. */
export function functionLines(
  profile: Profile,
  tree: CallTree,
  nodeValues: Float64Array,
  group: number,
): LineValue[] {
  const { nodes, frames } = profile;
  const lineOf = new Int32Array(nodes.count).fill(-1);
  const sums = new Map<number, number>();
  for (let node = 1; node < nodes.count; node++) {
    const frame = nodes.frame[node];
    const inside = tree.groups.ofFrame[frame] === group;
    lineOf[node] = inside ? frames.line[frame] : lineOf[nodes.parent[node]];
    if (lineOf[node] < 0 || nodeValues[node] === 0) continue;
    sums.set(lineOf[node], (sums.get(lineOf[node]) ?? 0) + nodeValues[node]);
  }
  return [...sums].map(([line, now]) => ({ line, now })).sort((a, b) => b.now - a.now);
}
