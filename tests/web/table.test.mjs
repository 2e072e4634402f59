/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table: sums by everything it groups by, order, length, and where its rows lead. */
import assert from "node:assert/strict";
import { pageTest, useBrowser } from "./support/driver.mjs";
import * as expected from "./support/expected.mjs";
import { sample } from "./support/sample.mjs";

useBrowser();

const { stacks } = sample();
const peak = (stack) => stack.peak_bytes;
const exact = (value) => `${value.toLocaleString("en-US")} bytes`;

/* Rows of the table with exact figures: { name: [self, total] }. */
async function exactRows(page) {
  const rows = await page.page
    .locator(".costs-table tbody tr")
    .evaluateAll((rows) =>
      rows.map((row) => [
        row.querySelector(".name .link").title,
        row.cells[1].title,
        row.cells[3].title,
      ]),
    );
  return new Map(rows.map(([name, self, total]) => [name, [self, total]]));
}

pageTest("the table by function has self and total of each", async (open) => {
  const page = await open(sample());
  await page.press("[data-view=table]");
  const wanted = new Map(
    [...expected.functionSums(stacks, peak)]
      .filter(([, { total }]) => total > 0)
      .map(([name, { self, total }]) => [name, [exact(self), exact(total)]]),
  );
  assert.deepEqual(
    new Map([...(await exactRows(page))].sort()),
    new Map([...wanted].sort()),
  );
  assert.equal(await page.text("#table-count"), `${wanted.size} rows`);
});

pageTest("the table by file, module, thread and allocator", async (open) => {
  const page = await open(sample());
  await page.press("[data-view=table]");
  await page.press("[data-grouping=module]");
  const modules = await exactRows(page);
  const through = (part) => (stack) =>
    stack.frames.some((frame) => frame.includes(part));
  const total = (passes) => exact(expected.sumOf(stacks.filter(passes), peak));
  assert.equal(
    modules.get("/opt/lib/libwork.so.2")[1],
    total(through("libwork")),
  );
  assert.equal(modules.get("/lib/libc.so.6")[1], total(through("libc.so")));
  assert.equal(modules.get("/lib/libc.so.6")[0], exact(30720));
  await page.press("[data-grouping=file]");
  const files = await exactRows(page);
  assert.deepEqual(files.get("src/load.c"), [exact(11392), exact(11392)]);
  assert.deepEqual(files.get("src/walk.c"), [exact(6144), exact(6144)]);
  assert.equal(files.get("src/main.c")[1], exact(48756));
  await page.press("[data-grouping=thread]");
  assert.deepEqual(
    [...(await exactRows(page))].map(([name, [self]]) => [name, self]),
    [
      ["server", exact(37364)],
      ["worker", exact(12312)],
      ["loader", exact(11392)],
    ],
  );
  await page.press("[data-grouping=kind]");
  assert.equal((await exactRows(page)).get("mmap")[0], exact(12288));
});

pageTest(
  "the table by stack has one row for each stack trace",
  async (open) => {
    const page = await open(sample());
    await page.press("[data-view=table]");
    await page.press("[data-grouping=stack]");
    const wanted = new Map(
      stacks
        .filter((stack) => peak(stack) > 0)
        .map((stack) => {
          const name = expected.shapedNames(stack).reverse().join(" ← ");
          return [name, [exact(peak(stack)), exact(peak(stack))]];
        }),
    );
    assert.deepEqual(
      new Map([...(await exactRows(page))].sort()),
      new Map([...wanted].sort()),
    );
    await page.press(".costs-table .name .link >> nth=0");
    assert.match(
      await page.text("#stack"),
      /operator new.*\n+buffer_new\n+serve\n+main/,
    );
  },
);

pageTest("the table is sorted by each column, both ways", async (open) => {
  const page = await open(sample());
  await page.press("[data-view=table]");
  const column = async (index) => {
    const titles = await page.page
      .locator(`.costs-table tbody tr td:nth-child(${index})`)
      .evaluateAll((cells) => cells.map((cell) => cell.title));
    return titles.map((title) => Number(title.replace(/\D/g, "")));
  };
  const descending = (values) => [...values].sort((a, b) => b - a);
  assert.deepEqual(await column(2), descending(await column(2)));
  await page.press("[data-sort=total]");
  assert.deepEqual(await column(4), descending(await column(4)));
  assert.equal(
    await page.page
      .locator("th:has([data-sort=total])")
      .getAttribute("aria-sort"),
    "descending",
  );
  await page.press("[data-sort=total]");
  assert.deepEqual(await column(4), descending(await column(4)).reverse());
  await page.press("[data-sort=name]");
  const names = (await page.rows(".costs-table")).map(([name]) => name);
  assert.deepEqual(names, [...names].sort());
});

pageTest(
  "the table follows search, filters and the minimum size",
  async (open) => {
    const page = await open(sample());
    await page.press("[data-view=table]");
    await page.page.fill("#search", "^w");
    assert.deepEqual(
      (await page.rows(".costs-table")).map(([name]) => name).sort(),
      ["walk", "worker"],
    );
    await page.press("[data-grouping=stack]");
    assert.equal((await page.rows(".costs-table")).length, 5);
    await page.page.fill("#search", "");
    await page.press("[data-grouping=function]");
    await page.openFilters();
    await page.page.fill("#filter-minimum", "1k");
    const [more, self] = await page.page
      .locator("#table-more td")
      .evaluateAll((cells) =>
        cells.map((cell) => cell.title || cell.textContent),
      );
    assert.match(more, /^2 more/);
    assert.equal(self, exact(24));
  },
);

function manyFunctions(count) {
  return Array.from({ length: count }, (_, i) => ({
    frames: ["main", `function_${i}`],
    allocations: 1,
    allocated_bytes: i + 1,
    peak_bytes: i + 1,
    peak_blocks: 1,
  }));
}

pageTest(
  "a long table says how much more there is, and shows it on request",
  async (open) => {
    const page = await open({ stacks: manyFunctions(450) });
    await page.press("[data-view=table]");
    assert.equal((await page.rows(".costs-table")).length, 200);
    assert.equal(await page.text("#table-count"), "451 rows");
    const more = () => page.page.locator("#table-more td").first().innerText();
    const sum = (250 * 251) / 2;
    assert.match(await more(), /^251 more/);
    assert.equal(
      await page.page.locator("#table-more td").nth(1).getAttribute("title"),
      exact(sum),
    );
    await page.press("#table-more .link");
    assert.equal((await page.rows(".costs-table")).length, 451);
    assert.equal(await page.page.locator("#table-more").count(), 0);
  },
);

pageTest("rows of the table lead on", async (open) => {
  const page = await open(sample());
  await page.press("[data-view=table]");
  await page.press(".costs-table .link >> text=/^load$/");
  assert.equal(await page.text("#function-panel h2"), "load");
  assert.equal(
    await page.page.locator(".row-selected .name .link").innerText(),
    "load",
  );
  await page.press("[data-grouping=module]");
  await page.press(".costs-table .link >> text=libwork");
  assert.deepEqual(
    (await page.rows(".costs-table")).map(([name]) => name).sort(),
    ["buffer_new", "inflate", "visit"],
  );
  await page.page.fill("#search", "");
  await page.press("[data-grouping=thread]");
  await page.press(".costs-table .link >> text=worker");
  assert.equal(await page.total(), 12312);
});
