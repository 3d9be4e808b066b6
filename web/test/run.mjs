// Runs the *.test.ts of a folder by Node's own test runner: node test/run.mjs FOLDER [NAME PATTERN]
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SKIPPED = 77; // what ctest takes for "skipped"
const web = dirname(dirname(fileURLToPath(import.meta.url)));
const [folder = "test", pattern] = process.argv.slice(2);

if (!existsSync(join(web, "node_modules/tsx"))) {
  console.log("skipped: web/node_modules is not there (run `npm ci` in web/)");
  process.exit(SKIPPED);
}
const files = readdirSync(join(web, folder)).filter((name) => name.endsWith(".test.ts"));
const filter = pattern === undefined ? [] : [`--test-name-pattern=${pattern}`];
const run = spawnSync(
  process.execPath,
  [
    "--import",
    "tsx",
    "--test",
    "--test-reporter=spec",
    ...filter,
    ...files.sort().map((name) => join(folder, name)),
  ],
  { cwd: web, stdio: "inherit" },
);
process.exit(run.status ?? 1);
