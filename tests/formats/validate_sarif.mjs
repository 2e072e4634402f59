// SPDX-License-Identifier: LGPL-2.1-or-later
// validate_sarif FILE: whether FILE is a SARIF 2.1.0 log, by the schema. Prints what is wrong with it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const Ajv = require("ajv");
const schema = require("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");

const ajv = new Ajv({ allErrors: true, schemaId: "auto" });
ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
const validate = ajv.compile(schema);
const log = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (!validate(log)) {
  for (const error of validate.errors) console.error(error.dataPath, error.message);
  process.exit(1);
}
