import { readConfig } from "../server/config.ts";
import { serve, type RunningServer } from "../server/serve.ts";
import { packageRoot } from "./package-root.ts";
import { Refusal } from "./refusal.ts";

const stops = ["SIGTERM", "SIGINT"] as const;
/** What a shell reports of a process that a second SIGINT ended. */
const cutShort = 130;

/** Runs the server until it is told to stop and has drained; a second signal ends it at once. */
export async function serveUntilStopped(): Promise<number> {
  const stopped = firstSignal();
  const server = await start();
  console.log(welcome(server));
  console.error(`earwitness: ${await stopped}: no new sessions; running ones are being finished`);
  await server.drain();
  await server.close();
  return 0;
}

async function start(): Promise<RunningServer> {
  const config = readConfig();
  try {
    return await serve(config, packageRoot);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const hint = cause.message.includes("EADDRINUSE")
      ? " (EARWITNESS_PORT and EARWITNESS_GRPC_PORT choose others)"
      : "";
    throw new Refusal(`the server cannot start: ${cause.message}${hint}`, { cause });
  }
}

function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    let heard = false;
    for (const signal of stops) {
      process.on(signal, () => {
        if (heard) process.exit(cutShort);
        heard = true;
        resolve(signal);
      });
    }
  });
}

function welcome({ httpUrl, grpcAddress, model, workerPids }: RunningServer): string {
  const workers = `${workerPids.length} ${workerPids.length === 1 ? "worker" : "workers"}`;
  const calibrated = model.calibrationId === null ? ", not calibrated" : "";
  return [
    "earwitness is listening",
    `  page       ${httpUrl}/`,
    `  WebSocket  ${httpUrl.replace("http", "ws")}/v1/stream`,
    `  gRPC       ${grpcAddress} (earwitness.v1.SpoofDetection)`,
    `  HTTP       ${httpUrl}/v1/detect, /v1/sessions, /v1/models, /healthz, /readyz, /metrics`,
    `  model      ${model.id} ${model.version}${calibrated}, on ${model.provider} with ${workers}`,
    "Try it: npx earwitness stream FILE",
  ].join("\n");
}
