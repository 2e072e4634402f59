/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers pairs of numbers: find(a, b) gives 0, 1, 2... in the order in which pairs are first
 * seen. Open addressing in typed arrays, since a page has up to half a million of them and a Map
 * of strings would take most of a second.
 */

export class InternTable {
  count = 0;
  private readonly slots: Int32Array;
  private readonly mask: number;
  private readonly firsts: Int32Array;
  private readonly seconds: Int32Array;

  /* At most `capacity` distinct pairs will be asked for. */
  constructor(capacity: number) {
    let slotCount = 16;
    while (slotCount < capacity * 2) slotCount *= 2;
    this.slots = new Int32Array(slotCount).fill(-1);
    this.mask = slotCount - 1;
    this.firsts = new Int32Array(capacity);
    this.seconds = new Int32Array(capacity);
  }

  find(first: number, second: number): number {
    let slot = Math.imul(first, 0x9e3779b1) ^ Math.imul(second + 1, 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & this.mask;
    for (;;) {
      const id = this.slots[slot];
      if (id < 0) break;
      if (this.firsts[id] === first && this.seconds[id] === second) return id;
      slot = (slot + 1) & this.mask;
    }
    this.slots[slot] = this.count;
    this.firsts[this.count] = first;
    this.seconds[this.count] = second;
    return this.count++;
  }
}
