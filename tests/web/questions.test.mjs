/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Narrowing down: search, filters, times, and the comparison of two logs. */
import assert from "node:assert/strict";
import { assertPicture, pageTest, useBrowser } from "./support/driver.mjs";
import * as expected from "./support/expected.mjs";
import {
  allocatedWithin,
  baseStacks,
  liveAt,
  sample,
} from "./support/sample.mjs";

useBrowser();

const { stacks } = sample();
const peak = (stack) => stack.peak_bytes;

pageTest(
  "search: matched bytes and percent, nested matches once",
  async (open) => {
    const page = await open(sample());
    for (const text of [
      "load",
      "^w",
      "load|inflate",
      "NEW",
      "(?<=buffer_)new",
      ".",
    ]) {
      await page.page.fill("#search", text);
      const expression = new RegExp(
        text,
        text === text.toLowerCase() ? "iu" : "u",
      );
      const passes = (name) => expression.test(name);
      const wanted = expected.matchedTotal(stacks, peak, passes);
      const title = await page.title("#search-result");
      assert.equal(
        title,
        wanted === 0 ? "0 bytes" : `${wanted.toLocaleString("en-US")} bytes`,
        text,
      );
      const percent =
        wanted === 0 ? "0 %" : `${((wanted / 61068) * 100).toFixed(1)} %`;
      assert.ok(
        (await page.text("#search-result")).includes(
          percent.replace("100.0", "100"),
        ),
        text,
      );
      for (const frame of await page.frames())
        if (!frame.rest && frame.row > 0)
          assert.equal(frame.matches, passes(frame.name), frame.name);
    }
  },
);

pageTest("matches stand out in colour, and the rest does not", async (open) => {
  const page = await open(sample());
  await page.page.fill("#search", "walk");
  const frames = (await page.frames()).filter((frame) => frame.row > 0);
  const colors = (matches) =>
    new Set(
      frames
        .filter((frame) => frame.matches === matches)
        .map((frame) => frame.color),
    );
  assert.equal(colors(true).size, 1);
  assert.equal(colors(false).size, 1);
  assert.notDeepEqual(colors(true), colors(false));
});

pageTest(
  "an expression that is none gives a message and no exception",
  async (open) => {
    const page = await open(sample());
    await page.page.fill("#search", "a(");
    assert.match(await page.text("#search-result"), /unterminated group/i);
    assert.equal(
      await page.page.getAttribute("#search", "aria-invalid"),
      "true",
    );
    assert.ok((await page.frames()).every((frame) => !frame.matches));
    await page.page.fill("#search", "a()");
    assert.equal(
      await page.page.getAttribute("#search", "aria-invalid"),
      "false",
    );
  },
);

pageTest(
  "next and previous go through the matches, heaviest first",
  async (open) => {
    const page = await open(sample());
    await page.page.fill("#search", "^(serve|load|walk|worker)$");
    assert.match(await page.text(".search-steps"), /^8 frames$/);
    const visited = [];
    for (let i = 0; i < 9; i++) {
      await page.press("[aria-label='Next match']");
      const figures = await page.rows("#figures");
      visited.push([
        await page.text("#function-panel h2"),
        figures[0][1],
        await page.text(".search-steps"),
      ]);
    }
    assert.deepEqual(visited, [
      ["serve", "30.5 KiB", "1 of 8"],
      ["worker", "12.0 KiB", "2 of 8"],
      ["load", "11.1 KiB", "3 of 8"],
      ["load", "8.00 KiB", "4 of 8"],
      ["walk", "6.00 KiB", "5 of 8"],
      ["walk", "4.00 KiB", "6 of 8"],
      ["walk", "4.00 KiB", "7 of 8"],
      ["walk", "2.00 KiB", "8 of 8"],
      ["serve", "30.5 KiB", "1 of 8"],
    ]);
    await page.press("[aria-label='Previous match']");
    assert.equal(await page.text("#function-panel h2"), "walk");
    await page.page.focus("#flamegraph");
    await page.page.keyboard.press("n");
    assert.equal(await page.text("#function-panel h2"), "serve");
    await page.page.keyboard.press("N");
    assert.equal(await page.text("#function-panel h2"), "walk");
  },
);

pageTest("a match too small to be seen is zoomed to", async (open) => {
  const page = await open(sample());
  assert.ok((await page.frames()).every((frame) => frame.name !== "tiny_b"));
  await page.page.fill("#search", "tiny_b");
  assert.ok(
    (await page.frames()).some((frame) => frame.rest > 0 && frame.matches),
  );
  await page.press("[aria-label='Next match']");
  const tiny = (await page.frames()).find((frame) => frame.name === "tiny_b");
  assert.ok(tiny.width > 10);
});

pageTest(
  "search works in the callers view and finds files and modules",
  async (open) => {
    const page = await open(sample());
    await page.press("[data-view=callers]");
    await page.page.fill("#search", "module:libwork");
    const through = stacks.filter((stack) =>
      stack.frames.some((frame) => frame.includes("libwork")),
    );
    assert.equal(
      await page.title("#search-result"),
      `${expected.sumOf(through, peak).toLocaleString("en-US")} bytes`,
    );
    await page.page.fill("#search", "file:worker\\.cc$");
    assert.equal(await page.title("#search-result"), "12,312 bytes");
    await page.page.fill("#search", "^walk$");
    await page.page.press("#search", "Enter");
    assert.equal(await page.text("#function-panel h2"), "walk");
  },
);

pageTest("the panel's Find marks all frames of the function", async (open) => {
  const page = await open(sample());
  await page.click("main;serve;buffer_new;operator new(unsigned long)");
  await page.press("#find-function");
  assert.equal(
    await page.page.inputValue("#search"),
    "^operator new\\(unsigned long\\)$",
  );
  assert.equal(await page.title("#search-result"), "30,720 bytes");
});

const FILTERS = [
  ["#filter-process", "1", (stack) => stack.thread === 2, "process 15"],
  ["#filter-thread", "1", (stack) => stack.thread === 1, "thread loader"],
  ["#filter-kind", "2", (stack) => stack.kind === 2, "realloc"],
  [
    "#filter-module",
    { label: "libwork.so.2" },
    (stack) => stack.frames.some((frame) => frame.includes("libwork")),
    "through libwork.so.2",
  ],
];

pageTest("filters by process, thread, allocator and module", async (open) => {
  const page = await open(sample());
  for (const [selector, option, passes, chip] of FILTERS) {
    await page.openFilters();
    await page.page.selectOption(selector, option);
    const kept = stacks.filter(passes);
    await assertPicture(page, expected.totalsByPath(kept, peak));
    assert.match(
      await page.title(".cost[data-cost=allocations]"),
      new RegExp(
        `: ${expected.sumOf(kept, (stack) => stack.allocations).toLocaleString("en-US")},`,
      ),
    );
    assert.equal(
      await page.text(".cost[data-cost=peak] .cost-detail"),
      "of 59.6 KiB",
    );
    assert.equal(await page.text("#filter-menu-button .badge"), "1");
    assert.deepEqual(await page.page.locator(".chip").allInnerTexts(), [chip]);
    await page.press("#filter-clear");
    await assertPicture(page, expected.totalsByPath(stacks, peak));
  }
});

pageTest("a process leaves only its threads to choose", async (open) => {
  const page = await open(sample());
  await page.openFilters();
  const threads = () =>
    page.page.locator("#filter-thread option").allInnerTexts();
  assert.deepEqual(await threads(), [
    "All",
    "server (12)",
    "loader (12)",
    "worker (15)",
  ]);
  await page.page.selectOption("#filter-process", "0");
  assert.deepEqual(await threads(), ["All", "server (12)", "loader (12)"]);
  await page.page.selectOption("#filter-thread", "1");
  assert.equal(await page.total(), 11392);
  await page.page.selectOption("#filter-process", "1");
  assert.equal(await page.total(), 12312);
});

pageTest(
  "a minimum size merges what is smaller, and loses nothing",
  async (open) => {
    const page = await open(sample());
    await page.openFilters();
    await page.page.fill("#filter-minimum", "7k");
    const frames = await page.frames();
    for (const frame of frames)
      if (!frame.rest) assert.ok(frame.value >= 7 * 1024, frame.name);
    const rest = frames.filter((frame) => frame.rest);
    assert.deepEqual(
      rest.map((frame) => [frame.name, frame.row]),
      [
        ["(1 more: 6.00 KiB)", 2],
        ["(2 more: 24 B)", 3],
      ],
    );
    assert.equal(await page.total(), 61068);
    await page.page.fill("#filter-minimum", "50%");
    assert.deepEqual(
      (await page.frames())
        .filter((frame) => !frame.rest)
        .map((frame) => frame.name),
      [
        "All stack traces",
        "main",
        "serve",
        "buffer_new",
        "operator new(unsigned long)",
      ],
    );
    await page.page.fill("#filter-minimum", "lots");
    assert.match(await page.text("#filter-menu .field-error"), /Not a size/);
    await assertPicture(page, expected.totalsByPath(stacks, peak));
  },
);

async function drag(page, from, to) {
  const area = await page.page.locator("#timeline .u-over").boundingBox();
  const at = (share) => area.x + Math.min(share * area.width, area.width - 1);
  await page.page.mouse.move(at(from), area.y + 20);
  await page.page.mouse.down();
  await page.page.mouse.move(at((from + to) / 2), area.y + 20);
  await page.page.mouse.move(at(to), area.y + 20);
  await page.page.mouse.up();
}

async function clickTime(page, share) {
  const area = await page.page.locator("#timeline .u-over").boundingBox();
  await page.page.mouse.click(area.x + share * area.width, area.y + 20);
}

pageTest(
  "a click on the timeline shows the live set at that time",
  async (open) => {
    const page = await open(sample());
    for (const [share, window] of [
      [0.05, 0],
      [0.33, 3],
      [0.66, 6],
      [0.95, 9],
    ]) {
      await clickTime(page, share);
      const wanted = expected.totalsByPath(stacks, (stack) =>
        liveAt(stack, window),
      );
      await assertPicture(page, wanted);
      const end = (window + 1) * 2;
      const seconds = end >= 10 ? `${end}.0 s` : `${end}.00 s`;
      assert.equal(
        await page.text("#timeline-hint"),
        `Showing blocks live at ${seconds}`,
      );
      assert.deepEqual(await page.page.locator(".chip").allInnerTexts(), [
        `live at ${seconds}`,
      ]);
    }
    assert.equal(await page.pressed(".cost[data-cost=peak]"), "false");
  },
);

pageTest(
  "dragging a window shows what was allocated in it and still lives",
  async (open) => {
    const page = await open(sample());
    for (const [from, to, first, last] of [
      [0.21, 0.59, 2, 5],
      [0.45, 0.69, 4, 6],
      [0.11, 0.99, 1, 9],
    ]) {
      await drag(page, from, to);
      const value = (stack) => allocatedWithin(stack, first, last);
      await assertPicture(page, expected.totalsByPath(stacks, value));
      assert.equal(await page.total(), expected.sumOf(stacks, value));
    }
    await page.press("[data-unit=count]");
    const blocks = (stack) =>
      stack.survivors
        .filter(({ born, died }) => born >= 1 && born <= 9 && died > 9)
        .reduce((sum, survivor) => sum + survivor.blocks, 0);
    await assertPicture(page, expected.totalsByPath(stacks, blocks));
    await page.press("#time-reset");
    await assertPicture(page, expected.totalsByPath(stacks, peak));
  },
);

pageTest(
  "a cost ends the selection of a time; filters hold in it",
  async (open) => {
    const page = await open(sample());
    await page.openFilters();
    await page.page.selectOption("#filter-thread", "0");
    await page.page.keyboard.press("Escape");
    await clickTime(page, 0.55);
    const kept = stacks.filter((stack) => stack.thread === 0);
    await assertPicture(
      page,
      expected.totalsByPath(kept, (stack) => liveAt(stack, 5)),
    );
    await page.press(".cost[data-cost=leaked]");
    await assertPicture(
      page,
      expected.totalsByPath(kept, (stack) => stack.live_bytes),
    );
  },
);

pageTest("the keyboard selects times", async (open) => {
  const page = await open(sample());
  await page.page.focus("#timeline");
  await page.page.keyboard.press("Home");
  assert.equal(
    await page.page.getAttribute("#timeline", "aria-valuetext"),
    "live at 2.00 s",
  );
  await page.page.keyboard.press("ArrowRight");
  await page.page.keyboard.press("ArrowRight");
  assert.equal(
    await page.total(),
    expected.sumOf(stacks, (stack) => liveAt(stack, 2)),
  );
  await page.page.keyboard.press("Shift+ArrowRight");
  await page.page.keyboard.press("Shift+ArrowRight");
  assert.equal(
    await page.total(),
    expected.sumOf(stacks, (stack) => allocatedWithin(stack, 2, 4)),
  );
  assert.equal(
    await page.page.getAttribute("#timeline", "aria-valuetext"),
    "allocated 4.00 s to 10.0 s, still live",
  );
});

pageTest("the legend follows the pointer over the timeline", async (open) => {
  const page = await open(sample());
  const area = await page.page.locator("#timeline .u-over").boundingBox();
  await page.page.mouse.move(area.x + area.width * 0.5 - 2, area.y + 10);
  const legend = (await page.text("#legend")).replace(/\s+/g, " ");
  assert.match(
    legend,
    /Heap 4\.39 KiB Resident 87\.9 KiB of it memtrace 1000 B at (9\.9|10\.0)/,
  );
});

pageTest(
  "without survivors the timeline cannot be selected, and says why",
  async (open) => {
    const page = await open(sample({ windows: null }));
    assert.match(await page.text("#timeline-hint"), /No time can be selected/);
    assert.equal(await page.page.getAttribute("#timeline", "role"), null);
    await clickTime(page, 0.5);
    await drag(page, 0.2, 0.6);
    await assertPicture(page, expected.totalsByPath(stacks, peak));
    assert.equal(await page.page.locator("#timeline canvas").count(), 1);
  },
);

pageTest(
  "the legend names resident memory only if there is a line of it",
  async (open) => {
    for (const [bytes, shown] of [
      [[5000, 6000, 0], true],
      [[5000, 0, 0], false],
      [[0, 0, 0], false],
    ]) {
      const page = await open(
        sample({
          rss: bytes.map((count, i) => [i * 1e6, count, count / 10]),
        }),
      );
      const legend = await page.text("#legend");
      assert.match(legend, /Heap/);
      assert.equal(/Resident.*memtrace/s.test(legend), shown, String(bytes));
    }
  },
);

pageTest("without any times there is no timeline", async (open) => {
  const page = await open(sample({ timeline: undefined, rss: undefined }));
  assert.equal(await page.page.locator(".timeline").count(), 0);
  await assertPicture(page, expected.totalsByPath(stacks, peak));
});

const withBase = () => sample({ base: { stacks: baseStacks() } });

pageTest(
  "a comparison: figures of both, colours by change, widths as asked",
  async (open) => {
    const page = await open(withBase());
    const now = expected.totalsByPath(stacks, peak);
    const base = expected.totalsByPath(baseStacks(), peak);
    const weights = {
      both: (path) => (now.get(path) ?? 0) + (base.get(path) ?? 0),
      this: (path) => now.get(path) ?? 0,
      base: (path) => base.get(path) ?? 0,
    };
    for (const [width, weight] of Object.entries(weights)) {
      await page.page.selectOption("#compare-width", width);
      const drawn = await page.byPath();
      const whole = drawn.get("");
      for (const [path, frame] of drawn) {
        if (frame.rest) continue;
        assert.equal(frame.value, now.get(path) ?? 0, path);
        assert.equal(frame.base, base.get(path) ?? 0, path);
        assert.ok(
          Math.abs(frame.width - (weight(path) / weight("")) * whole.width) <
            1e-6,
          path,
        );
      }
      if (width === "both")
        assert.ok(drawn.has("main;gone") && drawn.has("main;walk"));
    }
    await page.page.selectOption("#compare-width", "both");
    const blueness = async (path) => {
      const { color } = await page.frame(path);
      return parseInt(color.slice(5), 16) - parseInt(color.slice(1, 3), 16);
    };
    assert.ok((await blueness("main;serve")) < -20, "more is orange");
    assert.ok((await blueness("main;load")) > 20, "less is blue");
    assert.ok((await blueness("main;gone")) > 40, "gone is blue");
    assert.ok((await blueness("main;walk")) < -40, "new is orange");
  },
);

pageTest(
  "a comparison's tooltip, panel and totals have both figures and a sign",
  async (open) => {
    const page = await open(withBase());
    const tip = await page.hover("main;serve");
    assert.match(tip, /This log\s+30\.5 KiB\s+31,220 bytes/);
    assert.match(tip, /Base\s+20\.5 KiB\s+20,980 bytes/);
    assert.match(tip, /Change\s+\+10,240 bytes\s+\+49 %/);
    assert.match(
      await page.hover("main;gone"),
      /Change\s+\u22127,168 bytes\s+gone/,
    );
    assert.match(await page.hover("main;walk"), /Change\s+\+6,144 bytes\s+new/);
    await page.click("main;load");
    assert.match(
      await page.text("#figures"),
      /11\.1 KiB\s*\u22123\.13 KiB \(\u221222 %\)/,
    );
    assert.match(
      await page.title("#callers .value-row"),
      /11,392 bytes; the base: 14,592 bytes \(\u22123,200 bytes\)/,
    );
    assert.match(
      await page.text(".cost[data-cost=peak]"),
      /\+11 % vs 53\.8 KiB/,
    );
    await page.press("[data-panel=summary]");
    const totals = await page.rows("#totals");
    assert.deepEqual(totals[0], ["Peak", "59.6 KiB", "53.8 KiB", "+5.88 KiB"]);
  },
);

pageTest("the largest changes, as a list and as a table", async (open) => {
  const page = await open(withBase());
  const selfNow = expected.functionSums(stacks, peak);
  const selfBase = expected.functionSums(baseStacks(), peak);
  const changes = [...new Set([...selfNow.keys(), ...selfBase.keys()])]
    .map((name) => [
      name,
      (selfNow.get(name)?.self ?? 0) - (selfBase.get(name)?.self ?? 0),
    ])
    .filter(([, change]) => change !== 0)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const listed = await page.rows(".changes");
  assert.deepEqual(
    listed.map(([name]) => name),
    changes.map(([name]) => name),
  );
  assert.deepEqual(listed[0], ["operator new(unsigned long)", "+10.0 KiB"]);
  await page.press("#changes > .link");
  const rows = await page.rows(".costs-table");
  assert.deepEqual(
    rows.slice(0, changes.length).map(([name]) => name),
    changes.map(([name]) => name),
  );
  assert.deepEqual(rows.find(([name]) => name === "gone").slice(1), [
    "0 B",
    "7.00 KiB",
    "\u22127.00 KiB",
    "0 B",
    "7.00 KiB",
    "\u22127.00 KiB",
  ]);
});

pageTest(
  "Compare off shows this log alone and gives the filters back",
  async (open) => {
    const page = await open(withBase());
    await page.openFilters();
    assert.equal(await page.page.locator("#filter-thread").isDisabled(), true);
    assert.match(await page.title("#filter-thread"), /turn Compare off/);
    await page.page.keyboard.press("Escape");
    await page.press("[data-toggle=compare]");
    await assertPicture(page, expected.totalsByPath(stacks, peak));
    await page.openFilters();
    await page.page.selectOption("#filter-thread", "1");
    assert.equal(await page.total(), 11392);
    await page.page.keyboard.press("Escape");
    await page.press("[data-toggle=compare]");
    assert.equal(await page.total(), 61068);
  },
);

pageTest(
  "the module filter and the callers view hold in a comparison",
  async (open) => {
    const page = await open(withBase());
    await page.openFilters();
    await page.page.selectOption("#filter-module", { label: "libwork.so.2" });
    const passes = (stack) =>
      stack.frames.some((frame) => frame.includes("libwork"));
    const root = await page.frame("");
    assert.equal(root.value, expected.sumOf(stacks.filter(passes), peak));
    assert.equal(root.base, expected.sumOf(baseStacks().filter(passes), peak));
    await page.page.keyboard.press("Escape");
    await page.press("[data-view=callers]");
    const leaf = await page.frame("operator new(unsigned long)");
    assert.deepEqual([leaf.value, leaf.base], [30720, 20480]);
  },
);
