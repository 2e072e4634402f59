/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a laid out frame looks like: its label and colour. The canvas and the exported SVG both
 * draw from here, so they cannot differ.
 */
import * as colors from "./colors.ts";
import { formatChange, formatPercent, formatValue, plural } from "./format.ts";
import { groupName } from "./groups.ts";
import type { Layout } from "./layout.ts";
import type { Answer } from "./model.ts";
import type { Rest } from "./view_tree.ts";

export const ROW_HEIGHT = 20; /* px */
export const LABEL_PADDING = 4; /* px */
export const FONT =
  '12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';

export class Picture {
  private readonly groupColors: string[];
  private readonly quiet: string;
  private readonly match: string;
  private readonly restColor: string;

  constructor(
    readonly answer: Answer,
    readonly layout: Layout,
    readonly theme: colors.Theme,
    groupColors: string[],
  ) {
    this.groupColors = groupColors;
    this.quiet = colors.quietColor(theme);
    this.match = colors.matchColor(theme);
    this.restColor = colors.restColor(theme);
  }

  rest(index: number): Rest | null {
    return this.layout.rests.get(index) ?? null;
  }

  now(index: number): number {
    return this.rest(index)?.now ?? this.answer.view.now(this.layout.node[index]);
  }

  base(index: number): number {
    return this.rest(index)?.base ?? this.answer.view.base(this.layout.node[index]);
  }

  name(index: number): string {
    const { view, profile, question } = this.answer;
    const rest = this.rest(index);
    if (rest)
      return `(${rest.count.toLocaleString("en-US")} more: ${formatValue(rest.now, question.unit)})`;
    const group = view.group(this.layout.node[index]);
    if (group < 0) return this.rootName();
    return groupName(profile, view.groups, group);
  }

  private rootName(): string {
    return this.answer.state.view === "callers" ? "All allocating functions" : "All stack traces";
  }

  /* The figure at the right end of a wide frame. */
  figure(index: number): string {
    const { question, values } = this.answer;
    if (this.rest(index)) return "";
    const now = this.now(index);
    const detail = question.comparing
      ? formatChange(now - this.base(index), question.unit)
      : formatPercent(now, values.now.total[0]);
    return `${formatValue(now, question.unit)} \u00b7 ${detail}`;
  }

  matches(index: number): boolean {
    const { search, view } = this.answer;
    if (!search) return false;
    const node = this.layout.node[index];
    if (this.rest(index)) return view.restHas(node, this.layout.minimumWeight, search);
    const group = view.group(node);
    return group >= 0 && search.groups[group] !== 0;
  }

  color(index: number): string {
    const { view, search, question } = this.answer;
    if (search && this.matches(index)) return this.match;
    if (question.comparing)
      return colors.changeColor(this.now(index), this.base(index), this.theme);
    if (search) return this.quiet;
    const group = view.group(this.layout.node[index]);
    return this.rest(index) || group < 0 ? this.restColor : this.groupColors[group];
  }

  describe(index: number): string {
    const { question, values } = this.answer;
    const rest = this.rest(index);
    const name = rest ? `${plural(rest.count, "smaller frame")} together` : this.name(index);
    const now = this.now(index);
    const percent = formatPercent(now, values.now.total[0]);
    return `${name}, ${formatValue(now, question.unit)}, ${percent}`;
  }
}
