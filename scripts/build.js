// Builds dist/ when a source is newer than it. Run as `npm run build`, or by the launcher through `ensureBuilt`.
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const stamp = join(dist, ".built");
const lock = join(dist, ".building");
const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
const sourceFolders = ["src", join("clients", "node")];
const settings = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];
const pollMs = 100;

/** Builds if need be, one process at a time; says so on stderr. Resolves to whether dist/ can be used. */
export async function ensureBuilt() {
  if (!isStale()) return true;
  if (!existsSync(compiler)) return withoutCompiler();
  mkdirSync(dist, { recursive: true });
  await takeLock();
  try {
    return isStale() ? await build() : true;
  } finally {
    rmSync(lock, { force: true });
  }
}

function withoutCompiler() {
  if (existsSync(stamp)) return true;
  process.stderr.write("earwitness: not built, and the compiler is missing: run `npm ci` first\n");
  return false;
}

async function build() {
  const started = new Date();
  process.stderr.write("earwitness: building ...");
  const { status, output } = await run(process.execPath, [compiler, "-b", "tsconfig.build.json"]);
  if (status !== 0) {
    process.stderr.write(` failed\n${output}`);
    return false;
  }
  removeOrphans();
  writeFileSync(stamp, "");
  // A source that changed while it was being compiled is newer than this.
  utimesSync(stamp, started, started);
  process.stderr.write(` done in ${((Date.now() - started.getTime()) / 1000).toFixed(1)} s\n`);
  return true;
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, output }));
  });
}

function isStale() {
  const built = modified(stamp);
  if (built === 0 || !existsSync(join(dist, "src", "cli", "main.js"))) return true;
  if (settings.some((file) => modified(join(root, file)) > built)) return true;
  return sourceFolders.some((folder) => sourcesIn(join(root, folder)).some((file) => modified(file) > built));
}

/** Folders too: a deleted file shows in nothing else. */
function sourcesIn(folder) {
  const found = [folder];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...sourcesIn(path));
    else if (/\.(ts|json)$/.test(entry.name) && !entry.name.endsWith(".test.ts")) found.push(path);
  }
  return found;
}

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The compiler leaves the outputs of deleted sources behind, and they would be packed. */
function removeOrphans() {
  for (const folder of sourceFolders) {
    const from = join(dist, folder);
    if (!existsSync(from)) continue;
    for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
      const output = join(entry.parentPath ?? entry.path, entry.name);
      const source = join(root, relative(dist, output)).replace(/(\.d\.ts|\.js)(\.map)?$/, ".ts");
      if (entry.isFile() && source.endsWith(".ts") && !existsSync(source)) rmSync(output);
    }
  }
}

async function takeLock() {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isAbandoned()) rmSync(lock, { force: true });
    else await sleep(pollMs);
  }
}

function isAbandoned() {
  try {
    const holder = Number(readFileSync(lock, "utf8"));
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = (await ensureBuilt()) ? 0 : 1;
}
