/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readable for everyone, at every size; and what a page shows that cannot be read. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { tablesOf } from "./support/description.mjs";
import {
  Driver,
  assertPicture,
  openFile,
  pageTest,
  useBrowser,
  writePage,
} from "./support/driver.mjs";
import * as expected from "./support/expected.mjs";
import { sample } from "./support/sample.mjs";
import { syntheticTables } from "./support/synthetic.mjs";

useBrowser();

const { stacks } = sample();
const peak = (stack) => stack.peak_bytes;

pageTest(
  "every control has a name, and the focus can be seen",
  async (open) => {
    const page = await open(sample());
    await page.openFilters();
    const nameless = await page.page.evaluate(() =>
      [...document.querySelectorAll("button, input, select, [tabindex='0']")]
        .filter((element) => {
          const label = element.labels?.[0]?.textContent ?? "";
          const name = element.getAttribute("aria-label") ?? "";
          return !(name + label + element.textContent).trim();
        })
        .map((element) => element.outerHTML.slice(0, 100)),
    );
    assert.deepEqual(nameless, []);
    await page.page.keyboard.press("Escape");
    await page.page.keyboard.press("Tab");
    const outline = await page.page.evaluate(
      () => getComputedStyle(document.activeElement).outlineStyle,
    );
    assert.equal(outline, "solid");
  },
);

function luminance(color) {
  const [r, g, b] = color.match(/[\d.]+/g).map((part) => Number(part) / 255);
  const linear = (part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

pageTest(
  "texts of the page have a contrast of 4.5 : 1 in both themes",
  async (open) => {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(
        sample({
          meta: { complete: false, incomplete_reason: "x", mode: "sampled" },
          base: { stacks },
        }),
        { colorScheme },
      );
      await page.page.fill("#search", "a(");
      const pairs = await page.page.evaluate(() => {
        const background = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (!color.startsWith("rgba(")) return color;
          }
          return "rgb(255, 255, 255)";
        };
        const texts = document.createTreeWalker(
          document.body,
          NodeFilter.SHOW_TEXT,
        );
        const pairs = [];
        while (texts.nextNode()) {
          const element = texts.currentNode.parentElement;
          if (
            !texts.currentNode.data.trim() ||
            element.closest("script, :disabled, noscript")
          )
            continue;
          pairs.push([
            getComputedStyle(element).color,
            background(element),
            element.outerHTML,
          ]);
        }
        return pairs;
      });
      assert.ok(pairs.length > 50);
      for (const [ink, paper, html] of pairs) {
        const [light, dark] = [luminance(ink), luminance(paper)].sort(
          (a, b) => b - a,
        );
        const ratio = (light + 0.05) / (dark + 0.05);
        assert.ok(
          ratio >= 4.5,
          `${colorScheme} ${ratio.toFixed(2)}: ${html.slice(0, 120)}`,
        );
      }
    }
  },
);

for (const [width, height] of [
  [800, 700],
  [1280, 800],
  [1920, 1080],
]) {
  pageTest(
    `nothing is cut off or overlaps at ${width} x ${height}`,
    async (open) => {
      const page = await open(sample(), { width, height });
      await page.click("main;load");
      const layout = await page.page.evaluate(() => {
        const box = (selector) =>
          document.querySelector(selector).getBoundingClientRect().toJSON();
        const wide = [
          ...document.querySelectorAll("#page > *, .panel-body > *"),
        ]
          .filter(
            (element) => element.getBoundingClientRect().right > innerWidth + 1,
          )
          .map((element) => element.className);
        return {
          wide,
          scrolls: document.documentElement.scrollWidth > innerWidth,
          flame: box("#flamegraph"),
          panel: box(".panel"),
          bar: box(".path-bar"),
        };
      });
      assert.deepEqual(layout.wide, []);
      assert.equal(layout.scrolls, false);
      assert.ok(layout.flame.height >= 120 && layout.flame.width >= 400);
      assert.ok(layout.flame.top >= layout.bar.bottom - 1);
      const beside = layout.panel.left >= layout.flame.right - 1;
      const below = layout.panel.top >= layout.flame.bottom - 1;
      assert.ok(beside || below);
      assert.ok(layout.panel.bottom <= height + 1);
    },
  );
}

pageTest("the picture fits the window when that changes", async (open) => {
  const page = await open(sample());
  await page.page.setViewportSize({ width: 1000, height: 700 });
  await page.page.waitForFunction(() => {
    const area = document.getElementById("flamegraph");
    return (
      Math.abs(window.memtracePage.frames()[0].width - area.clientWidth) < 0.5
    );
  });
  await assertPicture(page, expected.totalsByPath(stacks, peak));
});

test("data that cannot be read gives a friendly message", async () => {
  const file = await writePage(tablesOf(sample()));
  const html = readFileSync(file, "utf8");
  const data = /(id="memtrace-data"[^>]*>)([^<]*)</;
  const cases = [
    [html.replace(data, "$1*not base64*<"), /not base64/],
    [html.replace(data, "$1AAAA<"), /cannot be unpacked/],
    [
      html.replace(data, (_, open, text) => `${open}${text.slice(0, 400)}<`),
      /cannot be unpacked/,
    ],
    [html.replace('id="memtrace-data"', 'id="other"'), /no data/],
  ];
  for (const [text, message] of cases) {
    writeFileSync(file, text);
    const { page, context, problems } = await openFile(file);
    await page.waitForSelector(".failure");
    const shown = await page.innerText(".failure");
    assert.match(shown, message);
    assert.match(shown, /memtrace summary LOG/);
    assert.deepEqual(problems, []);
    await context.close();
  }
});

test("a synthetic log with everything opens in every view without a problem", async () => {
  const tables = syntheticTables({
    nodes: 3000,
    seed: 9,
    base: true,
    survivors: true,
    sampled: true,
    incomplete: true,
  });
  const page = await Driver.open(await writePage(tables));
  const { totals } = tables.header;
  assert.equal(await page.total(), totals.peak_bytes);
  for (const view of ["callers", "table", "callees"])
    await page.press(`[data-view=${view}]`);
  for (const cost of ["leaked", "allocated", "allocations"]) {
    await page.press(`.cost[data-cost=${cost}]`);
    const frames = await page.frames();
    assert.equal(frames[0].value, await page.total());
  }
  assert.equal(await page.total(), totals.allocations);
  assert.deepEqual(page.problems, []);
  await page.context.close();
});

pageTest(
  "recursion of thousands of frames is drawn, selected and folded",
  async (open) => {
    const depth = 4000;
    const frames = Array.from({ length: depth }, (_, i) =>
      i % 2 ? "odd" : "even",
    );
    const page = await open({
      stacks: [
        {
          frames,
          allocations: 1,
          allocated_bytes: 64,
          peak_bytes: 64,
          peak_blocks: 1,
        },
      ],
    });
    assert.equal((await page.frames()).length, depth + 1);
    await page.click("even");
    assert.equal(await page.text("#function-panel h2"), "even");
    await page.page.evaluate(
      () => (document.getElementById("flamegraph").scrollTop = 1e9),
    );
    const box = await page.page.locator("#flamegraph").boundingBox();
    await page.page.mouse.click(box.x + 50, box.y + box.height - 30);
    assert.equal(await page.page.locator("#stack li").count(), 200);
    await page.press("[data-toggle=recursion]");
    assert.deepEqual(
      (await page.frames()).map((frame) => frame.name),
      ["All stack traces", "even", "odd"],
    );
  },
);
