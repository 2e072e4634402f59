/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rows of the table stand for, by grouping. */
import { groupName } from "./groups.ts";
import type { Answer } from "./model.ts";
import {
  sumByFrames,
  sumByRowIndex,
  sumByStack,
  type TableGrouping,
  type TableSums,
} from "./table_rows.ts";

export const GROUPINGS: { id: TableGrouping; label: string; ofRows?: boolean }[] = [
  { id: "function", label: "Function" },
  { id: "file", label: "File" },
  { id: "module", label: "Module" },
  { id: "stack", label: "Stack" },
  { id: "thread", label: "Thread", ofRows: true },
  { id: "kind", label: "Allocator", ofRows: true },
];

const STACK_NAME_FRAMES = 12;

/* Rows of the base are known by stack trace only. */
export function effectiveGrouping(answer: Answer): TableGrouping {
  const { grouping } = answer.state;
  const ofRows = GROUPINGS.find((entry) => entry.id === grouping)!.ofRows;
  return ofRows && answer.question.comparing ? "function" : grouping;
}

export function labelOf(grouping: TableGrouping): string {
  return GROUPINGS.find((entry) => entry.id === grouping)!.label;
}

export function sumsOf(answer: Answer, grouping: TableGrouping): TableSums {
  const { profile, tree, values, rowValues, passes } = answer;
  switch (grouping) {
    case "stack":
      return sumByStack(tree, values);
    case "thread":
      return sumByRowIndex(profile.rows.thread, profile.threads.length, rowValues, passes);
    case "kind":
      return sumByRowIndex(profile.rows.kind, profile.kinds.length, rowValues, passes);
    case "function":
    case "file":
    case "module":
      return sumByFrames(profile, tree, values, grouping);
  }
}

/* With a search, the rows with a matching function; null: all. */
export function wantedKeys(
  answer: Answer,
  grouping: TableGrouping,
): ((key: number) => boolean) | null {
  const { search, tree } = answer;
  if (!search) return null;
  switch (grouping) {
    case "function":
      return (group) => search.groups[group] !== 0;
    case "file":
    case "module": {
      const strings = new Set<number>();
      for (let group = 0; group < tree.groups.count; group++)
        if (search.groups[group]) strings.add(tree.groups[grouping][group]);
      return (string) => strings.has(string);
    }
    case "stack": {
      const under = new Uint8Array(tree.count);
      for (let node = 1; node < tree.count; node++)
        if (under[tree.parent[node]] || search.groups[tree.group[node]]) under[node] = 1;
      return (node) => under[node] !== 0;
    }
    case "thread":
    case "kind":
      return null;
  }
}

export function keyName(answer: Answer, grouping: TableGrouping, key: number): string {
  const { profile, tree } = answer;
  switch (grouping) {
    case "function":
      return groupName(profile, tree.groups, key);
    case "file":
      return profile.strings[key] || "(no file known)";
    case "module":
      return profile.strings[key] || "(no module known)";
    case "stack":
      return stackName(answer, key);
    case "thread":
      return profile.threads[key].name || "(unnamed)";
    case "kind":
      return profile.kinds[key];
  }
}

/* Stack traces are sorted by their innermost function: half a million whole ones take seconds. */
export function sortName(answer: Answer, grouping: TableGrouping, key: number): string {
  if (grouping !== "stack") return keyName(answer, grouping, key);
  return key === 0 ? "" : groupName(answer.profile, answer.tree.groups, answer.tree.group[key]);
}

function stackName(answer: Answer, leaf: number): string {
  const { profile, tree } = answer;
  const names = [];
  let node = leaf;
  for (; node > 0 && names.length < STACK_NAME_FRAMES; node = tree.parent[node])
    names.push(groupName(profile, tree.groups, tree.group[node]));
  if (node > 0) names.push(`… ${tree.depth[node]} more`);
  return names.join(" ← ") || "(no frames)";
}
