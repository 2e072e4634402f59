/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The top of the page: what was recorded, and the costs, each a button with its total. */
import { COSTS, type Cost } from "./costs.ts";
import {
  formatBytes,
  formatCount,
  formatExact,
  formatExactChange,
  formatPercent,
  formatRelativeChange,
  formatSeconds,
  formatValue,
} from "./format.ts";
import { Icon } from "./icons.tsx";
import type { Page } from "./page.ts";
import { toggleTheme } from "./theme.ts";

export function Header({ page }: { page: Page }) {
  const { meta } = page.answer.profile;
  return (
    <header class="header">
      <div class="title">
        <h1 title={meta.command}>{meta.command || "(unknown command)"}</h1>
        <p>
          {meta.host && <span>{meta.host}</span>}
          <span>{formatStart(meta.start)}</span>
          <span>{formatSeconds(meta.duration_seconds)}</span>
          <span class={`mode mode-${meta.mode}`}>{meta.mode}</span>
        </p>
      </div>
      <CostSwitch page={page} />
      <button
        class="icon-button theme-button"
        aria-label={page.theme === "dark" ? "Light theme" : "Dark theme"}
        title={page.theme === "dark" ? "Light theme" : "Dark theme"}
        onClick={() => {
          toggleTheme();
          page.redraw();
        }}
      >
        <Icon name={page.theme === "dark" ? "sun" : "moon"} />
      </button>
    </header>
  );
}

function formatStart(start: string): string {
  return start.replace("T", " ").replace(/(:\d\d)(\.\d+)?Z$/, "$1 UTC");
}

function CostSwitch({ page }: { page: Page }) {
  const { question } = page.answer;
  return (
    <div class="costs" role="group" aria-label="Cost">
      {COSTS.map((cost, i) => (
        <CostButton
          key={cost.id}
          page={page}
          cost={cost}
          index={i}
          pressed={!question.time && question.cost === cost}
        />
      ))}
    </div>
  );
}

interface CostButtonProps {
  page: Page;
  cost: Cost;
  index: number;
  pressed: boolean;
}

function CostButton({ page, cost, index, pressed }: CostButtonProps) {
  const { answer, store } = page;
  const { totals, errors } = answer.profile;
  const total = answer.totals[index];
  const unknown = totals[cost.total] === null;
  const error = errors?.[cost.total];
  const title = unknown
    ? "Not known: sampling cannot tell which allocations are temporary"
    : `${cost.label}: ${formatExact(total.now, cost.unit)}, ${cost.meaning}` +
      (total.base === null
        ? ""
        : `; the base: ${formatExact(total.base, cost.unit)} (${formatExactChange(total.now - total.base, cost.unit)})`);
  return (
    <button
      class="cost"
      data-cost={cost.id}
      aria-pressed={pressed}
      disabled={unknown}
      title={title}
      onClick={() => store.go({ cost: cost.id, time: null }, "cost")}
    >
      <span class="cost-label">{cost.label}</span>
      <span class="cost-figure">
        {unknown ? "\u2013" : formatValue(total.now, cost.unit)}
        {error ? <span class="cost-error"> ± {formatValue(error, cost.unit)}</span> : null}
      </span>
      <span class="cost-detail">{unknown ? "not known" : costDetail(page, cost, index)}</span>
    </button>
  );
}

function costDetail(page: Page, cost: Cost, index: number): string {
  const { answer } = page;
  const total = answer.totals[index];
  if (total.base !== null) {
    const relative = formatRelativeChange(total.now, total.base);
    return `${relative} vs ${formatValue(total.base, cost.unit)}`;
  }
  const whole = answer.profile.totals[cost.total] ?? 0;
  if (total.now !== whole) return `of ${formatValue(whole, cost.unit)}`;
  const { meta, totals } = answer.profile;
  switch (cost.id) {
    case "peak":
      return `at ${formatSeconds(meta.peak_time_seconds)}`;
    case "leaked":
      return "never freed";
    case "allocated":
      return totals.allocations ? `${formatBytes(total.now / totals.allocations)} on average` : "";
    case "allocations":
      return meta.duration_seconds > 0
        ? `${formatCount(total.now / meta.duration_seconds)} a second`
        : "";
    case "temporary":
      return `${formatPercent(total.now, totals.allocations)} of allocations`;
  }
}
