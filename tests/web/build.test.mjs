/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bundled page before it has data. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { template } from "./make_page.mjs";
import { insertData } from "./support/page_data.mjs";

const script = fileURLToPath(
  new URL("../../reporters/web/build.mjs", import.meta.url),
);

test("build.mjs writes the page and what it was made from", () => {
  const directory = mkdtempSync(join(tmpdir(), "memtrace-web-"));
  try {
    const page = join(directory, "page.html");
    const depfile = join(directory, "page.d");
    const { status, stderr } = spawnSync(process.execPath, [
      script,
      page,
      depfile,
    ]);
    assert.equal(status, 0, String(stderr));
    assert.match(readFileSync(page, "utf8"), /^<!doctype html>/);
    const [target, sources] = readFileSync(depfile, "utf8").split(": ");
    assert.equal(target, page);
    for (const source of [
      "page.html",
      "style.css",
      "src/main.tsx",
      "src/early.ts",
    ])
      assert.ok(sources.includes(`web/${source}`), source);
    assert.equal(spawnSync(process.execPath, [script]).status, 2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the page names no host and has one place for the data", async () => {
  const html = await template();
  const addresses = new Set(html.match(/https?:\/\/[^"'`\s)<]+/g) ?? []);
  for (const address of addresses)
    assert.match(address, /^http:\/\/www\.w3\.org\//);
  assert.equal(html.split("<!--memtrace-data-->").length, 2);
  assert.match(html, /\n<!--memtrace-data-->\n/);
  assert.ok(insertData(html, "AAAA").includes(">AAAA</script>"));
  assert.match(html, /default-src 'none'/);
});

test("the page has the licences of what it contains", async () => {
  const html = await template();
  for (const name of ["uplot", "preact"])
    assert.match(html, new RegExp(`contains ${name} \\d`));
  assert.match(html, /Permission is hereby granted/);
});
