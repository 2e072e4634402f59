/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens a report of any profiler in headless Chromium, offline, and says when its frames were
 * there, for tests/bench/pages.py:
 *
 *     node open_report.mjs FILE ROUNDS
 *
 * Every round is a browser of its own. `shown_ms` is from the start of loading to the frame that
 * comes after the one in which the report has drawn: memtrace's page says itself when that is,
 * Memray's has frames of d3-flame-graph, a picture is drawn when it is loaded. `cpu_ms` is what the
 * tab's process has taken by then, which other work on the machine changes less.
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { launchBrowser } from "./support/browser.mjs";

/* Runs in the report, from before its own scripts. */
function watch() {
  const drawn = () =>
    window.memtraceTimings
      ? window.memtraceTimings.firstPictureMs > 0
      : document.contentType === "image/svg+xml"
        ? document.readyState === "complete"
        : document.querySelector("#chart g.frame") !== null;
  const look = () => {
    if (!drawn()) return requestAnimationFrame(look);
    requestAnimationFrame(() => {
      window.shownMs = window.memtraceTimings
        ? window.memtraceTimings.firstPictureMs
        : performance.now();
    });
  };
  requestAnimationFrame(look);
}

/* CPU time and resident memory of the largest process that shows pages. */
async function tabCost(browser) {
  const client = await browser.newBrowserCDPSession();
  const { processInfo } = await client.send("SystemInfo.getProcessInfo");
  const tabs = processInfo
    .filter((process) => process.type === "renderer")
    .map(({ id, cpuTime }) => {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(status);
      return { cpu_ms: cpuTime * 1000, resident_bytes: kilobytes * 1024 };
    });
  return tabs.sort((a, b) => b.resident_bytes - a.resident_bytes)[0];
}

async function openOnce(file) {
  const session = await launchBrowser();
  try {
    const context = await session.browser.newContext({
      viewport: { width: 1280, height: 800 },
    });
    await context.setOffline(true);
    const page = await context.newPage();
    await page.addInitScript(watch);
    await page.goto(pathToFileURL(file).href, { timeout: 120000 });
    await page.waitForFunction(() => window.shownMs > 0, null, {
      timeout: 120000,
    });
    return {
      shown_ms: await page.evaluate(() => window.shownMs),
      ...(await tabCost(session.browser)),
    };
  } finally {
    await session.close();
  }
}

const [file, rounds] = process.argv.slice(2);
const results = [];
for (let i = 0; i < Number(rounds); i++) results.push(await openOnce(file));
console.log(JSON.stringify(results));
