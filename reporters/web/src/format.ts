/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as people read them. Bytes are in binary units; exact figures have their own function. */
import type { Unit } from "./costs.ts";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const MINUS = "\u2212";

export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (Math.round(value) >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const sign = bytes < 0 ? MINUS : "";
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${sign}${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

export function formatCount(count: number): string {
  return (count < 0 ? MINUS : "") + Math.abs(Math.round(count)).toLocaleString("en-US");
}

export function formatValue(value: number, unit: Unit): string {
  return unit === "bytes" ? formatBytes(value) : formatCount(value);
}

export function formatExact(value: number, unit: Unit): string {
  return unit === "bytes" ? `${formatCount(value)} bytes` : formatCount(value);
}

/* With a sign, also in text, for those who do not see the colour. */
export function formatChange(change: number, unit: Unit): string {
  return (change > 0 ? "+" : change === 0 ? "\u00b1" : "") + formatValue(change, unit);
}

export function formatExactChange(change: number, unit: Unit): string {
  return (change > 0 ? "+" : change === 0 ? "\u00b1" : "") + formatExact(change, unit);
}

export function formatPercent(part: number, whole: number): string {
  if (whole === 0) return "0 %";
  const percent = (part / whole) * 100;
  if (part !== 0 && Math.abs(percent) < 0.01) return "< 0.01 %";
  const digits = Math.abs(percent) >= 99.95 ? 0 : Math.abs(percent) < 1 ? 2 : 1;
  return `${percent.toFixed(digits)} %`.replace("-", MINUS);
}

/* How much `now` is of `base`: "+12 %", "×520", "new", "gone". */
export function formatRelativeChange(now: number, base: number): string {
  if (now === base) return "unchanged";
  if (base === 0) return "new";
  if (now === 0) return "gone";
  const percent = ((now - base) / base) * 100;
  if (percent >= 1000) return `\u00d7${formatCount(now / base)}`;
  const digits = Math.abs(percent) < 10 ? 1 : 0;
  const text = Math.abs(percent).toFixed(digits);
  return `${percent < 0 ? MINUS : "+"}${text} %`;
}

export function formatSeconds(seconds: number): string {
  if (seconds >= 3600) {
    const hours = Math.floor(seconds / 3600);
    return `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  }
  if (seconds >= 60) return formatMinutes(Math.round(seconds * 10) / 10);
  if (seconds >= 10) return `${seconds.toFixed(1)} s`;
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  return `${(seconds * 1000).toFixed(seconds >= 0.01 ? 0 : 2)} ms`;
}

function formatMinutes(seconds: number): string {
  const rest = Number((seconds % 60).toFixed(1));
  return `${Math.floor(seconds / 60)} min${rest > 0 ? ` ${rest} s` : ""}`;
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/*
 * A size as people type it: "64k", "1.5 MiB", "300", or "0.1%" of `whole`. Null: not a size.
 */
export function parseSize(text: string, whole: number, unit: Unit): number | null {
  const match = /^([0-9]*\.?[0-9]+)\s*(%|[kmgt]?)(i?b)?$/i.exec(text.trim());
  if (!match) return text.trim() === "" ? 0 : null;
  const value = Number(match[1]);
  if (match[2] === "%") return match[3] ? null : (value / 100) * whole;
  const power = ["", "k", "m", "g", "t"].indexOf(match[2].toLowerCase());
  return value * (unit === "bytes" ? 1024 : 1000) ** power;
}
