/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Above the picture: where it is zoomed to, what is shown, and what leaves something out. */
import { formatExact, formatPercent, formatSeconds, formatValue } from "./format.ts";
import { baseName, groupName } from "./groups.ts";
import { Icon } from "./icons.tsx";
import type { Page } from "./page.ts";
import type { Patch } from "./store.ts";
import { shorterNames } from "./symbol_names.ts";

const CRUMB_LIMIT = 6;

export function PathBar({ page }: { page: Page }) {
  const { answer, store } = page;
  const { question, values, view, zoom } = answer;
  const whole = values.now.total[0];
  const shown = view.now(zoom);
  return (
    <div class="path-bar">
      <button
        class="icon-button"
        aria-label="Back"
        title="Back to the picture before"
        onClick={() => history.back()}
      >
        <Icon name="back" />
      </button>
      <button
        class="icon-button"
        id="reset"
        aria-label="Reset zoom and selection"
        title="Reset zoom and selection (Escape)"
        disabled={!answer.state.zoom && !answer.state.frame && answer.state.function < 0}
        onClick={() => store.go({ zoom: "", frame: "", rest: false, function: -1 }, "reset")}
      >
        <Icon name="reset" />
      </button>
      <Breadcrumb page={page} />
      <Chips page={page} />
      <span class="shown" id="shown" title={formatExact(shown, question.unit)}>
        <b>{formatValue(shown, question.unit)}</b>
        {zoom > 0 && ` of ${formatValue(whole, question.unit)}, ${formatPercent(shown, whole)}`}
        {` ${whatIsShown(page)}`}
      </span>
    </div>
  );
}

function whatIsShown(page: Page): string {
  const { question } = page.answer;
  if (question.time) return question.unit === "bytes" ? "live" : "blocks live";
  const words = {
    peak: "at the peak",
    leaked: "leaked",
    allocated: "allocated",
    allocations: "allocations",
    temporary: "temporary allocations",
  };
  return words[question.cost.id];
}

function Breadcrumb({ page }: { page: Page }) {
  const { answer, actions } = page;
  const { view, zoom, profile } = answer;
  const path = [];
  for (let node = zoom; node > 0; node = view.parent(node)) path.push(node);
  path.reverse();
  const left = Math.max(0, path.length - CRUMB_LIMIT);
  return (
    <nav class="crumbs" aria-label="Zoomed to">
      <ol>
        <li>
          <button class="crumb" disabled={zoom === 0} onClick={() => actions.zoomTo(0)}>
            All
          </button>
        </li>
        {left > 0 && <li class="crumb-gap">… {left} more</li>}
        {path.slice(left).map((node) => {
          const name = groupName(profile, view.groups, view.group(node));
          const forms = shorterNames(name);
          return (
            <li key={node}>
              <button
                class="crumb"
                title={name}
                aria-current={node === zoom ? "location" : undefined}
                onClick={() => actions.zoomTo(node)}
              >
                {forms[Math.min(forms.length - 1, 3)]}
              </button>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/* One chip for each thing that leaves something out; a click takes it back. */
function Chips({ page }: { page: Page }) {
  const { answer, store } = page;
  const { profile, question, state } = answer;
  const { filter } = question;
  const chips: { text: string; undo: Patch }[] = [];
  if (question.time) chips.push({ text: timeText(page), undo: { time: null } });
  if (filter.process >= 0)
    chips.push({ text: `process ${profile.processes[filter.process].pid}`, undo: { process: -1 } });
  if (filter.thread >= 0)
    chips.push({
      text: `thread ${profile.threads[filter.thread].name || "(unnamed)"}`,
      undo: { thread: -1 },
    });
  if (filter.kind >= 0) chips.push({ text: profile.kinds[filter.kind], undo: { kind: -1 } });
  if (filter.module >= 0)
    chips.push({
      text: `through ${baseName(profile.strings[filter.module])}`,
      undo: { module: -1 },
    });
  if (state.minimum) chips.push({ text: `≥ ${state.minimum}`, undo: { minimum: "" } });
  for (const module of state.hiddenModules)
    chips.push({
      text: `without ${baseName(profile.strings[module] ?? "")}`,
      undo: { hiddenModules: state.hiddenModules.filter((other) => other !== module) },
    });
  return (
    <span class="chips">
      {chips.map(({ text, undo }) => (
        <button
          class="chip"
          key={text}
          aria-label={`Remove: ${text}`}
          onClick={() => store.go(undo, "filter")}
        >
          {text}
          <Icon name="close" />
        </button>
      ))}
    </span>
  );
}

export function timeText(page: Page): string {
  const { profile, question } = page.answer;
  const { count, end_seconds } = profile.windows!;
  const seconds = (window: number) => formatSeconds((window * end_seconds) / count);
  const { first, last } = question.time!;
  if (page.answer.state.time!.first === 0) return `live at ${seconds(last + 1)}`;
  return `allocated ${seconds(first)} to ${seconds(last + 1)}, still live`;
}
