// Builds what the tests need and runs them: all of them, or those whose path contains an argument.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuilt } from "./build.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = ["src", "test", "clients"];
const atOnce = 2;

const wanted = process.argv.slice(2);
const files = folders
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith(".test.ts") && !file.includes("node_modules"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();

if (files.length === 0) {
  process.stderr.write(`no test file's path contains ${wanted.join(" or ")}\n`);
  process.exit(1);
}
if (!(await ensureBuilt())) process.exit(1);
const options = ["--import", "tsx", "--test", "--test-reporter=spec", `--test-concurrency=${atOnce}`];
spawn(process.execPath, [...options, ...files], { cwd: root, stdio: "inherit" }).on("close", (status) => {
  process.exitCode = status ?? 1;
});
