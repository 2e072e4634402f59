/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What follows from the log and the user's choices. Each stage is kept as long as what it was
 * computed from is the same, so that a zoom costs no sums and a search no tree.
 */
import { buildCallTree, type CallTree } from "./call_tree.ts";
import { CallersTree } from "./callers_tree.ts";
import * as costs from "./costs.ts";
import { parseSize } from "./format.ts";
import { groupFrames, isLibrary, type Groups } from "./groups.ts";
import type { Profile } from "./profile.ts";
import { functionSandwich, type Sandwich } from "./sandwich.ts";
import {
  callersSteps,
  matchGroups,
  parsePattern,
  searchTree,
  type SearchResult,
} from "./search.ts";
import type { PageState } from "./state.ts";
import { combineSums, sumTree, type TreeValues } from "./tree_values.ts";
import { CalleesTree, type ViewTree } from "./view_tree.ts";

export interface Question {
  cost: costs.Cost;
  unit: costs.Unit;
  time: costs.TimeSelection | null;
  comparing: boolean;
  filter: costs.RowFilter;
}

export interface CostTotal {
  now: number;
  base: number | null;
}

export interface Answer {
  profile: Profile;
  state: PageState;
  question: Question;
  tree: CallTree;
  values: TreeValues;
  view: ViewTree;
  zoom: number;
  frame: number; /* selected node of `view`, or -1 */
  group: number; /* selected function, or -1 */
  rowValues: Float64Array;
  passes: Uint8Array | null;
  nodeValues: Float64Array; /* by the log's node */
  totals: CostTotal[]; /* of COSTS, with the filters */
  search: SearchResult | null;
  searchError: string;
  steps: number[]; /* nodes of `view` that match, heaviest first; none in the table */
  minimumWeight: number;
  minimumIsWrong: boolean;
}

class Kept<T> {
  private key: unknown[] = [];
  private value: T | undefined;

  get(key: unknown[], compute: () => T): T {
    if (this.value === undefined || key.some((part, i) => part !== this.key[i])) {
      this.value = compute();
      this.key = key;
    }
    return this.value;
  }
}

export class Model {
  readonly libraries: number[]; /* string numbers of modules that are shared objects */
  readonly modules: number[]; /* string numbers of all modules */
  private readonly groups = new Kept<Groups>();
  private readonly tree = new Kept<CallTree>();
  private readonly rows = new Kept<Float64Array>();
  private readonly passing = new Kept<{ rows: Uint8Array | null }>();
  private readonly nodes = new Kept<Float64Array>();
  private readonly values = new Kept<TreeValues>();
  private readonly totals = new Kept<CostTotal[]>();
  private readonly callees = new Kept<ViewTree>();
  private readonly callers = new Kept<ViewTree>();
  private readonly matches = new Kept<Uint8Array>();
  private readonly found = new Kept<SearchResult>();
  private readonly steps = new Kept<number[]>();
  private readonly whole = new Kept<Record<costs.CostId, number>>();
  private readonly sandwiches = new Kept<Sandwich>();

  constructor(readonly profile: Profile) {
    this.modules = [...new Set(profile.frames.module)].sort((a, b) => a - b);
    this.libraries = this.modules.filter((module) => isLibrary(profile.strings[module]));
  }

  answer(state: PageState): Answer {
    const { profile } = this;
    const question = this.question(state);
    const tree = this.shapedTree(state);
    const { rows: passes } = this.passingRows(question);
    const rowValues = this.rowValues(question);
    const nodeValues = this.nodes.get([rowValues, passes], () =>
      costs.sumByNode(profile, rowValues, passes),
    );
    const values = this.treeValues(state, question, tree, nodeValues);
    const view = this.viewTree(state, tree, values);
    const zoom = state.zoom ? view.resolve(state.zoom) : 0;
    const frame = state.frame ? view.resolve(state.frame) : -1;
    const minimum = parseSize(state.minimum, values.weight.total[0], question.unit);
    const pattern = parsePattern(state.search);
    const search = pattern.expression && this.search(state, tree, values);
    return {
      profile,
      state,
      question,
      tree,
      values,
      view,
      zoom: view.weight(zoom) > 0 ? zoom : 0,
      frame: frame > 0 || state.rest ? frame : -1,
      group: this.selectedGroup(state, tree, view, frame),
      rowValues,
      passes,
      nodeValues,
      totals: this.costTotals(question),
      search,
      searchError: pattern.error,
      steps: search ? this.searchSteps(state, view, search) : [],
      minimumWeight: minimum ?? 0,
      minimumIsWrong: minimum === null,
    };
  }

  /* Drops what cannot be had together: the other log has no threads and no times. */
  private question(state: PageState): Question {
    const { profile } = this;
    const time = profile.survivors && profile.windows ? clampTime(state.time, profile) : null;
    const comparing = profile.base !== null && state.compare && time === null;
    const cost = costs.findCost(state.cost);
    const within = (index: number, count: number) => (index < count && !comparing ? index : -1);
    return {
      cost,
      unit: time ? state.timeUnit : cost.unit,
      time,
      comparing,
      filter: {
        process: within(state.process, profile.processes.length),
        thread: within(state.thread, profile.threads.length),
        kind: within(state.kind, profile.kinds.length),
        leakKind:
          cost.id === "leaked" && !time ? within(state.leakKind, profile.leak_kinds.length) : -1,
        module: this.modules.includes(state.module) ? state.module : -1,
      },
    };
  }

  private shapedTree(state: PageState): CallTree {
    const groups = this.groups.get([state.splitLines], () =>
      groupFrames(this.profile, state.splitLines),
    );
    const hidden = [...state.hiddenModules, ...(state.hideLibraries ? this.libraries : [])];
    const key = [groups, hidden.join(), state.foldRecursion];
    return this.tree.get(key, () =>
      buildCallTree(this.profile, groups, {
        hiddenModules: new Set(hidden),
        foldRecursion: state.foldRecursion,
      }),
    );
  }

  private passingRows({ filter }: Question) {
    return this.passing.get(Object.values(filter), () => ({
      rows: costs.passingRows(this.profile, filter),
    }));
  }

  private rowValues({ cost, unit, time }: Question): Float64Array {
    if (!time) return this.profile.rowCosts[cost.column];
    return this.rows.get([time.first, time.last, unit], () =>
      costs.survivorValues(this.profile, time, unit),
    );
  }

  private treeValues(
    state: PageState,
    question: Question,
    tree: CallTree,
    nodeValues: Float64Array,
  ): TreeValues {
    const { comparing, cost, filter } = question;
    const key = [tree, nodeValues, comparing && state.compareWidth, cost, filter.module];
    return this.values.get(key, () => {
      const now = sumTree(tree, nodeValues);
      if (!comparing) return { now, base: null, weight: now };
      const base = sumTree(tree, costs.baseByNode(this.profile, cost, filter.module));
      return { now, base, weight: combineSums(now, base, state.compareWidth) };
    });
  }

  private viewTree(state: PageState, tree: CallTree, values: TreeValues): ViewTree {
    if (state.view === "callers")
      return this.callers.get([tree, values], () => new CallersTree(tree, values));
    return this.callees.get([tree, values], () => new CalleesTree(tree, values));
  }

  private selectedGroup(state: PageState, tree: CallTree, view: ViewTree, frame: number) {
    if (frame > 0) return view.group(frame);
    const known = state.function >= 0 && state.function < this.profile.frames.count;
    return known ? tree.groups.ofFrame[state.function] : -1;
  }

  private costTotals(question: Question): CostTotal[] {
    const { filter, comparing } = question;
    const allKinds = { ...filter, leakKind: -1 };
    return this.totals.get([...Object.values(filter), comparing], () => {
      const passes = costs.passingRows(this.profile, allKinds);
      const leakPasses = costs.passingRows(this.profile, filter);
      return costs.COSTS.map((cost) => ({
        now: costs.sumRows(
          this.profile.rowCosts[cost.column],
          cost.id === "leaked" ? leakPasses : passes,
        ),
        base: comparing ? costs.baseTotal(this.profile, cost, filter.module) : null,
      }));
    });
  }

  private search(state: PageState, tree: CallTree, values: TreeValues): SearchResult {
    const groups = this.matches.get([tree.groups, state.search], () =>
      matchGroups(this.profile, tree, parsePattern(state.search)),
    );
    return this.found.get([tree, values, groups], () => searchTree(tree, values, groups));
  }

  private searchSteps(state: PageState, view: ViewTree, search: SearchResult): number[] {
    if (state.view === "table") return [];
    if (!(view instanceof CallersTree)) return search.steps;
    return this.steps.get([view, search], () => callersSteps(view, search.groups));
  }

  /* Of all rows, to be compared with what the log states. */
  wholeTotals(): Record<costs.CostId, number> {
    return this.whole.get([], () => {
      const sums = costs.COSTS.map((cost) => [
        cost.id,
        costs.sumRows(this.profile.rowCosts[cost.column], null),
      ]);
      return Object.fromEntries(sums) as Record<costs.CostId, number>;
    });
  }

  sandwich(answer: Answer): Sandwich {
    return this.sandwiches.get([answer.tree, answer.values, answer.group], () =>
      functionSandwich(answer.tree, answer.values, answer.group),
    );
  }
}

function clampTime(time: costs.TimeSelection | null, profile: Profile) {
  const last = profile.windows!.count - 1;
  if (!time || time.first > last) return null;
  return { first: time.first, last: Math.min(time.last, last) };
}
