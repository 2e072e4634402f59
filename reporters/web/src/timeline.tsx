/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strip with the chart over time, its legend, and the keyboard's way to select. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { TimeSelection } from "./costs.ts";
import { formatBytes, formatSeconds } from "./format.ts";
import type { Page } from "./page.ts";
import { timeText } from "./path_bar.tsx";
import type { Profile } from "./profile.ts";
import { SERIES_COLORS, TimelineChart } from "./timeline_chart.ts";

export function Timeline({ page }: { page: Page }) {
  const { profile, question } = page.answer;
  const [pointedSeconds, setPointedSeconds] = useState<number | null>(null);
  const root = useRef<HTMLDivElement>(null);
  const chart = useRef<TimelineChart | null>(null);
  const selectable = profile.survivors !== null && profile.windows!.end_seconds > 0;
  const { store } = page;

  useEffect(() => {
    chart.current = new TimelineChart(root.current!, profile, page.theme, selectable, {
      selected: (time) => store.go({ time }, "time"),
      pointed: setPointedSeconds,
    });
    return () => chart.current!.destroy();
  }, [profile, page.theme]);
  useEffect(() => chart.current!.showSelection(question.time), [question.time, page.theme]);

  return (
    <section class="timeline" aria-label="Memory over time">
      <div class="timeline-head">
        <Legend page={page} seconds={pointedSeconds} />
        <span class="timeline-hint" id="timeline-hint">
          {hintText(page, selectable)}
        </span>
        {question.time && (
          <>
            <div class="segments segments-small" role="group" aria-label="Live as">
              <UnitButton page={page} unit="bytes" label="Bytes" />
              <UnitButton page={page} unit="count" label="Blocks" />
            </div>
            <button class="link" id="time-reset" onClick={() => store.go({ time: null }, "time")}>
              Whole run
            </button>
          </>
        )}
      </div>
      <div
        id="timeline"
        ref={root}
        class={selectable ? "chart chart-selectable" : "chart"}
        {...(selectable ? sliderProperties(page) : {})}
      />
    </section>
  );
}

function hintText(page: Page, selectable: boolean): string {
  if (!selectable) return "No time can be selected: this log does not say how long blocks lived";
  if (page.answer.question.time) return `Showing blocks ${timeText(page)}`;
  return "Click for the live set at a time, drag for what was allocated and still lives";
}

function UnitButton({ page, unit, label }: { page: Page; unit: "bytes" | "count"; label: string }) {
  return (
    <button
      data-unit={unit}
      aria-pressed={page.answer.state.timeUnit === unit}
      onClick={() => page.store.go({ timeUnit: unit })}
    >
      {label}
    </button>
  );
}

function Legend({ page, seconds }: { page: Page; seconds: number | null }) {
  const { profile } = page.answer;
  const { timeline, rss } = profile;
  const colors = SERIES_COLORS[page.theme];
  const value = (times: Float64Array | undefined, values: Float64Array | undefined) =>
    seconds === null || !times || !values ? "" : formatBytes(valueAt(times, values, seconds));
  return (
    <span class="legend" id="legend">
      {timeline && (
        <LegendEntry
          color={colors.heap}
          name="Heap"
          value={value(timeline.timeUs, timeline.maxBytes)}
        />
      )}
      {rss && (
        <>
          <LegendEntry color={colors.rss} name="Resident" value={value(rss.timeUs, rss.bytes)} />
          <LegendEntry
            color={colors.tracker}
            name="of it memtrace"
            value={value(rss.timeUs, rss.trackerBytes)}
          />
        </>
      )}
      {seconds !== null && <span class="legend-time">at {formatSeconds(seconds)}</span>}
    </span>
  );
}

function LegendEntry({ color, name, value }: { color: string; name: string; value: string }) {
  return (
    <span class="legend-entry">
      <i style={{ background: color }} /> {name} <b>{value}</b>
    </span>
  );
}

/* The value of the first point not before a time: a point says what was since the one before. */
function valueAt(times: Float64Array, values: Float64Array, seconds: number): number {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < seconds * 1e6) low = middle + 1;
    else high = middle;
  }
  return values[low];
}

/* Arrow keys move the instant; with Shift they make it a part of the run, or change its end. */
function sliderProperties(page: Page) {
  const { profile, question } = page.answer;
  const count = profile.windows!.count;
  return {
    role: "slider",
    tabIndex: 0,
    "aria-label": "Time",
    "aria-describedby": "timeline-hint",
    "aria-valuemin": 0,
    "aria-valuemax": count - 1,
    "aria-valuenow": question.time?.last ?? count - 1,
    "aria-valuetext": question.time ? timeText(page) : "the whole run",
    onKeyDown: (event: KeyboardEvent) => {
      const time = movedSelection(profile, question.time, event.key, event.shiftKey);
      if (!time) return;
      event.preventDefault();
      event.stopPropagation();
      page.store.adjust({ time }, "time");
    },
  } as const;
}

function movedSelection(
  profile: Profile,
  time: TimeSelection | null,
  key: string,
  extend: boolean,
): TimeSelection | null {
  const end = profile.windows!.count - 1;
  const targets: Record<string, number> = {
    ArrowLeft: (time?.last ?? end + 1) - 1,
    ArrowRight: (time?.last ?? -1) + 1,
    Home: 0,
    End: end,
  };
  if (!(key in targets)) return null;
  const last = Math.min(Math.max(targets[key], 0), end);
  if (!extend) return { first: 0, last };
  const first = time && time.first > 0 ? time.first : Math.max(time?.last ?? 0, 1);
  return { first: Math.min(first, last), last };
}
