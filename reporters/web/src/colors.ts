/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Colours of frames. They are chosen in OKLCH, where equal lightness looks equally light, so that
 * one text colour is readable on all of them (tests/web checks 4.5 : 1), and are given as plain
 * hexadecimal for canvas and exported SVG alike.
 *
 * Colour says which module a frame is from: warm for the program, cool and paler for libraries.
 * In a comparison it says how much changed: orange for more, blue for less, told apart with any
 * kind of colour blindness; the figures have a sign besides.
 */
import type { Groups } from "./groups.ts";
import { baseName, isLibrary } from "./groups.ts";
import { FrameFlag, type Profile } from "./profile.ts";

export type Theme = "light" | "dark";

interface Shades {
  frame: number; /* lightness */
  jitter: number; /* between neighbouring functions */
  own: number; /* chroma of the program's frames */
  library: number;
  match: [number, number, number];
  rest: [number, number, number];
  change: { near: number; far: number; chroma: number };
}

const SHADES: Record<Theme, Shades> = {
  light: {
    frame: 0.875,
    jitter: 0.022,
    own: 0.088,
    library: 0.042,
    match: [0.81, 0.125, 325],
    rest: [0.9, 0.006, 260],
    change: { near: 0.93, far: 0.77, chroma: 0.15 },
  },
  dark: {
    frame: 0.415,
    jitter: 0.018,
    own: 0.066,
    library: 0.04,
    match: [0.47, 0.17, 325],
    rest: [0.32, 0.008, 260],
    change: { near: 0.33, far: 0.45, chroma: 0.112 },
  },
};

export const INK: Record<Theme, { text: string; faint: string; surface: string; gap: string }> = {
  light: { text: "#1c2026", faint: "#3a414b", surface: "#ffffff", gap: "#ffffff" },
  dark: { text: "#f0f2f5", faint: "#cbd1d9", surface: "#15181d", gap: "#15181d" },
};

const OWN_HUES = [58, 35, 85, 15];
const LIBRARY_HUES = [250, 195, 150, 290, 225, 170, 315, 130, 270, 210];
const MORE_HUE = 52;
const LESS_HUE = 252;

export function frameColors(profile: Profile, groups: Groups, theme: Theme): string[] {
  const shades = SHADES[theme];
  const ofModule = moduleColors(profile, groups);
  const colors = [];
  for (let group = 0; group < groups.count; group++) {
    const flags = groups.flags[group];
    if (flags & (FrameFlag.Folded | FrameFlag.CutOff)) {
      colors.push(hexFromOklch(...shades.rest));
      continue;
    }
    const { hue, own } = ofModule.get(groups.module[group])!;
    const spread = ((Math.imul(groups.function[group] + 1, 0x9e3779b1) >>> 16) % 5) - 2;
    const lightness = shades.frame + (spread / 2) * shades.jitter;
    const chroma = hue < 0 ? 0.006 : own ? shades.own : shades.library;
    colors.push(hexFromOklch(lightness, chroma, hue < 0 ? 260 : hue));
  }
  return colors;
}

/* The colour that stands for a module, without the differences between its functions. */
export function moduleKey(profile: Profile, groups: Groups, theme: Theme): Map<number, string> {
  const { frame, own, library } = SHADES[theme];
  const key = new Map<number, string>();
  for (const [module, color] of moduleColors(profile, groups)) {
    const chroma = color.hue < 0 ? 0.006 : color.own ? own : library;
    key.set(module, hexFromOklch(frame, chroma, color.hue < 0 ? 260 : color.hue));
  }
  return key;
}

function moduleColors(profile: Profile, groups: Groups) {
  const colors = new Map<number, { hue: number; own: boolean }>();
  let ownCount = 0;
  let libraryCount = 0;
  const modules = [...new Set(groups.module.subarray(0, groups.count))].sort((a, b) => a - b);
  for (const module of modules) {
    const path = profile.strings[module];
    const own = !isLibrary(path);
    if (baseName(path) === "(unknown)") colors.set(module, { hue: -1, own });
    else if (own) colors.set(module, { hue: OWN_HUES[ownCount++ % OWN_HUES.length], own });
    else colors.set(module, { hue: LIBRARY_HUES[libraryCount++ % LIBRARY_HUES.length], own });
  }
  return colors;
}

/* For frames that do not match the search: there, but out of the way. */
export function quietColor(theme: Theme): string {
  return hexFromOklch(theme === "light" ? 0.925 : 0.285, 0.006, 260);
}

export function matchColor(theme: Theme): string {
  return hexFromOklch(...SHADES[theme].match);
}

export function restColor(theme: Theme): string {
  return hexFromOklch(...SHADES[theme].rest);
}

/* From all gone (-1) over no change (0) to all new (1). */
export function changeColor(now: number, base: number, theme: Theme): string {
  const { near, far, chroma } = SHADES[theme].change;
  const larger = Math.max(now, base);
  if (larger <= 0 || now === base) return hexFromOklch(near, 0.006, 260);
  const change = (now - base) / larger;
  const strength = Math.min(1, 0.18 + 0.82 * Math.sqrt(Math.abs(change)));
  return hexFromOklch(
    near + (far - near) * strength,
    chroma * strength,
    change > 0 ? MORE_HUE : LESS_HUE,
  );
}

/* Matrices from Björn Ottosson, "A perceptual color space for image processing" (2020). */
function hexFromOklch(lightness: number, chroma: number, hue: number): string {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return (
    "#" +
    [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ]
      .map(hexFromLinear)
      .join("")
  );
}

function hexFromLinear(linear: number): string {
  const clamped = Math.min(1, Math.max(0, linear));
  const encoded = clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055;
  return Math.round(encoded * 255)
    .toString(16)
    .padStart(2, "0");
}
