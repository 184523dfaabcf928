import { join } from "node:path";
import { createOpusHost, type OpusHost } from "../codec/opus-host.ts";
import { createPool, type Pool, type PoolEvent } from "../models/pool.ts";
import { openPack, type Pack } from "../models/store.ts";
import { inFlight } from "../stream/scoring.ts";
import { toMillis } from "../stream/units.ts";
import type { Config } from "./config.ts";
import { detectionInForce } from "./detection.ts";
import type { ServedModel } from "./host-port.ts";
import type { Log } from "./log.ts";
import { maxRecordings } from "./recording-desk.ts";

/** What turns audio into scores. */
export interface Engine {
  readonly pool: Pool;
  readonly opus: OpusHost;
  readonly served: ServedModel;
}

/** How to undo what was opened so far, in the order of opening. */
export type Opened = (() => Promise<void> | void)[];

/** Room for every window that sessions and recordings ask for at once: a `file` source is held back, never shed. */
export const queueLimit = (sessions: number): number => 2 * inFlight.file * (sessions + maxRecordings);

/** Opens the pack, checks the operator's settings against it, and starts the workers. */
export async function startEngine(
  config: Config,
  packageRoot: string,
  log: Log,
  opened: Opened,
): Promise<Engine> {
  const pack = await openPack(config.model, [join(packageRoot, "models"), config.modelsDir]);
  // A pack's thresholds with the operator's over them may contradict each other; better now than at each `start`.
  detectionInForce(pack.spec, config.detection, {});
  const opus = await createOpusHost({ onBroken: (err) => log.error({ err }, "opus heap broken") });
  opened.push(() => opus.close());
  const pool = await startPool(config, pack, log);
  opened.push(() => pool.close());
  return { pool, opus, served: describe(pack, pool) };
}

async function startPool(config: Config, pack: Pack, log: Log): Promise<Pool> {
  const pool = await createPool({
    pack,
    workers: config.workers,
    providers: config.providers,
    requireGpu: config.requireGpu,
    allowSoftwareGpu: config.allowSoftwareGpu,
    hopMs: config.detection.hopMs ?? pack.spec.detection.hopMs,
    queueLimit: queueLimit(config.limits.sessions),
    onEvent: (event) => {
      report(event, log);
    },
  });
  const { provider, adapter, windowMs } = pool;
  log.info({ model: pack.spec.id, provider, adapter, windowMs }, "model ready");
  return pool;
}

function report(event: PoolEvent, log: Log): void {
  const { type, ...facts } = event;
  switch (type) {
    case "worker_started":
      log.info(facts, "worker started");
      return;
    case "worker_lost":
      log.warn(facts, "worker lost");
      return;
    case "worker_failed":
      log.warn(facts, "worker did not start");
      return;
    case "provider_refused":
      log.info(facts, "provider not taken");
      return;
    case "batch":
      log.debug(facts, "batch scored");
  }
}

function describe({ manifest, spec }: Pack, pool: Pool): ServedModel {
  return {
    id: spec.id,
    version: spec.version,
    digest: spec.digest,
    calibrationId: spec.calibrationId ?? null,
    family: manifest.family,
    licence: manifest.licence,
    sampleRate: spec.rate,
    windowMs: toMillis(spec.window, spec.rate),
    provider: pool.provider,
    isDefault: true,
  };
}
