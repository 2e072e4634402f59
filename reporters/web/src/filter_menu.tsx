/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which stack traces count, and which frames are drawn. */
import { baseName } from "./groups.ts";
import { Menu } from "./menu.tsx";
import type { Page } from "./page.ts";
import { DEFAULT_STATE } from "./state.ts";
import type { Patch } from "./store.ts";

const NO_FILTERS: Patch = {
  process: -1,
  thread: -1,
  kind: -1,
  module: -1,
  minimum: "",
  hiddenModules: [],
};

export function FilterMenu({ page }: { page: Page }) {
  const { state, question, profile } = page.answer;
  const { filter } = question;
  const active =
    [filter.process, filter.thread, filter.kind, filter.module].filter((value) => value >= 0)
      .length +
    (state.minimum ? 1 : 0) +
    state.hiddenModules.length;
  const noRows = question.comparing
    ? "The base log is known by stack trace only; turn Compare off to use this"
    : "";
  return (
    <Menu label="Filter" icon="filter" id="filter-menu" badge={active}>
      <Choice
        id="filter-process"
        label="Process"
        value={filter.process}
        why={noRows}
        options={profile.processes.map((entry) => `${entry.pid} ${entry.command}`)}
        onChoose={(process) => page.store.go({ process, thread: -1 }, "filter")}
      />
      <Choice
        id="filter-thread"
        label="Thread"
        value={filter.thread}
        why={noRows}
        options={profile.threads.map((entry) =>
          profile.processes.length > 1
            ? `${entry.name || "(unnamed)"} (${profile.processes[entry.process]?.pid})`
            : entry.name || "(unnamed)",
        )}
        shown={(index) => filter.process < 0 || profile.threads[index].process === filter.process}
        onChoose={(thread) => page.store.go({ thread }, "filter")}
      />
      <Choice
        id="filter-kind"
        label="Allocator"
        value={filter.kind}
        why={noRows}
        options={profile.kinds}
        onChoose={(kind) => page.store.go({ kind }, "filter")}
      />
      <ModuleChoice page={page} />
      <MinimumSize page={page} />
      <label class="check">
        <input
          id="split-lines"
          type="checkbox"
          checked={state.splitLines}
          onChange={() => page.store.go({ splitLines: !state.splitLines }, "shape")}
        />
        One frame for each line, not each function
      </label>
      <HiddenModules page={page} />
      <button
        class="menu-item"
        id="filter-clear"
        disabled={active === 0}
        onClick={() => page.store.go({ ...NO_FILTERS }, "filter")}
      >
        Clear filters
      </button>
    </Menu>
  );
}

interface ChoiceProps {
  id: string;
  label: string;
  value: number;
  options: string[];
  why: string; /* it cannot be used, or "" */
  shown?: (index: number) => boolean;
  onChoose: (index: number) => void;
}

function Choice({ id, label, value, options, why, shown, onChoose }: ChoiceProps) {
  return (
    <label class="field field-wide">
      <span>{label}</span>
      <select
        id={id}
        value={value}
        disabled={why !== ""}
        title={why}
        onChange={(event) => onChoose(Number(event.currentTarget.value))}
      >
        <option value={-1}>All</option>
        {options.map((option, i) =>
          !shown || shown(i) ? (
            <option key={i} value={i}>
              {option}
            </option>
          ) : null,
        )}
      </select>
    </label>
  );
}

function ModuleChoice({ page }: { page: Page }) {
  const { profile, question } = page.answer;
  return (
    <label class="field field-wide">
      <span>Through module</span>
      <select
        id="filter-module"
        value={question.filter.module}
        title="Only stack traces with a frame of this module"
        onChange={(event) => page.store.go({ module: Number(event.currentTarget.value) }, "filter")}
      >
        <option value={-1}>All</option>
        {page.model.modules.map((module) => (
          <option key={module} value={module}>
            {baseName(profile.strings[module])}
          </option>
        ))}
      </select>
    </label>
  );
}

function MinimumSize({ page }: { page: Page }) {
  const { state, minimumIsWrong } = page.answer;
  return (
    <label class="field field-wide">
      <span>Minimum size</span>
      <input
        id="filter-minimum"
        type="text"
        value={state.minimum}
        placeholder="64k, 1M, 0.5%"
        aria-invalid={minimumIsWrong}
        title="Smaller frames are drawn as one; smaller rows of the table are summed up"
        onInput={(event) => page.store.adjust({ minimum: event.currentTarget.value }, "filter")}
      />
      {minimumIsWrong && <span class="field-error">Not a size: write 64k, 1M or 0.5%</span>}
    </label>
  );
}

function HiddenModules({ page }: { page: Page }) {
  const { profile, state } = page.answer;
  const toggle = (module: number) => {
    const without = state.hiddenModules.filter((other) => other !== module);
    const hidden = without.length < state.hiddenModules.length ? without : [...without, module];
    page.store.go({ hiddenModules: hidden.length ? hidden : DEFAULT_STATE.hiddenModules }, "shape");
  };
  return (
    <fieldset class="hidden-modules">
      <legend>Hide frames of</legend>
      <div class="scroll-list">
        {page.model.modules.map((module) => (
          <label class="check" key={module} title={profile.strings[module]}>
            <input
              type="checkbox"
              data-hide-module={module}
              checked={state.hiddenModules.includes(module)}
              onChange={() => toggle(module)}
            />
            {baseName(profile.strings[module])}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
