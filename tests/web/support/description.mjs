/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small logs written by hand. A description is
 *
 *     { meta, threads, processes, kinds, leak_kinds, windows, timeline, rss, sources, errors,
 *       stacks: [{ frames: ["main@main.c:3!server", "work!libwork.so"], thread, kind, leak,
 *                  allocations, allocated_bytes, ..., survivors: [{ born, died, blocks, bytes }] }],
 *       base: { stacks: [...], meta } }
 *
 * with everything but `stacks` optional; a frame is FUNCTION[@FILE[:LINE]][!MODULE], outermost
 * first, with its flags after a '#'.
 */
import { COST_COLUMNS, DEFAULT_META } from "./page_data.mjs";

class Strings {
  list = [""];
  numbers = new Map([["", 0]]);

  number(text) {
    if (!this.numbers.has(text)) {
      this.numbers.set(text, this.list.length);
      this.list.push(text);
    }
    return this.numbers.get(text);
  }
}

export function parseFrame(text) {
  const match =
    /^(.*?)(?:@([^:!#]+)(?::(\d+))?)?(?:!([^#]+))?(?:#(\d+))?$/.exec(text);
  const [
    ,
    name,
    file = "",
    line = "0",
    module = "/usr/bin/server",
    flags = "0",
  ] = match;
  return { name, file, line: Number(line), module, flags: Number(flags) };
}

class Nodes {
  frames = { function: [], file: [], module: [], line: [], flags: [] };
  nodes = { parent: [0], frame: [0] };
  frameNumbers = new Map();
  nodeNumbers = new Map();

  constructor(strings) {
    this.strings = strings;
  }

  node(frames) {
    let node = 0;
    for (const text of frames) {
      const frame = this.frame(text);
      const key = `${node} ${frame}`;
      if (!this.nodeNumbers.has(key)) {
        const number = this.nodes.parent.length;
        this.nodeNumbers.set(key, number);
        this.nodes.parent.push(number - node);
        this.nodes.frame.push(frame);
      }
      node = this.nodeNumbers.get(key);
    }
    return node;
  }

  frame(text) {
    if (!this.frameNumbers.has(text)) {
      this.frameNumbers.set(text, this.frames.line.length);
      const { name, file, line, module, flags } = parseFrame(text);
      this.frames.function.push(this.strings.number(name));
      this.frames.file.push(this.strings.number(file));
      this.frames.module.push(this.strings.number(module));
      this.frames.line.push(line);
      this.frames.flags.push(flags);
    }
    return this.frameNumbers.get(text);
  }
}

export function totalsOf(stacks) {
  const sum = (column) =>
    stacks.reduce((total, stack) => total + (stack[column] ?? 0), 0);
  return {
    peak_bytes: sum("peak_bytes"),
    live_bytes: sum("live_bytes"),
    allocated_bytes: sum("allocated_bytes"),
    allocations: sum("allocations"),
    temporary: sum("temporary"),
  };
}

export function tablesOf(description) {
  const strings = new Strings();
  const nodes = new Nodes(strings);
  const { stacks } = description;
  const rows = costTable(stacks, nodes);
  const totals = { ...totalsOf(stacks), ...description.totals };
  const header = {
    meta: {
      ...DEFAULT_META,
      peak_bytes: totals.peak_bytes,
      ...description.meta,
    },
    totals,
    errors: description.errors,
    processes: description.processes ?? [
      { pid: 12, command: "/usr/bin/server", image: 0 },
    ],
    threads: description.threads ?? [{ process: 0, name: "server" }],
    kinds: description.kinds ?? ["malloc"],
    leak_kinds: description.leak_kinds ?? ["unclassified"],
    windows: description.windows ?? null,
    base: null,
  };
  const tables = {
    frames: nodes.frames,
    nodes: nodes.nodes,
    rows: {
      node: rows.node,
      thread: stacks.map((stack) => stack.thread ?? 0),
      kind: stacks.map((stack) => stack.kind ?? 0),
      leak: stacks.map((stack) => stack.leak ?? 0),
      ...rows,
    },
  };
  if (description.base) {
    tables.base = costTable(description.base.stacks, nodes);
    header.base = {
      meta: {
        ...DEFAULT_META,
        start: "2026-11-01T10:00:00Z",
        ...description.base.meta,
      },
      totals: totalsOf(description.base.stacks),
    };
  }
  addOptionalTables(tables, description, strings);
  header.strings = strings.list;
  return { header, tables };
}

function costTable(stacks, nodes) {
  const table = { node: stacks.map((stack) => nodes.node(stack.frames)) };
  for (const column of COST_COLUMNS)
    table[column] = stacks.map((stack) => stack[column] ?? 0);
  return table;
}

function addOptionalTables(tables, description, strings) {
  const column = (rows, key) => rows.map((row) => row[key]);
  if (description.windows) {
    const all = description.stacks.flatMap((stack, row) =>
      (stack.survivors ?? []).map((survivor) => ({ row, ...survivor })),
    );
    tables.survivors = Object.fromEntries(
      ["row", "born", "died", "blocks", "bytes"].map((key) => [
        key,
        column(all, key),
      ]),
    );
  }
  if (description.timeline)
    tables.timeline = {
      time_us: column(description.timeline, 0),
      live_bytes: column(description.timeline, 1),
      max_bytes: column(description.timeline, 2),
    };
  if (description.rss)
    tables.rss = {
      time_us: column(description.rss, 0),
      bytes: column(description.rss, 1),
      tracker_bytes: column(description.rss, 2),
    };
  if (description.sources)
    tables.sources = {
      file: description.sources.map((source) => strings.number(source.file)),
      first_line: column(description.sources, "first_line"),
      text: description.sources.map((source) => strings.number(source.text)),
    };
}
