import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "./server.ts";
import { destroyLines, type Address } from "./wire-line.ts";

/** `earwitness serve` in a process of its own, in an empty folder that is its home and its place for temporary files. */
export interface ServerProcess extends Address {
  readonly http: string;
  readonly pid: number;
  /** Everything it has written: standard output, standard error, and each file in its folder. */
  written(): readonly { readonly where: string; readonly bytes: Buffer }[];
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Kills it if it runs, and removes its folder. */
  destroy(): Promise<void>;
}

const main = JSON.stringify(join(packageRoot, "src/cli/main.ts"));
const program = `const { main } = await import(${main}); await main(["node", "earwitness", "serve"]);`;

/** Starts it on free ports from its sources; rejects with what it said when it ends before it listens. */
export async function startProcess(variables: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "earwitness-process-"));
  const given = { PORT: "0", GRPC_PORT: "0", PROVIDERS: "cpu", WORKERS: "1", ...variables };
  const child = spawn(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", program],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...{ PATH: process.env["PATH"], HOME: folder, TMPDIR: folder, XDG_DATA_HOME: folder },
        ...Object.fromEntries(Object.entries(given).map(([name, value]) => [`EARWITNESS_${name}`, value])),
      },
    },
  );
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const text = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString();
  await Promise.race([heard(child, () => text(out).includes("Try it:")), exited]);
  const [, ws = "", grpc = ""] = /WebSocket +(\S+)\/v1\/stream\s+gRPC +(\S+)/.exec(text(out)) ?? [];
  if (ws === "") throw new Error(`the server did not start: ${text(out)}${text(err)}`);
  return {
    ...{ ws, grpc, http: ws.replace("ws", "http"), pid: child.pid ?? 0, exited },
    stderr: () => text(err),
    written: () => [
      { where: "stdout", bytes: Buffer.concat(out) },
      { where: "stderr", bytes: Buffer.concat(err) },
      ...filesIn(folder),
    ],
    kill: (signal) => void child.kill(signal),
    async destroy() {
      destroyLines();
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function heard(child: ChildProcess, enough: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    child.stdout?.on("data", () => {
      if (enough()) resolve();
    });
  });
}

function filesIn(folder: string): { readonly where: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .map((where) => ({ where, bytes: readFileSync(where) }));
}
