/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The current view as files: a drawing (SVG) and folded stack traces for other tools. */
import { INK } from "./colors.ts";
import { formatExact, formatPercent } from "./format.ts";
import { baseName, groupName } from "./groups.ts";
import type { Answer } from "./model.ts";
import { LABEL_PADDING, ROW_HEIGHT, type Picture } from "./picture.ts";
import type { TextFit } from "./text_fit.ts";

const CHUNK_LENGTH = 1 << 20; /* characters */

export function pictureAsSvg(picture: Picture, fit: TextFit, title: string): string {
  const { layout, theme } = picture;
  const width = Math.ceil(layout.x[layout.ancestorRows] + layout.width[layout.ancestorRows]);
  const height = layout.rowCount * ROW_HEIGHT;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      `viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" ` +
      `fill="${INK[theme].text}">\n<title>${escapeXml(title)}</title>\n` +
      `<rect width="100%" height="100%" fill="${INK[theme].surface}"/>\n`,
  ];
  for (let row = 0; row < layout.rowCount; row++)
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++)
      parts.push(frameAsSvg(picture, fit, i, row * ROW_HEIGHT));
  parts.push("</svg>\n");
  return parts.join("");
}

function frameAsSvg(picture: Picture, fit: TextFit, index: number, y: number): string {
  const { layout, answer } = picture;
  const x = layout.x[index];
  const width = layout.width[index];
  const drawn = width > 3 ? width - 1 : Math.max(width * 0.7, 0.5);
  const name = picture.name(index);
  const now = picture.now(index);
  const figures =
    `${formatExact(now, answer.question.unit)}, ` + formatPercent(now, answer.values.now.total[0]);
  const label = width >= 22 ? fit.fit(name, width - 2 * LABEL_PADDING - 1) : "";
  const text = label
    ? `<text x="${(x + LABEL_PADDING).toFixed(1)}" y="${y + 14}">${escapeXml(label)}</text>`
    : "";
  return (
    `<g><title>${escapeXml(name)} (${figures})</title>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${drawn.toFixed(1)}" height="${ROW_HEIGHT - 1}" ` +
    `fill="${picture.color(index)}"/>${text}</g>\n`
  );
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/*
 * One line for each stack trace below the zoomed frame: "outer;inner VALUE", in the callers view
 * "inner;outer VALUE"; in a comparison the other log's value comes before this one's.
 */
export function foldedText(answer: Answer): string[] {
  const { profile, tree, values, view, zoom, state, question } = answer;
  const members = view.members(zoom);
  const names = new Map<number, string>();
  const nameOf = (group: number) => {
    let name = names.get(group);
    if (name === undefined) {
      name = groupName(profile, tree.groups, group).replace(/;/g, ",").replace(/\s+/g, " ");
      names.set(group, name);
    }
    return name;
  };
  const chunks: string[] = [];
  let chunk = "";
  const path: string[] = [];
  for (let node = 1; node < tree.count; node++) {
    path.length = tree.depth[node] - 1;
    path.push(nameOf(tree.group[node]));
    const now = values.now.self[node];
    const base = values.base ? values.base.self[node] : 0;
    if (!members[node] || (now === 0 && base === 0)) continue;
    const frames = state.view === "callers" ? [...path].reverse() : path;
    chunk += `${frames.join(";")} ${question.comparing ? `${base} ` : ""}${now}\n`;
    if (chunk.length > CHUNK_LENGTH) {
      chunks.push(chunk);
      chunk = "";
    }
  }
  chunks.push(chunk);
  return chunks;
}

export function exportName(answer: Answer, extension: string): string {
  const { profile, question, state } = answer;
  const program = baseName(profile.meta.command.split(" ")[0]).replace(/[^\w.-]/g, "_");
  const cost = question.time ? "live" : question.cost.id;
  return `memtrace-${program}-${cost}${state.view === "callers" ? "-callers" : ""}.${extension}`;
}

export function download(name: string, type: string, parts: string[]) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
