/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Light or dark: as the system says, until the user says otherwise. */
import type { Theme } from "./colors.ts";

const KEY = "memtrace-theme";

export function currentTheme(): Theme {
  return chosenTheme() ?? systemTheme();
}

/* Runs before anything is painted. */
export function applyTheme() {
  document.documentElement.dataset.theme = currentTheme();
}

export function toggleTheme() {
  const theme = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    /* No storage for files in some browsers: the choice lasts as long as the page. */
  }
}

export function onSystemThemeChange(action: () => void) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", action);
}

function systemTheme(): Theme {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function chosenTheme(): Theme | null {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(KEY);
  } catch {
    stored = document.documentElement.dataset.theme ?? null;
  }
  return stored === "light" || stored === "dark" ? stored : null;
}
