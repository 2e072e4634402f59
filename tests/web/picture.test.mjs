/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The picture: costs, views, zoom, the panel, shapes, small frames. */
import assert from "node:assert/strict";
import { assertPicture, pageTest, useBrowser } from "./support/driver.mjs";
import * as expected from "./support/expected.mjs";
import { sample } from "./support/sample.mjs";

useBrowser();

const { stacks } = sample();
const peak = (stack) => stack.peak_bytes;

const COSTS = {
  peak: ["peak_bytes", "59.6 KiB"],
  leaked: ["live_bytes", "22.1 KiB"],
  allocated: ["allocated_bytes", "213 KiB"],
  allocations: ["allocations", "9,224"],
  temporary: ["temporary", "9,030"],
};

pageTest("each cost has its total, and the frames follow it", async (open) => {
  const page = await open(sample());
  for (const [cost, [column, figure]] of Object.entries(COSTS)) {
    await page.press(`.cost[data-cost=${cost}]`);
    const value = (stack) => stack[column];
    const total = expected.sumOf(stacks, value);
    assert.equal(await page.total(), total);
    assert.equal(await page.text(`[data-cost=${cost}] .cost-figure`), figure);
    assert.match(
      await page.title(`.cost[data-cost=${cost}]`),
      new RegExp(total.toLocaleString("en-US")),
    );
    assert.equal(await page.pressed(`.cost[data-cost=${cost}]`), "true");
    assert.ok((await page.text("#shown")).startsWith(figure));
    await assertPicture(page, expected.totalsByPath(stacks, value));
  }
});

pageTest("leaks are shown by kind", async (open) => {
  const page = await open(sample());
  assert.equal(await page.page.locator("#leak-kind").count(), 0);
  await page.press(".cost[data-cost=leaked]");
  assert.deepEqual(
    await page.page.locator("#leak-kind option").allInnerTexts(),
    [
      "All",
      "Definitely lost",
      "Indirectly lost",
      "Possibly lost",
      "Still reachable",
    ],
  );
  for (const leak of [0, 1, 2, 3]) {
    await page.page.selectOption("#leak-kind", String(leak));
    const kept = stacks.filter((stack) => stack.leak === leak);
    await assertPicture(
      page,
      expected.totalsByPath(kept, (stack) => stack.live_bytes),
    );
    const total = expected.sumOf(kept, (stack) => stack.live_bytes);
    assert.match(
      await page.title(".cost[data-cost=leaked]"),
      new RegExp(total.toLocaleString("en-US")),
    );
  }
});

pageTest(
  "the callers view has the allocating functions at the top",
  async (open) => {
    const page = await open(sample());
    await page.press("[data-view=callers]");
    await assertPicture(
      page,
      expected.totalsByPath(stacks, peak, { inverted: true }),
    );
    const frame = await page.frame(
      "operator new(unsigned long);buffer_new;serve;main",
    );
    assert.equal(frame.value, 30720);
    assert.equal(await page.pressed("[data-view=callers]"), "true");
  },
);

pageTest("a frame's children and self sum up to its value", async (open) => {
  const page = await open(sample());
  for (const view of ["callees", "callers"]) {
    await page.press(`[data-view=${view}]`);
    const drawn = await page.byPath();
    for (const [path, frame] of drawn) {
      if (frame.rest > 0) continue;
      const below = [...drawn].filter(
        ([other, { row }]) =>
          row === frame.row + 1 &&
          (path === "" || other.startsWith(`${path};`)),
      );
      const sum = below.reduce((total, [, child]) => total + child.value, 0);
      assert.equal(sum + frame.self, frame.value, path);
    }
  }
});

pageTest(
  "a click zooms, shows the way there, and back undoes it",
  async (open) => {
    const page = await open(sample());
    const whole = (await page.frame("")).width;
    await page.click("main;load");
    const zoomed = (await page.frames()).filter(
      (frame) => frame.name === "load",
    )[0];
    assert.equal(zoomed.x, 0);
    assert.ok(zoomed.width > whole * 0.9 - 400);
    assert.equal(zoomed.width, (await page.frames())[0].width);
    assert.match(await page.text("#shown"), /^11\.1 KiB of 59\.6 KiB, 18\.7 %/);
    assert.deepEqual(await page.page.locator(".crumb").allInnerTexts(), [
      "All",
      "main",
      "load",
    ]);
    await page.click("main;load;inflate");
    assert.deepEqual(await page.page.locator(".crumb").allInnerTexts(), [
      "All",
      "main",
      "load",
      "inflate",
    ]);
    await page.press(".crumb >> text=main");
    assert.match(await page.text("#shown"), /^47\.6 KiB of/);
    await page.press("[aria-label=Back]");
    await page.page.waitForFunction(() =>
      document.querySelector("#shown").innerText.startsWith("8.00"),
    );
    await page.page.goBack();
    await page.page.waitForFunction(() =>
      document.querySelector("#shown").innerText.startsWith("11.1"),
    );
    await page.press("#reset");
    assert.match(await page.text("#shown"), /^59\.6 KiB at the peak/);
    assert.equal(await page.page.locator("#reset").isDisabled(), true);
  },
);

pageTest(
  "the way to a deep frame says how many it leaves out",
  async (open) => {
    const frames = Array.from({ length: 20 }, (_, i) => `level_${i}`);
    const page = await open({
      stacks: [{ frames, peak_blocks: 1, peak_bytes: 32 }],
    });
    await page.click(frames.slice(0, 10).join(";"));
    const items = page.page.locator(".crumbs li");
    assert.deepEqual(
      (await items.allInnerTexts()).map((text) => text.replace(/[›\s]+/g, " ")),
      ["All", "… 4 more", ...frames.slice(4, 10)],
    );
    const middles = await items.evaluateAll((list) =>
      list.map((item) => {
        const range = document.createRange();
        range.selectNodeContents(item);
        const { top, height } = range.getBoundingClientRect();
        return Math.round(top + height / 2);
      }),
    );
    const apart = Math.max(...middles) - Math.min(...middles);
    assert.ok(apart <= 1, String(middles));
  },
);

pageTest(
  "the frames above the zoomed one are drawn and zoom out",
  async (open) => {
    const page = await open(sample());
    await page.click("main;load;inflate");
    const frames = await page.frames();
    assert.deepEqual(
      frames.slice(0, 4).map((frame) => frame.name),
      ["All stack traces", "main", "load", "inflate"],
    );
    await page.click("main");
    assert.match(await page.text("#shown"), /^47\.6 KiB of/);
  },
);

pageTest(
  "a click shows callers and callees with their values",
  async (open) => {
    const page = await open(sample());
    for (const [path, name] of [
      ["main;load", "load"],
      ["main;walk", "walk"],
      ["main;serve", "serve"],
      [
        "main;serve;buffer_new;operator new(unsigned long)",
        "operator new(unsigned long)",
      ],
    ]) {
      await page.page.keyboard.press("Escape");
      await page.click(path);
      assert.equal(await page.text("#function-panel h2"), name);
      const wanted = expected.sandwichOf(stacks, peak, name);
      const exact = (map) =>
        new Map(
          [...map].map(([key, value]) => [
            key,
            `${value.toLocaleString("en-US")} bytes`,
          ]),
        );
      assert.deepEqual(
        new Map([...(await page.list("#callers"))].sort()),
        new Map([...exact(wanted.callers)].sort()),
      );
      assert.deepEqual(
        new Map([...(await page.list("#callees"))].sort()),
        new Map([...exact(wanted.callees)].sort()),
      );
    }
  },
);

pageTest(
  "the panel has the frame's and the function's figures",
  async (open) => {
    const page = await open(sample());
    await page.click("main;load");
    const figures = Object.fromEntries(
      (await page.rows("#figures")).map(([name, total, self]) => [
        name,
        [total, self],
      ]),
    );
    assert.deepEqual(figures["This frame"], ["11.1 KiB", "3.13 KiB"]);
    assert.deepEqual(figures["Everywhere"], ["11.1 KiB", "11.1 KiB"]);
    const costs = Object.fromEntries(
      (await page.rows("#all-costs")).map(([name, value, blocks]) => [
        name,
        [value, blocks],
      ]),
    );
    assert.deepEqual(costs, {
      Peak: ["11.1 KiB", "58 blocks"],
      Leaked: ["3.13 KiB", "50 blocks"],
      "Total allocated": ["14.3 KiB", "108 blocks"],
      Allocations: ["108", ""],
      Temporary: ["25", ""],
    });
    assert.deepEqual(
      await page.list("#by-kind"),
      new Map([["malloc", "11,392 bytes"]]),
    );
    await page.click("main");
    assert.deepEqual(
      await page.list("#by-thread"),
      new Map([
        ["server", "37,364 bytes"],
        ["loader", "11,392 bytes"],
      ]),
    );
  },
);

pageTest("a caller in the panel leads to that function", async (open) => {
  const page = await open(sample());
  await page.click("main;load;inflate");
  await page.press("#callers .value-row");
  assert.equal(await page.text("#function-panel h2"), "load");
  assert.equal((await page.rows("#figures")).length, 1);
  await page.page.goBack();
  await page.page.waitForFunction(
    () => document.querySelector("#function-panel h2").innerText === "inflate",
  );
});

pageTest("the panel closes and opens", async (open) => {
  const page = await open(sample());
  const before = (await page.frame("")).width;
  await page.press("[aria-label='Close panel']");
  assert.equal(await page.page.locator(".panel").count(), 0);
  await page.page.waitForFunction(
    (width) => window.memtracePage.frames()[0].width > width,
    before,
  );
  await page.press("[aria-label='Side panel']");
  assert.equal(await page.page.locator("#summary").count(), 1);
  await page.press("[data-panel=function]");
  assert.match(await page.text(".panel-body"), /Click a frame/);
});

pageTest("source lines are shown where the page has them", async (open) => {
  const page = await open(sample());
  await page.click("main;serve");
  assert.match(await page.text("#source h3"), /src\/serve\.c/);
  const heads = await page.page.locator(".source-head").allInnerTexts();
  assert.deepEqual(
    heads.map((head) => head.replace(/\s+/g, " ")),
    ["line 20 30.0 KiB", "line 31 500 B"],
  );
  assert.equal(await page.page.locator(".excerpt").count(), 1);
  assert.match(
    await page.text(".source-hit"),
    /^20\s*struct buffer \*in = buffer_new\(1024\);/,
  );
  assert.equal(await page.page.locator(".source-line").count(), 5);
  await page.click("main");
  assert.equal(await page.page.locator(".excerpt").count(), 0);
});

pageTest("libraries can be left out; what they call moves up", async (open) => {
  const page = await open(sample());
  await page.press("[data-toggle=libraries]");
  const hidden = (frame) => frame.module.includes(".so");
  await assertPicture(page, expected.totalsByPath(stacks, peak, { hidden }));
  assert.equal((await page.frame("main;load")).value, 11392);
  assert.equal((await page.frame("worker")).row, 1);
  await page.press("[data-toggle=libraries]");
  await assertPicture(page, expected.totalsByPath(stacks, peak));
});

pageTest(
  "one module can be left out, from the panel and from the filters",
  async (open) => {
    const page = await open(sample());
    const hidden = (frame) => frame.module.includes("libwork");
    await page.click("main;load;inflate");
    assert.equal(await page.text("#hide-module"), "Hide libwork.so.2");
    await page.press("#hide-module");
    await assertPicture(page, expected.totalsByPath(stacks, peak, { hidden }));
    assert.deepEqual(await page.page.locator(".chip").allInnerTexts(), [
      "without libwork.so.2",
    ]);
    await page.press(".chip");
    await assertPicture(page, expected.totalsByPath(stacks, peak));
    await page.openFilters();
    await page.page
      .locator(".hidden-modules label", { hasText: "libwork" })
      .click();
    await assertPicture(page, expected.totalsByPath(stacks, peak, { hidden }));
  },
);

pageTest("recursion is folded on request", async (open) => {
  const page = await open(sample());
  assert.ok((await page.byPath()).has("main;walk;walk;walk"));
  await page.press("[data-toggle=recursion]");
  await assertPicture(
    page,
    expected.totalsByPath(stacks, peak, { fold: true }),
  );
  const walk = await page.frame("main;walk");
  assert.equal(walk.value, 6144);
  assert.equal(walk.self, 6144);
});

pageTest("lines can be frames of their own", async (open) => {
  const page = await open(sample());
  const serves = async () =>
    (await page.frames())
      .filter((frame) => frame.name === "serve")
      .map((frame) => frame.value);
  assert.deepEqual(await serves(), [31220]);
  await page.openFilters();
  await page.press("#split-lines");
  assert.deepEqual(await serves(), [30720, 500]);
});

function manySmall(count, bytes) {
  const small = Array.from({ length: count }, (_, i) => ({
    frames: ["main", `small_${i}`, "leaf"],
    allocations: 1,
    allocated_bytes: bytes,
    peak_bytes: bytes,
    peak_blocks: 1,
  }));
  return [
    {
      frames: ["main", "big"],
      allocations: 1,
      allocated_bytes: 1e6,
      peak_bytes: 1e6,
      peak_blocks: 1,
    },
    ...small,
  ];
}

pageTest(
  "frames too small to be seen are one, with their exact sum",
  async (open) => {
    const page = await open({ stacks: manySmall(1234, 77) });
    const rest = (await page.frames()).find((frame) => frame.rest > 0);
    assert.equal(rest.rest, 1234);
    assert.equal(rest.value, 1234 * 77);
    assert.equal(rest.name, "(1,234 more: 92.8 KiB)");
    const main = await page.frame("main");
    assert.ok(
      Math.abs(rest.width - (main.width * 1234 * 77) / (1e6 + 1234 * 77)) <
        1e-6,
    );
    const tip = await page.hover(`main;${rest.name}`);
    assert.match(tip, /1,234 smaller frames/);
    assert.match(tip, /95,018 bytes/);
    await page.click(`main;${rest.name}`);
    assert.match(await page.text("#rest-panel h2"), /^1,234 frames below/);
    assert.match(await page.text("#rest-panel"), /Together 92\.8 KiB/);
    assert.match(await page.text("#rest-list"), /1,222 more/);
  },
);

pageTest("the tooltip has exact figures", async (open) => {
  const page = await open(sample());
  const tip = await page.hover("main;load");
  assert.match(tip, /^load\n/);
  assert.match(tip, /src\/load\.c · server/);
  assert.match(tip, /Total\s+11\.1 KiB\s+11,392 bytes\s+18\.7 %/);
  assert.match(tip, /Self\s+3\.13 KiB\s+3,200 bytes\s+5\.2 %/);
  await page.press(".cost[data-cost=allocations]");
  assert.match(await page.hover("main;load"), /Total\s+108\s+1\.2 %/);
  await page.page.mouse.move(5, 5);
  assert.equal(await page.page.locator("#tooltip").isHidden(), true);
});

pageTest("flags of frames are said in the panel", async (open) => {
  const stack = (frames) => ({
    frames,
    peak_bytes: 1000,
    allocated_bytes: 1000,
    allocations: 1,
  });
  const page = await open({
    stacks: [
      stack(["main", "inline_me#1"]),
      stack(["main", "maybe#2"]),
      stack(["(cut)#4", "deep"]),
      stack(["main", "#8"]),
    ],
  });
  await page.click("main;inline_me");
  assert.match(await page.text(".notes"), /inlined/);
  await page.page.keyboard.press("Escape");
  await page.click("main;maybe");
  assert.match(await page.text(".notes"), /without unwind tables/);
  await page.page.keyboard.press("Escape");
  await page.click("(cut)");
  assert.match(await page.text(".notes"), /cut off/);
  await page.page.keyboard.press("Escape");
  await page.click("main;(folded away)");
  assert.match(await page.text(".notes"), /folded away/);
});

pageTest("an empty picture says why it is empty", async (open) => {
  const said = (page) => page.text(".flame-empty");
  const nothing = await open({ stacks: [{ frames: ["main"] }] });
  assert.match(await said(nothing), /no allocation was recorded/);
  assert.equal(await nothing.total(), 0);
  assert.equal(await nothing.page.locator("#color-key").count(), 0);

  const figures = { allocations: 2, allocated_bytes: 64, peak_blocks: 1 };
  const page = await open({
    threads: [{ name: "one" }, { name: "two" }].map((thread) => ({
      process: 0,
      ...thread,
    })),
    stacks: [{ frames: ["main"], thread: 0, ...figures, peak_bytes: 32 }],
  });
  assert.equal(await page.page.locator(".flame-empty").count(), 0);
  await page.press(".cost[data-cost=leaked]");
  assert.match(await said(page), /every block was freed/);
  await page.press(".cost[data-cost=temporary]");
  assert.match(await said(page), /no allocation was temporary/);
  await page.press(".cost[data-cost=allocated]");
  await page.openFilters();
  await page.page.selectOption("#filter-thread", "1");
  assert.match(await said(page), /passes the filters/);
});

pageTest("a long name is there as a whole", async (open) => {
  const name = `run<${"std::pair<int, char const*>, ".repeat(700)}0>::go`;
  const page = await open({
    stacks: [{ frames: ["main", name], peak_blocks: 1, peak_bytes: 32 }],
  });
  const heading = page.page.locator("#function-panel h2");
  const clipped = () =>
    heading.evaluate((element) => element.scrollHeight > element.clientHeight);
  await page.click(`main;${name}`);
  assert.equal(await clipped(), true);
  const { height } = await heading.boundingBox();
  assert.equal(
    await page.text("#whole-name"),
    `Whole name, ${name.length.toLocaleString("en")} characters`,
  );
  await page.press("#whole-name");
  await heading.evaluate((element) => (element.scrollTop = 1e9));
  assert.ok((await heading.evaluate((element) => element.scrollTop)) > 0);
  assert.ok((await heading.boundingBox()).height > height);
  assert.equal(await page.text("#whole-name"), "Shorter");
  await page.press("#whole-name");
  assert.equal((await heading.boundingBox()).height, height);
});
