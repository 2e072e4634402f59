/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole way: a program is recorded, `memtrace flamegraph` writes its page, and what the page
 * shows is what `memtrace summary` and `leaks` say of the same log.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before } from "node:test";
import { pageTest, useBrowser } from "./support/driver.mjs";

const BUILD = process.env.MEMTRACE_BUILD;
const MEMTRACE = join(BUILD, "cmd", "memtrace");

let directory;
let page;
let summary;
let leaks;

function memtrace(...options) {
  return execFileSync(MEMTRACE, options, {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
}

before(() => {
  directory = mkdtempSync(join(tmpdir(), "memtrace-real-"));
  const program = join(BUILD, "docs", "example", "orders");
  memtrace("run", "-q", "-o", "log.mtlog", "--", program);
  memtrace("flamegraph", "log.mtlog");
  page = join(directory, "log.html");
  summary = JSON.parse(memtrace("summary", "--json", "log.mtlog"));
  leaks = JSON.parse(memtrace("leaks", "--json", "log.mtlog"));
});
after(() => rmSync(directory, { recursive: true, force: true }));
useBrowser();

/* Each cost of the page with the figure of `memtrace summary`. */
const COSTS = [
  ["peak", "peak_bytes"],
  ["leaked", "live_bytes"],
  ["allocated", "allocated_bytes"],
  ["allocations", "allocations"],
  ["temporary", "temporary_allocations"],
];

function leakedBytes(function_) {
  const through = leaks.leaks.filter((leak) =>
    leak.stack.some((frame) => frame.function === function_),
  );
  return through.reduce((sum, leak) => sum + leak.bytes, 0);
}

async function named(driver, name) {
  return (await driver.frames()).filter((frame) => frame.name === name);
}

pageTest("every cost's total is the summary's", async (open) => {
  const driver = await open(page);
  for (const [cost, field] of COSTS) {
    await driver.press(`.cost[data-cost=${cost}]`);
    assert.ok(summary[field] > 0, field);
    assert.equal(await driver.total(), summary[field], cost);
    const [root] = await driver.frames();
    assert.equal(root.value, summary[field], cost);
  }
});

pageTest("a frame's leak is the leak report's", async (open) => {
  const driver = await open(page, { hash: "#cost=leaked" });
  assert.equal(leaks.total.bytes, summary.live_bytes);
  assert.equal(await driver.total(), leaks.total.bytes);
  const [cancel] = await named(driver, "(anonymous namespace)::shop::cancel");
  /* 3000 receipts of 240 bytes that nobody deletes. */
  assert.equal(cancel.value, 3000 * 240);
  assert.equal(
    cancel.value,
    leakedBytes("(anonymous namespace)::shop::cancel"),
  );
  const [main] = await named(driver, "main");
  assert.equal(main.value, leakedBytes("main"));
});

pageTest("a click zooms to a function and shows where it is", async (open) => {
  const driver = await open(page, { hash: "#cost=leaked" });
  const [cancel] = await named(driver, "(anonymous namespace)::shop::cancel");
  const { x, y } = await driver.place(cancel);
  await driver.page.mouse.click(x, y);
  assert.match(await driver.text("#shown"), /^703 KiB of 778 KiB/);
  assert.equal(
    await driver.text("#function-panel h2"),
    "(anonymous namespace)::shop::cancel",
  );
  assert.match(await driver.text("#function-panel"), /orders\.cpp/);
  await driver.page.keyboard.press("Escape");
  assert.match(await driver.text("#shown"), /^778 KiB/);
});

pageTest("a search marks what it finds", async (open) => {
  const driver = await open(page);
  await driver.page.keyboard.press("/");
  await driver.page.keyboard.type("shop::(take|monthly)");
  await driver.page.waitForFunction(() =>
    window.memtracePage.frames().some((frame) => frame.matches),
  );
  const frames = await driver.frames();
  assert.deepEqual(
    [
      ...new Set(frames.filter((f) => f.matches && !f.rest).map((f) => f.name)),
    ].sort(),
    ["monthly_report", "take"].map(
      (name) => `(anonymous namespace)::shop::${name}`,
    ),
  );
  const share = frames
    .filter((f) => f.matches && !f.rest)
    .reduce((sum, frame) => sum + frame.value, 0);
  assert.ok(share > 0.9 * summary.peak_bytes);
  assert.ok(share <= summary.peak_bytes);
});
