/* SPDX-License-Identifier: LGPL-2.1-or-later */
import { FunctionPanel } from "./function_panel.tsx";
import { Icon } from "./icons.tsx";
import type { Page } from "./page.ts";
import { SummaryPanel } from "./summary_panel.tsx";

export function SidePanel({ page }: { page: Page }) {
  const { panel } = page.answer.state;
  if (panel === "closed") return null;
  return (
    <aside class="panel" aria-label="Details">
      <div class="panel-tabs" role="group" aria-label="Panel">
        <PanelTab page={page} id="function" label="Function" />
        <PanelTab page={page} id="summary" label="Summary" />
        <button
          class="icon-button panel-close"
          aria-label="Close panel"
          title="Close panel"
          onClick={() => page.store.adjust({ panel: "closed" })}
        >
          <Icon name="close" />
        </button>
      </div>
      {panel === "function" ? <FunctionPanel page={page} /> : <SummaryPanel page={page} />}
    </aside>
  );
}

interface PanelTabProps {
  page: Page;
  id: "function" | "summary";
  label: string;
}

function PanelTab({ page, id, label }: PanelTabProps) {
  return (
    <button
      class="panel-tab"
      data-panel={id}
      aria-pressed={page.answer.state.panel === id}
      onClick={() => page.store.adjust({ panel: id })}
    >
      {label}
    </button>
  );
}
