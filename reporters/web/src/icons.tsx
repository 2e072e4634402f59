/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few pictures on buttons; each button has its name in words as well. */

const PATHS = {
  back: "M10 3 5 8l5 5",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6l4 4 4-4",
  up: "M4 10l4-4 4 4",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  search: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3.5 3.5",
  panel: "M2.5 3.5h11v9h-11zM9.5 3.5v9",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  export: "M8 2.5v7M5 7l3 3 3-3M3 12.5h10",
  reset: "M3.2 6.5A5 5 0 1 1 3 9M3 3v3.5h3.5",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
