/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long things took, in milliseconds, for tests/web/bench.mjs: window.memtraceTimings. */

export interface Timings {
  steps: Record<string, number>; /* of loading, each from the one before */
  firstPictureMs: number; /* since the navigation began */
  answers: { what: string; workMs: number; paintedMs: number }[];
}

const ANSWER_LIMIT = 1000;

export const timings: Timings = { steps: {}, firstPictureMs: 0, answers: [] };

let lastStep = performance.now();

export function stepDone(name: string) {
  const now = performance.now();
  timings.steps[name] = now - lastStep;
  lastStep = now;
}

/* Call with the time of the user's action once the answer is drawn; adds when it is painted. */
export function answered(what: string, startMs: number) {
  const answer = { what, workMs: performance.now() - startMs, paintedMs: 0 };
  timings.answers.push(answer);
  if (timings.answers.length > ANSWER_LIMIT) timings.answers.shift();
  afterPaint(() => (answer.paintedMs = performance.now() - startMs));
}

export function afterPaint(action: () => void) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = action;
    channel.port2.postMessage(0);
  });
}
