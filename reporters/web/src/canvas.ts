/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Draws the visible rows of a Picture on a canvas. */
import { INK } from "./colors.ts";
import { FONT, LABEL_PADDING, ROW_HEIGHT, type Picture } from "./picture.ts";
import type { TextFit } from "./text_fit.ts";

const LABEL_MINIMUM = 22; /* px: narrower frames have no label */
const FIGURE_GAP = 16; /* px */

export function sizeCanvas(canvas: HTMLCanvasElement, width: number, height: number) {
  const ratio = window.devicePixelRatio || 1;
  const pixelWidth = Math.round(width * ratio);
  const pixelHeight = Math.round(height * ratio);
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

export function drawPicture(
  context: CanvasRenderingContext2D,
  picture: Picture,
  fit: TextFit,
  scrollTop: number,
  width: number,
  height: number,
) {
  const ratio = window.devicePixelRatio || 1;
  const { layout, theme } = picture;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = INK[theme].surface;
  context.fillRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";

  const firstRow = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT));
  const endRow = Math.min(layout.rowCount, Math.ceil((scrollTop + height) / ROW_HEIGHT));
  for (let row = firstRow; row < endRow; row++) {
    const y = row * ROW_HEIGHT - scrollTop;
    drawRow(context, picture, fit, row, y);
  }
}

function drawRow(
  context: CanvasRenderingContext2D,
  picture: Picture,
  fit: TextFit,
  row: number,
  y: number,
) {
  const { layout, theme } = picture;
  const end = layout.rowStart[row + 1];
  let color = "";
  context.globalAlpha = row < layout.ancestorRows ? 0.55 : 1;
  for (let i = layout.rowStart[row]; i < end; i++) {
    const frameColor = picture.color(i);
    if (frameColor !== color) context.fillStyle = color = frameColor;
    const width = layout.width[i];
    /* A gap of one pixel, less for frames that would vanish in it. */
    const drawn = width > 3 ? width - 1 : Math.max(width * 0.7, 0.5);
    context.fillRect(layout.x[i], y, drawn, ROW_HEIGHT - 1);
  }
  context.globalAlpha = 1;
  for (let i = layout.rowStart[row]; i < end; i++)
    if (layout.width[i] >= LABEL_MINIMUM) drawLabel(context, picture, fit, i, y, theme);
}

function drawLabel(
  context: CanvasRenderingContext2D,
  picture: Picture,
  fit: TextFit,
  index: number,
  y: number,
  theme: "light" | "dark",
) {
  const { layout } = picture;
  const left = layout.x[index] + LABEL_PADDING;
  const available = layout.width[index] - 2 * LABEL_PADDING - 1;
  const name = picture.name(index);
  const label = fit.fit(name, available);
  if (!label) return;
  const middle = y + ROW_HEIGHT / 2;
  context.fillStyle = picture.rest(index) ? INK[theme].faint : INK[theme].text;
  context.fillText(label, left, middle);
  if (label !== name || layout.width[index] < 150) return;
  const figure = picture.figure(index);
  const figureWidth = fit.width(figure);
  if (fit.width(label) + FIGURE_GAP + figureWidth > available) return;
  context.fillStyle = INK[theme].faint;
  context.fillText(figure, left + available - figureWidth, middle);
}
