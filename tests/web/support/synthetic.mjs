/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Large logs out of a seed: a tree of calls as a server might have it, with names of C and C++
 * functions, sizes with a long tail, and, if asked for, survivors, a base, sampling, a cut end.
 */
import { COST_COLUMNS, DEFAULT_META } from "./page_data.mjs";

const WINDOWS = 200;
const SECONDS = 60;

const MODULES = [
  "/srv/bin/server",
  "/usr/lib/x86_64-linux-gnu/libc.so.6",
  "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
  "/srv/lib/libstore.so.3",
  "/usr/lib/x86_64-linux-gnu/libssl.so.3",
  "/usr/lib/x86_64-linux-gnu/libz.so.1",
  "/srv/lib/libquery.so.1",
];

const NOUNS =
  "buffer cache cursor event frame header index journal key lease message node page query record segment session shard token value worker".split(
    " ",
  );
const VERBS =
  "append build commit copy decode encode expand fetch flush grow insert load merge open parse read refresh resolve scan split store update visit write".split(
    " ",
  );

/* Numbers in [0, 1) that are the same everywhere for one seed (mulberry32). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function functionName(number) {
  const noun = NOUNS[number % NOUNS.length];
  const verb = VERBS[Math.floor(number / 3) % VERBS.length];
  const other = NOUNS[Math.floor(number / 7) % NOUNS.length];
  const serial = number < 400 ? "" : String(Math.floor(number / 400));
  switch (number % 4) {
    case 0:
      return `${noun}_${verb}${serial && `_${serial}`}`;
    case 1:
      return `store::${cap(noun)}${serial}::${verb}(store::${cap(other)} const&, unsigned long)`;
    case 2:
      return `std::vector<query::${cap(noun)}${serial}, std::allocator<query::${cap(noun)}${serial}> >::${verb}_${other}(query::${cap(noun)}${serial}&&)`;
    default:
      return `net::${cap(noun)}${cap(verb)}er${serial}::operator()(net::${cap(other)}*) const`;
  }
}

function cap(word) {
  return word[0].toUpperCase() + word.slice(1);
}

/* { nodes, seed, base, survivors, sampled, incomplete }: all but nodes optional. */
export function syntheticTables(options) {
  const random = randomNumbers(options.seed ?? 1);
  const functionCount = Math.max(
    40,
    Math.min(30000, Math.floor(options.nodes / 8)),
  );
  const strings = ["", ...MODULES];
  const frames = makeFrames(functionCount, strings);
  const nodes = makeNodes(options.nodes, functionCount, random);
  const rows = makeRows(options.nodes, random);
  const tables = {
    frames,
    nodes: { parent: nodes.distance, frame: nodes.frame },
    rows,
  };
  const totals = totalsOf(rows);
  const header = {
    meta: metaOf(options, totals),
    totals,
    strings,
    processes: [
      {
        pid: 4100,
        command: "/srv/bin/server --config /etc/server.conf",
        image: 0,
      },
      { pid: 4107, command: "/srv/bin/server --worker", image: 1 },
    ],
    threads: ["server", "io-1", "io-2", "compactor", "worker", "worker-gc"].map(
      (name, i) => ({
        process: i < 4 ? 0 : 1,
        name,
      }),
    ),
    kinds: ["malloc", "calloc", "realloc", "aligned_alloc", "mmap"],
    leak_kinds: ["definite", "indirect", "possible", "reachable"],
    windows: options.survivors
      ? { count: WINDOWS, end_seconds: SECONDS }
      : null,
    base: null,
  };
  if (options.sampled) {
    header.errors = {
      peak_bytes: Math.round(totals.peak_bytes * 0.021),
      live_bytes: 8123456,
    };
    header.totals = { ...totals, temporary: null };
  }
  if (options.survivors) tables.survivors = makeSurvivors(rows, random);
  Object.assign(tables, makeTimes(totals, tables.survivors));
  if (options.base) {
    tables.base = makeBase(options.nodes, rows, random);
    header.base = {
      meta: {
        ...DEFAULT_META,
        command: "/srv/bin/server --config /etc/server.conf",
      },
      totals: totalsOf(tables.base),
    };
  }
  return { header, tables };
}

function metaOf(options, totals) {
  return {
    ...DEFAULT_META,
    command: "/srv/bin/server --config /etc/server.conf --threads 4",
    host: "db-17",
    duration_seconds: SECONDS,
    peak_bytes: totals.peak_bytes,
    peak_time_seconds: SECONDS * 0.62,
    peak_rss_bytes: Math.round(totals.peak_bytes * 1.3),
    tracker_rss_bytes: 9 << 20,
    hints: [
      "libz.so.1 has no debug information: install its debug symbols for file and line",
    ],
    ...(options.sampled
      ? { mode: "sampled", sampling_interval_bytes: 512 << 10 }
      : {}),
    ...(options.incomplete
      ? {
          complete: false,
          incomplete_reason: "the recording was killed",
          exit: { status: null, signal: 9 },
        }
      : {}),
  };
}

/* Four frames (lines) for each function. */
const LINES = 4;

function makeFrames(functionCount, strings) {
  const frames = { function: [], file: [], module: [], line: [], flags: [] };
  const fileBase = strings.length + functionCount;
  const fileCount = Math.ceil(functionCount / 20);
  for (let i = 0; i < functionCount; i++) strings.push(functionName(i));
  for (let i = 0; i < fileCount; i++)
    strings.push(`src/${NOUNS[i % NOUNS.length]}/part_${i}.cc`);
  for (let i = 0; i < functionCount * LINES; i++) {
    const number = Math.floor(i / LINES);
    frames.function.push(1 + MODULES.length + number);
    frames.file.push(fileBase + Math.floor(number / 20));
    frames.module.push(1 + (number % 3 === 0 ? number % MODULES.length : 0));
    frames.line.push(10 + (number % 20) * 40 + (i % LINES) * 3);
    frames.flags.push(number % 17 === 5 ? 1 : 0);
  }
  return frames;
}

/* A walk in preorder; the children of a node have different functions. */
function makeNodes(count, functionCount, random) {
  const distance = new Int32Array(count);
  const frame = new Int32Array(count);
  const functions = new Int32Array(count);
  const children = new Int32Array(count);
  const path = [0];
  for (let i = 1; i < count; i++) {
    /* The deeper, the sooner back: about 20 deep, with some much deeper. */
    while (path.length > 1 && random() < path.length / (path.length + 20))
      path.pop();
    if (random() < 0.004)
      path.length = Math.min(path.length, 3 + Math.floor(random() * 8));
    const parent = path[path.length - 1];
    const number = Math.abs(
      Math.imul(functions[parent] + 1, 0x9e3779b1) + children[parent]++ * 7919,
    );
    functions[i] = number % functionCount;
    distance[i] = i - parent;
    frame[i] = functions[i] * LINES + Math.floor(random() * LINES);
    path.push(i);
  }
  return { distance, frame };
}

function makeRows(nodeCount, random) {
  const rows = { node: [], thread: [], kind: [], leak: [] };
  for (const column of COST_COLUMNS) rows[column] = [];
  for (let node = 1; node < nodeCount; node++) {
    if (random() < 0.2) continue;
    const rowCount = random() < 0.25 ? 2 : 1;
    for (let i = 0; i < rowCount; i++) {
      const size = Math.round(16 * 2 ** (random() ** 3 * 13));
      const allocations = Math.ceil(random() ** 6 * 4000);
      const peak = random() < 0.7 ? Math.ceil(allocations * random()) : 0;
      const live = random() < 0.2 ? Math.ceil(peak * random() * 0.3) : 0;
      rows.node.push(node);
      rows.thread.push(Math.floor(random() ** 2 * 6));
      rows.kind.push(Math.floor(random() ** 3 * 5));
      rows.leak.push(Math.floor(random() * 4));
      rows.allocations.push(allocations);
      rows.allocated_bytes.push(allocations * size);
      rows.peak_blocks.push(peak);
      rows.peak_bytes.push(peak * size);
      rows.live_blocks.push(live);
      rows.live_bytes.push(live * size);
      rows.temporary.push(Math.floor((allocations - live) * random() ** 3));
    }
  }
  return rows;
}

function totalsOf(rows) {
  const sum = (column) =>
    rows[column].reduce((total, value) => total + value, 0);
  return {
    peak_bytes: sum("peak_bytes"),
    live_bytes: sum("live_bytes"),
    allocated_bytes: sum("allocated_bytes"),
    allocations: sum("allocations"),
    temporary: sum("temporary"),
  };
}

function makeSurvivors(rows, random) {
  const survivors = { row: [], born: [], died: [], blocks: [], bytes: [] };
  for (let row = 0; row < rows.node.length; row++) {
    const blocks = rows.peak_blocks[row];
    if (blocks === 0) continue;
    const born = Math.floor(random() * WINDOWS * 0.62);
    const never = rows.live_blocks[row] > 0;
    survivors.row.push(row);
    survivors.born.push(born);
    survivors.died.push(
      never ? WINDOWS : Math.ceil(WINDOWS * (0.63 + 0.37 * random())),
    );
    survivors.blocks.push(blocks);
    survivors.bytes.push(rows.peak_bytes[row]);
  }
  return survivors;
}

function makeTimes(totals, survivors) {
  const live = new Float64Array(WINDOWS);
  if (survivors)
    for (let i = 0; i < survivors.row.length; i++)
      for (
        let w = survivors.born[i];
        w < Math.min(survivors.died[i], WINDOWS);
        w++
      )
        live[w] += survivors.bytes[i];
  else
    for (let w = 0; w < WINDOWS; w++)
      live[w] = Math.round(
        totals.peak_bytes * Math.sin((w / WINDOWS) * 2.5) ** 2,
      );
  const timeline = { time_us: [], live_bytes: [], max_bytes: [] };
  const rss = { time_us: [], bytes: [], tracker_bytes: [] };
  for (let w = 0; w < WINDOWS; w++) {
    const time = Math.round(((w + 1) / WINDOWS) * SECONDS * 1e6);
    timeline.time_us.push(time);
    timeline.live_bytes.push(live[w]);
    timeline.max_bytes.push(
      Math.round(live[w] * (1 + 0.03 * Math.abs(Math.sin(w * 1.7)))),
    );
    if (w % 2) continue;
    rss.time_us.push(time + 1234);
    rss.bytes.push(
      Math.round(
        live.slice(0, w + 1).reduce((a, b) => Math.max(a, b), 0) * 1.2,
      ) +
        (9 << 20),
    );
    rss.tracker_bytes.push(9 << 20);
  }
  return { timeline, rss };
}

/* Most stack traces cost about the same in the base, some are only in one of the two. */
function makeBase(nodeCount, rows, random) {
  const base = { node: [] };
  for (const column of COST_COLUMNS) base[column] = [];
  const factor = new Float64Array(nodeCount);
  for (let node = 0; node < nodeCount; node++) {
    const dice = random();
    factor[node] = dice < 0.6 ? 1 : dice < 0.75 ? 0 : random() * 2;
  }
  for (let row = 0; row < rows.node.length; row++) {
    const node = rows.node[row];
    if (factor[node] === 0) continue;
    base.node.push(node);
    for (const column of COST_COLUMNS)
      base[column].push(Math.round(rows[column][row] * factor[node]));
  }
  return base;
}
