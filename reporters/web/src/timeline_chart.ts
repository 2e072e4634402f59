/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chart of heap and resident memory over time, drawn by uPlot. */
import uPlot from "uplot";
import type { TimeSelection } from "./costs.ts";
import { INK, type Theme } from "./colors.ts";
import { formatBytes } from "./format.ts";
import type { Profile } from "./profile.ts";

export const SERIES_COLORS: Record<Theme, { heap: string; rss: string; tracker: string }> = {
  light: { heap: "#c2570c", rss: "#2563a8", tracker: "#7a5ea8" },
  dark: { heap: "#f0a35e", rss: "#79b0ea", tracker: "#b79be0" },
};

const CHROME: Record<Theme, { axis: string; grid: string; mark: string; band: string }> = {
  light: { axis: "#565e6b", grid: "#e6e8ec", mark: "#1c2026", band: "rgba(37, 99, 168, 0.16)" },
  dark: { axis: "#a3abb8", grid: "#2a2f38", mark: "#f0f2f5", band: "rgba(121, 176, 234, 0.22)" },
};

const HEIGHT = 92;
const LEFT_AXIS = 64;

export interface TimelineEvents {
  selected(selection: TimeSelection): void;
  pointed(seconds: number | null): void;
}

export class TimelineChart {
  private readonly plot: uPlot;
  private readonly observer: ResizeObserver;
  private selection: TimeSelection | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly profile: Profile,
    private readonly theme: Theme,
    private readonly selectable: boolean,
    private readonly events: TimelineEvents,
  ) {
    this.plot = new uPlot(this.options(), chartData(profile), root);
    this.observer = new ResizeObserver(() => {
      if (root.clientWidth > 0 && root.clientWidth !== this.plot.width)
        this.plot.setSize({ width: root.clientWidth, height: HEIGHT });
    });
    this.observer.observe(root);
    if (selectable) this.plot.over.addEventListener("click", (event) => this.clicked(event));
  }

  destroy() {
    this.observer.disconnect();
    this.plot.destroy();
  }

  showSelection(selection: TimeSelection | null) {
    if (this.selection === selection) return;
    this.selection = selection;
    this.plot.redraw(false, false);
  }

  private options(): uPlot.Options {
    const colors = SERIES_COLORS[this.theme];
    const chrome = CHROME[this.theme];
    const axis = {
      stroke: chrome.axis,
      grid: { stroke: chrome.grid, width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    return {
      width: Math.max(this.root.clientWidth, 100),
      height: HEIGHT,
      legend: { show: false },
      padding: [16, 28, 0, 0],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: this.selectable, y: false, setScale: false, dist: 4 },
      },
      scales: {
        x: { time: false, range: () => [0, endSeconds(this.profile)] },
        y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1)] },
      },
      axes: [
        {
          ...axis,
          size: 20,
          gap: 2,
          values: (_, splits) => splits.map((split) => formatClock(split, splits)),
        },
        {
          ...axis,
          size: LEFT_AXIS,
          gap: 6,
          space: 22,
          incrs: Array.from({ length: 50 }, (_, power) => 2 ** power),
          values: (_, splits) => splits.map((split) => formatBytes(split)),
        },
      ],
      series: [
        {},
        { stroke: colors.heap, fill: colors.heap + "26", width: 1.5, points: { show: false } },
        { stroke: colors.rss, width: 1.5, points: { show: false } },
        { stroke: colors.tracker, width: 1, dash: [3, 3], points: { show: false } },
      ],
      hooks: {
        draw: [(plot) => this.drawMarks(plot)],
        setSelect: [(plot) => this.dragged(plot)],
        setCursor: [
          (plot) => {
            const { left } = plot.cursor;
            const inside = left !== undefined && left !== null && left >= 0;
            this.events.pointed(inside ? plot.posToVal(left, "x") : null);
          },
        ],
      },
    };
  }

  /* The peak, and the selected part of the run. */
  private drawMarks(plot: uPlot) {
    const { ctx, bbox } = plot;
    const chrome = CHROME[this.theme];
    const { windows } = this.profile;
    ctx.save();
    if (this.selection && windows) {
      const position = (window: number) =>
        plot.valToPos((window * windows.end_seconds) / windows.count, "x", true);
      const isInstant = this.selection.first === 0;
      const right = position(this.selection.last + 1);
      const left = isInstant ? right - devicePixelRatio : position(this.selection.first);
      ctx.fillStyle = isInstant ? chrome.mark : chrome.band;
      ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
      if (!isInstant) {
        ctx.fillStyle = SERIES_COLORS[this.theme].rss;
        ctx.fillRect(left, bbox.top, devicePixelRatio, bbox.height);
        ctx.fillRect(right - devicePixelRatio, bbox.top, devicePixelRatio, bbox.height);
      }
    }
    this.drawPeak(plot);
    ctx.restore();
  }

  private drawPeak(plot: uPlot) {
    const { ctx, bbox } = plot;
    const { meta } = this.profile;
    const x = plot.valToPos(meta.peak_time_seconds, "x", true);
    const y = Math.max(plot.valToPos(meta.peak_bytes, "y", true), bbox.top);
    ctx.fillStyle = CHROME[this.theme].mark;
    ctx.strokeStyle = INK[this.theme].surface;
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.beginPath();
    ctx.arc(x, y, 3.5 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.stroke();
    ctx.fill();
    if (meta.peak_bytes === 0) return;
    const label = `peak ${formatBytes(meta.peak_bytes)}`;
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    const half = ctx.measureText(label).width / 2;
    const labelX = Math.min(Math.max(x, bbox.left + half), bbox.left + bbox.width - half);
    const labelY = y - 7 * devicePixelRatio;
    /* Other lines may pass here: the label has ground of its own. */
    ctx.fillStyle = INK[this.theme].surface;
    const margin = 3 * devicePixelRatio;
    ctx.fillRect(
      labelX - half - margin,
      labelY - 10 * devicePixelRatio,
      2 * (half + margin),
      13 * devicePixelRatio,
    );
    ctx.fillStyle = CHROME[this.theme].mark;
    ctx.textBaseline = "alphabetic";
    ctx.textAlign = "center";
    ctx.fillText(label, labelX, labelY);
  }

  private windowAt(plot: uPlot, left: number): number {
    const { count, end_seconds } = this.profile.windows!;
    const window = Math.floor((plot.posToVal(left, "x") / end_seconds) * count);
    return Math.min(Math.max(window, 0), count - 1);
  }

  private dragged(plot: uPlot) {
    const { left, width } = plot.select;
    if (!this.selectable || width < 4) return;
    const first = this.windowAt(plot, left);
    const last = Math.max(first, this.windowAt(plot, left + width - 0.5));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.events.selected({ first, last });
  }

  private clicked(event: MouseEvent) {
    const left = event.clientX - this.plot.over.getBoundingClientRect().left;
    this.events.selected({ first: 0, last: this.windowAt(this.plot, left) });
  }
}

/* "5 ms", "7.5 s", from a minute on "1:05", from an hour on "1:00:05"; one unit below a minute. */
function formatClock(seconds: number, splits: number[]): string {
  if (seconds === 0) return "0";
  if (splits[splits.length - 1] < 1) return `${Number((seconds * 1000).toPrecision(6))} ms`;
  if (seconds < 60) return `${Number(seconds.toPrecision(6))} s`;
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const rest = two(seconds % 60);
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}

function endSeconds(profile: Profile): number {
  const lastOf = (times: Float64Array | undefined) => (times ? times[times.length - 1] / 1e6 : 0);
  return Math.max(
    profile.windows?.end_seconds ?? 0,
    profile.meta.duration_seconds,
    lastOf(profile.timeline?.timeUs),
    lastOf(profile.rss?.timeUs),
    1e-6,
  );
}

function chartData(profile: Profile): uPlot.AlignedData {
  const { timeline, rss } = profile;
  const seconds = (times: Float64Array) => Array.from(times, (time) => time / 1e6);
  const tables: uPlot.AlignedData[] = [];
  if (timeline) tables.push([seconds(timeline.timeUs), Array.from(timeline.maxBytes)]);
  else tables.push([[0], [null]]);
  if (rss) tables.push([seconds(rss.timeUs), Array.from(rss.bytes), Array.from(rss.trackerBytes)]);
  else tables.push([[0], [null], [null]]);
  return uPlot.join(tables);
}
