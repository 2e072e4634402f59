/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions whose own cost changed most between two logs. */
import type { Answer } from "./model.ts";
import { pageOf, sumByFrames } from "./table_rows.ts";

export interface Change {
  group: number;
  now: number;
  base: number;
}

export function largestChanges(answer: Answer, limit: number): Change[] {
  const sums = sumByFrames(answer.profile, answer.tree, answer.values, "function");
  const { order } = pageOf(sums, "selfChange", true, limit, 0, null, String);
  return order
    .map((row) => ({ group: sums.key[row], now: sums.self[row], base: sums.baseSelf[row] }))
    .filter((change) => change.now !== change.base);
}
