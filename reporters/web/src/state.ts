/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything the user has chosen, and its text form after the '#' of the address: a permalink.
 * Only what differs from the default is written. Numbers in it (threads, modules, nodes) are those
 * of this page's data, so a link fits the page that it was copied from.
 */
import { COSTS, type CostId, type TimeSelection, type Unit } from "./costs.ts";
import type { CompareWidth } from "./tree_values.ts";
import type { TableColumn, TableGrouping } from "./table_rows.ts";

export type ViewId = "callees" | "callers" | "table";

export interface PageState {
  view: ViewId;
  cost: CostId;
  leakKind: number;
  zoom: string; /* a reference in the view's tree, "": the root */
  frame: string; /* the selected frame, as zoom */
  function: number; /* the selected function: a frame number of the log, or -1 */
  rest: boolean; /* selected are the small frames below `frame` */
  search: string;
  process: number;
  thread: number;
  kind: number;
  module: number; /* string number */
  minimum: string; /* as typed */
  hideLibraries: boolean;
  hiddenModules: number[]; /* string numbers */
  foldRecursion: boolean;
  splitLines: boolean;
  compare: boolean;
  compareWidth: CompareWidth;
  time: TimeSelection | null;
  timeUnit: Unit;
  grouping: TableGrouping;
  sort: TableColumn;
  ascending: boolean;
  panel: "function" | "summary" | "closed";
}

export const DEFAULT_STATE: PageState = {
  view: "callees",
  cost: "peak",
  leakKind: -1,
  zoom: "",
  frame: "",
  function: -1,
  rest: false,
  search: "",
  process: -1,
  thread: -1,
  kind: -1,
  module: -1,
  minimum: "",
  hideLibraries: false,
  hiddenModules: [],
  foldRecursion: false,
  splitLines: false,
  compare: true,
  compareWidth: "both",
  time: null,
  timeUnit: "bytes",
  grouping: "function",
  sort: "self",
  ascending: false,
  panel: "summary",
};

const CHOICES: Partial<Record<keyof PageState, readonly string[]>> = {
  view: ["callees", "callers", "table"],
  cost: COSTS.map((cost) => cost.id),
  compareWidth: ["both", "this", "base"],
  timeUnit: ["bytes", "count"],
  grouping: ["function", "file", "module", "stack", "thread", "kind"],
  sort: ["name", "self", "total", "selfChange", "totalChange"],
  panel: ["function", "summary", "closed"],
};

export function stateToHash(state: PageState): string {
  const parameters = new URLSearchParams();
  for (const key of Object.keys(DEFAULT_STATE) as (keyof PageState)[]) {
    const text = valueToText(state[key]);
    if (text !== valueToText(DEFAULT_STATE[key])) parameters.set(key, text);
  }
  return parameters.toString();
}

function valueToText(value: PageState[keyof PageState]): string {
  if (value === null) return "";
  if (Array.isArray(value)) return value.join(".");
  if (typeof value === "object") return `${value.first}-${value.last}`;
  if (typeof value === "boolean") return value ? "1" : "0";
  return String(value);
}

/* Whatever is not understood keeps its default: links are typed and cut by people. */
export function stateFromHash(hash: string): PageState {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const state: Record<string, unknown> = { ...DEFAULT_STATE };
  for (const key of Object.keys(DEFAULT_STATE) as (keyof PageState)[]) {
    const text = parameters.get(key);
    const value = text === null ? undefined : textToValue(key, text);
    if (value !== undefined) state[key] = value;
  }
  return state as unknown as PageState;
}

function textToValue(key: keyof PageState, text: string): unknown {
  const choices = CHOICES[key];
  if (choices) return choices.includes(text) ? text : undefined;
  if (key === "time") return timeFromText(text);
  if (key === "hiddenModules")
    return text === "" ? [] : text.split(".").map(Number).filter(Number.isInteger);
  switch (typeof DEFAULT_STATE[key]) {
    case "boolean":
      return text === "1" ? true : text === "0" ? false : undefined;
    case "number":
      return /^-?[0-9]{1,9}$/.test(text) ? Number(text) : undefined;
    default:
      return text;
  }
}

function timeFromText(text: string): TimeSelection | undefined {
  const match = /^([0-9]{1,6})-([0-9]{1,6})$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  return first <= last ? { first, last } : undefined;
}
