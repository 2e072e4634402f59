/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Imports modules of the page's source into node. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(
  new URL("../../../reporters/web/package.json", import.meta.url),
);
const { build } = require("esbuild");
const source = fileURLToPath(
  new URL("../../../reporters/web/src/", import.meta.url),
);

/* All that the named modules export, as one object. */
export async function loadSource(...modules) {
  const result = await build({
    stdin: {
      contents: modules
        .map((module) => `export * from "./${module}.ts";`)
        .join("\n"),
      resolveDir: source,
      loader: "ts",
    },
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
  });
  const text = Buffer.from(result.outputFiles[0].text).toString("base64");
  return import(`data:text/javascript;base64,${text}`);
}
