/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The flamegraph as a thing on the page: a scrolled box with a canvas of the size of the visible
 * part, and two outlines above it, for the frame under the pointer and the selected one, so that
 * moving the pointer draws nothing anew. It reports what the user did and decides nothing.
 */
import { drawPicture, sizeCanvas } from "./canvas.ts";
import { frameColors, type Theme } from "./colors.ts";
import type { Groups } from "./groups.ts";
import { layOut, type Layout } from "./layout.ts";
import type { Answer } from "./model.ts";
import { FONT, Picture, ROW_HEIGHT } from "./picture.ts";
import { TextFit } from "./text_fit.ts";
import type { ViewTree } from "./view_tree.ts";

const ROWS_ABOVE_ZOOM = 3; /* that stay in sight when a deep frame is zoomed */

export interface FlamegraphEvents {
  chosen(node: number, isRest: boolean): void;
  pointed(picture: Picture, index: number, x: number, y: number): void;
  left(): void;
}

export class Flamegraph {
  picture: Picture | null = null;
  private readonly scroller: HTMLElement;
  private readonly content: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly hoverBox: HTMLElement;
  private readonly selectionBox: HTMLElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly fit: TextFit;
  private answer: Answer | null = null;
  private theme: Theme = "light";
  private layoutKey: unknown[] = [];
  private layout: Layout | null = null;
  private colorKey: unknown[] = [];
  private colors: string[] = [];
  private pointed = -1;

  constructor(
    root: HTMLElement,
    private readonly events: FlamegraphEvents,
  ) {
    this.scroller = root;
    this.content = root.appendChild(box("flame-content"));
    this.canvas = this.content.appendChild(document.createElement("canvas"));
    this.canvas.setAttribute("aria-hidden", "true");
    this.selectionBox = this.content.appendChild(box("flame-selection"));
    this.hoverBox = this.content.appendChild(box("flame-hover"));
    this.context = this.canvas.getContext("2d", { alpha: false })!;
    this.context.font = FONT;
    this.fit = new TextFit(this.context);
    root.addEventListener("scroll", () => this.draw());
    this.content.addEventListener("pointermove", (event) => this.pointerMoved(event));
    this.content.addEventListener("pointerleave", () => this.pointerLeft());
    this.content.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.resized()).observe(root);
  }

  show(answer: Answer, theme: Theme) {
    this.answer = answer;
    this.theme = theme;
    this.update();
  }

  /* Frames below have no place of their own in the picture of an answer. */
  minimumWeight({ view, zoom, minimumWeight }: Answer): number {
    return Math.max(minimumWeight, view.weight(zoom) / Math.max(this.scroller.clientWidth, 1));
  }

  private resized() {
    if (this.answer && this.scroller.clientWidth !== this.canvas.clientWidth) this.update();
    else this.draw();
  }

  private update() {
    const answer = this.answer!;
    const width = this.scroller.clientWidth;
    if (width === 0) return;
    const zoomed = this.layOut(answer.view, answer.zoom, width, answer.minimumWeight);
    this.picture = new Picture(
      answer,
      this.layout!,
      this.theme,
      this.colorsOf(answer.view.groups, answer),
    );
    if (zoomed) this.scrollToZoom();
    this.pointerLeft();
    this.draw();
    this.placeSelection();
  }

  private layOut(view: ViewTree, zoom: number, width: number, minimum: number): boolean {
    const key = [view, zoom, width, minimum];
    if (key.every((part, i) => part === this.layoutKey[i])) return false;
    this.layout = layOut(view, zoom, width, minimum);
    this.layoutKey = key;
    return true;
  }

  private colorsOf(groups: Groups, answer: Answer): string[] {
    const key = [groups, this.theme];
    if (!key.every((part, i) => part === this.colorKey[i]))
      this.colors = frameColors(answer.profile, groups, this.theme);
    this.colorKey = key;
    return this.colors;
  }

  private scrollToZoom() {
    const layout = this.layout!;
    const visible = this.scroller.clientHeight;
    const top = Math.max(0, layout.ancestorRows - ROWS_ABOVE_ZOOM) * ROW_HEIGHT;
    const rows = layout.rowCount * ROW_HEIGHT;
    this.content.style.height = `${Math.max(rows, top > 0 ? top + visible : 0)}px`;
    this.scroller.scrollTop = top;
  }

  private draw() {
    if (!this.picture) return;
    const width = this.scroller.clientWidth;
    const height = this.scroller.clientHeight;
    sizeCanvas(this.canvas, width, height);
    drawPicture(this.context, this.picture, this.fit, this.scroller.scrollTop, width, height);
  }

  private placeSelection() {
    const { layout, answer } = this;
    const index = answer!.frame < 0 ? -1 : this.indexOf(answer!.frame, answer!.state.rest);
    this.selectionBox.hidden = index < 0;
    if (index >= 0) placeBox(this.selectionBox, layout!, index);
  }

  private indexOf(node: number, isRest: boolean): number {
    const layout = this.layout!;
    if (!isRest) return layout.find(node);
    for (const index of layout.rests.keys()) if (layout.node[index] === node) return index;
    return -1;
  }

  /* Scrolls just so far that the selected frame is in sight. */
  revealSelection() {
    if (!this.selectionBox.hidden) this.selectionBox.scrollIntoView({ block: "nearest" });
  }

  private indexAt(event: MouseEvent): number {
    const area = this.content.getBoundingClientRect();
    const row = Math.floor((event.clientY - area.top) / ROW_HEIGHT);
    return this.layout ? this.layout.at(event.clientX - area.left, row) : -1;
  }

  private pointerMoved(event: PointerEvent) {
    const index = this.indexAt(event);
    if (index < 0) {
      this.pointerLeft();
      return;
    }
    if (index !== this.pointed) {
      this.pointed = index;
      this.hoverBox.hidden = false;
      placeBox(this.hoverBox, this.layout!, index);
    }
    this.events.pointed(this.picture!, index, event.clientX, event.clientY);
  }

  private pointerLeft() {
    this.pointed = -1;
    this.hoverBox.hidden = true;
    this.events.left();
  }

  private clicked(event: MouseEvent) {
    const index = this.indexAt(event);
    if (index >= 0) this.events.chosen(this.layout!.node[index], this.layout!.rests.has(index));
  }
}

function box(className: string): HTMLElement {
  const element = document.createElement("div");
  element.className = className;
  element.hidden = className !== "flame-content";
  return element;
}

function placeBox(element: HTMLElement, layout: Layout, index: number) {
  element.style.transform = `translate(${layout.x[index]}px, ${layout.rowOf(index) * ROW_HEIGHT}px)`;
  element.style.width = `${Math.max(layout.width[index] - 1, 2)}px`;
  element.style.height = `${ROW_HEIGHT - 1}px`;
}
