/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page's parts, top to bottom. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { CostId } from "./costs.ts";
import { Flamegraph } from "./flamegraph.ts";
import { Header } from "./header.tsx";
import { Notices } from "./notices.tsx";
import type { Page } from "./page.ts";
import { PathBar } from "./path_bar.tsx";
import { SidePanel } from "./side_panel.tsx";
import { TableView } from "./table_view.tsx";
import { Timeline } from "./timeline.tsx";
import { Toolbar } from "./toolbar.tsx";
import { Tooltip } from "./tooltip.tsx";

export function App({ page }: { page: Page }) {
  const { state, profile } = page.answer;
  return (
    <>
      <Header page={page} />
      <Notices page={page} />
      <Toolbar page={page} />
      {(profile.timeline || profile.rss) && <Timeline page={page} />}
      <PathBar page={page} />
      <main class="main">
        {state.view === "table" ? <TableView page={page} /> : <FlamegraphBox page={page} />}
        <SidePanel page={page} />
      </main>
    </>
  );
}

function FlamegraphBox({ page }: { page: Page }) {
  const { answer, actions, flamegraph, theme } = page;
  const root = useRef<HTMLDivElement>(null);
  const shown = useRef(actions);
  shown.current = actions;

  useLayoutEffect(() => {
    const tooltip = sharedTooltip();
    flamegraph.current = new Flamegraph(root.current!, {
      chosen: (node, isRest) => shown.current.chooseFrame(node, isRest),
      pointed: (picture, index, x, y) => tooltip.show(picture, index, x, y),
      left: () => tooltip.hide(),
    });
    return () => {
      tooltip.hide();
      flamegraph.current = null;
    };
  }, []);
  const spoken = useRef<HTMLParagraphElement>(null);
  useLayoutEffect(() => {
    flamegraph.current!.show(answer, theme);
    spoken.current!.textContent = selectionText(page);
  }, [answer, theme]);
  useEffect(() => flamegraph.current!.revealSelection(), [answer.frame]);

  const empty = answer.values.weight.total[0] === 0;
  return (
    <div class="flame-area">
      <div
        id="flamegraph"
        class="flame-scroller"
        ref={root}
        tabIndex={0}
        role="application"
        aria-label={`Flamegraph; arrow keys move, Enter zooms, the Table view has all figures`}
        aria-describedby="selection-text"
      />
      {empty && <p class="empty flame-empty">{emptyText(page)}</p>}
      <p id="selection-text" ref={spoken} class="visually-hidden" aria-live="polite" />
    </div>
  );
}

/* Why there is nothing to draw. */
function emptyText({ answer }: Page): string {
  const { question, state, profile } = answer;
  if (Object.values(question.filter).some((chosen) => chosen >= 0))
    return "Nothing to show: no memory passes the filters.";
  if (profile.totals.allocations === 0) return "Nothing to show: no allocation was recorded.";
  if (question.time) return "Nothing to show: no block of this time lived to its end.";
  return EMPTY_TEXTS[state.cost];
}

const EMPTY_TEXTS: Record<CostId, string> = {
  peak: "Nothing to show: no block was live at the peak.",
  leaked: "Nothing leaked: every block was freed.",
  allocated: "Nothing to show: only blocks without a byte were allocated.",
  allocations: "Nothing to show: no allocation was recorded.",
  temporary: "Nothing to show: no allocation was temporary.",
};

function selectionText(page: Page): string {
  const { answer, flamegraph } = page;
  const picture = flamegraph.current?.picture;
  if (answer.frame <= 0 || !picture) return "";
  const index = picture.layout.find(answer.frame);
  return index < 0 ? "" : `${picture.describe(index)}, level ${answer.view.depth(answer.frame)}`;
}

let tooltip: Tooltip | null = null;

function sharedTooltip(): Tooltip {
  tooltip ??= new Tooltip();
  return tooltip;
}
