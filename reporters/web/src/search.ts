/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Search by regular expression. A stack trace counts once however many of its frames match: only
 * matching frames with no matching frame above them are summed.
 *
 * "file:" and "module:" before the expression look there instead of in the function's name. An
 * expression in lower case ignores case.
 */
import type { CallTree } from "./call_tree.ts";
import type { CallersTree } from "./callers_tree.ts";
import { groupName } from "./groups.ts";
import { firstInOrder } from "./largest.ts";
import type { Profile } from "./profile.ts";
import type { TreeValues } from "./tree_values.ts";

const STEP_LIMIT = 1000; /* frames that next and previous go through, heaviest first */
const CALLERS_SHARE = 0.001; /* of the total: what may be a pixel wide */

export interface SearchPattern {
  expression: RegExp | null;
  field: "function" | "file" | "module";
  error: string;
}

export interface SearchResult {
  groups: Uint8Array; /* 1: the function matches */
  below: Uint8Array; /* by node: it or something below it matches */
  now: number;
  base: number;
  count: number; /* matching nodes with a value */
  steps: number[]; /* the heaviest of them */
}

export function parsePattern(text: string): SearchPattern {
  const prefixed = /^(file|module):(.*)$/s.exec(text);
  const field = prefixed ? (prefixed[1] as "file" | "module") : "function";
  const source = prefixed ? prefixed[2] : text;
  if (source === "") return { expression: null, field, error: "" };
  try {
    const flags = source === source.toLowerCase() ? "iu" : "u";
    return { expression: regularExpression(source, flags), field, error: "" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { expression: null, field, error: message.replace(/^.*\/\w*: /s, "") };
  }
}

/* The u flag rejects escapes like \_ or \- that people do write; then go without it. */
function regularExpression(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch {
    return new RegExp(source, flags.replace("u", ""));
  }
}

export function matchGroups(profile: Profile, tree: CallTree, pattern: SearchPattern): Uint8Array {
  const { groups } = tree;
  const matches = new Uint8Array(groups.count);
  const { expression, field } = pattern;
  if (!expression) return matches;
  const known = new Int8Array(profile.strings.length).fill(-1);
  for (let group = 0; group < groups.count; group++) {
    const string = groups[field][group];
    if (field === "function" && string === 0) {
      matches[group] = expression.test(groupName(profile, groups, group)) ? 1 : 0;
      continue;
    }
    if (known[string] < 0) known[string] = expression.test(profile.strings[string]) ? 1 : 0;
    matches[group] = known[string];
  }
  return matches;
}

export function searchTree(tree: CallTree, values: TreeValues, groups: Uint8Array): SearchResult {
  const result = { groups, below: markBelow(tree, groups), now: 0, base: 0 };
  const matching: number[] = [];
  const total = values.weight.total;
  let covered = 0;
  for (let node = 1; node < tree.count; node++) {
    if (!groups[tree.group[node]]) continue;
    if (total[node] > 0) matching.push(node);
    if (node < covered) continue;
    covered = tree.end[node];
    result.now += values.now.total[node];
    if (values.base) result.base += values.base.total[node];
  }
  const steps = heaviest(matching, (node) => total[node]);
  return { ...result, count: matching.length, steps };
}

/*
 * Matching frames of the callers view, as far as they are large enough to be drawn: to know all
 * of them, the whole inverted tree would have to be built.
 */
export function callersSteps(view: CallersTree, groups: Uint8Array): number[] {
  const minimum = view.weight(0) * CALLERS_SHARE;
  const matching: number[] = [];
  const open = [0];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const children: number[] = [];
    view.collectChildren(node, node === 0 ? 0 : minimum, children);
    for (const child of children) {
      if (groups[view.group(child)]) matching.push(child);
      if (view.weight(child) >= minimum) open.push(child);
    }
  }
  return heaviest(matching, (node) => view.weight(node));
}

function heaviest(nodes: number[], weight: (node: number) => number): number[] {
  const compare = (a: number, b: number) => weight(nodes[b]) - weight(nodes[a]) || a - b;
  return firstInOrder(nodes.length, STEP_LIMIT, compare).map((index) => nodes[index]);
}

function markBelow(tree: CallTree, groups: Uint8Array): Uint8Array {
  const below = new Uint8Array(tree.count);
  for (let node = tree.count - 1; node > 0; node--) {
    if (groups[tree.group[node]]) below[node] = 1;
    if (below[node]) below[tree.parent[node]] = 1;
  }
  return below;
}
