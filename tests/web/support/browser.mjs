/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A page in headless Chromium, offline: every request but the page's own file is refused and
 * noted, and so is everything the page writes to its console.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(
  new URL("../../../reporters/web/package.json", import.meta.url),
);
const { chromium } = require("playwright-core");

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function launchBrowser(extraArguments = []) {
  const directory = mkdtempSync(join(tmpdir(), "memtrace-web-"));
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: [...ARGUMENTS, ...extraArguments],
  });
  return {
    directory,
    browser,
    async close() {
      await browser.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/* A page of a file, with `problems`: console messages, exceptions and refused requests. */
export async function openPage({ browser }, file, options = {}) {
  const { hash = "", width = 1280, height = 800, ...contextOptions } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    acceptDownloads: true,
    ...contextOptions,
  });
  await context.setOffline(true);
  const address = pathToFileURL(file).href;
  const problems = [];
  await context.route("**/*", (route) => {
    if (route.request().url().split("#")[0] === address)
      return route.continue();
    problems.push(`request for ${route.request().url()}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(5000);
  page.on("console", (message) =>
    problems.push(`console ${message.type()}: ${message.text()}`),
  );
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  await page.goto(address + hash, { timeout: 30000 });
  return { page, context, problems, address };
}

/* Waits until the first picture is on the screen. */
export async function waitForPicture(page) {
  await page.waitForFunction(
    () => window.memtraceTimings.firstPictureMs > 0,
    null,
    {
      timeout: 30000,
    },
  );
}
