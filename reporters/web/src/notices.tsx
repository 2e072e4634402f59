/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines under the header about what the figures are worth. */
import { formatBytes, plural } from "./format.ts";
import type { Page } from "./page.ts";

export function Notices({ page }: { page: Page }) {
  const { meta, base } = page.answer.profile;
  const folded = meta.folded?.nodes ?? 0;
  return (
    <>
      {!meta.complete && (
        <p class="notice notice-warning" role="status">
          <strong>This log is incomplete.</strong> {sentence(meta.incomplete_reason)} Figures cover
          what was recorded.
        </p>
      )}
      {meta.mode !== "exact" && (
        <p class="notice" role="status">
          <strong>Figures are estimates.</strong> {samplingText(page)}
        </p>
      )}
      {base && !base.meta.complete && (
        <p class="notice notice-warning" role="status">
          <strong>The log compared with is incomplete.</strong>{" "}
          {sentence(base.meta.incomplete_reason)} What it lacks looks like growth.
        </p>
      )}
      {base && base.meta.mode !== "exact" && (
        <p class="notice" role="status">
          <strong>The figures compared with are estimates.</strong> That log was sampled, so small
          changes may be chance.
        </p>
      )}
      {folded > 0 && (
        <p class="notice" role="status">
          {plural(folded, "small node")} with {formatBytes(meta.folded.peak_bytes)} of the peak were
          folded away to keep this file small; they are drawn as “(folded away)”.
        </p>
      )}
    </>
  );
}

function sentence(text: string): string {
  if (!text) return "";
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function samplingText(page: Page): string {
  const { meta, errors } = page.answer.profile;
  const interval = meta.sampling_interval_bytes
    ? `one sample every ${formatBytes(meta.sampling_interval_bytes)} on average`
    : "samples of allocations";
  const start = meta.mode === "mixed" ? "A part of the run was recorded as" : "Recorded as";
  const error = errors ? "; ± is one standard error" : "";
  return `${start} ${interval}${error}. A sampled peak tends to be too high.`;
}
