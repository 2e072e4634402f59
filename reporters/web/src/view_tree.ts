/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What layout, drawing and panels need of a tree. There are two: the tree of calls itself
 * (CalleesTree, from the outermost frame inwards) and the inverted one (callers_tree.ts).
 */
import type { CallTree } from "./call_tree.ts";
import type { Groups } from "./groups.ts";
import type { TreeValues } from "./tree_values.ts";

/* Children that were too small to be collected, as one. */
export interface Rest {
  count: number;
  weight: number;
  now: number;
  base: number;
}

export interface ViewTree {
  readonly groups: Groups;
  weight(node: number): number;
  now(node: number): number;
  base(node: number): number;
  selfNow(node: number): number;
  selfBase(node: number): number;
  group(node: number): number; /* -1: the root */
  parent(node: number): number;
  depth(node: number): number;
  /* Appends the children with at least `minimum` weight, heaviest first; weight 0 is no child. */
  collectChildren(node: number, minimum: number, into: number[]): Rest;
  /* Is a function marked in `groups` among the children below `minimum`, or under one of them? */
  restHas(node: number, minimum: number, search: RestSearch): boolean;
  /* Nodes of the CallTree in which the stack traces end that this node stands for. */
  members(node: number): Uint8Array;
  /* Frames as they are on the stack of the process, outermost first; nodes of this tree. */
  stack(node: number): number[];
  /* A name of the node that outlives a change of cost, filter and shape. */
  reference(node: number): string;
  resolve(reference: string): number;
}

export interface RestSearch {
  groups: Uint8Array;
  below: Uint8Array; /* by node of the CallTree: it or something below matches */
}

export class CalleesTree implements ViewTree {
  readonly groups: Groups;

  constructor(
    private readonly tree: CallTree,
    private readonly values: TreeValues,
  ) {
    this.groups = tree.groups;
  }

  weight(node: number) {
    return this.values.weight.total[node];
  }
  now(node: number) {
    return this.values.now.total[node];
  }
  base(node: number) {
    return this.values.base ? this.values.base.total[node] : 0;
  }
  selfNow(node: number) {
    return this.values.now.self[node];
  }
  selfBase(node: number) {
    return this.values.base ? this.values.base.self[node] : 0;
  }
  group(node: number) {
    return this.tree.group[node];
  }
  parent(node: number) {
    return this.tree.parent[node];
  }
  depth(node: number) {
    return this.tree.depth[node];
  }

  collectChildren(node: number, minimum: number, into: number[]): Rest {
    const rest = { count: 0, weight: 0, now: 0, base: 0 };
    const first = into.length;
    const end = this.tree.end[node];
    const total = this.values.weight.total;
    for (let child = node + 1; child < end; child = this.tree.end[child]) {
      if (total[child] === 0) continue;
      if (total[child] >= minimum) {
        into.push(child);
        continue;
      }
      rest.count++;
      rest.weight += total[child];
      rest.now += this.now(child);
      rest.base += this.base(child);
    }
    sortTail(into, first, (a, b) => total[b] - total[a] || a - b);
    return rest;
  }

  restHas(node: number, minimum: number, search: RestSearch): boolean {
    const total = this.values.weight.total;
    const end = this.tree.end[node];
    for (let child = node + 1; child < end; child = this.tree.end[child])
      if (total[child] > 0 && total[child] < minimum && search.below[child]) return true;
    return false;
  }

  members(node: number): Uint8Array {
    return new Uint8Array(this.tree.count).fill(1, node, this.tree.end[node]);
  }

  stack(node: number): number[] {
    const frames = [];
    for (let at = node; at > 0; at = this.tree.parent[at]) frames.push(at);
    return frames.reverse();
  }

  reference(node: number): string {
    return String(this.tree.firstNode[node]);
  }

  resolve(reference: string): number {
    const node = Number.parseInt(reference, 10);
    return node >= 0 && node < this.tree.ofNode.length ? this.tree.ofNode[node] : 0;
  }
}

export function sortTail(
  values: number[],
  first: number,
  compare: (a: number, b: number) => number,
) {
  if (values.length - first < 2) return;
  const tail = first === 0 ? values.sort(compare) : values.splice(first).sort(compare);
  if (first > 0) for (const value of tail) values.push(value);
}
