/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Views, search, filters and what changes the tree's shape. */
import { useRef } from "preact/hooks";
import { download, exportName, foldedText, pictureAsSvg } from "./export.ts";
import { FilterMenu } from "./filter_menu.tsx";
import { formatCount, formatExact, formatPercent, formatValue, plural } from "./format.ts";
import { Icon } from "./icons.tsx";
import { Menu } from "./menu.tsx";
import type { Page } from "./page.ts";
import { FONT } from "./picture.ts";
import type { ViewId } from "./state.ts";
import { TextFit } from "./text_fit.ts";

export function Toolbar({ page }: { page: Page }) {
  return (
    <div class="toolbar" role="toolbar" aria-label="View">
      <ViewSwitch page={page} />
      <SearchBox page={page} />
      <FilterMenu page={page} />
      <ShapeToggles page={page} />
      <LeakKindSwitch page={page} />
      <CompareControls page={page} />
      <span class="toolbar-space" />
      <ExportMenu page={page} />
      <button
        class="icon-button"
        aria-label="Side panel"
        title="Side panel"
        aria-pressed={page.answer.state.panel !== "closed"}
        onClick={() => {
          const open = page.answer.state.panel !== "closed";
          const reopened = page.answer.group >= 0 ? "function" : "summary";
          page.store.adjust({ panel: open ? "closed" : reopened });
        }}
      >
        <Icon name="panel" />
      </button>
    </div>
  );
}

const VIEWS: { id: ViewId; label: string; title: string }[] = [
  { id: "callees", label: "Flamegraph", title: "From the outermost function inwards" },
  { id: "callers", label: "Callers", title: "From the allocating function outwards" },
  { id: "table", label: "Table", title: "Figures by function, file, module or stack" },
];

function ViewSwitch({ page }: { page: Page }) {
  return (
    <div class="segments" role="group" aria-label="Picture">
      {VIEWS.map((view) => (
        <button
          key={view.id}
          data-view={view.id}
          title={view.title}
          aria-pressed={page.answer.state.view === view.id}
          onClick={() => page.actions.showView(view.id)}
        >
          {view.label}
        </button>
      ))}
    </div>
  );
}

function SearchBox({ page }: { page: Page }) {
  const { state, search, searchError, steps, values, question } = page.answer;
  const at = steps.indexOf(page.answer.frame);
  return (
    <div class={`search${searchError ? " search-wrong" : ""}`} role="search">
      <Icon name="search" />
      <input
        id="search"
        type="search"
        value={state.search}
        placeholder="Search (regex)"
        aria-label="Search functions by regular expression"
        aria-describedby="search-result"
        aria-invalid={searchError !== ""}
        title="A regular expression; file:… and module:… search there. / focuses, n and N step"
        spellcheck={false}
        onInput={(event) => page.store.adjust({ search: event.currentTarget.value }, "search")}
        onKeyDown={(event) => {
          if (event.key === "Enter") page.actions.stepSearch(event.shiftKey ? -1 : 1);
        }}
      />
      <span
        id="search-result"
        class="search-result"
        aria-live="polite"
        title={searchError || (search ? formatExact(search.now, question.unit) : "")}
      >
        {searchError && <span class="search-error">{searchError}</span>}
        {search && (
          <>
            <b>{formatValue(search.now, question.unit)}</b>{" "}
            {formatPercent(search.now, values.now.total[0])}
            {state.view !== "table" && (
              <span class="search-steps">
                {at >= 0
                  ? `${formatCount(at + 1)} of ${formatCount(steps.length)}`
                  : plural(state.view === "callers" ? steps.length : search.count, "frame")}
              </span>
            )}
          </>
        )}
      </span>
      <StepButton page={page} step={-1} disabled={steps.length === 0} />
      <StepButton page={page} step={1} disabled={steps.length === 0} />
    </div>
  );
}

function StepButton({ page, step, disabled }: { page: Page; step: number; disabled: boolean }) {
  const name = step > 0 ? "Next match" : "Previous match";
  return (
    <button
      class="icon-button"
      aria-label={name}
      title={`${name} (${step > 0 ? "n" : "N"})`}
      disabled={disabled}
      onClick={() => page.actions.stepSearch(step)}
    >
      <Icon name={step > 0 ? "down" : "up"} />
    </button>
  );
}

function ShapeToggles({ page }: { page: Page }) {
  const { state } = page.answer;
  return (
    <div class="toggles" role="group" aria-label="Shape">
      <button
        class="toggle"
        data-toggle="libraries"
        aria-pressed={state.hideLibraries}
        disabled={page.model.libraries.length === 0}
        title="Leave out frames of shared libraries; what they call moves up"
        onClick={() => page.store.go({ hideLibraries: !state.hideLibraries }, "shape")}
      >
        Hide libraries
      </button>
      <button
        class="toggle"
        data-toggle="recursion"
        aria-pressed={state.foldRecursion}
        title="Show a function that calls itself, directly or not, as one frame"
        onClick={() => page.store.go({ foldRecursion: !state.foldRecursion }, "shape")}
      >
        Fold recursion
      </button>
    </div>
  );
}

const LEAK_LABELS: Record<string, string> = {
  definite: "Definitely lost",
  indirect: "Indirectly lost",
  possible: "Possibly lost",
  reachable: "Still reachable",
  unclassified: "Unclassified",
};

function leakKindLabel(kind: string): string {
  return LEAK_LABELS[kind] ?? kind;
}

function LeakKindSwitch({ page }: { page: Page }) {
  const { profile, question, state } = page.answer;
  if (profile.leak_kinds.length < 2 || question.cost.id !== "leaked" || question.time) return null;
  return (
    <label class="field">
      <span>Kind of leak</span>
      <select
        id="leak-kind"
        value={question.filter.leakKind}
        disabled={question.comparing}
        title={question.comparing ? "The base is not told apart by kind of leak" : ""}
        onChange={(event) => page.store.go({ leakKind: Number(event.currentTarget.value) })}
      >
        <option value={-1}>All</option>
        {profile.leak_kinds.map((kind, i) => (
          <option key={kind} value={i} selected={i === state.leakKind}>
            {leakKindLabel(kind)}
          </option>
        ))}
      </select>
    </label>
  );
}

function CompareControls({ page }: { page: Page }) {
  const { profile, question, state } = page.answer;
  if (!profile.base) return null;
  return (
    <div class="toggles" role="group" aria-label="Comparison">
      <button
        class="toggle"
        data-toggle="compare"
        aria-pressed={question.comparing}
        disabled={question.time !== null}
        title={
          question.time
            ? "The base has no times to compare with"
            : `Compare with ${profile.base.meta.command} of ${profile.base.meta.start}`
        }
        onClick={() => page.store.go({ compare: !state.compare }, "compare")}
      >
        Compare
      </button>
      {question.comparing && (
        <label class="field">
          <span>Widths</span>
          <select
            id="compare-width"
            value={state.compareWidth}
            onChange={(event) =>
              page.store.go({
                compareWidth: event.currentTarget.value as typeof state.compareWidth,
              })
            }
          >
            <option value="both">both logs</option>
            <option value="this">this log</option>
            <option value="base">the base</option>
          </select>
        </label>
      )}
    </div>
  );
}

function ExportMenu({ page }: { page: Page }) {
  const { answer } = page;
  const close = useRef(() => {});
  return (
    <Menu label="Export" icon="export" id="export-menu" closeRef={close} alignRight>
      <button
        class="menu-item"
        data-export="svg"
        disabled={answer.state.view === "table"}
        onClick={() => {
          const context = document.createElement("canvas").getContext("2d")!;
          context.font = FONT;
          const { command } = answer.profile.meta;
          const svg = pictureAsSvg(
            page.flamegraph.current!.picture!,
            new TextFit(context),
            command,
          );
          download(exportName(answer, "svg"), "image/svg+xml", [svg]);
          close.current();
        }}
      >
        Drawing (SVG)
      </button>
      <button
        class="menu-item"
        data-export="folded"
        onClick={() => {
          download(exportName(answer, "folded.txt"), "text/plain", foldedText(answer));
          close.current();
        }}
      >
        Folded stacks (text)
      </button>
    </Menu>
  );
}
