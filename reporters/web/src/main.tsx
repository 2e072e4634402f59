/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the data, shows the page, and shows it anew after whatever the user did. */
import { render } from "preact";
import { Actions } from "./actions.ts";
import { App } from "./app.tsx";
import { DataError, readContainer } from "./container.ts";
import { baseName } from "./groups.ts";
import { listenForKeys } from "./keyboard.ts";
import { Model, type Answer } from "./model.ts";
import type { Page } from "./page.ts";
import { buildProfile, type Header, type Profile } from "./profile.ts";
import { Store } from "./store.ts";
import { describePage } from "./test_hooks.ts";
import { currentTheme, onSystemThemeChange, applyTheme } from "./theme.ts";
import { afterPaint, answered, stepDone, timings } from "./timings.ts";

const TABLE_ROWS = 200;
const TABLE_ROWS_LIMIT = 5000; /* what a browser lays out without a pause */
const NARROW_PAGE = 900; /* px: below, the panel starts closed */

async function readProfile(): Promise<Profile> {
  const element = document.getElementById("memtrace-data");
  if (!element) throw new DataError("this page has no data");
  const container = await readContainer<Header>(element.textContent!.trim());
  stepDone("unpack");
  const profile = buildProfile(container);
  stepDone("profile");
  return profile;
}

function showPage(profile: Profile) {
  const root = emptyRoot();
  const store = new Store();
  if (innerWidth < NARROW_PAGE && !location.hash.includes("panel=")) store.state.panel = "closed";
  const model = new Model(profile);
  let answer: Answer = model.answer(store.state);
  stepDone("tree");
  const actions = new Actions(store, () => answer);
  let tableLimit = TABLE_ROWS;
  let tableKey = "";

  const page = (): Page => ({
    answer,
    model,
    store,
    actions,
    theme: currentTheme(),
    flamegraph,
    tableLimit,
    showMoreRows: tableLimit < TABLE_ROWS_LIMIT ? showMoreRows : null,
    redraw: draw,
  });
  const flamegraph: Page["flamegraph"] = { current: null };
  const draw = () => {
    applyTheme();
    render(<App page={page()} />, root);
  };

  const showMoreRows = () => {
    tableLimit = Math.min(tableLimit * 5, TABLE_ROWS_LIMIT);
    draw();
  };

  store.listen((what, startMs) => {
    answer = model.answer(store.state);
    const key = store.state.view + store.state.grouping;
    if (key !== tableKey) tableLimit = TABLE_ROWS;
    tableKey = key;
    draw();
    answered(what, startMs);
  });
  listenForKeys(() => ({
    answer,
    actions,
    minimumWeight: flamegraph.current?.picture?.layout.minimumWeight ?? 0,
    selectionMoved: () => flamegraph.current?.revealSelection(),
  }));
  onSystemThemeChange(draw);

  document.title = `${baseName(profile.meta.command.split(" ")[0])} \u2013 memtrace`;
  draw();
  stepDone("draw");
  Object.assign(window, { memtracePage: describePage(() => answer, flamegraph) });
  afterPaint(() => {
    timings.firstPictureMs = performance.now();
  });
}

function showError(error: unknown) {
  render(
    <div class="failure" role="alert">
      <h1>This page cannot be shown</h1>
      <p>{error instanceof DataError ? `${capital(error.message)}.` : String(error)}</p>
      <p>
        Write it again with <code>memtrace flamegraph LOG</code>; if that does not help, the log
        itself may be read with <code>memtrace summary LOG</code>.
      </p>
    </div>,
    emptyRoot(),
  );
}

/* Without the "Reading..." of page.html. */
function emptyRoot(): HTMLElement {
  const root = document.getElementById("page")!;
  root.replaceChildren();
  return root;
}

function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

Object.assign(window, { memtraceTimings: timings });
timings.steps.parse = performance.now();
readProfile().then(showPage).catch(showError);
