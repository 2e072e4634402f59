/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user's choices, kept in step with the address and the browser's history. */
import { stateFromHash, stateToHash, type PageState } from "./state.ts";

export type Patch = Partial<PageState>;

export class Store {
  state: PageState;
  private listener: (what: string, startMs: number) => void = () => {};

  constructor() {
    this.state = stateFromHash(location.hash);
    addEventListener("popstate", () => this.followAddress());
    addEventListener("hashchange", () => this.followAddress());
  }

  listen(listener: (what: string, startMs: number) => void) {
    this.listener = listener;
  }

  /* A step that the back button undoes. */
  go(patch: Patch, what = Object.keys(patch).join()) {
    this.apply(patch, what, "pushState");
  }

  /* A small change, not worth a step: typing, moving the selection, sorting. */
  adjust(patch: Patch, what = Object.keys(patch).join()) {
    this.apply(patch, what, "replaceState");
  }

  private apply(patch: Patch, what: string, method: "pushState" | "replaceState") {
    const startMs = performance.now();
    const before = stateToHash(this.state);
    this.state = { ...this.state, ...patch };
    const hash = stateToHash(this.state);
    if (hash !== before) history[method](null, "", `#${hash}`);
    this.listener(what, startMs);
  }

  private followAddress() {
    const state = stateFromHash(location.hash);
    if (stateToHash(state) === stateToHash(this.state)) return;
    const startMs = performance.now();
    this.state = state;
    this.listener("history", startMs);
  }
}
