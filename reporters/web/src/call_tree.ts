/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree that is drawn: the log's nodes with frames of one function merged, hidden modules left
 * out (their children move up) and, on request, recursion folded.
 *
 * Nodes are numbered in preorder, so the subtree of `node` is the range [node, end[node]), its
 * first child is node + 1 and the next sibling of a child is end[child]. Node 0 is the root; its
 * group is -1. The shape does not depend on the cost: see TreeValues for the numbers.
 */
import type { Groups } from "./groups.ts";
import { InternTable } from "./intern_table.ts";
import type { Profile } from "./profile.ts";

export interface TreeShape {
  hiddenModules: ReadonlySet<number>; /* string numbers */
  foldRecursion: boolean;
}

export interface CallTree {
  count: number;
  groups: Groups;
  parent: Int32Array;
  group: Int32Array;
  depth: Int32Array;
  end: Int32Array;
  ofNode: Int32Array; /* the log's node -> node of this tree */
  firstNode: Int32Array; /* the other way: the first of the log's nodes */
}

export function buildCallTree(profile: Profile, groups: Groups, shape: TreeShape): CallTree {
  const { nodes } = profile;
  const merged = new InternTable(nodes.count);
  merged.find(-1, -1);
  const parent = new Int32Array(nodes.count);
  const group = new Int32Array(nodes.count).fill(-1);
  const ofNode = new Int32Array(nodes.count);
  const hidden = hiddenFrames(profile, shape.hiddenModules);

  for (let i = 1; i < nodes.count; i++) {
    const frame = nodes.frame[i];
    const above = ofNode[nodes.parent[i]];
    if (hidden && hidden[frame]) {
      ofNode[i] = above;
      continue;
    }
    const wanted = groups.ofFrame[frame];
    if (shape.foldRecursion) {
      const outer = findAncestor(parent, group, above, wanted);
      if (outer > 0) {
        ofNode[i] = outer;
        continue;
      }
    }
    const node = merged.find(above, wanted);
    parent[node] = above;
    group[node] = wanted;
    ofNode[i] = node;
  }
  return inPreorder(merged.count, groups, parent, group, ofNode);
}

function hiddenFrames(profile: Profile, modules: ReadonlySet<number>): Uint8Array | null {
  if (modules.size === 0) return null;
  const hidden = new Uint8Array(profile.frames.count);
  for (let i = 0; i < hidden.length; i++) hidden[i] = modules.has(profile.frames.module[i]) ? 1 : 0;
  return hidden;
}

function findAncestor(parent: Int32Array, group: Int32Array, start: number, wanted: number) {
  let node = start;
  while (node > 0 && group[node] !== wanted) node = parent[node];
  return node;
}

function inPreorder(
  count: number,
  groups: Groups,
  oldParent: Int32Array,
  oldGroup: Int32Array,
  ofNode: Int32Array,
): CallTree {
  const size = new Int32Array(count).fill(1);
  for (let i = count - 1; i > 0; i--) size[oldParent[i]] += size[i];

  const place = new Int32Array(count); /* old number -> new number */
  const nextFree = new Int32Array(count).fill(1); /* by old number: place of the next child */
  const tree: CallTree = {
    count,
    groups,
    parent: new Int32Array(count),
    group: new Int32Array(count).fill(-1),
    depth: new Int32Array(count),
    end: new Int32Array(count),
    ofNode,
    firstNode: new Int32Array(count).fill(-1),
  };
  tree.end[0] = count;
  for (let i = 1; i < count; i++) {
    const above = oldParent[i];
    const node = nextFree[above];
    nextFree[above] += size[i];
    place[i] = node;
    nextFree[i] = node + 1;
    tree.parent[node] = place[above];
    tree.group[node] = oldGroup[i];
    tree.depth[node] = tree.depth[place[above]] + 1;
    tree.end[node] = node + size[i];
  }
  for (let i = 0; i < ofNode.length; i++) {
    const node = place[ofNode[i]];
    ofNode[i] = node;
    if (tree.firstNode[node] < 0) tree.firstNode[node] = i;
  }
  return tree;
}
