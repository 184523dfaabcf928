import { createHash } from "node:crypto";
import { modelFile } from "../manifest.ts";
import type { Graph } from "../onnx/graph.ts";
import { SharedWeights, writeModel } from "../onnx/write-model.ts";
import { formatOrder, type FrameOrder } from "../safeear/permutation.ts";
import { tokenizerName } from "../store.ts";
import type { ImportedPack, ImportTarget } from "./aasist.ts";
import { describePrecision, withPrecision, type Precision } from "./precision.ts";
import { backGraph, detectorGraph, frontGraph, safeearWindow, tokenizerGraph } from "./safeear-graphs.ts";
import { safeearFiles, withSafeear, type SafeearSource } from "./safeear-source.ts";
import { fewestSamples, reach } from "./safeear-tokenizer.ts";
import { defaultDetection, writePack, type PackDescription } from "./write-pack.ts";

/** Where a SafeEar goes, and what an import may settle. */
export interface SafeearTarget extends ImportTarget {
  /** In which order frames are heard; as the model's class does where none is given, shuffled by seed 0 if it shuffles. */
  readonly order?: FrameOrder;
  /** As published where none is given. */
  readonly precision?: Precision;
}

const defaultName = "safeear";
const rate = 16_000;
const tokenizerFile = "tokenizer.onnx";
const frontFile = "front.onnx";
const backFile = "back.onnx";
const detectorFile = "detector.onnx";
/** Weights lie beside the graphs from this size on. */
const thresholdBytes = 1 << 16;

/**
 * Makes a pack of the SafeEar in `folder`, called `safeear` where no name is given; without `model.ckpt` one of its
 * tokenizer alone, `safeear-tokenizer`, which can score nothing. Throws CheckpointError, which names the file and what it
 * lacks, or PackTargetError.
 */
export async function importSafeear(folder: string, target: SafeearTarget): Promise<ImportedPack> {
  const { order, precision = "fp32", ...place } = target;
  return withSafeear(folder, async (source) => {
    const name = target.name ?? (source.detector === undefined ? tokenizerName(defaultName) : defaultName);
    const heard = order ?? source.detector?.order ?? { kind: "identity" };
    const description =
      source.detector === undefined ? describeTokenizer(source) : describeSafeear(source, heard);
    const written = await writePack({ ...place, name }, inPrecision(description, precision), (draft) =>
      writeGraphs(source, draft, precision),
    );
    const lacks = source.detector === undefined ? { lacks: "model.ckpt" } : {};
    return { name, folder: written, what: titleOf(source), ...lacks };
  });
}

/** With a detector: the tokenizer whole and in halves, and the detector; each for any length, all with one file of weights. */
async function writeGraphs(
  { tokenizer, detector }: SafeearSource,
  draft: string,
  precision: Precision,
): Promise<string[]> {
  const { weights, sizes } = tokenizer;
  const external = new SharedWeights(draft, "weights.bin", thresholdBytes);
  const write = (graph: Graph, file: string): Promise<string[]> =>
    writeModel(withPrecision(graph, precision), draft, { file, external });
  try {
    const whole = tokenizerGraph(weights, sizes);
    if (detector === undefined) return await write(whole, modelFile);
    const files = [
      ...(await write(whole, tokenizerFile)),
      ...(await write(frontGraph(weights, sizes), frontFile)),
      ...(await write(backGraph(weights, sizes), backFile)),
      ...(await write(detectorGraph(detector.parts), detectorFile)),
    ];
    return [...new Set(files)];
  } finally {
    await external.close();
  }
}

/** What a manifest says of another precision than the published one; the version, and so the digest, differ as well. */
function inPrecision(pack: PackDescription, precision: Precision): PackDescription {
  if (precision === "fp32") return pack;
  return {
    ...pack,
    version: `${pack.version}-${precision}`,
    description: `${pack.description} ${describePrecision(precision)}`,
    // Windows of a batch share the scale that their integers have, and no window may change another's score.
    ...(precision === "int8" ? { batch_sizes: [1] } : {}),
  };
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
  // A seed is told beside the version wherever scores are; that there is none would be told nowhere.
  version: versionOf(source) + (order.kind === "seed" ? "" : `-${order.kind}`),
  family: "safeear",
  description:
    `${titleOf(source)}. Hears seven acoustic codes per 20 ms, never the semantic one, with the frames of each second in ` +
    `the order ${formatOrder(order)} (a number is a seed).`,
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
  const { before, after } = reach(sizes);
  return {
    ...common,
    tokenizer: tokenizerFile,
    halves: {
      front: frontFile,
      back: backFile,
      before_samples: before,
      after_samples: after,
    },
    detector: { file: detectorFile, longest_frames: detector.parts.sizes.longest, order: formatOrder(order) },
  };
}
