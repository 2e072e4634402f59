/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of names with a figure and a bar: callers, callees, threads, changes. */
import { useState } from "preact/hooks";
import type { Change } from "./changes.ts";
import { changeColor } from "./colors.ts";
import {
  formatChange,
  formatExact,
  formatExactChange,
  formatPercent,
  formatRelativeChange,
  formatValue,
  plural,
} from "./format.ts";
import { groupName } from "./groups.ts";
import type { Page } from "./page.ts";

const SHORT_LENGTH = 12;

export interface ListEntry {
  name: string;
  now: number;
  base: number;
  choose?: () => void;
}

interface ValueListProps {
  page: Page;
  id: string;
  entries: ListEntry[];
  whole: number; /* what 100 % is */
}

export function ValueList({ page, id, entries, whole }: ValueListProps) {
  const [all, setAll] = useState(false);
  const shown = all ? entries : entries.slice(0, SHORT_LENGTH);
  const left = entries.slice(shown.length);
  const { unit, comparing } = page.answer.question;
  const leftValue = left.reduce((sum, entry) => sum + entry.now, 0);
  return (
    <ul class="values" id={id}>
      {shown.map((entry, i) => (
        <li key={i}>
          <ValueRow page={page} entry={entry} whole={whole} />
        </li>
      ))}
      {left.length > 0 && (
        <li>
          <button class="value-row value-more" onClick={() => setAll(true)}>
            <span class="value-name">{plural(left.length, "more")}</span>
            <span class="value-figure">{comparing ? "" : formatValue(leftValue, unit)}</span>
          </button>
        </li>
      )}
    </ul>
  );
}

function ValueRow({ page, entry, whole }: { page: Page; entry: ListEntry; whole: number }) {
  const { unit, comparing } = page.answer.question;
  const title =
    `${entry.name}\n${formatExact(entry.now, unit)}` +
    (comparing
      ? `; the base: ${formatExact(entry.base, unit)} (${formatExactChange(entry.now - entry.base, unit)})`
      : "");
  const contents = (
    <>
      <span
        class="value-bar"
        style={{
          width: `${whole > 0 ? Math.min(100, (Math.max(entry.now, 0) / whole) * 100) : 0}%`,
          ...(comparing ? { background: changeColor(entry.now, entry.base, page.theme) } : {}),
        }}
      />
      <span class="value-name">{entry.name}</span>
      <span class="value-figure">
        {formatValue(entry.now, unit)}
        <small>
          {comparing ? formatChange(entry.now - entry.base, unit) : formatPercent(entry.now, whole)}
        </small>
      </span>
    </>
  );
  if (!entry.choose)
    return (
      <div class="value-row" title={title}>
        {contents}
      </div>
    );
  return (
    <button class="value-row" title={title} onClick={entry.choose}>
      {contents}
    </button>
  );
}

export function ChangeList({ page, changes }: { page: Page; changes: Change[] }) {
  const { answer, actions } = page;
  const { unit } = answer.question;
  if (changes.length === 0) return <p class="empty">Nothing changed.</p>;
  return (
    <table class="plain changes">
      <thead>
        <tr>
          <th>Function</th>
          <th>Change</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ group, now, base }) => (
          <tr key={group}>
            <td>
              <button class="link" onClick={() => actions.chooseFunction(group)}>
                {groupName(answer.profile, answer.tree.groups, group)}
              </button>
            </td>
            <td
              class="number"
              title={`${formatExact(base, unit)} → ${formatExact(now, unit)}`}
              style={{ background: changeColor(now, base, page.theme) }}
            >
              {formatChange(now - base, unit)}
              <small>{formatRelativeChange(now, base)}</small>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
