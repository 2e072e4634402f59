/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a page without the C side, for tests, the bench and for looking at:
 *
 *     node make_page.mjs OUTPUT.html --nodes=5000 [--seed=1] [--base] [--survivors] [--sampled]
 *                        [--incomplete] [--template=FILE]
 *     node make_page.mjs OUTPUT.html --description=FILE.json
 *
 * Without --template the page is bundled anew. See support/description.mjs for the JSON.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { buildPage } from "../../reporters/web/build.mjs";
import { tablesOf } from "./support/description.mjs";
import { encodeData, insertData } from "./support/page_data.mjs";
import { syntheticTables } from "./support/synthetic.mjs";

let builtTemplate = null;

export async function template() {
  builtTemplate ??= process.env.MEMTRACE_PAGE_TEMPLATE
    ? readFileSync(process.env.MEMTRACE_PAGE_TEMPLATE, "utf8")
    : (await buildPage()).html;
  return builtTemplate;
}

export async function makePage(path, tables) {
  writeFileSync(path, insertData(await template(), encodeData(tables)));
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      nodes: { type: "string", default: "5000" },
      seed: { type: "string", default: "1" },
      base: { type: "boolean", default: false },
      survivors: { type: "boolean", default: false },
      sampled: { type: "boolean", default: false },
      incomplete: { type: "boolean", default: false },
      description: { type: "string" },
      template: { type: "string" },
    },
  });
  if (positionals.length !== 1) {
    console.error(
      "usage: node make_page.mjs OUTPUT.html [--nodes=N | --description=FILE] ...",
    );
    process.exit(2);
  }
  if (values.template) builtTemplate = readFileSync(values.template, "utf8");
  const tables = values.description
    ? tablesOf(JSON.parse(readFileSync(values.description, "utf8")))
    : syntheticTables({
        ...values,
        nodes: Number(values.nodes),
        seed: Number(values.seed),
      });
  await makePage(positionals[0], tables);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
