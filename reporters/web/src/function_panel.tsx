/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side panel for the selected frame: its figures, the function's callers and callees wherever
 * it is called ("sandwich"), its stack trace, source lines, and who allocated.
 */
import { useMemo, useState } from "preact/hooks";
import { copyText, escapeExpression } from "./actions.ts";
import { breakDown, functionMembers } from "./breakdown.ts";
import { formatCount } from "./format.ts";
import { AllCosts, Figures, Shares } from "./function_figures.tsx";
import { baseName, groupLocation, groupName } from "./groups.ts";
import type { Page } from "./page.ts";
import { FrameFlag } from "./profile.ts";
import { RestPanel } from "./rest_panel.tsx";
import { functionLines, type Neighbour } from "./sandwich.ts";
import { SourceLines } from "./source_excerpt.tsx";
import { ValueList, type ListEntry } from "./value_list.tsx";

const STACK_LENGTH = 200;
const SHOWN_NAME_LENGTH = 180; /* fits into the lines that are shown of a name */

export function FunctionPanel({ page }: { page: Page }) {
  const { answer } = page;
  if (answer.state.rest && answer.frame >= 0) return <RestPanel page={page} />;
  if (answer.group < 0)
    return (
      <div class="panel-body">
        <p class="empty">Click a frame to see its function's callers and callees.</p>
      </div>
    );
  return <SelectedFunction page={page} />;
}

function SelectedFunction({ page }: { page: Page }) {
  const { answer, model, actions } = page;
  const { profile, tree, values, group, frame, view, nodeValues } = answer;
  const sandwich = model.sandwich(answer);
  const breakdown = useMemo(() => {
    const members = frame > 0 ? view.members(frame) : functionMembers(tree, group);
    return breakDown(answer, members);
  }, [tree, values, view, frame, group, answer.passes]);
  const lines = useMemo(
    () => functionLines(profile, tree, nodeValues, group),
    [tree, nodeValues, group],
  );
  const neighbours = (list: Neighbour[]): ListEntry[] =>
    list.map((entry) => ({
      name: entry.group < 0 ? "(outermost frame)" : groupName(profile, tree.groups, entry.group),
      now: entry.now,
      base: entry.base,
      choose: entry.group < 0 ? undefined : () => actions.chooseFunction(entry.group),
    }));
  const callees = neighbours(sandwich.callees);
  if (sandwich.selfNow > 0 || sandwich.selfBase > 0)
    callees.unshift({
      name: "(itself)",
      now: sandwich.selfNow,
      base: sandwich.selfBase,
    });
  return (
    <div class="panel-body" id="function-panel">
      <FunctionHead page={page} />
      <Figures page={page} />
      <FunctionButtons page={page} />
      <section>
        <h3>Called from</h3>
        <ValueList
          page={page}
          id="callers"
          entries={neighbours(sandwich.callers)}
          whole={sandwich.now}
        />
      </section>
      <section>
        <h3>Calls</h3>
        <ValueList page={page} id="callees" entries={callees} whole={sandwich.now} />
      </section>
      <SourceLines page={page} file={tree.groups.file[group]} lines={lines} />
      {frame > 0 && <StackTrace page={page} />}
      <AllCosts page={page} breakdown={breakdown} />
      <Shares page={page} breakdown={breakdown} />
    </div>
  );
}

function FunctionHead({ page }: { page: Page }) {
  const { profile, tree, group } = page.answer;
  const { groups } = tree;
  const location = groupLocation(profile, groups, group);
  const module = profile.strings[groups.module[group]];
  const flags = groups.flags[group];
  const notes = [
    flags & FrameFlag.Inlined ? "inlined" : "",
    flags & FrameFlag.Guessed ? "found without unwind tables: may be wrong" : "",
    flags & FrameFlag.CutOff ? "stands for frames that were cut off" : "",
    flags & FrameFlag.Folded ? "stands for nodes that were folded away" : "",
  ].filter(Boolean);
  return (
    <div class="function-head">
      <FunctionName key={group} name={groupName(profile, groups, group)} />
      <p>
        {location && <code>{location}</code>}
        {module && <span title={module}>{baseName(module)}</span>}
      </p>
      {notes.length > 0 && <p class="notes">{notes.join("; ")}</p>}
    </div>
  );
}

/* C++ names may have thousands of characters: the beginning is shown until it is asked for more. */
function FunctionName({ name }: { name: string }) {
  const [whole, setWhole] = useState(false);
  return (
    <>
      <h2 class={whole ? "whole-name" : ""}>{name}</h2>
      {name.length > SHOWN_NAME_LENGTH && (
        <button class="link" id="whole-name" onClick={() => setWhole(!whole)}>
          {whole ? "Shorter" : `Whole name, ${formatCount(name.length)} characters`}
        </button>
      )}
    </>
  );
}

function FunctionButtons({ page }: { page: Page }) {
  const { answer, store, actions } = page;
  const { profile, tree, group, frame, zoom } = answer;
  const [copied, setCopied] = useState("");
  const module = tree.groups.module[group];
  const name = groupName(profile, tree.groups, group);
  const copy = async () => {
    const done = await copyText(actions.stackText());
    setCopied(done ? "Copied" : "Not allowed");
    setTimeout(() => setCopied(""), 1500);
  };
  return (
    <div class="buttons">
      <button id="copy-stack" onClick={copy}>
        {copied || (frame > 0 ? "Copy stack" : "Copy name")}
      </button>
      {frame > 0 && frame !== zoom && (
        <button onClick={() => actions.zoomTo(frame)}>Zoom to frame</button>
      )}
      <button
        id="find-function"
        title="Mark all frames of this function"
        onClick={() => store.go({ search: `^${escapeExpression(name)}$` }, "search")}
      >
        Find all
      </button>
      <button
        id="hide-module"
        title={`Leave out the frames of ${profile.strings[module]}`}
        onClick={() =>
          store.go(
            {
              hiddenModules: [...new Set([...answer.state.hiddenModules, module])],
              frame: "",
              zoom: "",
              function: -1,
            },
            "shape",
          )
        }
      >
        Hide {baseName(profile.strings[module])}
      </button>
    </div>
  );
}

function StackTrace({ page }: { page: Page }) {
  const { answer, actions } = page;
  const { profile, view, frame, tree } = answer;
  const stack = view.stack(frame).reverse();
  const left = Math.max(0, stack.length - STACK_LENGTH);
  return (
    <section>
      <h3>Stack trace, innermost first</h3>
      <ol class="stack" id="stack">
        {stack.slice(0, STACK_LENGTH).map((node) => {
          const group = view.group(node);
          return (
            <li key={node} aria-current={node === frame ? "true" : undefined}>
              <button
                class="link"
                title={groupLocation(profile, tree.groups, group)}
                onClick={() => actions.pointAtFrame(node)}
              >
                {groupName(profile, tree.groups, group)}
              </button>
            </li>
          );
        })}
      </ol>
      {left > 0 && <p class="empty">{formatCount(left)} more: Copy stack has them all.</p>}
    </section>
  );
}
