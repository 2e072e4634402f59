/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the page as one HTML file without data:
 *
 *     node build.mjs OUTPUT.html [DEPFILE]
 *
 * The line <!--memtrace-data--> is where reporters/flamegraph.c puts the data. The policy in the
 * page's head allows the scripts of this file, by their hashes, and no connection to anywhere.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export const PLACEHOLDER = "<!--memtrace-data-->";

const here = fileURLToPath(new URL(".", import.meta.url));

async function bundle(entry) {
  const result = await build({
    entryPoints: [join(here, entry)],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "iife",
    target: ["chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    charset: "utf8",
    legalComments: "inline",
  });
  const inputs = Object.keys(result.metafile.inputs).map((input) => join(here, input));
  /* A closing tag in a string would end the element that the script is in. */
  const text = result.outputFiles[0].text.trim().replace(/<\/(script|style)/gi, "<\\/$1");
  return { text, inputs };
}

function hashOf(script) {
  return `'sha256-${createHash("sha256").update(script).digest("base64")}'`;
}

/* The licences of what is bundled ask to be part of every copy. */
function licences() {
  const { dependencies } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  const texts = Object.entries(dependencies).map(([name, version]) => {
    const text = readFileSync(join(here, "node_modules", name, "LICENSE"), "utf8").trim();
    return `This page contains ${name} ${version}:\n\n${text}\n`;
  });
  return texts.join("\n").replace(/--/g, "- -");
}

export async function buildPage() {
  const template = join(here, "page.html");
  const style = await bundle("style.css");
  const early = await bundle("src/early.ts");
  const main = await bundle("src/main.tsx");
  const parts = {
    style: style.text,
    early: early.text,
    main: main.text,
    licences: licences(),
    policy:
      `default-src 'none'; img-src data:; style-src 'unsafe-inline'; ` +
      `script-src ${hashOf(early.text)} ${hashOf(main.text)}`,
  };
  const html = readFileSync(template, "utf8").replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
  if (html.split(PLACEHOLDER).length !== 2)
    throw new Error(`the page must have ${PLACEHOLDER} once`);
  return { html, inputs: [template, ...style.inputs, ...early.inputs, ...main.inputs] };
}

async function main([output, depfile]) {
  if (!output) {
    console.error("usage: node build.mjs OUTPUT.html [DEPFILE]");
    process.exit(2);
  }
  const { html, inputs } = await buildPage();
  writeFileSync(output, html);
  const escape = (path) => path.replace(/([ #])/g, "\\$1");
  if (depfile) writeFileSync(depfile, `${escape(output)}: ${inputs.map(escape).join(" ")}\n`);
}

if (relative(process.argv[1] ?? "", fileURLToPath(import.meta.url)) === "")
  await main(process.argv.slice(2));
