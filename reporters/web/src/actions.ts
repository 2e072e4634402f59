/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the user can do, whatever control it is done with. */
import { groupLocation, groupName } from "./groups.ts";
import type { Answer } from "./model.ts";
import type { ViewId } from "./state.ts";
import type { Store } from "./store.ts";

export class Actions {
  constructor(
    readonly store: Store,
    private readonly currentAnswer: () => Answer,
  ) {}

  chooseFrame(node: number, isRest: boolean) {
    const { view } = this.currentAnswer();
    const reference = node > 0 ? view.reference(node) : "";
    const selection = node > 0 || isRest ? reference || "0" : "";
    this.store.go(
      {
        zoom: reference,
        frame: selection,
        rest: isRest,
        function: -1,
        ...(selection ? { panel: "function" as const } : {}),
      },
      "zoom",
    );
  }

  /* Selects without zooming, as the arrow keys do. */
  pointAtFrame(node: number) {
    const { view } = this.currentAnswer();
    this.store.adjust({ frame: view.reference(node), rest: false, function: -1 }, "select");
  }

  chooseFunction(group: number) {
    const frame = this.currentAnswer().tree.groups.firstFrame[group];
    this.store.go({ frame: "", rest: false, function: frame, panel: "function" }, "function");
  }

  zoomTo(node: number) {
    const { view } = this.currentAnswer();
    this.store.go({ zoom: node > 0 ? view.reference(node) : "" }, "zoom");
  }

  /* The function stays selected, the frame does not: it is in the other tree. */
  showView(view: ViewId) {
    const { group, tree } = this.currentAnswer();
    const { state } = this.store;
    if (view === state.view) return;
    const bothCallees = view !== "callers" && state.view !== "callers";
    this.store.go({
      view,
      ...(bothCallees
        ? {}
        : {
            zoom: "",
            frame: "",
            rest: false,
            function: group >= 0 ? tree.groups.firstFrame[group] : -1,
          }),
    });
  }

  /* Next (1) or previous (-1) match, heaviest first; wraps around. */
  stepSearch(step: number) {
    const { view, frame, steps } = this.currentAnswer();
    if (steps.length === 0) return;
    const at = steps.indexOf(frame);
    const next = at < 0 ? (step > 0 ? 0 : steps.length - 1) : at + step;
    const node = steps[(next + steps.length) % steps.length];
    const zoom = this.zoomThatShows(node);
    this.store.adjust(
      { frame: view.reference(node), rest: false, function: -1, zoom, panel: "function" },
      "step",
    );
  }

  /* Zooms out, then in, until a frame has a visible width; "" is the root. */
  private zoomThatShows(node: number): string {
    const { view, zoom } = this.currentAnswer();
    const visible = (from: number) => view.weight(node) / view.weight(from) > 0.003;
    const above = view.stack(node);
    const onPath = (from: number) => from === 0 || above.includes(from);
    if (onPath(zoom) && visible(zoom)) return zoom > 0 ? view.reference(zoom) : "";
    for (let from = view.parent(node); ; from = view.parent(from)) {
      if (from === 0) return visible(0) ? "" : view.reference(node);
      if (visible(from) && !visible(view.parent(from))) return view.reference(from);
    }
  }

  /* One thing at a time: the zoom and the selection, the search, the time. */
  escape() {
    const { state } = this.store;
    if (state.zoom || state.frame || state.function >= 0)
      this.store.go({ zoom: "", frame: "", rest: false, function: -1 }, "reset");
    else if (state.search) this.store.go({ search: "" }, "reset");
    else if (state.time) this.store.go({ time: null }, "reset");
  }

  /* Innermost frame first, as debuggers print it. */
  stackText(): string {
    const { profile, view, frame, tree, group } = this.currentAnswer();
    const stack = frame > 0 ? view.stack(frame).map((node) => view.group(node)) : [group];
    return stack
      .reverse()
      .map((group, i) => {
        const location = groupLocation(profile, tree.groups, group);
        const module = profile.strings[tree.groups.module[group]];
        const at = location ? ` at ${location}` : "";
        return `#${i} ${groupName(profile, tree.groups, group)}${at}${module ? ` (${module})` : ""}`;
      })
      .join("\n");
  }
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    /* Not allowed to pages from files everywhere; the old way is. */
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

export function escapeExpression(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
