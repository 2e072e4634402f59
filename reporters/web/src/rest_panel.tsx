/* SPDX-License-Identifier: LGPL-2.1-or-later */
import { useMemo } from "preact/hooks";
import { formatCount, formatExact, formatValue } from "./format.ts";
import { groupName } from "./groups.ts";
import type { Page } from "./page.ts";
import { ValueList } from "./value_list.tsx";

/* The frames that were too small to be drawn one by one. */
export function RestPanel({ page }: { page: Page }) {
  const { answer, actions } = page;
  const { view, frame, profile, question } = answer;
  const children = useMemo(() => {
    const all: number[] = [];
    view.collectChildren(frame, 0, all);
    return all;
  }, [view, frame]);
  const minimum = page.flamegraph.current?.minimumWeight(answer) ?? 0;
  const small = children.filter((child) => view.weight(child) < minimum);
  const shown = small.length > 0 ? small : children;
  const entries = shown.map((child) => ({
    name: groupName(profile, view.groups, view.group(child)),
    now: view.now(child),
    base: view.base(child),
    choose: () => actions.chooseFrame(child, false),
  }));
  const sum = entries.reduce((total, entry) => total + entry.now, 0);
  return (
    <div class="panel-body" id="rest-panel">
      <div class="function-head">
        <h2>{formatCount(shown.length)} frames below</h2>
        <p>{frame > 0 ? groupName(profile, view.groups, view.group(frame)) : "the root"}</p>
      </div>
      <p>
        Together <b title={formatExact(sum, question.unit)}>{formatValue(sum, question.unit)}</b>
        {small.length > 0 ? "; too small to be drawn one by one." : "."}
      </p>
      <ValueList page={page} id="rest-list" entries={entries} whole={sum} />
    </div>
  );
}
