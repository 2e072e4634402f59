/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The side panel when no function is selected: what the log says about the run. */
import type { ComponentChildren } from "preact";
import { COSTS } from "./costs.ts";
import {
  formatBytes,
  formatExact,
  formatExactChange,
  formatSeconds,
  formatValue,
} from "./format.ts";
import { ColorKey } from "./color_key.tsx";
import type { Page } from "./page.ts";
import type { Meta } from "./profile.ts";
import { largestChanges } from "./changes.ts";
import { ChangeList } from "./value_list.tsx";

export function SummaryPanel({ page }: { page: Page }) {
  const { profile } = page.answer;
  const { meta, processes, base } = profile;
  return (
    <div class="panel-body" id="summary">
      <dl class="facts">
        <Fact name="Command">
          <code>{meta.command}</code>
        </Fact>
        <Fact name="Directory">{meta.directory && <code>{meta.directory}</code>}</Fact>
        <Fact name="Host">{meta.host}</Fact>
        <Fact name="Start">{meta.start}</Fact>
        <Fact name="Duration">{formatSeconds(meta.duration_seconds)}</Fact>
        <Fact name="Ended">{exitText(page)}</Fact>
        <Fact name="Recorded">{modeText(page)}</Fact>
        <Fact name="Base">{base && baseText(base.meta)}</Fact>
        <Fact name="memtrace">{meta.version}</Fact>
        <Fact name="Peak">
          {meta.peak_bytes > 0 &&
            `${formatBytes(meta.peak_bytes)} at ${formatSeconds(meta.peak_time_seconds)}`}
        </Fact>
        <Fact name="Peak resident">{meta.peak_rss_bytes > 0 && residentText(meta)}</Fact>
      </dl>
      {meta.hints.length > 0 && (
        <section>
          <h3>Hints</h3>
          <ul class="hints">
            {meta.hints.map((hint) => (
              <li key={hint}>{hint}</li>
            ))}
          </ul>
        </section>
      )}
      <TotalsTable page={page} />
      {base && <Changes page={page} />}
      <ColorKey page={page} />
      <section>
        <h3>{processes.length === 1 ? "Process" : `${processes.length} processes`}</h3>
        <table class="plain texts">
          <thead>
            <tr>
              <th>PID</th>
              <th>Command</th>
            </tr>
          </thead>
          <tbody>
            {processes.map((process, i) => (
              <tr key={i}>
                <td class="number">{process.pid}</td>
                <td>
                  <code>{process.command}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <KeyboardHelp />
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (!children) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/* The log that this one is compared with. */
function baseText(base: Meta): ComponentChildren {
  return (
    <>
      <code>{base.command}</code>, {base.start}, {base.mode}
    </>
  );
}

/* memtrace's share is known only if the run was long enough for a look at it. */
function residentText(meta: Meta): string {
  const share = meta.tracker_rss_bytes;
  return formatBytes(meta.peak_rss_bytes) + (share ? `, of it memtrace ${formatBytes(share)}` : "");
}

function exitText(page: Page): string {
  const { exit } = page.answer.profile.meta;
  if (exit.signal !== null && exit.signal !== undefined) return `killed by signal ${exit.signal}`;
  if (exit.status !== null && exit.status !== undefined) return `exit status ${exit.status}`;
  return "not known";
}

function modeText(page: Page): string {
  const { meta } = page.answer.profile;
  const interval = formatBytes(meta.sampling_interval_bytes);
  switch (meta.mode) {
    case "exact":
      return "every allocation (exact)";
    case "sampled":
      return `sampled, every ${interval} on average`;
    case "mixed":
      return `exact at first, then sampled every ${interval} on average`;
  }
}

function TotalsTable({ page }: { page: Page }) {
  const { profile } = page.answer;
  const { totals, errors, base } = profile;
  return (
    <section>
      <h3>Totals</h3>
      <table class="plain totals" id="totals">
        <thead>
          <tr>
            <th>Cost</th>
            <th>This log</th>
            {errors && <th>±</th>}
            {base && <th>Base</th>}
            {base && <th>Change</th>}
          </tr>
        </thead>
        <tbody>
          {COSTS.map((cost) => {
            const now = totals[cost.total];
            const before = base?.totals[cost.total] ?? null;
            const error = errors?.[cost.total];
            return (
              <tr key={cost.id} data-cost={cost.id}>
                <th scope="row">{cost.label}</th>
                <td class="number" title={now === null ? "" : formatExact(now, cost.unit)}>
                  {now === null ? "not known" : formatValue(now, cost.unit)}
                </td>
                {errors && (
                  <td class="number">{error === undefined ? "" : formatValue(error, cost.unit)}</td>
                )}
                {base && (
                  <td class="number">{before === null ? "" : formatValue(before, cost.unit)}</td>
                )}
                {base && (
                  <td
                    class="number"
                    title={
                      now === null || before === null
                        ? ""
                        : formatExactChange(now - before, cost.unit)
                    }
                  >
                    {now === null || before === null ? "" : changeText(now - before, cost.unit)}
                  </td>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
      <SumCheck page={page} />
    </section>
  );
}

function changeText(change: number, unit: "bytes" | "count"): string {
  return (change > 0 ? "+" : "") + formatValue(change, unit);
}

/* The rows must add up to the totals the log states; if they do not, say so. */
function SumCheck({ page }: { page: Page }) {
  const { profile } = page.answer;
  const wrong = COSTS.filter((cost) => {
    const stated = profile.totals[cost.total];
    const summed = page.model.wholeTotals()[cost.id];
    return stated !== null && Math.abs(stated - summed) > Math.abs(stated) * 1e-9;
  });
  if (wrong.length === 0) return null;
  return (
    <p class="notice notice-warning">
      {wrong.map((cost) => cost.label).join(", ")}: the stack traces of this page do not add up to
      what the log states.
    </p>
  );
}

function Changes({ page }: { page: Page }) {
  const { question } = page.answer;
  if (!question.comparing) return null;
  const changes = largestChanges(page.answer, 10);
  return (
    <section id="changes">
      <h3>Largest changes, {question.cost.label.toLowerCase()}</h3>
      <ChangeList page={page} changes={changes} />
      <button
        class="link"
        onClick={() => page.store.go({ view: "table", grouping: "function", sort: "selfChange" })}
      >
        All changes
      </button>
    </section>
  );
}

const KEYS = [
  ["/", "search"],
  ["n, N", "next and previous match"],
  ["↑ ↓ ← →", "move the selection"],
  ["Enter", "zoom to the selection"],
  ["Esc", "reset"],
];

function KeyboardHelp() {
  return (
    <section>
      <h3>Keys</h3>
      <dl class="facts keys">
        {KEYS.map(([key, meaning]) => (
          <Fact key={key} name={key}>
            {meaning}
          </Fact>
        ))}
      </dl>
    </section>
  );
}
