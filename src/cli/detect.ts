import { availableParallelism } from "node:os";
import { createPool, type Pool } from "../models/pool.ts";
import { openPack } from "../models/store.ts";
import { readConfig, type Config } from "../server/config.ts";
import { detectionInForce } from "../server/detection.ts";
import { toSnakeCase } from "../server/wire-json.ts";
import { Fault } from "../stream/errors.ts";
import type { DetectionDefaults } from "../stream/ports.ts";
import { InOrder } from "./in-order.ts";
import { packFolders } from "./package-root.ts";
import { Progress } from "./progress.ts";
import { recordingTable } from "./recording-table.ts";
import { Refusal } from "./refusal.ts";
import { createScorer, type Scored, type Unread } from "./score-file.ts";
import { count } from "./table.ts";

export interface DetectOptions {
  readonly json?: true;
  readonly model?: string;
  readonly hopMs?: number;
  readonly minSpeechMs?: number;
  readonly prior?: number;
}

/** Files at a time for each inference process: enough that a batch is always waiting. */
const filesPerWorker = 3;

/**
 * Scores recordings and prints them in the order given; resolves to the exit status, 1 when one could not be read.
 * Throws {@link Refusal} when the model cannot be used.
 */
export async function detect(files: readonly string[], options: DetectOptions): Promise<number> {
  const config = readConfig();
  const pool = await openPool(options.model ?? config.model, config);
  const progress = new Progress(() => describe(done, files.length, pool));
  let done = 0;
  let unread = 0;
  const print = (result: Scored | Unread): void => {
    progress.clear();
    console.log(options.json === true ? JSON.stringify(toJson(result)) : recordingTable(result));
    done++;
    if ("error" in result) unread++;
  };
  try {
    const score = createScorer(pool, inForce(config, pool, options));
    const atOnce = Math.max(1, pool.workerPids.length) * filesPerWorker;
    await new InOrder(atOnce, print).run(files.map((file) => () => score(file)));
  } finally {
    progress.close();
    await pool.close();
  }
  if (unread > 0)
    console.error(`earwitness: ${count(unread, "file")} of ${files.length} could not be scored`);
  return unread > 0 ? 1 : 0;
}

function inForce(config: Config, pool: Pool, options: DetectOptions): DetectionDefaults {
  const { hopMs, minSpeechMs, prior } = options;
  if (hopMs !== undefined && hopMs % 20 !== 0) throw new Refusal("--hop-ms must be a multiple of 20");
  return detectionInForce(pool.spec, config.detection, {
    ...(hopMs === undefined ? {} : { hopMs }),
    ...(minSpeechMs === undefined ? {} : { minSpeechMs }),
    ...(prior === undefined ? {} : { prior }),
  });
}

/** Starts the workers for recordings. Throws {@link Refusal} when the model cannot be used. */
export async function openPool(model: string, config: Config): Promise<Pool> {
  try {
    return await createPool({
      pack: await openPack(model, packFolders(config.modelsDir)),
      workers: Math.min(config.workers, availableParallelism()),
      providers: config.providers,
      requireGpu: config.requireGpu,
      allowSoftwareGpu: config.allowSoftwareGpu,
      // Nobody waits for a recording's next window.
      maxWindowMs: Infinity,
    });
  } catch (cause) {
    throw new Refusal(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

const describe = (done: number, all: number, pool: Pool): string =>
  `${done} of ${count(all, "file")}, ${count(pool.stats().scored, "window")} scored`;

function toJson(result: Scored | Unread): unknown {
  if ("error" in result) {
    const { code, message } = Fault.from(result.error);
    return { file: result.file, error: { code, message } };
  }
  const { file, model, channels } = result;
  return toSnakeCase({ file, model, channels });
}
