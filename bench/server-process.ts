/** A real server in a process of its own, and what it costs. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const root = join(import.meta.dirname, "..");
/** Linux counts CPU time in these. */
const ticksPerSecond = 100;

export interface ServerProcess {
  readonly wsUrl: string;
  readonly httpUrl: string;
  readonly grpcAddress: string;
  /** CPU seconds so far: of the server's own process, and of its inference children. NaN where /proc is not. */
  cpuSeconds(): { readonly server: number; readonly workers: number };
  residentMiB(): number;
  /** A sample of `/metrics`, by its whole name with labels. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startServer(
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const [port, grpcPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [join(root, "bin/earwitness.js"), "serve"], {
    env: {
      ...process.env,
      EARWITNESS_PORT: String(port),
      EARWITNESS_GRPC_PORT: String(grpcPort),
      EARWITNESS_LOG_LEVEL: "error",
      ...environment,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const httpUrl = `http://127.0.0.1:${port}`;
  await untilReady(child, httpUrl);
  const pid = child.pid ?? 0;
  return {
    wsUrl: `ws://127.0.0.1:${port}`,
    httpUrl,
    grpcAddress: `127.0.0.1:${grpcPort}`,
    cpuSeconds: () => ({
      server: cpuSecondsOf(pid),
      workers: childrenOf(pid).reduce((sum, worker) => sum + cpuSecondsOf(worker), 0),
    }),
    residentMiB: () => residentMiBOf(pid),
    metric: (name) => readMetric(httpUrl, name),
    stop: () => stop(child),
  };
}

async function untilReady(child: ChildProcess, httpUrl: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`the server ended with status ${child.exitCode}`);
    const ready = await fetch(`${httpUrl}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) return;
    await delay(200);
  }
  child.kill();
  throw new Error("the server was not ready within a minute");
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const tooLate = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(tooLate);
}

async function readMetric(httpUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  const line = text.split("\n").find((row) => row.startsWith(`${name} `));
  return line === undefined ? NaN : Number(line.slice(name.length + 1));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}

/** proc(5): fields 14 and 15 of stat, after the command's closing parenthesis. */
function cpuSecondsOf(pid: number): number {
  const fields = readOr(`/proc/${pid}/stat`, "").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function residentMiBOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readOr(`/proc/${pid}/status`, ""))?.[1]) / 1024;
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readOr(`/proc/${pid}/task/${task}/children`, "")
        .split(" ")
        .filter((word) => word !== "")
        .map(Number),
    );
  } catch {
    return [];
  }
}
