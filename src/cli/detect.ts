import { availableParallelism } from "node:os";
import { createPool, type Pool } from "../models/pool.ts";
import type { FrameOrder } from "../models/safeear/permutation.ts";
import { openPack } from "../models/store.ts";
import { readConfig, type Config } from "../server/config.ts";
import { detectionInForce } from "../server/detection.ts";
import { toSnakeCase } from "../server/wire-json.ts";
import type { DetectionDefaults, DetectorSpec } from "../stream/ports.ts";
import { detectWhole } from "./detect-whole.ts";
import { readOrder } from "./frame-order.ts";
import { packFolders } from "./package-root.ts";
import { calibrationNote, recordingTable } from "./recording-table.ts";
import { Refusal } from "./refusal.ts";
import { createScorer, type Scored } from "./score-file.ts";
import { scoreFiles } from "./score-files.ts";
import { count } from "./table.ts";
import type { Unread } from "./unread.ts";

/** How results are printed; `safeear` also hears recordings in another way. */
export type DetectFormat = "table" | "json" | "safeear";

export interface DetectOptions {
  /** As `--format json`. */
  readonly json?: true;
  readonly format?: DetectFormat;
  readonly model?: string;
  /** A seed, `identity` or `flip`. */
  readonly shuffle?: string;
  readonly hopMs?: number;
  readonly minSpeechMs?: number;
  readonly prior?: number;
}

/** Files at a time for each inference process: enough that a batch is always waiting. */
const filesPerWorker = 3;

/**
 * Scores recordings and prints them in the order given; resolves to the exit status, 1 when one could not be read.
 * Throws {@link Refusal} when the model cannot be used, or not with these options.
 */
export async function detect(files: readonly string[], options: DetectOptions): Promise<number> {
  const config = readConfig();
  const model = options.model ?? config.model;
  const order = options.shuffle === undefined ? undefined : readOrder(options.shuffle);
  if (options.format === "safeear") {
    refuseWindowOptions(options);
    return await detectWhole(files, { model, order }, config);
  }
  const pool = await openPool(model, config, order);
  try {
    return await detectWindows(files, options, { pool, config });
  } finally {
    await pool.close();
  }
}

async function detectWindows(
  files: readonly string[],
  options: DetectOptions,
  { pool, config }: { readonly pool: Pool; readonly config: Config },
): Promise<number> {
  const json = options.json === true || options.format === "json";
  const detection = inForce(config, pool, options);
  const note = calibrationNote(pool.spec);
  if (!json && note !== undefined) console.log(note);
  return await scoreFiles<Scored>(files, {
    atOnce: Math.max(1, pool.workerPids.length) * filesPerWorker,
    score: createScorer(pool, detection),
    print: (result) =>
      console.log(json ? JSON.stringify(toJson(result, pool.spec)) : recordingTable(result, pool.spec)),
    describe: (done) => `${done}, ${count(pool.stats().scored, "window")} scored`,
  });
}

/** What is heard whole has no windows. */
function refuseWindowOptions({ hopMs, minSpeechMs, prior }: DetectOptions): void {
  const given = Object.entries({ "--hop-ms": hopMs, "--min-speech-ms": minSpeechMs, "--prior": prior });
  for (const [option, value] of given) {
    if (value !== undefined)
      throw new Refusal(`${option} is for windows, and --format safeear hears recordings whole`);
  }
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

/**
 * Starts the workers for recordings, with the pack's order of frames where none is given. Throws {@link Refusal} when the
 * model cannot be used.
 */
export async function openPool(model: string, config: Config, order?: FrameOrder): Promise<Pool> {
  try {
    return await createPool({
      pack: await openPack(model, packFolders(config.modelsDir)),
      ...(order === undefined ? {} : { order }),
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

function toJson(result: Scored | Unread, { seed }: DetectorSpec): unknown {
  if ("error" in result) return { file: result.file, error: result.error };
  const { file, model, channels } = result;
  return toSnakeCase({ file, model, ...(seed === undefined ? {} : { seed }), channels });
}
