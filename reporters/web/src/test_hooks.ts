/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* window.memtracePage: what is drawn on the canvas, for tests, which cannot read pixels. */
import type { Flamegraph } from "./flamegraph.ts";
import type { Answer } from "./model.ts";
import { ROW_HEIGHT } from "./picture.ts";

export interface DrawnFrame {
  name: string;
  row: number;
  x: number;
  width: number;
  value: number;
  base: number;
  self: number;
  rest: number; /* how many frames it stands for, 0: it is one */
  matches: boolean;
  color: string;
}

export function describePage(answer: () => Answer, flamegraph: { current: Flamegraph | null }) {
  return {
    frames: () => (flamegraph.current?.picture ? drawnFrames(flamegraph.current) : []),
    total: () => answer().values.now.total[0],
    rowHeight: ROW_HEIGHT,
    nodeCount: () => answer().tree.count,
  };
}

function drawnFrames(flamegraph: Flamegraph): DrawnFrame[] {
  const picture = flamegraph.picture!;
  const { layout, answer } = picture;
  const frames = [];
  for (let i = 0; i < layout.count; i++) {
    const rest = picture.rest(i);
    frames.push({
      name: picture.name(i),
      row: layout.rowOf(i),
      x: layout.x[i],
      width: layout.width[i],
      value: picture.now(i),
      base: picture.base(i),
      self: rest ? 0 : answer.view.selfNow(layout.node[i]),
      rest: rest?.count ?? 0,
      matches: picture.matches(i),
      color: picture.color(i),
    });
  }
  return frames;
}
