/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The figures behind the pictures, on random logs, against a recomputation from the stack traces
 * themselves (support/expected.mjs).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tablesOf } from "./support/description.mjs";
import * as expected from "./support/expected.mjs";
import { COST_COLUMNS, encodeData } from "./support/page_data.mjs";
import { allocatedWithin, liveAt, sample } from "./support/sample.mjs";
import { loadSource } from "./support/source.mjs";
import { randomNumbers } from "./support/synthetic.mjs";

const source = await loadSource(
  "container",
  "profile",
  "model",
  "state",
  "groups",
  "layout",
  "sandwich",
  "table_rows",
  "breakdown",
  "largest",
  "changes",
);

async function modelOf(description) {
  const container = await source.readContainer(
    encodeData(tablesOf(description)),
  );
  return new source.Model(source.buildProfile(container));
}

function answerTo(model, patch = {}) {
  return model.answer({ ...source.DEFAULT_STATE, ...patch });
}

const FUNCTIONS = ["a", "b", "c", "d", "e!lib.so", "f!lib.so", "g!other.so.1"];

/* Random stack traces with a lot of recursion, several rows each, and survivors. */
function randomLog(seed, withBase = false) {
  const random = randomNumbers(seed);
  const pick = (count) => Math.floor(random() * count);
  const makeStacks = (count) =>
    Array.from({ length: count }, () => {
      const depth = 1 + pick(7);
      const frames = Array.from({ length: depth }, () =>
        FUNCTIONS[pick(FUNCTIONS.length)].replace("!", `@f.c:${pick(3)}!`),
      );
      const stack = {
        frames,
        thread: pick(4),
        kind: pick(3),
        leak: pick(2),
        survivors: [],
      };
      for (const column of COST_COLUMNS)
        stack[column] = random() < 0.2 ? 0 : pick(1000);
      if (random() < 0.5) {
        const born = pick(9);
        const died = born + 1 + pick(10 - born);
        stack.survivors.push({
          born,
          died,
          blocks: 1 + pick(5),
          bytes: 1 + pick(5000),
        });
      }
      return stack;
    });
  return {
    stacks: makeStacks(80),
    processes: [1, 2].map((pid) => ({ pid, command: "x", image: 0 })),
    threads: [0, 0, 1, 1].map((process, i) => ({ process, name: `t${i}` })),
    kinds: ["malloc", "calloc", "mmap"],
    leak_kinds: ["definite", "possible"],
    windows: { count: 10, end_seconds: 5 },
    base: withBase ? { stacks: makeStacks(60) } : undefined,
  };
}

/* { path: [now, self, base] } of everything below the root of a view. */
function viewTotals(answer) {
  const { view, profile } = answer;
  const totals = new Map();
  const visit = (node, path) => {
    const children = [];
    const rest = view.collectChildren(node, 0, children);
    assert.equal(rest.count, 0);
    totals.set(path, view.now(node));
    const below = children.reduce((sum, child) => sum + view.now(child), 0);
    const belowBase = children.reduce(
      (sum, child) => sum + view.base(child),
      0,
    );
    assert.equal(
      view.now(node),
      below + view.selfNow(node),
      `children and self of "${path}"`,
    );
    assert.equal(
      view.base(node),
      belowBase + view.selfBase(node),
      `base of "${path}"`,
    );
    for (const child of children) {
      const name = source.groupName(profile, view.groups, view.group(child));
      visit(child, path ? `${path};${name}` : name);
      assert.equal(
        view.resolve(view.reference(child)),
        child,
        "a reference leads back",
      );
    }
  };
  visit(0, "");
  for (const [path, total] of totals) if (total === 0) totals.delete(path);
  return totals;
}

function assertSameMap(actual, wanted) {
  assert.deepEqual(new Map([...actual].sort()), new Map([...wanted].sort()));
}

const COSTS = {
  peak: "peak_bytes",
  leaked: "live_bytes",
  allocated: "allocated_bytes",
  allocations: "allocations",
  temporary: "temporary",
};

test("both views have every node's total, for every cost", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const log = randomLog(seed);
    const model = await modelOf(log);
    for (const [cost, column] of Object.entries(COSTS)) {
      const value = (stack) => stack[column];
      for (const view of ["callees", "callers"]) {
        const wanted = expected.totalsByPath(log.stacks, value, {
          inverted: view === "callers",
        });
        assertSameMap(viewTotals(answerTo(model, { cost, view })), wanted);
      }
    }
  }
});

test("the totals of the cost switch follow the filters", async () => {
  const log = randomLog(11);
  const model = await modelOf(log);
  const answer = answerTo(model, { thread: 2, cost: "leaked", leakKind: 1 });
  const stacks = log.stacks.filter((stack) => stack.thread === 2);
  for (const [i, column] of Object.values(COSTS).entries()) {
    const kept =
      column === "live_bytes"
        ? stacks.filter((stack) => stack.leak === 1)
        : stacks;
    assert.equal(
      answer.totals[i].now,
      expected.sumOf(kept, (stack) => stack[column]),
      column,
    );
  }
});

test("filters by process, thread, allocator, leak kind and module", async () => {
  const log = randomLog(12);
  const model = await modelOf(log);
  const module = model.profile.strings.indexOf("lib.so");
  const cases = [
    [{ process: 1 }, (stack) => stack.thread >= 2],
    [{ thread: 1 }, (stack) => stack.thread === 1],
    [{ process: 1, thread: 1 }, () => false],
    [{ kind: 2 }, (stack) => stack.kind === 2],
    [{ cost: "leaked", leakKind: 1 }, (stack) => stack.leak === 1],
    [{ leakKind: 1 }, () => true],
    [
      { module },
      (stack) => stack.frames.some((frame) => frame.endsWith("!lib.so")),
    ],
    [{ kind: 1, process: 0 }, (stack) => stack.kind === 1 && stack.thread < 2],
  ];
  for (const [patch, passes] of cases) {
    const column = COSTS[patch.cost ?? "peak"];
    const wanted = expected.totalsByPath(
      log.stacks.filter(passes),
      (stack) => stack[column],
    );
    assertSameMap(viewTotals(answerTo(model, patch)), wanted);
  }
});

test("hidden modules: their frames go, what they call moves up, sums stay", async () => {
  const log = randomLog(13);
  const model = await modelOf(log);
  const value = (stack) => stack.peak_bytes;
  const other = model.profile.strings.indexOf("other.so.1");
  const isLibrary = (frame) => frame.module.includes(".so");
  for (const view of ["callees", "callers"]) {
    const inverted = view === "callers";
    assertSameMap(
      viewTotals(answerTo(model, { hideLibraries: true, view })),
      expected.totalsByPath(log.stacks, value, { hidden: isLibrary, inverted }),
    );
    assertSameMap(
      viewTotals(answerTo(model, { hiddenModules: [other], view })),
      expected.totalsByPath(log.stacks, value, {
        hidden: (frame) => frame.module === "other.so.1",
        inverted,
      }),
    );
  }
});

test("folded recursion keeps the sums and shows a function once on a stack", async () => {
  for (let seed = 20; seed < 24; seed++) {
    const log = randomLog(seed);
    const totals = viewTotals(
      answerTo(await modelOf(log), { foldRecursion: true }),
    );
    const value = (stack) => stack.peak_bytes;
    assertSameMap(
      totals,
      expected.totalsByPath(log.stacks, value, { fold: true }),
    );
    for (const path of totals.keys()) {
      const names = path.split(";");
      assert.equal(new Set(names).size, names.length, path);
    }
  }
});

test("lines are told apart on request", async () => {
  const model = await modelOf(sample());
  const count = (patch) => answerTo(model, patch).tree.groups.count;
  const names = new Set(sample().stacks.flatMap((stack) => stack.frames));
  assert.equal(count({ splitLines: true }), names.size);
  assert.ok(count({}) < names.size);
});

test("time: the live set at an instant and what a window's blocks are", async () => {
  const log = randomLog(31);
  const model = await modelOf(log);
  for (let last = 0; last < 10; last++) {
    const instant = answerTo(model, { time: { first: 0, last } });
    assertSameMap(
      viewTotals(instant),
      expected.totalsByPath(log.stacks, (stack) => liveAt(stack, last)),
    );
    for (let first = 1; first <= last; first++) {
      const window = answerTo(model, { time: { first, last } });
      const wanted = expected.sumOf(log.stacks, (stack) =>
        allocatedWithin(stack, first, last),
      );
      assert.equal(window.values.now.total[0], wanted);
    }
  }
  const blocks = answerTo(model, {
    time: { first: 2, last: 6 },
    timeUnit: "count",
  });
  const wanted = expected.sumOf(log.stacks, (stack) =>
    stack.survivors
      .filter(({ born, died }) => born >= 2 && born <= 6 && died > 6)
      .reduce((sum, survivor) => sum + survivor.blocks, 0),
  );
  assert.equal(blocks.values.now.total[0], wanted);
  assert.equal(blocks.question.unit, "count");
});

test("a comparison has both logs' figures, and widths as asked", async () => {
  const log = randomLog(41, true);
  const model = await modelOf(log);
  const value = (stack) => stack.peak_bytes;
  const now = expected.totalsByPath(log.stacks, value);
  const base = expected.totalsByPath(log.base.stacks, value);
  const weights = {
    both: (path) => (now.get(path) ?? 0) + (base.get(path) ?? 0),
    this: (path) => now.get(path) ?? 0,
    base: (path) => base.get(path) ?? 0,
  };
  for (const [compareWidth, weight] of Object.entries(weights)) {
    const { view, profile, question } = answerTo(model, { compareWidth });
    assert.equal(question.comparing, true);
    const visit = (node, path) => {
      assert.equal(view.now(node), now.get(path) ?? 0);
      assert.equal(view.base(node), base.get(path) ?? 0);
      assert.equal(view.weight(node), weight(path));
      const children = [];
      view.collectChildren(node, 0, children);
      for (const child of children) {
        const name = source.groupName(profile, view.groups, view.group(child));
        visit(child, path ? `${path};${name}` : name);
      }
    };
    visit(0, "");
  }
  const callers = viewTotals(answerTo(model, { view: "callers" }));
  assertSameMap(
    callers,
    expected.totalsByPath(log.stacks, value, { inverted: true }),
  );
});

test("a comparison ignores what the base does not know, and ends with a time", async () => {
  const model = await modelOf(randomLog(42, true));
  const { question } = answerTo(model, { thread: 1, kind: 1, process: 1 });
  assert.deepEqual(
    [question.filter.thread, question.filter.kind, question.filter.process],
    [-1, -1, -1],
  );
  const timed = answerTo(model, {
    thread: 1,
    time: { first: 0, last: 3 },
  }).question;
  assert.equal(timed.comparing, false);
  assert.equal(timed.filter.thread, 1);
});

test("the largest changes are those of the functions' own costs", async () => {
  const log = randomLog(43, true);
  const model = await modelOf(log);
  const value = (stack) => stack.peak_bytes;
  const now = expected.functionSums(log.stacks, value);
  const base = expected.functionSums(log.base.stacks, value);
  const wanted = [...new Set([...now.keys(), ...base.keys()])]
    .map((name) => (now.get(name)?.self ?? 0) - (base.get(name)?.self ?? 0))
    .filter((change) => change !== 0)
    .sort((a, b) => Math.abs(b) - Math.abs(a));
  const changes = source.largestChanges(answerTo(model), 100);
  assert.deepEqual(
    changes.map((change) => Math.abs(change.now - change.base)),
    wanted.map(Math.abs),
  );
});

test("search counts a stack trace once however often it matches", async () => {
  for (let seed = 51; seed < 55; seed++) {
    const log = randomLog(seed);
    const model = await modelOf(log);
    const value = (stack) => stack.peak_bytes;
    for (const pattern of ["a", "^[ab]$", ".", "e|g", "nothing"]) {
      const expression = new RegExp(pattern);
      const wanted = expected.matchedTotal(log.stacks, value, (name) =>
        expression.test(name),
      );
      for (const view of ["callees", "callers"]) {
        const { search } = answerTo(model, { search: pattern, view });
        assert.equal(search.now, wanted, `${pattern}, seed ${seed}`);
      }
    }
  }
});

test("search in modules, and the order of its steps", async () => {
  const log = randomLog(56);
  const model = await modelOf(log);
  const { search, tree, values } = answerTo(model, {
    search: "module:^lib\\.so$",
  });
  const wanted = expected.sumOf(
    log.stacks.filter((stack) =>
      stack.frames.some((frame) => frame.endsWith("!lib.so")),
    ),
    (stack) => stack.peak_bytes,
  );
  assert.equal(search.now, wanted);
  const totals = search.steps.map((node) => values.now.total[node]);
  assert.deepEqual(
    totals,
    [...totals].sort((a, b) => b - a),
  );
  assert.ok(search.steps.every((node) => search.groups[tree.group[node]]));
});

test("callers and callees of a function sum up to its total", async () => {
  for (let seed = 61; seed < 65; seed++) {
    const log = randomLog(seed);
    const model = await modelOf(log);
    const value = (stack) => stack.peak_bytes;
    for (const name of ["a", "b", "e", "g"]) {
      const first = answerTo(model);
      const group = [...Array(first.tree.groups.count).keys()].find(
        (group) =>
          source.groupName(first.profile, first.tree.groups, group) === name,
      );
      const answer = answerTo(model, {
        function: first.tree.groups.firstFrame[group],
      });
      assert.equal(answer.group, group);
      const sandwich = model.sandwich(answer);
      const wanted = expected.sandwichOf(log.stacks, value, name);
      const named = (list) =>
        new Map(
          list.map((entry) => [
            entry.group < 0
              ? "(outermost frame)"
              : source.groupName(
                  answer.profile,
                  answer.tree.groups,
                  entry.group,
                ),
            entry.now,
          ]),
        );
      const callees = named(sandwich.callees);
      if (sandwich.selfNow > 0) callees.set("(itself)", sandwich.selfNow);
      assertSameMap(named(sandwich.callers), wanted.callers);
      assertSameMap(callees, wanted.callees);
      assert.equal(
        sandwich.now,
        [...wanted.callers.values()].reduce((sum, value) => sum + value, 0),
      );
      const lines = source.functionLines(
        answer.profile,
        answer.tree,
        answer.nodeValues,
        group,
      );
      assert.equal(
        lines.reduce((sum, line) => sum + line.now, 0),
        sandwich.now,
      );
    }
  }
});

test("the steps of a search are all matching frames, in both views", async () => {
  const log = randomLog(57);
  const model = await modelOf(log);
  for (const view of ["callees", "callers"]) {
    const totals = expected.totalsByPath(
      log.stacks,
      (stack) => stack.peak_bytes,
      {
        inverted: view === "callers",
      },
    );
    const wanted = [...totals]
      .filter(([path]) => /(^|;)[ab]$/.test(path))
      .map(([, total]) => total)
      .sort((a, b) => b - a);
    const answer = answerTo(model, { view, search: "^[ab]$" });
    assert.deepEqual(
      answer.steps.map((node) => answer.view.now(node)),
      wanted.filter(
        (total) => view === "callees" || total >= totals.get("") / 1000,
      ),
    );
  }
});

test("the panel's breakdown: all costs, threads and allocators of a frame", async () => {
  const log = randomLog(71);
  const model = await modelOf(log);
  for (const view of ["callees", "callers"]) {
    const answer = answerTo(model, { view });
    const children = [];
    answer.view.collectChildren(0, 0, children);
    const name = source.groupName(
      answer.profile,
      answer.tree.groups,
      answer.view.group(children[0]),
    );
    const stacks = log.stacks.filter((stack) => {
      const names = expected.shapedNames(stack);
      return (view === "callees" ? names[0] : names[names.length - 1]) === name;
    });
    const breakdown = source.breakDown(
      answer,
      answer.view.members(children[0]),
    );
    for (const [i, column] of Object.values(COSTS).entries())
      assert.equal(
        breakdown.costs[i].now,
        expected.sumOf(stacks, (stack) => stack[column]),
      );
    for (const { index, now } of breakdown.threads)
      assert.equal(
        now,
        expected.sumOf(
          stacks.filter((stack) => stack.thread === index),
          (stack) => stack.peak_bytes,
        ),
      );
    const shared = breakdown.kinds.reduce((sum, entry) => sum + entry.now, 0);
    assert.equal(shared, answer.view.now(children[0]));
  }
});

test("table rows: self sums up to the total, total counts a stack trace once", async () => {
  const log = randomLog(81);
  const model = await modelOf(log);
  const answer = answerTo(model);
  const wanted = expected.functionSums(log.stacks, (stack) => stack.peak_bytes);
  const sums = source.sumByFrames(
    answer.profile,
    answer.tree,
    answer.values,
    "function",
  );
  for (let row = 0; row < sums.count; row++) {
    const name = source.groupName(
      answer.profile,
      answer.tree.groups,
      sums.key[row],
    );
    assert.deepEqual(
      { self: sums.self[row], total: sums.total[row] },
      wanted.get(name),
    );
  }
  for (const grouping of ["file", "module"]) {
    const rows = source.sumByFrames(
      answer.profile,
      answer.tree,
      answer.values,
      grouping,
    );
    const self = rows.self
      .subarray(0, rows.count)
      .reduce((sum, value) => sum + value, 0);
    assert.equal(self, answer.values.now.total[0]);
  }
  const stacks = source.sumByStack(answer.tree, answer.values);
  const all = stacks.self
    .subarray(0, stacks.count)
    .reduce((sum, value) => sum + value, 0);
  assert.equal(all, answer.values.now.total[0]);
});

test("a page of the table: sorted, limited, and what is left out is summed", async () => {
  const sums = {
    count: 5,
    key: Int32Array.of(0, 1, 2, 3, 4),
    self: Float64Array.of(5, 1, 9, 7, 2),
    total: Float64Array.of(5, 30, 9, 7, 2),
    baseSelf: new Float64Array(5),
    baseTotal: new Float64Array(5),
  };
  const names = ["e", "d", "c", "b", "a"];
  const page = (column, descending, limit, minimum = 0, wanted = null) =>
    source.pageOf(
      sums,
      column,
      descending,
      limit,
      minimum,
      wanted,
      (key) => names[key],
    );
  assert.deepEqual(page("self", true, 3).order, [2, 3, 0]);
  assert.deepEqual(page("self", true, 3).hiddenSelf, 3);
  assert.deepEqual(page("total", true, 2).order, [1, 2]);
  assert.deepEqual(page("self", false, 2).order, [1, 4]);
  assert.deepEqual(page("name", false, 9).order, [4, 3, 2, 1, 0]);
  const minimum = page("self", true, 9, 6);
  assert.deepEqual(minimum.order, [2, 3, 1]);
  assert.deepEqual([minimum.hiddenCount, minimum.hiddenSelf], [2, 7]);
  assert.deepEqual(
    page("self", true, 9, 0, (key) => key % 2 === 0).order,
    [2, 0, 4],
  );
});

test("the first in order are those of a full sort", () => {
  const random = randomNumbers(7);
  const values = Array.from({ length: 500 }, () => Math.floor(random() * 100));
  const compare = (a, b) => values[b] - values[a] || a - b;
  const all = values.map((_, i) => i).sort(compare);
  for (const limit of [0, 1, 17, 499, 500, 1000])
    assert.deepEqual(
      source.firstInOrder(500, limit, compare),
      all.slice(0, limit),
    );
});

test("layout: widths are shares, small frames are one with their exact sum", async () => {
  for (let seed = 91; seed < 95; seed++) {
    const model = await modelOf(randomLog(seed));
    for (const view of ["callees", "callers"]) {
      const answer = answerTo(model, { view });
      const width = 60;
      const layout = source.layOut(answer.view, 0, width, 0);
      const scale = width / answer.view.weight(0);
      const covered = new Map();
      for (let i = 0; i < layout.count; i++) {
        const rest = layout.rests.get(i);
        const node = layout.node[i];
        const weight = rest ? rest.weight : answer.view.weight(node);
        assert.ok(Math.abs(layout.width[i] - weight * scale) < 1e-9);
        assert.equal(
          layout.at(layout.x[i] + layout.width[i] / 2, layout.rowOf(i)),
          i,
        );
        const owner = rest ? node : answer.view.parent(node);
        if (i > 0) covered.set(owner, (covered.get(owner) ?? 0) + weight);
        if (!rest) assert.ok(layout.width[i] >= 1 || node === 0);
      }
      for (const [owner, sum] of covered)
        assert.equal(sum, answer.view.now(owner) - answer.view.selfNow(owner));
    }
  }
});
