/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first `limit` of the numbers 0..count-1 in the order of `compare`, without sorting all. */

export function firstInOrder(
  count: number,
  limit: number,
  compare: (a: number, b: number) => number,
): number[] {
  /* A heap whose top is the last of those kept. */
  const kept: number[] = [];
  for (let i = 0; i < count; i++) {
    if (kept.length < limit) {
      kept.push(i);
      siftUp(kept, compare);
    } else if (limit > 0 && compare(i, kept[0]) < 0) {
      kept[0] = i;
      siftDown(kept, compare);
    }
  }
  return kept.sort(compare);
}

function siftUp(heap: number[], compare: (a: number, b: number) => number) {
  let child = heap.length - 1;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (compare(heap[child], heap[parent]) <= 0) return;
    [heap[child], heap[parent]] = [heap[parent], heap[child]];
    child = parent;
  }
}

function siftDown(heap: number[], compare: (a: number, b: number) => number) {
  let parent = 0;
  for (;;) {
    const left = parent * 2 + 1;
    if (left >= heap.length) return;
    const right = left + 1;
    const child = right < heap.length && compare(heap[right], heap[left]) > 0 ? right : left;
    if (compare(heap[child], heap[parent]) <= 0) return;
    [heap[child], heap[parent]] = [heap[parent], heap[child]];
    parent = child;
  }
}
