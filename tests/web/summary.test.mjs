/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said about the run as a whole: the summary panel and the notices. */
import assert from "node:assert/strict";
import { pageTest, useBrowser } from "./support/driver.mjs";
import { sample } from "./support/sample.mjs";

useBrowser();

pageTest("the summary has what the log says of the run", async (open) => {
  const page = await open(sample());
  const facts = await page.text("#summary .facts >> nth=0");
  for (const text of [
    "/usr/bin/server --port 1",
    "/srv",
    "box",
    "2026-11-22T15:04:05Z",
    "12.5 s",
    "exit status 0",
    "every allocation (exact)",
    "59.6 KiB at 7.25 s",
    "87.9 KiB, of it memtrace 1000 B",
  ])
    assert.ok(facts.includes(text), text);
  assert.deepEqual(await page.rows("#totals"), [
    ["Peak", "59.6 KiB"],
    ["Leaked", "22.1 KiB"],
    ["Total allocated", "213 KiB"],
    ["Allocations", "9,224"],
    ["Temporary", "9,030"],
  ]);
  assert.match(
    await page.text(".hints"),
    /libwork\.so\.2 has no debug information/,
  );
  const summary = await page.text("#summary");
  assert.match(summary, /2 processes/);
  assert.match(summary, /15\s+\/usr\/bin\/server --child/);
  assert.equal(await page.text(".title h1"), "/usr/bin/server --port 1");
  assert.equal(await page.page.title(), "server – memtrace");
  assert.equal(await page.page.locator(".notice").count(), 0);
});

pageTest("hints are above the figures", async (open) => {
  const page = await open(sample());
  const headings = await page.page.locator("#summary h3").allInnerTexts();
  assert.deepEqual(
    headings.slice(0, 3).map((text) => text.toLowerCase()),
    ["hints", "totals", "colours"],
  );
});

pageTest("memtrace's share is not said when nobody looked", async (open) => {
  const page = await open(
    sample({ meta: { peak_rss_bytes: 90000, tracker_rss_bytes: 0 } }),
  );
  const facts = await page.text("#summary .facts >> nth=0");
  assert.match(facts, /Peak resident\s+87\.9 KiB$/m);
  assert.doesNotMatch(facts, /of it memtrace/);
});

pageTest(
  "what a log is compared with, and what that is worth",
  async (open) => {
    const { stacks } = sample();
    const meta = { command: "server --old", mode: "exact", complete: true };
    const whole = await open(sample({ base: { stacks, meta } }));
    const facts = await whole.text("#summary .facts >> nth=0");
    assert.match(facts, /Base\s+server --old, 2026-.*, exact\n/);
    assert.equal(await whole.page.locator(".notice").count(), 0);
    const doubtful = {
      ...meta,
      mode: "sampled",
      complete: false,
      incomplete_reason: "the log is cut off",
    };
    const page = await open(sample({ base: { stacks, meta: doubtful } }));
    const notices = await page.page.locator(".notice").allInnerTexts();
    assert.equal(notices.length, 2);
    assert.match(
      notices[0],
      /compared with is incomplete\. The log is cut off\./,
    );
    assert.match(notices[1], /compared with are estimates/);
    const alone = await open(sample());
    const said = await alone.text("#summary .facts >> nth=0");
    assert.doesNotMatch(said, /^Base/m);
  },
);

pageTest("how a program ended", async (open) => {
  for (const [exit, text] of [
    [{ status: 3, signal: null }, "exit status 3"],
    [{ status: null, signal: 11 }, "killed by signal 11"],
    [{ status: null, signal: null }, "not known"],
  ]) {
    const page = await open(sample({ meta: { exit } }));
    assert.match(
      await page.text("#summary .facts >> nth=0"),
      new RegExp(`Ended\\s+${text}`),
    );
  }
});

pageTest("an incomplete, sampled log says so, with errors", async (open) => {
  const page = await open(
    sample({
      meta: {
        complete: false,
        incomplete_reason: "the program was killed",
        mode: "sampled",
        sampling_interval_bytes: 524288,
      },
      errors: { peak_bytes: 2048, live_bytes: 1024 },
      totals: { temporary: null },
    }),
  );
  const notices = await page.page.locator(".notice").allInnerTexts();
  assert.match(notices[0], /This log is incomplete\. The program was killed\./);
  assert.match(notices[1], /Figures are estimates\..*512 KiB/);
  assert.match(
    await page.text(".cost[data-cost=peak] .cost-figure"),
    /59\.6 KiB ± 2\.00 KiB/,
  );
  assert.equal(
    await page.page.locator(".cost[data-cost=temporary]").isDisabled(),
    true,
  );
  assert.match(
    await page.title(".cost[data-cost=temporary]"),
    /sampling cannot tell/,
  );
  const totals = await page.rows("#totals");
  assert.deepEqual(totals[1], ["Leaked", "22.1 KiB", "1.00 KiB"]);
  assert.deepEqual(totals[4], ["Temporary", "not known", ""]);
});

pageTest("what was folded away is said with its bytes", async (open) => {
  const page = await open(
    sample({ meta: { folded: { nodes: 1234, peak_bytes: 5 * 2 ** 20 } } }),
  );
  assert.match(
    await page.text(".notice"),
    /1,234 small nodes with 5\.00 MiB of the peak/,
  );
});

pageTest(
  "rows that do not add up to the stated totals are reported",
  async (open) => {
    const page = await open(sample({ totals: { live_bytes: 99 } }));
    assert.match(
      await page.text("#summary .notice"),
      /^Leaked: .* do not add up/,
    );
  },
);

pageTest(
  "the key of colours: modules with their own cost, or what changed",
  async (open) => {
    const page = await open(sample());
    const entries = (await page.text("#color-key")).replace(/\s+/g, " ");
    assert.match(entries, /libc\.so\.6 50\.3 %.*server 49\.7 %/);
    await page.press("#color-key .link >> text=libc.so.6");
    assert.equal(await page.total(), 43032);
    const compared = await open(sample({ base: { stacks: sample().stacks } }));
    const words = (await compared.text("#color-key")).replace(/\s+/g, " ");
    assert.match(words, /gone half same double new/);
  },
);
