/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measures a page of 500,000 stack nodes in headless Chromium: file size, time to the first
 * picture, medians of the answers as the page itself times them, and memory.
 *
 *     node bench.mjs [--nodes=500000] [--page=FILE.html] [--json]
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makePage } from "./make_page.mjs";
import { launchBrowser, openPage, waitForPicture } from "./support/browser.mjs";
import { syntheticTables } from "./support/synthetic.mjs";

const ZOOMS = 25;
const LOADS = 3;
const SEARCHES = [
  "vector",
  "store::",
  "^net::.*er",
  "cache_",
  "operator\\(\\)",
  "e",
  "no match",
];

const { values: options } = parseArgs({
  options: {
    nodes: { type: "string", default: "500000" },
    page: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

async function answersTo(page, what) {
  await page.waitForTimeout(50);
  const answers = await page.evaluate(() => window.memtraceTimings.answers);
  return answers.filter((answer) => answer.what === what);
}

async function zoomAround(page) {
  for (let i = 0; i < ZOOMS; i++) {
    const box = await page.locator("#flamegraph").boundingBox();
    const target = await page.evaluate((turn) => {
      const frames = window.memtracePage.frames();
      const wide = frames.filter(
        (frame) => frame.row > 0 && !frame.rest && frame.width > 20,
      );
      return turn % 3 === 2
        ? { x: 2, row: 0 }
        : wide[(turn * 37) % wide.length];
    }, i);
    const row = await page.evaluate(() => window.memtracePage.rowHeight);
    await page.evaluate(
      () => (document.getElementById("flamegraph").scrollTop = 0),
    );
    if ((target.row + 1) * row < box.height)
      await page.mouse.click(
        box.x + target.x + 1,
        box.y + (target.row + 0.5) * row,
      );
  }
  return answersTo(page, "zoom");
}

async function searchAround(page) {
  for (const text of SEARCHES) await page.fill("#search", text);
  await page.fill("#search", "");
  return answersTo(page, "search");
}

async function timeOf(page, what, action) {
  await page.evaluate(() => (window.memtraceTimings.answers.length = 0));
  await action();
  const [answer] = await answersTo(page, what);
  return answer ? Math.round(answer.paintedMs) : null;
}

async function otherAnswers(page) {
  const click = (selector) => () => page.click(selector);
  const results = {};
  const measure = async (name, what, action) => {
    results[name] = await timeOf(page, what, action);
  };
  await measure("cost", "cost", click("[data-cost=leaked]"));
  await measure(
    "callers",
    "view,zoom,frame,rest,function",
    click("[data-view=callers]"),
  );
  await measure(
    "flamegraph",
    "view,zoom,frame,rest,function",
    click("[data-view=callees]"),
  );
  await measure("hide libraries", "shape", click("[data-toggle=libraries]"));
  await page.click("[data-toggle=libraries]");
  await measure("fold recursion", "shape", click("[data-toggle=recursion]"));
  await page.click("[data-toggle=recursion]");
  await measure("table", "view", click("[data-view=table]"));
  await measure("table by stack", "grouping", click("[data-grouping=stack]"));
  await page.click("[data-view=callees]");
  await measure("time", "time", click("#timeline .u-over"));
  return results;
}

/* Resident memory of the largest process that shows pages. */
async function residentBytes(browser) {
  const client = await browser.newBrowserCDPSession();
  const { processInfo } = await client.send("SystemInfo.getProcessInfo");
  const sizes = processInfo
    .filter((process) => process.type === "renderer")
    .map(({ id }) =>
      /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, "utf8")),
    )
    .map((match) => Number(match[1]) * 1024);
  return Math.max(...sizes);
}

const session = await launchBrowser(["--enable-precise-memory-info"]);
try {
  let file = options.page;
  if (!file) {
    file = join(session.directory, "bench.html");
    await makePage(
      file,
      syntheticTables({ nodes: Number(options.nodes), survivors: true }),
    );
  }
  const loads = [];
  for (let i = 0; i < LOADS; i++) {
    const { page, context } = await openPage(session, file);
    await waitForPicture(page);
    loads.push(
      await page.evaluate(() => window.memtraceTimings.firstPictureMs),
    );
    await context.close();
  }
  const { page, context, problems } = await openPage(session, file);
  await waitForPicture(page);
  const steps = await page.evaluate(() => window.memtraceTimings.steps);
  const nodes = await page.evaluate(() => window.memtracePage.nodeCount());
  const zooms = await zoomAround(page);
  await page.keyboard.press("Escape");
  const searches = await searchAround(page);
  const others = await otherAnswers(page);
  const heap = await context.newCDPSession(page).then(async (client) => {
    await client.send("HeapProfiler.enable");
    await client.send("HeapProfiler.collectGarbage");
    return client.send("Runtime.getHeapUsage");
  });
  const painted = (answers) =>
    median(answers.map((answer) => answer.paintedMs));
  const worked = (answers) => median(answers.map((answer) => answer.workMs));
  const result = {
    nodes,
    file_bytes: statSync(file).size,
    first_picture_ms: Math.round(median(loads)),
    load_steps_ms: Object.fromEntries(
      Object.entries(steps).map(([name, ms]) => [name, Math.round(ms)]),
    ),
    zoom_ms: {
      work: worked(zooms),
      painted: painted(zooms),
      count: zooms.length,
    },
    search_ms: {
      work: worked(searches),
      painted: painted(searches),
      count: searches.length,
    },
    other_painted_ms: others,
    js_heap_bytes: Math.round(heap.usedSize),
    array_buffer_bytes: Math.round(heap.backingStorageSize ?? 0),
    tab_resident_bytes: await residentBytes(session.browser),
    problems,
  };
  if (options.json) console.log(JSON.stringify(result));
  else console.log(result);
} finally {
  await session.close();
}
