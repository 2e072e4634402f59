/* SPDX-License-Identifier: LGPL-2.1-or-later */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { tablesOf } from "./support/description.mjs";
import { encodeData } from "./support/page_data.mjs";
import { sample } from "./support/sample.mjs";
import { loadSource } from "./support/source.mjs";

const { readContainer, decodeContainer, DataError, buildProfile } =
  await loadSource("container", "profile");

function containerBytes(header, body) {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, Buffer.from(body)]);
}

test("decodes varints of every length up to 2^53", () => {
  const columns = [{ name: "a.b", count: 5, encoding: "varint" }];
  const { columns: decoded } = decodeContainer(
    containerBytes(
      { format: 1, columns },
      [
        0, 0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0x0f,
      ],
    ),
  );
  assert.deepEqual(
    [...decoded.get("a.b")],
    [0, 127, 128, 2 ** 33 - 1, 2 ** 53 - 1],
  );
});

test("decodes deltas in both directions", () => {
  const columns = [{ name: "a.b", count: 4, encoding: "delta" }];
  const body = [10, 1, 0x90, 0x4e, 7];
  const { columns: decoded } = decodeContainer(
    containerBytes({ format: 1, columns }, body),
  );
  assert.deepEqual([...decoded.get("a.b")], [5, 4, 5004, 5000]);
});

test("what make_page encodes comes back", async () => {
  const tables = tablesOf(sample());
  const profile = buildProfile(await readContainer(encodeData(tables)));
  assert.deepEqual([...profile.nodes.frame], tables.tables.nodes.frame);
  assert.deepEqual([...profile.rows.node], tables.tables.rows.node);
  assert.deepEqual(
    [...profile.rowCosts.peakBytes],
    tables.tables.rows.peak_bytes,
  );
  assert.deepEqual([...profile.survivors.died], tables.tables.survivors.died);
  assert.deepEqual(
    [...profile.timeline.timeUs],
    tables.tables.timeline.time_us,
  );
  assert.equal(profile.sources.length, 1);
});

test("rejects data that ends early", () => {
  const columns = [{ name: "a.b", count: 2, encoding: "varint" }];
  const body = containerBytes({ format: 1, columns }, [0x80, 0x80]);
  assert.throws(() => decodeContainer(body), DataError);
  assert.throws(() => decodeContainer(body.subarray(0, 3)), DataError);
  assert.throws(() => decodeContainer(body.subarray(0, 10)), DataError);
});

test("rejects a count that the bytes cannot hold before it makes room for it", () => {
  const columns = [{ name: "a.b", count: 2 ** 40, encoding: "varint" }];
  assert.throws(
    () => decodeContainer(containerBytes({ format: 1, columns }, [1])),
    DataError,
  );
});

test("rejects another format", () => {
  assert.throws(
    () => decodeContainer(containerBytes({ format: 2, columns: [] }, [])),
    /format 2/,
  );
});

test("rejects what is not base64 or not gzip", async () => {
  await assert.rejects(readContainer("%%%"), DataError);
  await assert.rejects(readContainer("AAAA"), DataError);
  const cut = gzipSync(Buffer.alloc(1000)).subarray(0, 20).toString("base64");
  await assert.rejects(readContainer(cut), DataError);
});

async function brokenProfile(change) {
  const tables = tablesOf(sample());
  change(tables.tables, tables.header);
  return buildProfile(await readContainer(encodeData(tables)));
}

test("rejects numbers that point nowhere", async () => {
  const changes = {
    "rows.node": (tables) => (tables.rows.node[3] = 9999),
    "rows.thread": (tables) => (tables.rows.thread[0] = 3),
    "rows.kind": (tables) => (tables.rows.kind[0] = 4),
    "rows.leak": (tables) => (tables.rows.leak[0] = 4),
    "nodes.frame": (tables) => (tables.nodes.frame[1] = 999),
    "frames.function": (tables, header) =>
      (tables.frames.function[0] = header.strings.length),
    "survivors.row": (tables) => (tables.survivors.row[0] = 999),
    "survivors.died": (tables) => (tables.survivors.died[0] = 11),
  };
  for (const [name, change] of Object.entries(changes))
    await assert.rejects(
      brokenProfile(change),
      new RegExp(name.replace(".", "\\.")),
    );
});

test("rejects a node before its parent", async () => {
  await assert.rejects(
    brokenProfile((tables) => (tables.nodes.parent[2] = 3)),
    /before its parent/,
  );
  await assert.rejects(
    brokenProfile((tables) => (tables.nodes.parent[2] = 0)),
    /before its parent/,
  );
});

test("rejects a table with columns of different lengths and one without a column", async () => {
  await assert.rejects(
    brokenProfile((tables) => tables.rows.peak_bytes.pop()),
    /rows\.peak_bytes/,
  );
  await assert.rejects(
    brokenProfile((tables) => delete tables.rows.live_bytes),
    /rows\.live_bytes/,
  );
});

test("goes without survivors, times, base and sources", async () => {
  const tables = tablesOf({
    stacks: sample().stacks.map((s) => ({ ...s, leak: 0, kind: 0, thread: 0 })),
  });
  const profile = buildProfile(await readContainer(encodeData(tables)));
  assert.equal(profile.survivors, null);
  assert.equal(profile.timeline, null);
  assert.equal(profile.rss, null);
  assert.equal(profile.baseNodes, null);
  assert.deepEqual(profile.sources, []);
});
