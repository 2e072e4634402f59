/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows the pointer over the flamegraph. Drawn on its own, so that it costs the page nothing. */
import { render } from "preact";
import {
  formatExact,
  formatExactChange,
  formatPercent,
  formatRelativeChange,
  formatValue,
  plural,
} from "./format.ts";
import { baseName, groupLocation } from "./groups.ts";
import type { Picture } from "./picture.ts";

const DISTANCE = 14; /* px from the pointer */

export class Tooltip {
  private readonly element: HTMLElement;
  private picture: Picture | null = null;
  private index = -1;

  constructor() {
    this.element = document.createElement("div");
    this.element.id = "tooltip";
    this.element.hidden = true;
    document.body.append(this.element);
  }

  show(picture: Picture, index: number, x: number, y: number) {
    if (picture !== this.picture || index !== this.index) {
      this.picture = picture;
      this.index = index;
      render(<TooltipText picture={picture} index={index} />, this.element);
    }
    this.element.hidden = false;
    const { offsetWidth, offsetHeight } = this.element;
    const left =
      x + DISTANCE + offsetWidth > innerWidth ? x - DISTANCE - offsetWidth : x + DISTANCE;
    const above = y + DISTANCE + offsetHeight > innerHeight;
    const top = above ? y - DISTANCE - offsetHeight : y + DISTANCE;
    this.element.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }

  hide() {
    this.element.hidden = true;
    this.index = -1;
  }
}

function TooltipText({ picture, index }: { picture: Picture; index: number }) {
  const { answer, layout } = picture;
  const { view, profile, question, values } = answer;
  const { unit } = question;
  const rest = picture.rest(index);
  const node = layout.node[index];
  const group = view.group(node);
  const now = picture.now(index);
  const whole = values.now.total[0];
  const isFrame = !rest && group >= 0;
  const location = isFrame ? groupLocation(profile, view.groups, group) : "";
  const module = isFrame ? profile.strings[view.groups.module[group]] : "";
  return (
    <>
      <strong>{rest ? plural(rest.count, "smaller frame") : picture.name(index)}</strong>
      {(location || module) && (
        <p class="tooltip-place">
          {location}
          {location && module ? " · " : ""}
          {module && baseName(module)}
        </p>
      )}
      <table>
        <tbody>
          <tr>
            <th>{answer.question.comparing ? "This log" : "Total"}</th>
            <td>{formatValue(now, unit)}</td>
            <td>{unit === "bytes" && formatExact(now, unit)}</td>
            <td>{formatPercent(now, whole)}</td>
          </tr>
          {question.comparing && <BaseRows picture={picture} index={index} />}
          {isFrame && (
            <tr>
              <th>Self</th>
              <td>{formatValue(view.selfNow(node), unit)}</td>
              <td>{unit === "bytes" && formatExact(view.selfNow(node), unit)}</td>
              <td>{formatPercent(view.selfNow(node), whole)}</td>
            </tr>
          )}
          {answer.zoom > 0 && (
            <tr>
              <th>Of the zoomed</th>
              <td>{formatPercent(now, view.now(answer.zoom))}</td>
            </tr>
          )}
        </tbody>
      </table>
    </>
  );
}

function BaseRows({ picture, index }: { picture: Picture; index: number }) {
  const { question, values } = picture.answer;
  const { unit } = question;
  const now = picture.now(index);
  const base = picture.base(index);
  return (
    <>
      <tr>
        <th>Base</th>
        <td>{formatValue(base, unit)}</td>
        <td>{unit === "bytes" && formatExact(base, unit)}</td>
        <td>{formatPercent(base, values.base!.total[0])}</td>
      </tr>
      <tr>
        <th>Change</th>
        <td colSpan={2}>{formatExactChange(now - base, unit)}</td>
        <td>{formatRelativeChange(now, base)}</td>
      </tr>
    </>
  );
}
