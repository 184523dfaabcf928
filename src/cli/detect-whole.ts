import { availableParallelism } from "node:os";
import type { FrameOrder } from "../models/safeear/permutation.ts";
import { openPack } from "../models/store.ts";
import { createWholeScorer, type WholeScorer } from "../models/whole/whole-scorer.ts";
import type { Config } from "../server/config.ts";
import { packFolders } from "./package-root.ts";
import { Refusal } from "./refusal.ts";
import { safeearLine } from "./safeear-line.ts";
import { scoreFiles } from "./score-files.ts";
import { createWholeFileScorer, type ScoredWhole } from "./score-whole.ts";

/** What is heard whole. */
export interface WholeModel {
  readonly model: string;
  /** The pack's where there is none. */
  readonly order: FrameOrder | undefined;
}

/** One is read while the one before it is heard. */
const filesAtOnce = 2;

/**
 * Scores recordings whole, as SafeEar's single-file script does, and prints a line of JSON for each; resolves to the exit
 * status, 1 when one could not be scored. Throws {@link Refusal} when the model cannot be used.
 */
export async function detectWhole(
  files: readonly string[],
  model: WholeModel,
  config: Config,
): Promise<number> {
  const scorer = await open(model, config);
  try {
    return await scoreFiles<ScoredWhole>(files, {
      atOnce: filesAtOnce,
      score: createWholeFileScorer(scorer),
      print: (result) => console.log(safeearLine(result, scorer.order)),
      describe: (done) => `${done} scored`,
    });
  } finally {
    await scorer.close();
  }
}

async function open({ model, order }: WholeModel, config: Config): Promise<WholeScorer> {
  if (config.requireGpu || !config.providers.includes("cpu")) {
    throw new Refusal("--format safeear hears recordings on the CPU, which the configuration rules out");
  }
  try {
    return await createWholeScorer({
      pack: await openPack(model, packFolders(config.modelsDir)),
      threads: Math.min(config.workers, availableParallelism()),
      ...(order === undefined ? {} : { order }),
    });
  } catch (cause) {
    throw new Refusal(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
