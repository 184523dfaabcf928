import { createHash } from "node:crypto";
import { modelFile } from "../manifest.ts";
import type { Graph } from "../onnx/graph.ts";
import { writeModel } from "../onnx/write-model.ts";
import { formatOrder, type FrameOrder } from "../safeear/permutation.ts";
import type { ImportedPack, ImportTarget } from "./aasist.ts";
import { detectorGraph, safeearGraph, safeearWindow, tokenizerGraph } from "./safeear-graphs.ts";
import { safeearFiles, withSafeear, type SafeearSource } from "./safeear-source.ts";
import { fewestSamples } from "./safeear-tokenizer.ts";
import { defaultDetection, writePack, type PackDescription } from "./write-pack.ts";

/** Where a SafeEar goes, and what an import may settle. */
export interface SafeearTarget extends ImportTarget {
  /** In which order `model.onnx` hears frames; as the model's class does where none is given, shuffled by seed 0 if it shuffles. */
  readonly order?: FrameOrder;
}

const rate = 16_000;
const tokenizerFile = "tokenizer.onnx";
const detectorFile = "detector.onnx";
/** Weights lie beside the graphs from this size on. */
const thresholdBytes = 1 << 16;

/**
 * Makes a pack of the SafeEar in `folder`, called `safeear` where no name is given; without `model.ckpt` one of its
 * tokenizer alone, `safeear-tokenizer`, which can score nothing. Throws CheckpointError, which names the file and what it
 * lacks, or PackTargetError.
 */
export async function importSafeear(folder: string, target: SafeearTarget): Promise<ImportedPack> {
  const { order, ...place } = target;
  return withSafeear(folder, async (source) => {
    const name = target.name ?? (source.detector === undefined ? "safeear-tokenizer" : "safeear");
    const heard = order ?? source.detector?.order ?? { kind: "identity" };
    const description =
      source.detector === undefined ? describeTokenizer(source) : describeSafeear(source, heard);
    const written = await writePack({ ...place, name }, description, (draft) =>
      writeGraphs(source, heard, draft),
    );
    const lacks = source.detector === undefined ? { lacks: "model.ckpt" } : {};
    return { name, folder: written, what: titleOf(source), ...lacks };
  });
}

/**
 * With a detector: both as one graph for windows of audio, and each by itself for any length. The first and the
 * tokenizer share a file of weights, which starts with what they have in common.
 */
async function writeGraphs(
  { tokenizer, detector }: SafeearSource,
  order: FrameOrder,
  draft: string,
): Promise<string[]> {
  const write = (graph: Graph, file: string, weights: string): Promise<string[]> =>
    writeModel(graph, draft, {
      file,
      external: { file: weights, thresholdBytes },
      metadata: { order: formatOrder(order) },
    });
  const alone = tokenizerGraph(tokenizer.weights, tokenizer.sizes);
  if (detector === undefined) return write(alone, modelFile, "weights.bin");
  const files = [
    ...(await write(alone, tokenizerFile, "weights.bin")),
    ...(await write(safeearGraph(detector.parts, safeearWindow, order), modelFile, "weights.bin")),
    ...(await write(detectorGraph(detector.parts), detectorFile, "detector.bin")),
  ];
  return [...new Set(files)];
}

function titleOf({ detector, otherTokenizer }: SafeearSource): string {
  if (detector === undefined) {
    return `SafeEar's tokenizer alone: there is no ${safeearFiles.detector}, and without its detector nothing can be scored`;
  }
  const other = `, with the detector's own tokenizer, which is not the one in ${safeearFiles.tokenizer}`;
  return `SafeEar, its tokenizer and detector${otherTokenizer ? other : ""}`;
}

function versionOf({ tokenizer, detector }: SafeearSource): string {
  const hash = createHash("sha256").update(tokenizer.digest);
  return `weights-${hash
    .update(detector?.digest ?? "")
    .digest("hex")
    .slice(0, 12)}`;
}

const shared = {
  licence: "as of the checkpoint it was imported from",
  training_data: [],
  sample_rate: rate,
  window_samples: safeearWindow,
  hop_samples: rate,
  pad: "zeros",
  input: { name: "audio" },
  calibration: null,
  detection: defaultDetection,
  batch_sizes: [1, 2, 4],
} satisfies Partial<PackDescription>;

const describeSafeear = (source: SafeearSource, order: FrameOrder): PackDescription => ({
  ...shared,
  version: versionOf(source),
  family: "safeear",
  description:
    `${titleOf(source)}. Hears seven acoustic codes per 20 ms, never the semantic one, with the frames of each second in ` +
    `the order ${formatOrder(order)} (a number is a seed). Not calibrated: its log-odds count as evidence just as they are.`,
  // The published network answers bona fide first; a script that goes with it prints them the other way round.
  output: { name: "logits", form: "logits", spoof_index: 1 },
  codec: codecOf(source, order),
});

const describeTokenizer = (source: SafeearSource): PackDescription => ({
  ...shared,
  version: versionOf(source),
  family: "safeear-tokenizer",
  description: `${titleOf(source)}.`,
  output: { name: "codes", form: "codes", lacks: safeearFiles.detector },
  codec: codecOf(source),
});

function codecOf(
  { tokenizer: { sizes }, detector }: SafeearSource,
  order?: FrameOrder,
): PackDescription["codec"] {
  const common = {
    stages: sizes.stages,
    codes: sizes.codes,
    frame_samples: sizes.hop,
    fewest_samples: fewestSamples(sizes),
  };
  if (detector === undefined || order === undefined) return { ...common, tokenizer: modelFile };
  return {
    ...common,
    tokenizer: tokenizerFile,
    detector: { file: detectorFile, longest_frames: detector.parts.sizes.longest, order: formatOrder(order) },
  };
}
