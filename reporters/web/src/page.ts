/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every component gets: the answer to show and what can be done. */
import type { Actions } from "./actions.ts";
import type { Theme } from "./colors.ts";
import type { Flamegraph } from "./flamegraph.ts";
import type { Answer, Model } from "./model.ts";
import type { Store } from "./store.ts";

export interface Page {
  answer: Answer;
  model: Model;
  store: Store;
  actions: Actions;
  theme: Theme;
  flamegraph: { current: Flamegraph | null };
  tableLimit: number;
  showMoreRows: (() => void) | null; /* null: a search or a filter is the better way */
  redraw(): void;
}
