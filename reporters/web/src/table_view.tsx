/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same figures as a table, for sorting, reading closely and for screen readers. */
import { useMemo } from "preact/hooks";
import { escapeExpression } from "./actions.ts";
import { changeColor } from "./colors.ts";
import {
  formatChange,
  formatCount,
  formatExact,
  formatExactChange,
  formatPercent,
  formatValue,
} from "./format.ts";
import { baseName, groupLocation } from "./groups.ts";
import type { Answer } from "./model.ts";
import type { Page } from "./page.ts";
import type { Patch } from "./store.ts";
import {
  GROUPINGS,
  effectiveGrouping,
  keyName,
  labelOf,
  sortName,
  sumsOf,
  wantedKeys,
} from "./table_keys.ts";
import { pageOf, type TableColumn, type TableGrouping, type TableSums } from "./table_rows.ts";

export function TableView({ page }: { page: Page }) {
  const { answer, tableLimit } = page;
  const { state, question, search } = answer;
  const grouping = effectiveGrouping(answer);
  const sort = question.comparing ? state.sort : withoutChange(state.sort);
  const sums = useMemo(
    () => sumsOf(answer, grouping),
    [answer.tree, answer.values, grouping, answer.passes, answer.rowValues],
  );
  const rows = useMemo(
    () =>
      pageOf(
        sums,
        sort,
        !state.ascending,
        tableLimit,
        answer.minimumWeight,
        wantedKeys(answer, grouping),
        (key) => sortName(answer, grouping, key),
      ),
    [sums, sort, state.ascending, tableLimit, answer.minimumWeight, search],
  );
  return (
    <div class="table-view" id="table-view" tabIndex={-1}>
      <div class="table-head">
        <div class="segments" role="group" aria-label="Rows by">
          {GROUPINGS.map(({ id, label, ofRows }) => (
            <button
              key={id}
              data-grouping={id}
              aria-pressed={grouping === id}
              disabled={ofRows && question.comparing}
              onClick={() => page.store.go({ grouping: id })}
            >
              {label}
            </button>
          ))}
        </div>
        <span class="table-count" id="table-count">
          {formatCount(rows.order.length + rows.hiddenCount)} rows
          {search ? " match the search" : ""}
        </span>
      </div>
      <table class="costs-table">
        <caption class="visually-hidden">{captionOf(answer, grouping)}</caption>
        <thead>
          <tr>
            <SortHeader page={page} column="name" sort={sort} label={labelOf(grouping)} />
            <SortHeader page={page} column="self" sort={sort} label="Self" />
            <th class="number" scope="col">
              {question.comparing ? "Base" : "%"}
            </th>
            {question.comparing && (
              <SortHeader page={page} column="selfChange" sort={sort} label="Change" />
            )}
            <SortHeader page={page} column="total" sort={sort} label="Total" />
            <th class="number" scope="col">
              {question.comparing ? "Base" : "%"}
            </th>
            {question.comparing && (
              <SortHeader page={page} column="totalChange" sort={sort} label="Change" />
            )}
          </tr>
        </thead>
        <tbody>
          {rows.order.map((row) => (
            <TableRow key={sums.key[row]} page={page} grouping={grouping} sums={sums} row={row} />
          ))}
        </tbody>
        {rows.hiddenCount > 0 && (
          <tfoot>
            <tr id="table-more">
              <td>
                {formatCount(rows.hiddenCount)} more{" "}
                {page.showMoreRows && (
                  <button class="link" onClick={page.showMoreRows}>
                    Show more
                  </button>
                )}
              </td>
              <td class="number" title={formatExact(rows.hiddenSelf, question.unit)}>
                {formatValue(rows.hiddenSelf, question.unit)}
              </td>
              <td class="number">
                {question.comparing
                  ? formatValue(rows.hiddenBaseSelf, question.unit)
                  : formatPercent(rows.hiddenSelf, answer.values.now.total[0])}
              </td>
              <td colSpan={question.comparing ? 4 : 2} />
            </tr>
          </tfoot>
        )}
      </table>
      {rows.order.length === 0 && <p class="empty">No rows: nothing passes the filters.</p>}
    </div>
  );
}

function withoutChange(sort: TableColumn): TableColumn {
  return sort === "selfChange" ? "self" : sort === "totalChange" ? "total" : sort;
}

function captionOf(answer: Answer, grouping: TableGrouping): string {
  const { question } = answer;
  const what = question.time ? "Live memory" : question.cost.label;
  return `${what} by ${labelOf(grouping).toLowerCase()}`;
}

interface SortHeaderProps {
  page: Page;
  column: TableColumn;
  sort: TableColumn;
  label: string;
}

function SortHeader({ page, column, sort, label }: SortHeaderProps) {
  const { ascending } = page.answer.state;
  const sorted = sort === column;
  const order = !sorted ? "none" : ascending ? "ascending" : "descending";
  return (
    <th scope="col" class={column === "name" ? "" : "number"} aria-sort={order}>
      <button
        class="sort"
        data-sort={column}
        onClick={() =>
          page.store.adjust(
            { sort: column, ascending: sorted ? !ascending : column === "name" },
            "sort",
          )
        }
      >
        {label}
        <span aria-hidden="true">{sorted ? (ascending ? " ▲" : " ▼") : ""}</span>
      </button>
    </th>
  );
}

interface TableRowProps {
  page: Page;
  grouping: TableGrouping;
  sums: TableSums;
  row: number;
}

function TableRow({ page, grouping, sums, row }: TableRowProps) {
  const { answer } = page;
  const key = sums.key[row];
  const name = keyName(answer, grouping, key);
  const detail = grouping === "function" ? detailOf(answer, key) : "";
  const selected =
    (grouping === "function" && key === answer.group) ||
    (grouping === "stack" && key === answer.frame);
  return (
    <tr aria-current={selected ? "true" : undefined} class={selected ? "row-selected" : ""}>
      <td class="name">
        <button class="link" title={name} onClick={() => choose(page, grouping, key)}>
          {grouping === "file" || grouping === "module" ? shortPath(name) : name}
        </button>
        {detail && <small title={detail}>{detail}</small>}
      </td>
      <Figures page={page} now={sums.self[row]} base={sums.baseSelf[row]} />
      <Figures page={page} now={sums.total[row]} base={sums.baseTotal[row]} />
    </tr>
  );
}

function detailOf(answer: Answer, group: number): string {
  const { profile, tree } = answer;
  const location = groupLocation(profile, tree.groups, group);
  return location || baseName(profile.strings[tree.groups.module[group]]);
}

function shortPath(path: string): string {
  const parts = path.split("/");
  return parts.length > 4 ? `…/${parts.slice(-3).join("/")}` : path;
}

function Figures({ page, now, base }: { page: Page; now: number; base: number }) {
  const { question, values } = page.answer;
  const { unit, comparing } = question;
  const share = values.now.total[0] > 0 ? now / values.now.total[0] : 0;
  return (
    <>
      <td class="number" title={formatExact(now, unit)}>
        {formatValue(now, unit)}
      </td>
      {comparing ? (
        <>
          <td class="number" title={formatExact(base, unit)}>
            {formatValue(base, unit)}
          </td>
          <td
            class="number change"
            title={formatExactChange(now - base, unit)}
            style={{ background: changeColor(now, base, page.theme) }}
          >
            {formatChange(now - base, unit)}
          </td>
        </>
      ) : (
        <td class="number percent">
          <span class="share" style={{ width: `${Math.min(100, share * 100)}%` }} />
          {formatPercent(now, values.now.total[0])}
        </td>
      )}
    </>
  );
}

function choose(page: Page, grouping: TableGrouping, key: number) {
  const { answer, actions, store } = page;
  const text = answer.profile.strings[key];
  const patches: Partial<Record<TableGrouping, Patch>> = {
    stack: {
      frame: answer.view.reference(key),
      rest: false,
      function: -1,
      panel: "function",
    },
    file: { search: `file:^${escapeExpression(text ?? "")}$`, grouping: "function" },
    module: { search: `module:^${escapeExpression(text ?? "")}$`, grouping: "function" },
    thread: { thread: key, grouping: "function" },
    kind: { kind: key, grouping: "function" },
  };
  if (grouping === "function") actions.chooseFunction(key);
  else store.go(patches[grouping]!, "table");
}
