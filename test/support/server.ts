import { fileURLToPath } from "node:url";
import { readConfig } from "../../src/server/config.ts";
import { createLog } from "../../src/server/log.ts";
import { serve, type RunningServer } from "../../src/server/serve.ts";
import { destroyLines } from "./wire-line.ts";

/** The repository: where the shipped pack and the page are. */
export const packageRoot = fileURLToPath(new URL("../..", import.meta.url));

/** The real server in this process, with the shipped detector. */
export interface RealServer {
  readonly server: RunningServer;
  readonly http: string;
  readonly ws: string;
  readonly grpc: string;
  /** What it logged so far, a JSON line each. */
  readonly logged: readonly string[];
  /** A metric's samples, summed over the labels that contain `label`. */
  metric(name: string, label?: string): Promise<number>;
  /** Ends every client's line too. */
  close(): Promise<void>;
}

/** Starts it on free ports, with one worker on the CPU unless `variables` (without their prefix) say otherwise. */
export async function startServer(variables: Readonly<Record<string, string>> = {}): Promise<RealServer> {
  const given = { PORT: "0", GRPC_PORT: "0", PROVIDERS: "cpu", WORKERS: "1", ...variables };
  const config = readConfig(
    Object.fromEntries(Object.entries(given).map(([name, value]) => [`EARWITNESS_${name}`, value])),
  );
  const logged: string[] = [];
  const log = createLog("debug", { write: (line: string) => void logged.push(line) });
  const server = await serve(config, packageRoot, log);
  return {
    server,
    logged,
    http: server.httpUrl,
    ws: server.httpUrl.replace("http", "ws"),
    grpc: server.grpcAddress,
    metric: (name, label) => readMetric(server.httpUrl, name, label),
    close() {
      destroyLines();
      return server.close();
    },
  };
}

/** Reads one metric from `/metrics`; 0 when nothing was counted under that name yet. */
export async function readMetric(url: string, name: string, label = ""): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  let sum = 0;
  for (const line of text.split("\n")) {
    const [, labels = "", value] =
      new RegExp(`^earwitness_${name}(?:\\{([^}]*)\\})? (\\S+)$`).exec(line) ?? [];
    if (value !== undefined && labels.includes(label)) sum += Number(value);
  }
  return sum;
}

/** Looks again at each turn of the event loop until `holds`; rejects after `ms`, by default ten seconds. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
