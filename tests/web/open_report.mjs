/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens a report of any profiler in headless Chromium, offline, and says when its frames were
 * there, for tests/bench/pages.py:
 *
 *     node open_report.mjs FILE ROUNDS
 *
 * Every round is a browser of its own. `shown_ms` is from the start of loading to the frame that
 * comes after the one in which the report has drawn: memtrace's page says itself when that is,
 * Memray's has frames of d3-flame-graph, a picture is drawn when it is loaded.
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

async function residentBytes(browser) {
  const client = await browser.newBrowserCDPSession();
  const { processInfo } = await client.send("SystemInfo.getProcessInfo");
  const sizes = processInfo
    .filter((process) => process.type === "renderer")
    .map(({ id }) =>
      /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, "utf8")),
    );
  return Math.max(...sizes.map((match) => Number(match[1]) * 1024));
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
      resident_bytes: await residentBytes(session.browser),
    };
  } finally {
    await session.close();
  }
}

const [file, rounds] = process.argv.slice(2);
const results = [];
for (let i = 0; i < Number(rounds); i++) results.push(await openOnce(file));
console.log(JSON.stringify(results));
