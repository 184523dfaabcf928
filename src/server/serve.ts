import { join } from "node:path";
import { readAudio } from "../codec/read-audio.ts";
import { createDecoder } from "../stream/decode.ts";
import { detectRecording } from "../stream/recording.ts";
import { createSession } from "../stream/session.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { startEngine, type Opened } from "./engine.ts";
import { createGrpcServer, type GrpcServer } from "./grpc/server.ts";
import { SessionHost } from "./host.ts";
import type { ServedModel } from "./host-port.ts";
import { listenHttp, type HttpListener } from "./http/listener.ts";
import { loadPages } from "./http/pages.ts";
import { createRouter } from "./http/router.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { RecordingDesk } from "./recording-desk.ts";
import { createWebSocketDoor } from "./websocket/transport.ts";

/** A server that listens on all its doors. */
export interface RunningServer {
  readonly httpUrl: string;
  /** host:port. */
  readonly grpcAddress: string;
  readonly model: ServedModel;
  /** For tests that kill one. */
  readonly workerPids: readonly number[];
  /** Takes nobody new, warns who is there, and resolves when the last session has had its summary. Idempotent. */
  drain(): Promise<void>;
  /** Ends everything at once; after {@link drain} nothing is left to end. Idempotent. */
  close(): Promise<void>;
}

const grpcGraceMs = 1000;

/** Starts everything, in `packageRoot`'s package. Rejects, with nothing left running, when a part cannot start. */
export async function serve(config: Config, packageRoot: string, log: Log = createLog(config.logLevel)) {
  const opened: Opened = [];
  const close = once(async () => {
    for (const undo of opened.splice(0).reverse()) await undo();
  });
  try {
    return await start(config, packageRoot, log, opened, close);
  } catch (reason) {
    await close();
    throw reason;
  }
}

async function start(
  config: Config,
  packageRoot: string,
  log: Log,
  opened: Opened,
  close: () => Promise<void>,
): Promise<RunningServer> {
  const { limits } = config;
  const pages = await loadPages(join(packageRoot, "clients", "browser"));
  const metrics = createMetrics(limits);
  opened.push(() => metrics.close());
  const { opus, pool, served } = await startEngine(config, packageRoot, log, opened);
  metrics.provider(served.id, served.provider);
  const open = (format: Parameters<typeof createDecoder>[0]) => createDecoder(format, opus);
  const host = new SessionHost({
    ...{ clock: systemClock, limits, log, metrics, createDecoder: open, createSession },
    operator: config.detection,
    models: [{ served, detector: pool }],
    recordings: new RecordingDesk({
      ...{ limits, metrics, createDecoder: open, detectRecording },
      readAudio: (content, maxSeconds) => readAudio(content, { maxSeconds, opus }),
    }),
  });
  const { grpc, http, backlogBytes } = await openDoors(config, host, { log, metrics, pages }, opened);
  opened.push(() => host.close());
  metrics.watch({
    queued: () => pool.stats().queued,
    queueLimit: () => pool.stats().queueLimit,
    workers: () => pool.stats().workers,
    workerRestarts: () => pool.stats().restarts,
    opusStreams: () => opus.streams,
    sessionsLive: () => host.liveByTransport(),
    backlogBytes,
  });
  return {
    httpUrl: http.url,
    grpcAddress: grpc.address,
    model: served,
    get workerPids() {
      return pool.workerPids;
    },
    drain: createDrain(host, grpc, log),
    close,
  };
}

/** Health and readiness turn in the same turn of the event loop, before any session is told. */
function createDrain(host: SessionHost, grpc: GrpcServer, log: Log): () => Promise<void> {
  return once(async () => {
    log.info({}, "draining");
    grpc.setServing(false);
    await host.drain();
    log.info({}, "drained");
  });
}

/** The listeners, and how to close them: in `opened`, in the order of opening. */
async function openDoors(
  config: Config,
  host: SessionHost,
  parts: Pick<Parameters<typeof createRouter>[0], "log" | "metrics" | "pages">,
  opened: Opened,
): Promise<{ grpc: GrpcServer; http: HttpListener; backlogBytes: () => number }> {
  const { allowedOrigins, limits } = config;
  const sockets = createWebSocketDoor({ host, limits, clock: systemClock, allowedOrigins });
  const http = await listenHttp(config, createRouter({ host, limits, ...parts }), sockets);
  opened.push(() => http.close());
  opened.push(() => sockets.close());
  const grpc = await createGrpcServer(host, {
    ...{
      host: config.host,
      port: config.grpcPort,
      maxMessageBytes: limits.messageBytes,
      pingMs: limits.pingMs,
    },
    ...{ maxRecordingBytes: limits.recordingBytes, maxMetadataBytes: limits.metadataBytes },
    onBug: (err) => parts.log.error({ err }, "call failed"),
  });
  opened.push(() => grpc.close(grpcGraceMs));
  return { grpc, http, backlogBytes: () => sockets.backlogBytes() + grpc.backlogBytes() };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}
