/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inverted tree: the root's children are the functions that allocate, below each one are its
 * callers. Whole, it would have as many nodes as all stack traces have frames together, so a node
 * gets its children when they are first asked for, which is when it is wide enough to be drawn.
 *
 * Each node stands for a range of `leaves`, the nodes of the CallTree in which a stack trace
 * ends; `next` is for each of them the frame that comes next on the way out. Expanding a node
 * sorts its range by the function of `next`, in place, so the ranges of the nodes above stay
 * right and no memory is needed but for the nodes.
 */
import type { CallTree } from "./call_tree.ts";
import type { Groups } from "./groups.ts";
import type { TreeValues } from "./tree_values.ts";
import { sortTail, type Rest, type RestSearch, type ViewTree } from "./view_tree.ts";

interface CallersNode {
  group: number;
  parent: number;
  depth: number;
  start: number; /* range of leaves */
  end: number;
  weight: number;
  now: number;
  base: number;
  selfNow: number; /* of stack traces that begin here; set by expand */
  selfBase: number;
  children: number[] | null;
}

export class CallersTree implements ViewTree {
  readonly groups: Groups;
  private readonly nodes: CallersNode[] = [];
  private readonly leaves: Int32Array;
  private readonly next: Int32Array;
  private readonly sortedLeaves: Int32Array;
  private readonly sortedNext: Int32Array;
  private readonly childOfGroup: Int32Array;

  constructor(
    private readonly tree: CallTree,
    private readonly values: TreeValues,
  ) {
    this.groups = tree.groups;
    const weight = values.weight.self;
    let count = 0;
    for (let i = 0; i < tree.count; i++) if (weight[i] > 0) count++;
    this.leaves = new Int32Array(count);
    count = 0;
    for (let i = 0; i < tree.count; i++) if (weight[i] > 0) this.leaves[count++] = i;
    this.next = this.leaves.slice();
    this.sortedLeaves = new Int32Array(count);
    this.sortedNext = new Int32Array(count);
    this.childOfGroup = new Int32Array(tree.groups.count).fill(-1);

    const root = this.addNode(-1, 0, 0);
    root.end = count;
    root.weight = values.weight.total[0];
    root.now = values.now.total[0];
    root.base = values.base ? values.base.total[0] : 0;
  }

  private addNode(group: number, parent: number, depth: number): CallersNode {
    const node: CallersNode = {
      group,
      parent,
      depth,
      start: 0,
      end: 0,
      weight: 0,
      now: 0,
      base: 0,
      selfNow: 0,
      selfBase: 0,
      children: null,
    };
    this.nodes.push(node);
    return node;
  }

  weight(node: number) {
    return this.nodes[node].weight;
  }
  now(node: number) {
    return this.nodes[node].now;
  }
  base(node: number) {
    return this.nodes[node].base;
  }
  selfNow(node: number) {
    this.expand(node);
    return this.nodes[node].selfNow;
  }
  selfBase(node: number) {
    this.expand(node);
    return this.nodes[node].selfBase;
  }
  group(node: number) {
    return this.nodes[node].group;
  }
  parent(node: number) {
    return this.nodes[node].parent;
  }
  depth(node: number) {
    return this.nodes[node].depth;
  }

  private expand(number: number): number[] {
    const node = this.nodes[number];
    if (node.children) return node.children;
    node.children = [];
    const { now, base, weight } = this.values;
    let begun = node.start; /* leaves of stack traces that begin here, put first */
    for (let i = node.start; i < node.end; i++) {
      const leaf = this.leaves[i];
      if (this.next[i] === 0) {
        node.selfNow += now.self[leaf];
        if (base) node.selfBase += base.self[leaf];
        this.sortedLeaves[begun++] = leaf;
        continue;
      }
      const child = this.nodes[this.findChild(number, this.tree.group[this.next[i]])];
      child.end++;
      child.weight += weight.self[leaf];
      child.now += now.self[leaf];
      if (base) child.base += base.self[leaf];
    }
    this.sortLeaves(node, begun);
    return node.children;
  }

  private findChild(number: number, group: number): number {
    let child = this.childOfGroup[group];
    if (child >= 0) return child;
    child = this.nodes.length;
    this.addNode(group, number, this.nodes[number].depth + 1);
    this.nodes[number].children!.push(child);
    this.childOfGroup[group] = child;
    return child;
  }

  /* The children's `end` holds their number of leaves; makes it, and `start`, positions. */
  private sortLeaves(node: CallersNode, begun: number) {
    let position = begun;
    for (const number of node.children!) {
      const child = this.nodes[number];
      const size = child.end;
      child.start = position;
      child.end = position;
      position += size;
    }
    this.sortedNext.fill(0, node.start, begun);
    for (let i = node.start; i < node.end; i++) {
      const frame = this.next[i];
      if (frame === 0) continue;
      const child = this.nodes[this.childOfGroup[this.tree.group[frame]]];
      this.sortedLeaves[child.end] = this.leaves[i];
      this.sortedNext[child.end++] = this.tree.parent[frame];
    }
    this.leaves.set(this.sortedLeaves.subarray(node.start, node.end), node.start);
    this.next.set(this.sortedNext.subarray(node.start, node.end), node.start);
    for (const number of node.children!) this.childOfGroup[this.nodes[number].group] = -1;
  }

  collectChildren(node: number, minimum: number, into: number[]): Rest {
    const rest = { count: 0, weight: 0, now: 0, base: 0 };
    const first = into.length;
    for (const number of this.expand(node)) {
      const child = this.nodes[number];
      if (child.weight >= minimum) {
        into.push(number);
        continue;
      }
      rest.count++;
      rest.weight += child.weight;
      rest.now += child.now;
      rest.base += child.base;
    }
    sortTail(into, first, (a, b) => this.nodes[b].weight - this.nodes[a].weight || a - b);
    return rest;
  }

  /* Looks at the children only: what is above them on the stack was never sorted out. */
  restHas(node: number, minimum: number, search: RestSearch): boolean {
    return this.expand(node).some(
      (child) => this.nodes[child].weight < minimum && search.groups[this.nodes[child].group] !== 0,
    );
  }

  /* By its functions, not by `leaves`: those have only what has a value of the shown cost. */
  members(node: number): Uint8Array {
    const path: number[] = [];
    for (let at = node; at > 0; at = this.nodes[at].parent) path.push(this.nodes[at].group);
    path.reverse();
    const members = new Uint8Array(this.tree.count);
    for (let leaf = 0; leaf < this.tree.count; leaf++) {
      let at = leaf;
      let length = 0;
      while (length < path.length && this.tree.group[at] === path[length]) {
        at = this.tree.parent[at];
        length++;
      }
      if (length === path.length) members[leaf] = 1;
    }
    return members;
  }

  stack(node: number): number[] {
    const frames = [];
    for (let at = node; at > 0; at = this.nodes[at].parent) frames.push(at);
    return frames;
  }

  reference(node: number): string {
    const { start, depth } = this.nodes[node];
    if (depth === 0) return "0";
    return `${this.tree.firstNode[this.leaves[start]]}.${depth}`;
  }

  resolve(reference: string): number {
    const [first, depth] = reference.split(".").map(Number);
    if (!(first >= 0 && first < this.tree.ofNode.length && depth > 0)) return 0;
    let frame = this.tree.ofNode[first];
    let node = 0;
    while (frame > 0 && this.nodes[node].depth < depth) {
      const group = this.tree.group[frame];
      const child = this.expand(node).find((number) => this.nodes[number].group === group);
      if (child === undefined) return 0;
      node = child;
      frame = this.tree.parent[frame];
    }
    return this.nodes[node].depth === depth ? node : 0;
  }
}
