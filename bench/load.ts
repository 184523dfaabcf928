/** Live streams against a real server: latency, shedding, event-loop delay, and what each stream costs. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { startServer } from "./server-process.ts";

export interface LoadPlan {
  readonly streams: number;
  readonly hopMs: number;
  readonly seconds: number;
}

export interface LoadFigures extends LoadPlan {
  readonly windows: number;
  readonly shed: number;
  readonly faults: readonly string[];
  /** Arrival of the byte that completes a window → its event handed to the socket. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** The client's own view: packet sent → score received. */
  readonly roundTripMs: { readonly p50: number; readonly p99: number };
  readonly eventLoopDelayP99Ms: number;
  readonly serverCores: number;
  readonly workerCores: number;
  readonly clientCores: number;
  readonly residentMiB: number;
}

interface Seen {
  readonly scores: number;
  readonly shed: number;
  readonly faults: readonly string[];
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly roundTripMs: { readonly p50: number; readonly p99: number };
  readonly clientCores: number;
}

const warmUpS = 10;
const delayMetric = 'earwitness_event_loop_delay_seconds{quantile="0.99"}';

/** Starts a server, plays the calls from another process, and reads both sides' figures over the measured time. */
export async function measureLoad(plan: LoadPlan): Promise<LoadFigures> {
  const server = await startServer();
  try {
    const client = spawn(
      process.execPath,
      [
        "--import",
        "tsx",
        join(import.meta.dirname, "load-client.ts"),
        JSON.stringify({ url: server.wsUrl, warmUpS, ...plan }),
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const lines = linesOf(client.stdout);
    await lines.next();
    const before = server.cpuSeconds();
    await server.metric(delayMetric); // starts its count anew
    const { value } = await lines.next();
    const after = server.cpuSeconds();
    const eventLoopDelayP99Ms = 1000 * (await server.metric(delayMetric));
    const seen = JSON.parse(value ?? "{}") as Seen;
    return {
      ...plan,
      ...seen,
      windows: seen.scores,
      eventLoopDelayP99Ms,
      serverCores: (after.server - before.server) / plan.seconds,
      workerCores: (after.workers - before.workers) / plan.seconds,
      residentMiB: server.residentMiB(),
    };
  } finally {
    await server.stop();
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const chunk of stream) {
    rest += chunk.toString();
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
  return undefined;
}
