/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A log small enough to be checked by hand that has one of everything: two processes, three
 * threads, libraries, recursion (direct and mutual), leak kinds, lifetimes, sources, a base.
 */

const LIBC = "!/lib/libc.so.6";
const WORK = "!/opt/lib/libwork.so.2";

function stack(frames, thread, kind, leak, costs, survivors = []) {
  const [
    allocations,
    allocated,
    peakBlocks,
    peak,
    liveBlocks,
    live,
    temporary,
  ] = costs;
  return {
    frames,
    thread,
    kind,
    leak,
    allocations,
    allocated_bytes: allocated,
    peak_blocks: peakBlocks,
    peak_bytes: peak,
    live_blocks: liveBlocks,
    live_bytes: live,
    temporary,
    survivors: survivors.map(([born, died, blocks, bytes]) => ({
      born,
      died,
      blocks,
      bytes,
    })),
  };
}

const SERVE = "serve@src/serve.c:20";

export function sampleStacks() {
  return [
    stack(
      [
        "main@src/main.c:10",
        SERVE,
        `buffer_new${WORK}`,
        `operator new(unsigned long)${LIBC}`,
      ],
      0,
      0,
      0,
      [40, 40960, 30, 30720, 10, 10240, 4],
      [
        [0, 10, 10, 10240],
        [2, 5, 20, 20480],
      ],
    ),
    stack(
      ["main@src/main.c:10", "serve@src/serve.c:31"],
      0,
      1,
      0,
      [5, 500, 5, 500, 0, 0, 0],
      [[1, 4, 5, 500]],
    ),
    stack(
      ["main@src/main.c:12", "load@src/load.c:7"],
      1,
      0,
      1,
      [100, 6400, 50, 3200, 50, 3200, 25],
      [[3, 10, 50, 3200]],
    ),
    stack(
      [
        "main@src/main.c:12",
        "load@src/load.c:9",
        `inflate${WORK}`,
        "load@src/load.c:9",
      ],
      1,
      0,
      1,
      [8, 8192, 8, 8192, 0, 0, 0],
      [[4, 7, 8, 8192]],
    ),
    stack(
      [
        "main@src/main.c:14",
        "walk@src/walk.c:3",
        "walk@src/walk.c:3",
        "walk@src/walk.c:5",
      ],
      0,
      0,
      3,
      [64, 4096, 64, 4096, 64, 4096, 0],
      [[5, 10, 64, 4096]],
    ),
    stack(
      [
        "main@src/main.c:14",
        "walk@src/walk.c:3",
        `visit${WORK}`,
        "walk@src/walk.c:5",
      ],
      0,
      2,
      3,
      [2, 2048, 2, 2048, 1, 1024, 0],
      [
        [5, 10, 1, 1024],
        [5, 6, 1, 1024],
      ],
    ),
    stack(
      ["start_thread" + LIBC, "worker@src/worker.cc:44"],
      2,
      3,
      2,
      [3, 12288, 3, 12288, 1, 4096, 1],
      [
        [6, 8, 2, 8192],
        [6, 10, 1, 4096],
      ],
    ),
    stack(
      ["start_thread" + LIBC, "worker@src/worker.cc:50", "tiny_a"],
      2,
      0,
      2,
      [1, 16, 1, 16, 0, 0, 1],
      [[7, 8, 1, 16]],
    ),
    stack(
      ["start_thread" + LIBC, "worker@src/worker.cc:50", "tiny_b"],
      2,
      0,
      2,
      [1, 8, 1, 8, 0, 0, 0],
    ),
    stack(
      ["start_thread" + LIBC, "worker@src/worker.cc:50", "churn"],
      2,
      0,
      2,
      [9000, 144000, 0, 0, 0, 0, 8999],
    ),
  ];
}

/* The other log: less in serve, more in load, "gone" only there, nothing in walk. */
export function baseStacks() {
  const stacks = sampleStacks()
    .filter((stack) => !stack.frames.some((frame) => frame.startsWith("walk")))
    .map((stack) => ({ ...stack }));
  stacks[0].peak_bytes = 20480;
  stacks[2].peak_bytes = 6400;
  stacks[3].live_bytes = 512;
  return [
    ...stacks,
    stack(
      ["main@src/main.c:10", "gone@src/gone.c:2"],
      0,
      0,
      0,
      [7, 7168, 7, 7168, 0, 0, 0],
    ),
  ];
}

const SERVE_SOURCE = [
  "static void serve(int fd)",
  "{",
  "\tstruct buffer *in = buffer_new(1024);",
  "\twhile (fill(in, fd))",
  "\t\tanswer(in);",
].join("\n");

export function sample(changes = {}) {
  return {
    meta: {
      hints: ["libwork.so.2 has no debug information"],
      peak_rss_bytes: 90000,
      tracker_rss_bytes: 1000,
    },
    stacks: sampleStacks(),
    processes: [
      { pid: 12, command: "/usr/bin/server --port 1", image: 0 },
      { pid: 15, command: "/usr/bin/server --child", image: 1 },
    ],
    threads: [
      { process: 0, name: "server" },
      { process: 0, name: "loader" },
      { process: 1, name: "worker" },
    ],
    kinds: ["malloc", "calloc", "realloc", "mmap"],
    leak_kinds: ["definite", "indirect", "possible", "reachable"],
    windows: { count: 10, end_seconds: 20 },
    timeline: Array.from({ length: 10 }, (_, i) => [
      (i + 1) * 2e6,
      1000 * i,
      1000 * i + 500,
    ]),
    rss: [
      [1e6, 50000, 900],
      [19e6, 90000, 1000],
    ],
    sources: [{ file: "src/serve.c", first_line: 18, text: SERVE_SOURCE }],
    ...changes,
  };
}

export function liveAt(stack, window) {
  return survivorSum(
    stack,
    (survivor) => survivor.born <= window && survivor.died > window,
  );
}

export function allocatedWithin(stack, first, last) {
  return survivorSum(
    stack,
    (survivor) =>
      survivor.born >= first && survivor.born <= last && survivor.died > last,
  );
}

function survivorSum(stack, passes, column = "bytes") {
  return stack.survivors
    .filter(passes)
    .reduce((sum, survivor) => sum + survivor[column], 0);
}
