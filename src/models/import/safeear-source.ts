import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint, type Checkpoint } from "../checkpoint/checkpoint.ts";
import { CheckpointError, naming } from "../checkpoint/errors.ts";
import { checkTokenizerConfig, readDetectorConfig, type DetectorConfig } from "./safeear-config.ts";
import { detectorParts, type DetectorParts } from "./safeear-detector.ts";
import { detectorShapes, detectorSizes } from "./safeear-sizes.ts";
import { namingPrefix, surveyTokenizer, under, type SurveyedTokenizer } from "./safeear-weights.ts";
import { digestOf, readTensors, type Weights } from "./weights.ts";

/** The files that a SafeEar is published as. */
export const safeearFiles = {
  tokenizer: "SpeechTokenizer.pt",
  detector: "model.ckpt",
  tokenizerConfig: "config.json",
  detectorConfig: "detect_config.json",
} as const;

/** A SafeEar as its files have it. */
export interface SafeearSource {
  readonly tokenizer: SurveyedTokenizer;
  /** Undefined where there is no `model.ckpt`. */
  readonly detector:
    (DetectorConfig & { readonly parts: DetectorParts; readonly digest: string }) | undefined;
  /** Whether `SpeechTokenizer.pt` is there and holds another tokenizer than the detector was trained with. */
  readonly otherTokenizer: boolean;
}

const tokenizerPrefix = "decouple_model.";
const detectorPrefix = "detect_model.";

/**
 * Reads the SafeEar in `folder` and hands it to `use`; its large tensors are read from the files while that runs. A
 * detector's checkpoint brings its own tokenizer. Throws CheckpointError, which names the file and what it lacks.
 */
export async function withSafeear<T>(folder: string, use: (source: SafeearSource) => Promise<T>): Promise<T> {
  await refuseFile(folder);
  const open: Checkpoint[] = [];
  const openIfThere = async (name: string): Promise<Checkpoint | undefined> => {
    const path = join(folder, name);
    if (!(await exists(path))) return undefined;
    const checkpoint = await openCheckpoint(path);
    open.push(checkpoint);
    return checkpoint;
  };
  try {
    const own = await openIfThere(safeearFiles.tokenizer);
    return await use(await readSource(folder, own, await openIfThere(safeearFiles.detector)));
  } finally {
    for (const checkpoint of open) await checkpoint.close();
  }
}

async function readSource(folder: string, own?: Checkpoint, trained?: Checkpoint): Promise<SafeearSource> {
  const separate = own && (await tokenizerOf(own, ""));
  const brought = trained && [...under(trained.stateDict(), tokenizerPrefix).keys()].length > 0;
  const tokenizer = brought === true ? await tokenizerOf(trained, tokenizerPrefix) : separate;
  if (tokenizer === undefined) {
    const trouble =
      trained === undefined
        ? "is not there, and neither is model.ckpt"
        : "is not there, and model.ckpt brings no tokenizer";
    throw new CheckpointError(join(folder, safeearFiles.tokenizer), trouble);
  }
  await checkTokenizerConfig(join(folder, safeearFiles.tokenizerConfig), tokenizer.sizes);
  const detector = trained && (await detectorOf(folder, trained, tokenizer));
  return {
    tokenizer,
    detector,
    otherTokenizer: separate !== undefined && separate.digest !== tokenizer.digest,
  };
}

const tokenizerOf = (checkpoint: Checkpoint, prefix: string): Promise<SurveyedTokenizer> =>
  naming(checkpoint.file, undefined, () =>
    namingPrefix(prefix, () => surveyTokenizer(under(checkpoint.stateDict(), prefix))),
  );

async function detectorOf(folder: string, checkpoint: Checkpoint, tokenizer: SurveyedTokenizer) {
  const weights: Weights = under(checkpoint.stateDict(), detectorPrefix);
  const { sizes, tensors, digest } = await naming(checkpoint.file, undefined, () =>
    namingPrefix(detectorPrefix, async () => {
      const sizes = detectorSizes(weights);
      const { stages, width } = tokenizer.sizes;
      const shapes = detectorShapes(sizes, { stages: stages - 1, codeWidth: width });
      const tensors = await readTensors(weights, shapes);
      return { sizes, tensors, digest: digestOf(tensors, shapes.keys()) };
    }),
  );
  const config = await readDetectorConfig(join(folder, safeearFiles.detectorConfig), sizes.width);
  const parts = detectorParts({
    tensors,
    sizes,
    heads: config.heads,
    tokenizer: tokenizer.weights,
    tokenizerSizes: tokenizer.sizes,
  });
  return { ...config, parts, digest };
}

async function refuseFile(folder: string): Promise<void> {
  const isFile = await naming(folder, undefined, async () => !(await stat(folder)).isDirectory());
  if (isFile) throw new CheckpointError(folder, "is not a folder: SafeEar is several files in one");
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
