/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the colours of the frames mean. */
import { changeColor, moduleKey } from "./colors.ts";
import { formatExact, formatPercent, plural } from "./format.ts";
import { baseName } from "./groups.ts";
import type { Page } from "./page.ts";
import { pageOf, sumByFrames } from "./table_rows.ts";

const MODULE_LIMIT = 10;
const CHANGES = [
  { label: "gone", now: 0, base: 1 },
  { label: "half", now: 1, base: 2 },
  { label: "same", now: 1, base: 1 },
  { label: "double", now: 2, base: 1 },
  { label: "new", now: 1, base: 0 },
];

export function ColorKey({ page }: { page: Page }) {
  const { comparing } = page.answer.question;
  if (!comparing && page.answer.values.now.total[0] === 0) return null;
  return (
    <section id="color-key">
      <h3>Colours</h3>
      {comparing ? <ChangeKey page={page} /> : <ModuleKey page={page} />}
    </section>
  );
}

function ChangeKey({ page }: { page: Page }) {
  return (
    <ul class="key key-changes">
      {CHANGES.map(({ label, now, base }) => (
        <li key={label} style={{ background: changeColor(now, base, page.theme) }}>
          {label}
        </li>
      ))}
    </ul>
  );
}

/* Modules by what their own functions cost; a click shows what goes through one. */
function ModuleKey({ page }: { page: Page }) {
  const { answer, theme, store } = page;
  const { profile, tree, values, question } = answer;
  const colors = moduleKey(profile, tree.groups, theme);
  const sums = sumByFrames(profile, tree, values, "module");
  const { order } = pageOf(sums, "self", true, MODULE_LIMIT, 0, null, String);
  return (
    <ul class="key">
      {order.map((row) => {
        const module = sums.key[row];
        return (
          <li key={module}>
            <button
              class="link"
              title={`${profile.strings[module]}: its own functions ${formatExact(sums.self[row], question.unit)}`}
              onClick={() => store.go({ module }, "filter")}
            >
              <i style={{ background: colors.get(module) }} />
              {baseName(profile.strings[module])}
            </button>
            <span class="number">{formatPercent(sums.self[row], values.now.total[0])}</span>
          </li>
        );
      })}
      {sums.count > order.length && (
        <li class="empty">{plural(sums.count - order.length, "more module")}</li>
      )}
    </ul>
  );
}
