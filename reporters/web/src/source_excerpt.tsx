/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines of a function that cost most, with the source around them where the page has it. */
import { formatExact, formatValue } from "./format.ts";
import type { Page } from "./page.ts";
import type { Profile } from "./profile.ts";
import type { LineValue } from "./sandwich.ts";

const LINES_AROUND = 3;
const EXCERPT_LIMIT = 3;

interface Excerpt {
  firstLine: number;
  lines: string[];
}

/* What the page has of the lines around `line`, or null. */
function findExcerpt(profile: Profile, file: number, line: number): Excerpt | null {
  for (const source of profile.sources) {
    if (source.file !== file || line < source.firstLine) continue;
    const lines = source.text.replace(/\n$/, "").split("\n");
    const index = line - source.firstLine;
    if (index >= lines.length) continue;
    const start = Math.max(0, index - LINES_AROUND);
    return {
      firstLine: source.firstLine + start,
      lines: lines.slice(start, index + LINES_AROUND + 1),
    };
  }
  return null;
}

interface SourceLinesProps {
  page: Page;
  file: number;
  lines: LineValue[];
}

export function SourceLines({ page, file, lines }: SourceLinesProps) {
  const { profile, question } = page.answer;
  const known = lines.filter((entry) => entry.line > 0);
  if (file === 0 || known.length === 0) return null;
  return (
    <section id="source">
      <h3>Lines of {profile.strings[file]}</h3>
      {known.slice(0, EXCERPT_LIMIT).map(({ line, now }) => {
        const excerpt = findExcerpt(profile, file, line);
        return (
          <div class="source" key={line}>
            <p class="source-head">
              <span>line {line}</span>
              <b title={formatExact(now, question.unit)}>{formatValue(now, question.unit)}</b>
            </p>
            {excerpt && <ExcerptText excerpt={excerpt} line={line} />}
          </div>
        );
      })}
      {known.length > EXCERPT_LIMIT && (
        <p class="empty">
          {known.length - EXCERPT_LIMIT} more:{" "}
          {known
            .slice(EXCERPT_LIMIT, EXCERPT_LIMIT + 8)
            .map(({ line, now }) => `${line} (${formatValue(now, question.unit)})`)
            .join(", ")}
          {known.length > EXCERPT_LIMIT + 8 ? ", …" : ""}
        </p>
      )}
    </section>
  );
}

function ExcerptText({ excerpt, line }: { excerpt: Excerpt; line: number }) {
  return (
    <pre class="excerpt" tabIndex={0}>
      {excerpt.lines.map((text, i) => {
        const number = excerpt.firstLine + i;
        return (
          <span class={number === line ? "source-line source-hit" : "source-line"} key={number}>
            <i>{number}</i>
            <code>{text || " "}</code>
          </span>
        );
      })}
    </pre>
  );
}
