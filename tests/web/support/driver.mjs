/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the browser tests do with a page: open one of a description, look, click. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makePage } from "../make_page.mjs";
import { launchBrowser, openPage, waitForPicture } from "./browser.mjs";
import { tablesOf } from "./description.mjs";
import { framesByPath } from "./expected.mjs";

let session = null;
let fileCount = 0;

/* Call once in a test file: one browser for all its tests. */
export function useBrowser() {
  before(async () => {
    session = await launchBrowser();
  });
  after(() => session.close());
}

/* A test that gets `open`, for descriptions and files, and fails when a page of it had a problem. */
export function pageTest(name, body) {
  test(name, async () => {
    const opened = [];
    const open = async (description, options) => {
      const file =
        typeof description === "string"
          ? description
          : await writePage(tablesOf(description));
      const driver = await Driver.open(file, options);
      opened.push(driver);
      return driver;
    };
    try {
      await body(open);
      for (const driver of opened) assert.deepEqual(driver.problems, []);
    } finally {
      for (const driver of opened) await driver.context.close();
    }
  });
}

export async function writePage(tables) {
  const file = join(session.directory, `page-${fileCount++}.html`);
  await makePage(file, tables);
  return file;
}

export function openFile(file, options) {
  return openPage(session, file, options);
}

export class Driver {
  static async open(file, options = {}) {
    const driver = new Driver();
    Object.assign(driver, await openPage(session, file, options));
    await waitForPicture(driver.page);
    return driver;
  }

  frames() {
    return this.page.evaluate(() => window.memtracePage.frames());
  }

  /* { "main;serve": frame } of the picture as it is now. */
  async byPath() {
    return framesByPath(await this.frames());
  }

  async frame(path) {
    const frame = (await this.byPath()).get(path);
    assert.ok(frame, `no frame ${path}`);
    return frame;
  }

  total() {
    return this.page.evaluate(() => window.memtracePage.total());
  }

  async place(frame) {
    const rowHeight = await this.page.evaluate(
      () => window.memtracePage.rowHeight,
    );
    const area = await this.page.locator(".flame-content").boundingBox();
    return {
      x: area.x + frame.x + Math.min(frame.width / 2, 6),
      y: area.y + (frame.row + 0.5) * rowHeight,
    };
  }

  async click(path) {
    const { x, y } = await this.place(await this.frame(path));
    await this.page.mouse.click(x, y);
  }

  async hover(path) {
    const { x, y } = await this.place(await this.frame(path));
    await this.page.mouse.move(x, y);
    return this.text("#tooltip");
  }

  press(selector) {
    return this.page.click(selector);
  }

  text(selector) {
    return this.page.locator(selector).innerText();
  }

  title(selector) {
    return this.page.locator(selector).getAttribute("title");
  }

  pressed(selector) {
    return this.page.locator(selector).getAttribute("aria-pressed");
  }

  /* The cells of a table's body, a row each, without the small print. */
  async rows(selector) {
    return this.page.locator(selector).evaluate((table) =>
      [...table.tBodies[0].rows].map((row) =>
        [...row.cells].map((cell) => {
          const copy = cell.cloneNode(true);
          for (const small of copy.querySelectorAll("small")) small.remove();
          return copy.textContent.trim();
        }),
      ),
    );
  }

  /* { name: title } of a list in the panel; the title has the exact figure. */
  async list(selector) {
    const titles = await this.page
      .locator(`${selector} .value-row`)
      .evaluateAll((rows) => rows.map((row) => row.title.split("\n")));
    return new Map(titles);
  }

  async openFilters() {
    if ((await this.page.locator("#filter-menu").count()) === 0)
      await this.press("#filter-menu-button");
  }

  async downloadOf(selector) {
    await this.press("#export-menu-button");
    const [download] = await Promise.all([
      this.page.waitForEvent("download"),
      this.press(selector),
    ]);
    const stream = await download.createReadStream();
    const parts = [];
    for await (const part of stream) parts.push(part);
    return {
      name: download.suggestedFilename(),
      text: Buffer.concat(parts).toString(),
    };
  }
}

/* Values of the drawn frames must be those of `wanted`, {path: value}, with widths in proportion. */
export async function assertPicture(driver, wanted, root = "") {
  const drawn = await driver.byPath();
  const whole = wanted.get(root);
  const area = drawn.get("");
  for (const [path, frame] of drawn) {
    if (frame.rest > 0) continue;
    assert.equal(frame.value, wanted.get(path), `value of "${path}"`);
    assert.ok(
      Math.abs(frame.width - (frame.value / whole) * area.width) < 1e-6,
      `width of "${path}"`,
    );
  }
  for (const [path, value] of wanted) {
    const width = (value / whole) * area.width;
    if (width >= 1)
      assert.ok(drawn.has(path), `"${path}" of ${width} px is not drawn`);
  }
}
