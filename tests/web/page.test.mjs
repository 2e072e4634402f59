/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links, history, keys, themes, copying and exports. */
import assert from "node:assert/strict";
import { assertPicture, pageTest, useBrowser } from "./support/driver.mjs";
import * as expected from "./support/expected.mjs";
import { liveAt, sample } from "./support/sample.mjs";

useBrowser();

const { stacks } = sample();
const peak = (stack) => stack.peak_bytes;
const exact = (value) => `${value.toLocaleString("en-US")} bytes`;

pageTest(
  "a link brings back view, cost, zoom, filter, search and time",
  async (open) => {
    const page = await open(sample());
    await page.openFilters();
    await page.page.selectOption("#filter-thread", "1");
    await page.page.keyboard.press("Escape");
    await page.press(".cost[data-cost=allocated]");
    await page.click("main;load");
    await page.page.fill("#search", "inf.ate");
    const hash = await page.page.evaluate(() => location.hash);
    const again = await open(sample(), { hash });
    assert.deepEqual(await again.frames(), await page.frames());
    assert.equal(await again.page.inputValue("#search"), "inf.ate");
    assert.equal(await again.text("#function-panel h2"), "load");
    assert.equal(await again.text("#shown"), await page.text("#shown"));
    assert.equal(await again.pressed(".cost[data-cost=allocated]"), "true");

    const timed = await open(sample(), { hash: "#time=0-5&view=callers" });
    await assertPicture(
      timed,
      expected.totalsByPath(stacks, (stack) => liveAt(stack, 5), {
        inverted: true,
      }),
    );
  },
);

pageTest(
  "a zoom in the callers view survives a link and a change of cost",
  async (open) => {
    const page = await open(sample(), { hash: "#view=callers" });
    await page.click("walk;walk");
    const crumbs = () => page.page.locator(".crumb").allInnerTexts();
    assert.deepEqual(await crumbs(), ["All", "walk", "walk"]);
    await page.press(".cost[data-cost=leaked]");
    assert.deepEqual(await crumbs(), ["All", "walk", "walk"]);
    const hash = await page.page.evaluate(() => location.hash);
    const again = await open(sample(), { hash });
    assert.deepEqual(await again.frames(), await page.frames());
  },
);

pageTest(
  "links with nonsense show the page as it is by default",
  async (open) => {
    const page = await open(sample(), {
      hash: "#zoom=99999&frame=-4&thread=77&module=5000&time=500-900&view=x&hiddenModules=z.9999",
    });
    await assertPicture(page, expected.totalsByPath(stacks, peak));
  },
);

pageTest("the browser's back and forward buttons", async (open) => {
  const page = await open(sample());
  await page.press(".cost[data-cost=leaked]");
  await page.press("[data-view=callers]");
  const isView = (view, cost) =>
    page.page.waitForFunction(
      ([view, cost]) =>
        document.querySelector(`[data-view=${view}]`).ariaPressed === "true" &&
        document.querySelector(`.cost[data-cost=${cost}]`).ariaPressed ===
          "true",
      [view, cost],
    );
  await page.page.goBack();
  await isView("callees", "leaked");
  await page.page.goBack();
  await isView("callees", "peak");
  await page.page.goForward();
  await isView("callees", "leaked");
  await assertPicture(
    page,
    expected.totalsByPath(stacks, (stack) => stack.live_bytes),
  );
});

pageTest(
  "arrows move the selection, Enter zooms, Escape resets, / searches",
  async (open) => {
    const page = await open(sample());
    const spoken = () => page.page.locator("#selection-text").textContent();
    await page.page.focus("#flamegraph");
    await page.page.keyboard.press("ArrowDown");
    assert.match(await spoken(), /^main, 47\.6 KiB, 79\.8 %, level 1/);
    await page.page.keyboard.press("ArrowRight");
    assert.match(await spoken(), /^start_thread,/);
    await page.page.keyboard.press("ArrowLeft");
    await page.page.keyboard.press("ArrowDown");
    await page.page.keyboard.press("ArrowRight");
    assert.match(await spoken(), /^load, 11\.1 KiB, 18\.7 %, level 2/);
    await page.page.keyboard.press("ArrowUp");
    assert.match(await spoken(), /^main,/);
    await page.page.keyboard.press("ArrowDown");
    await page.page.keyboard.press("Enter");
    assert.match(await page.text("#shown"), /^30\.5 KiB of/);
    await page.page.keyboard.press("Escape");
    assert.match(await page.text("#shown"), /^59\.6 KiB at/);
    await page.page.keyboard.press("/");
    await page.page.keyboard.type("load/n");
    assert.equal(await page.page.inputValue("#search"), "load/n");
    await page.page.keyboard.press("Escape");
    assert.equal(await page.page.inputValue("#search"), "");
  },
);

pageTest(
  "light and dark follow the system until they are chosen",
  async (open) => {
    const surface = (page) =>
      page.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await open(sample(), { colorScheme: "light" });
    const dark = await open(sample(), { colorScheme: "dark" });
    assert.equal(await surface(light), "rgb(255, 255, 255)");
    assert.equal(await surface(dark), "rgb(21, 24, 29)");
    assert.notEqual(
      (await light.frame("main")).color,
      (await dark.frame("main")).color,
    );
    const darkColor = (await dark.frame("main")).color;
    await light.page.emulateMedia({ colorScheme: "dark" });
    await light.page.waitForFunction(
      () => document.documentElement.dataset.theme === "dark",
    );
    assert.equal((await light.frame("main")).color, darkColor);
    await light.press("[aria-label='Light theme']");
    assert.equal(await surface(light), "rgb(255, 255, 255)");
    await light.page.reload();
    await light.page.waitForFunction(
      () => window.memtraceTimings?.firstPictureMs > 0,
    );
    assert.equal(await surface(light), "rgb(255, 255, 255)");
  },
);

pageTest("a stack is copied as text", async (open) => {
  const page = await open(sample());
  await page.page.evaluate(() => {
    window.copied = null;
    const take = (text) => {
      window.copied = text;
      return Promise.resolve();
    };
    Object.defineProperty(navigator, "clipboard", {
      value: { writeText: take },
    });
  });
  await page.click("main;serve;buffer_new");
  await page.press("#copy-stack");
  assert.equal(
    await page.page.evaluate(() => window.copied),
    [
      "#0 buffer_new (/opt/lib/libwork.so.2)",
      "#1 serve at src/serve.c (/usr/bin/server)",
      "#2 main at src/main.c (/usr/bin/server)",
    ].join("\n"),
  );
  assert.equal(await page.text("#copy-stack"), "Copied");
});

pageTest("copying works without the clipboard's permission", async (open) => {
  const page = await open(sample());
  await page.page.evaluate(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
  });
  await page.click("main;load");
  await page.press("#copy-stack");
  await page.page.focus("#search");
  await page.page.keyboard.press("Control+V");
  assert.match(
    await page.page.inputValue("#search"),
    /^#0 load at src\/load\.c/,
  );
});

pageTest(
  "the drawing is exported as SVG, as it is on the screen",
  async (open) => {
    const page = await open(sample());
    await page.click("main;load");
    const { name, text } = await page.downloadOf("[data-export=svg]");
    assert.equal(name, "memtrace-server-peak.svg");
    const frames = await page.frames();
    const rectangles = [
      ...text.matchAll(
        /<g><title>([^<]*)<\/title><rect x="([\d.]+)" y="(\d+)"[^>]*fill="([^"]+)"/g,
      ),
    ];
    assert.equal(rectangles.length, frames.length);
    for (const [i, [, title, x, y, fill]] of rectangles.entries()) {
      assert.ok(
        title.startsWith(`${frames[i].name} (${exact(frames[i].value)}`),
      );
      assert.ok(Math.abs(Number(x) - frames[i].x) < 0.06);
      assert.equal(Number(y), frames[i].row * 20);
      assert.equal(fill, frames[i].color);
    }
    const parsed = await page.page.evaluate((svg) => {
      const document = new DOMParser().parseFromString(svg, "image/svg+xml");
      return (
        document.querySelector("parsererror")?.textContent ??
        document.documentElement.tagName
      );
    }, text);
    assert.equal(parsed, "svg");
  },
);

function foldedSums(text) {
  const sums = new Map();
  for (const line of text.trimEnd().split("\n")) {
    const [, path, value] = /^(.*) (\d+)$/.exec(line);
    sums.set(path, Number(value));
  }
  return sums;
}

pageTest("folded stacks are those of the view", async (open) => {
  const page = await open(sample());
  const wanted = (passes, invert) => {
    const sums = new Map();
    for (const stack of stacks.filter(passes)) {
      const names = expected.shapedNames(stack);
      const path = (invert ? names.reverse() : names).join(";");
      if (peak(stack) > 0) sums.set(path, (sums.get(path) ?? 0) + peak(stack));
    }
    return new Map([...sums].sort());
  };
  const folded = async () => {
    const { text } = await page.downloadOf("[data-export=folded]");
    return new Map([...foldedSums(text)].sort());
  };
  assert.deepEqual(
    await folded(),
    wanted(() => true, false),
  );
  await page.click("main;walk");
  assert.deepEqual(
    await folded(),
    wanted(
      (stack) => stack.frames.some((frame) => frame.startsWith("walk")),
      false,
    ),
  );
  await page.press("[data-view=callers]");
  assert.deepEqual(
    await folded(),
    wanted(() => true, true),
  );
  await page.openFilters();
  await page.page.selectOption("#filter-thread", "1");
  await page.page.keyboard.press("Escape");
  assert.deepEqual(
    await folded(),
    wanted((stack) => stack.thread === 1, true),
  );
});
