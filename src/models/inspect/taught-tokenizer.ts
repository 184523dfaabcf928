import { access } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint, type Checkpoint } from "../checkpoint/checkpoint.ts";
import { CheckpointError, Malformed, naming } from "../checkpoint/errors.ts";
import type { HubertParts } from "../import/hubert-graph.ts";
import { hubertHeads } from "../import/hubert-settings.ts";
import { hubertHop, hubertSizes } from "../import/hubert-sizes.ts";
import { withSafeear } from "../import/safeear-source.ts";
import type { SurveyedTokenizer } from "../import/safeear-weights.ts";
import { readTensors } from "../import/weights.ts";

/** HuBERT's file as it is published. */
export const hubertFile = "hubert_base_ls960.pt";

/** A SafeEar's tokenizer, and the HuBERT that its first quantizer was taught to agree with. */
export interface TaughtTokenizer {
  readonly tokenizer: SurveyedTokenizer;
  readonly teacher: HubertParts;
  readonly teacherFile: string;
  /** The layers of the teacher, both included, whose mean was taught. */
  readonly layers: readonly [first: number, last: number];
  /** What the tokenizer was taught through: code vectors to the teacher's features, `[width, code width]` and `[width]`. */
  readonly transform: { readonly weight: Float32Array; readonly bias: Float32Array };
}

/** Where HuBERT is, and what of it is asked for. */
export interface TeacherChoice {
  /** Its file; {@link hubertFile} in the folder where none is named. */
  readonly hubert?: string;
  /** One layer in place of the mean over all of them, 0 being what the first block hears. */
  readonly layer?: number;
}

/**
 * Reads the SafeEar in `folder` with its teacher and hands both to `use`; their large tensors are read from the files
 * while that runs. The mean over all layers is what SpeechTokenizer's configuration calls `avg`. Throws CheckpointError,
 * which names the file and what it lacks.
 */
export async function withTaughtTokenizer<T>(
  folder: string,
  { hubert = join(folder, hubertFile), layer }: TeacherChoice,
  use: (taught: TaughtTokenizer) => Promise<T>,
): Promise<T> {
  const checkpoint = await openTeacher(hubert);
  try {
    const teacher = await naming(hubert, undefined, () =>
      Promise.resolve().then(() => teacherOf(checkpoint)),
    );
    const layers = layersOf(hubert, teacher.sizes.blocks, layer);
    return await withSafeear(folder, async ({ tokenizer }) => {
      const transform = await naming(folder, undefined, () => transformOf(tokenizer, teacher.sizes.width));
      return use({ tokenizer, teacher, teacherFile: hubert, layers, transform });
    });
  } finally {
    await checkpoint.close();
  }
}

async function openTeacher(path: string): Promise<Checkpoint> {
  try {
    await access(path);
  } catch (cause) {
    throw new CheckpointError(path, "is not there: without HuBERT there is nothing to compare with", {
      cause,
    });
  }
  return openCheckpoint(path);
}

function teacherOf(checkpoint: Checkpoint): HubertParts {
  const weights = checkpoint.stateDict("model");
  const sizes = hubertSizes(weights);
  return { weights, sizes, heads: hubertHeads(checkpoint.root, sizes.width) };
}

function layersOf(file: string, blocks: number, layer: number | undefined): readonly [number, number] {
  if (layer === undefined) return [0, blocks];
  if (layer <= blocks) return [layer, layer];
  throw new CheckpointError(file, `has layers 0 to ${blocks}, not ${layer}`);
}

async function transformOf({ weights, sizes }: SurveyedTokenizer, width: number) {
  if (sizes.hop !== hubertHop) {
    throw new Malformed(`the tokenizer has a frame per ${sizes.hop} samples, HuBERT one per ${hubertHop}`);
  }
  const shapes = new Map<string, readonly number[]>([
    ["transform.weight", [width, sizes.width]],
    ["transform.bias", [width]],
  ]);
  const tensors = await readTensors(weights, shapes);
  return { weight: tensors.get("transform.weight"), bias: tensors.get("transform.bias") };
}
