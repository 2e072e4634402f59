/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of the page. Arrows act on the flamegraph unless what has the focus needs them itself. */
import type { Actions } from "./actions.ts";
import type { Answer } from "./model.ts";

export interface KeyboardTarget {
  answer: Answer;
  actions: Actions;
  minimumWeight: number; /* of what is drawn */
  selectionMoved(): void;
}

export function listenForKeys(target: () => KeyboardTarget) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") leaveField(event.target as HTMLInputElement, target().actions);
      return;
    }
    if (pageKey(event, target()) || flamegraphKey(event, target())) event.preventDefault();
  });
}

function isTyping(element: EventTarget | null): boolean {
  return (
    element instanceof HTMLElement &&
    (element.matches("input:not([type=checkbox]), textarea, select") || element.isContentEditable)
  );
}

function leaveField(field: HTMLInputElement, actions: Actions) {
  if (field.id === "search" && field.value) actions.store.go({ search: "" }, "search");
  else field.blur();
}

function pageKey(event: KeyboardEvent, { actions }: KeyboardTarget): boolean {
  switch (event.key) {
    case "/": {
      const search = document.getElementById("search") as HTMLInputElement;
      search.focus();
      search.select();
      return true;
    }
    case "n":
      actions.stepSearch(1);
      return true;
    case "N":
      actions.stepSearch(-1);
      return true;
    case "Escape":
      actions.escape();
      return true;
    default:
      return false;
  }
}

function flamegraphKey(event: KeyboardEvent, target: KeyboardTarget): boolean {
  const { answer, actions } = target;
  const focused = document.activeElement;
  const onButton = focused?.matches("button") && !focused.closest(".panel, .menu-box");
  const onFlamegraph = focused === document.body || focused?.id === "flamegraph";
  if (!(onFlamegraph || onButton) || answer.state.view === "table") return false;
  if (event.key === "Enter") {
    if (answer.frame <= 0 || onButton) return false;
    actions.chooseFrame(answer.frame, false);
    return true;
  }
  const next = nextFrame(event.key, target);
  if (next === null) return false;
  if (next > 0) {
    actions.pointAtFrame(next);
    target.selectionMoved();
  }
  return true;
}

/* The frame an arrow leads to; 0: there is none; null: not an arrow. */
function nextFrame(key: string, { answer, minimumWeight }: KeyboardTarget): number | null {
  const { view, zoom } = answer;
  if (!["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].includes(key)) return null;
  const from = answer.frame > 0 && !answer.state.rest ? answer.frame : -1;
  if (from < 0) return zoom > 0 ? zoom : firstChild(answer, 0, minimumWeight);
  if (key === "ArrowUp") return view.parent(from);
  if (key === "ArrowDown") return firstChild(answer, from, minimumWeight);
  const siblings: number[] = [];
  view.collectChildren(view.parent(from), minimumWeight, siblings);
  const at = siblings.indexOf(from);
  return siblings[at + (key === "ArrowRight" ? 1 : -1)] ?? 0;
}

function firstChild(answer: Answer, node: number, minimumWeight: number): number {
  const children: number[] = [];
  answer.view.collectChildren(node, minimumWeight, children);
  return children[0] ?? 0;
}
