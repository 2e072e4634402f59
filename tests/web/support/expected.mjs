/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a page of a description must show, computed from the description's stack traces in the
 * plainest way: every trace is looked at, nothing is merged beforehand.
 */
import { parseFrame } from "./description.mjs";

/* Names along a stack, outermost first, as the options shape it. */
export function shapedNames(
  stack,
  { hidden = () => false, fold = false } = {},
) {
  const names = [];
  for (const text of stack.frames) {
    const frame = parseFrame(text);
    if (hidden(frame)) continue;
    const outer = names.indexOf(frame.name);
    if (fold && outer >= 0) names.length = outer + 1;
    else names.push(frame.name);
  }
  return names;
}

/* { path: total } for every node, path as "a;b;c", "" the root; `value` takes a stack trace. */
export function totalsByPath(
  stacks,
  value,
  { inverted = false, ...shape } = {},
) {
  const totals = new Map();
  for (const stack of stacks) {
    const names = shapedNames(stack, shape);
    if (inverted) names.reverse();
    for (let length = 0; length <= names.length; length++) {
      const path = names.slice(0, length).join(";");
      totals.set(path, (totals.get(path) ?? 0) + value(stack));
    }
  }
  for (const [path, total] of totals) if (total === 0) totals.delete(path);
  return totals;
}

/* What stack traces cost that go through a function with a name that passes. */
export function matchedTotal(stacks, value, passes) {
  return stacks
    .filter((stack) => shapedNames(stack).some(passes))
    .reduce((sum, stack) => sum + value(stack), 0);
}

export function sumOf(stacks, value) {
  return stacks.reduce((sum, stack) => sum + value(stack), 0);
}

/* By name: { self, total }, a stack trace counted once for each function. */
export function functionSums(stacks, value) {
  const sums = new Map();
  const entry = (name) => {
    if (!sums.has(name)) sums.set(name, { self: 0, total: 0 });
    return sums.get(name);
  };
  for (const stack of stacks) {
    const names = shapedNames(stack);
    for (const name of new Set(names)) entry(name).total += value(stack);
    entry(names[names.length - 1]).self += value(stack);
  }
  return sums;
}

/* Callers (of the outermost frame) and callees (of the innermost one) of a function. */
export function sandwichOf(stacks, value, name) {
  const callers = new Map();
  const callees = new Map();
  const add = (map, key, amount) => map.set(key, (map.get(key) ?? 0) + amount);
  for (const stack of stacks) {
    const names = shapedNames(stack);
    const first = names.indexOf(name);
    if (first < 0 || value(stack) === 0) continue;
    add(callers, names[first - 1] ?? "(outermost frame)", value(stack));
    add(
      callees,
      names[names.lastIndexOf(name) + 1] ?? "(itself)",
      value(stack),
    );
  }
  return { callers, callees };
}

/* { path: { value, x, width, ... } } from the frames a page says it has drawn. */
export function framesByPath(frames) {
  const byPath = new Map();
  const above = [];
  for (const frame of frames) {
    const parent = above
      .filter((other) => other.row === frame.row - 1)
      .find(
        (other) =>
          other.x <= frame.x + 1e-6 && frame.x < other.x + other.width - 1e-6,
      );
    const path = parent
      ? parent.path
        ? `${parent.path};${frame.name}`
        : frame.name
      : "";
    above.push({ ...frame, path });
    byPath.set(path, frame);
  }
  return byPath;
}
