/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of figures in the function panel. */
import type { Breakdown } from "./breakdown.ts";
import { COSTS } from "./costs.ts";
import {
  formatChange,
  formatExact,
  formatPercent,
  formatRelativeChange,
  formatValue,
  plural,
} from "./format.ts";
import type { Page } from "./page.ts";
import { ValueList } from "./value_list.tsx";

export function Figures({ page }: { page: Page }) {
  const { answer, model } = page;
  const { view, frame, question } = answer;
  const sandwich = model.sandwich(answer);
  const comparing = question.comparing;
  return (
    <table class="plain figures" id="figures">
      <thead>
        <tr>
          <th>{answer.question.time ? "Live" : question.cost.label}</th>
          <th>Total</th>
          <th>Self</th>
        </tr>
      </thead>
      <tbody>
        {frame > 0 && (
          <tr data-row="frame">
            <th scope="row">This frame</th>
            <FigureCell page={page} now={view.now(frame)} base={view.base(frame)} />
            <FigureCell page={page} now={view.selfNow(frame)} base={view.selfBase(frame)} />
          </tr>
        )}
        <tr data-row="function">
          <th scope="row">Everywhere</th>
          <FigureCell page={page} now={sandwich.now} base={sandwich.base} />
          <FigureCell page={page} now={sandwich.selfNow} base={sandwich.selfBase} />
        </tr>
        {comparing && (
          <tr data-row="base">
            <th scope="row">In the base</th>
            <td class="number" title={formatExact(sandwich.base, question.unit)}>
              {formatValue(sandwich.base, question.unit)}
            </td>
            <td class="number" title={formatExact(sandwich.selfBase, question.unit)}>
              {formatValue(sandwich.selfBase, question.unit)}
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function FigureCell({ page, now, base }: { page: Page; now: number; base: number }) {
  const { question, values } = page.answer;
  const { unit, comparing } = question;
  return (
    <td class="number" title={formatExact(now, unit)}>
      {formatValue(now, unit)}
      <small>
        {comparing
          ? `${formatChange(now - base, unit)} (${formatRelativeChange(now, base)})`
          : formatPercent(now, values.now.total[0])}
      </small>
    </td>
  );
}

export function AllCosts({ page, breakdown }: { page: Page; breakdown: Breakdown }) {
  const { frame, question, profile } = page.answer;
  return (
    <section>
      <h3>
        All costs {frame > 0 ? "of this frame" : "of this function"}
        {question.time ? ", whole run" : ""}
      </h3>
      <table class="plain" id="all-costs">
        <tbody>
          {COSTS.map((cost, i) => {
            const { now, blocks } = breakdown.costs[i];
            if (profile.totals[cost.total] === null) return null;
            return (
              <tr key={cost.id} data-cost={cost.id}>
                <th scope="row">{cost.label}</th>
                <td class="number" title={formatExact(now, cost.unit)}>
                  {formatValue(now, cost.unit)}
                </td>
                <td class="number">{blocks === null ? "" : plural(blocks, "block")}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

export function Shares({ page, breakdown }: { page: Page; breakdown: Breakdown }) {
  const { profile, question } = page.answer;
  if (question.comparing) return null;
  const whole = breakdown.threads.reduce((sum, entry) => sum + entry.now, 0);
  const threads = breakdown.threads.map(({ index, now }) => ({
    name: profile.threads[index].name || "(unnamed thread)",
    now,
    base: 0,
    choose: () => page.store.go({ thread: index }, "filter"),
  }));
  const kinds = breakdown.kinds.map(({ index, now }) => ({
    name: profile.kinds[index],
    now,
    base: 0,
    choose: () => page.store.go({ kind: index }, "filter"),
  }));
  return (
    <>
      {profile.threads.length > 1 && (
        <section>
          <h3>By thread</h3>
          <ValueList page={page} id="by-thread" entries={threads} whole={whole} />
        </section>
      )}
      {profile.kinds.length > 1 && (
        <section>
          <h3>By allocator</h3>
          <ValueList page={page} id="by-kind" entries={kinds} whole={whole} />
        </section>
      )}
    </>
  );
}
