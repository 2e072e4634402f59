/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where frames are drawn. Rows from the top: the frames above the zoomed one, each over the full
 * width, then the zoomed one, then level by level what is below it; a frame's width is its share
 * of the zoomed frame's weight. Siblings are sorted by weight, and those that would be narrower
 * than MINIMUM_WIDTH (or are below the minimum the user set) are one frame `rest` with their
 * exact sum. A subtree that is not drawn is never visited, so the work follows the screen.
 */
import type { Rest, ViewTree } from "./view_tree.ts";

const MINIMUM_WIDTH = 1; /* px */

export class Layout {
  count = 0;
  node = new Int32Array(1024); /* of a rest: the node whose children it stands for */
  x = new Float64Array(1024); /* px */
  width = new Float64Array(1024);
  readonly rests = new Map<number, Rest>();
  readonly rowStart: number[] = []; /* index of each row's first frame; one more at the end */
  ancestorRows = 0; /* rows above the zoomed frame */
  minimumWeight = 0; /* frames below were merged */

  get rowCount() {
    return this.rowStart.length - 1;
  }

  add(node: number, x: number, width: number) {
    if (this.count === this.node.length) this.grow();
    this.node[this.count] = node;
    this.x[this.count] = x;
    this.width[this.count] = width;
    this.count++;
  }

  private grow() {
    const length = this.node.length * 2;
    this.node = copyInto(new Int32Array(length), this.node);
    this.x = copyInto(new Float64Array(length), this.x);
    this.width = copyInto(new Float64Array(length), this.width);
  }

  rowOf(index: number): number {
    let low = 0;
    let high = this.rowCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rowStart[middle] <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /* The frame at a point, or -1. */
  at(x: number, row: number): number {
    if (row < 0 || row >= this.rowCount) return -1;
    let low = this.rowStart[row];
    let high = this.rowStart[row + 1] - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.x[middle] <= x) low = middle;
      else high = middle - 1;
    }
    return low <= high && x >= this.x[low] && x < this.x[low] + this.width[low] ? low : -1;
  }

  /* The frame drawn for a node, or -1: too small, or not below the zoomed one. */
  find(node: number): number {
    for (let i = 0; i < this.count; i++) if (this.node[i] === node && !this.rests.has(i)) return i;
    return -1;
  }
}

function copyInto<T extends Int32Array | Float64Array>(to: T, from: T): T {
  (to as Float64Array).set(from as Float64Array);
  return to;
}

/* `minimumWeight`: what the user set; frames too narrow to be seen are merged in any case. */
export function layOut(tree: ViewTree, zoom: number, width: number, minimumWeight: number): Layout {
  const layout = new Layout();
  const scale = tree.weight(zoom) > 0 ? width / tree.weight(zoom) : 0;
  layout.minimumWeight = Math.max(minimumWeight, scale > 0 ? MINIMUM_WIDTH / scale : 0);
  addAncestors(layout, tree, zoom, width);
  layout.rowStart.push(layout.count);
  layout.add(zoom, 0, width);

  const children: number[] = [];
  for (;;) {
    const first = layout.rowStart[layout.rowCount];
    const end = layout.count;
    layout.rowStart.push(end);
    for (let i = first; i < end; i++) {
      if (layout.rests.has(i)) continue;
      children.length = 0;
      const rest = tree.collectChildren(layout.node[i], layout.minimumWeight, children);
      let x = layout.x[i];
      for (const child of children) {
        const childWidth = tree.weight(child) * scale;
        layout.add(child, x, childWidth);
        x += childWidth;
      }
      if (rest.count > 0) {
        layout.rests.set(layout.count, rest);
        layout.add(layout.node[i], x, rest.weight * scale);
      }
    }
    if (layout.count === end) return layout;
  }
}

function addAncestors(layout: Layout, tree: ViewTree, zoom: number, width: number) {
  const above = [];
  for (let node = zoom; node !== 0; node = tree.parent(node)) above.push(tree.parent(node));
  for (const node of above.reverse()) {
    layout.rowStart.push(layout.count);
    layout.add(node, 0, width);
  }
  layout.ancestorRows = above.length;
}
