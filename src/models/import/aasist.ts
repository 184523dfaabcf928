import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { naming } from "../checkpoint/errors.ts";
import { modelFile } from "../manifest.ts";
import type { Graph } from "../onnx/graph.ts";
import { writeModel } from "../onnx/write-model.ts";
import { aasistGraph, aasistWindow } from "./aasist-graph.ts";
import { aasistShapes, sizesOf, variantOf, type AasistVariant } from "./aasist-sizes.ts";
import { mitLicence } from "./mit-licence.ts";
import { sincFilters } from "./sinc.ts";
import { digestOf, readTensors } from "./weights.ts";
import { defaultDetection, writePack, type PackDescription, type PackTarget } from "./write-pack.ts";

/** Where a pack goes; it is named after the model where no name is given. */
export type ImportTarget = Omit<PackTarget, "name"> & { readonly name?: string };

/** What an import made. */
export interface ImportedPack {
  readonly name: string;
  /** The pack's own folder. */
  readonly folder: string;
  /** Which model it is, and whether its weights are the published ones. */
  readonly what: string;
  /** The file without which it cannot judge a voice. */
  readonly lacks?: string;
}

/** The published weights, by the digest of their tensors. */
const publishedWeights: ReadonlySet<string> = new Set([
  "a3dd6f041cc4dfd3a8c938540d1aaffa9bc4cac0a73e61178cf2946793db7ccb",
  "7c44ffc8d08c0310f7b42f3751d10a8802334729addc522f8c69a761047f3a72",
]);

/** The published code and weights carry one licence. */
const copyright = "Copyright (c) 2021-present NAVER Corp.";
const licenceFile = "LICENSE";

/**
 * Makes a pack of a checkpoint of AASIST or AASIST-L; its name is `aasist` or `aasist-l` where none is given. Throws
 * CheckpointError, which names the file and the tensor that is missing or does not fit, or PackTargetError.
 */
export async function importAasist(path: string, target: ImportTarget): Promise<ImportedPack> {
  const model = await readAasist(path);
  const name = target.name ?? model.variant.name.toLowerCase();
  const folder = await writePack({ ...target, name }, describe(model), async (draft) => {
    const files = await writeModel(model.graph, draft, { file: modelFile });
    if (!model.published) return files;
    await writeFile(join(draft, licenceFile), mitLicence(copyright));
    return [...files, licenceFile];
  });
  return { name, folder, what: titleOf(model) };
}

interface Aasist {
  readonly variant: AasistVariant;
  readonly graph: Graph;
  /** Of its tensors. */
  readonly digest: string;
  readonly published: boolean;
}

async function readAasist(path: string): Promise<Aasist> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await naming(path, undefined, async () => {
      const weights = checkpoint.stateDict();
      const variant = variantOf(weights);
      const sizes = sizesOf(weights, variant.keep);
      const shapes = aasistShapes(sizes);
      const tensors = await readTensors(weights, shapes);
      const digest = digestOf(tensors, shapes.keys());
      return { variant, graph: aasistGraph(tensors, sizes), digest, published: publishedWeights.has(digest) };
    });
  } finally {
    await checkpoint.close();
  }
}

const titleOf = ({ variant, published }: Aasist): string =>
  `${variant.name}${published ? ", the published weights" : ", weights that are not the published ones"}`;

function describe(model: Aasist): PackDescription {
  return {
    version: `weights-${model.digest.slice(0, 12)}`,
    family: "aasist",
    description: `${titleOf(model)}. A spectro-temporal graph attention network over 4 s of raw audio.`,
    licence: model.published ? `MIT, ${copyright}` : "as of the checkpoint it was imported from",
    training_data: model.published
      ? [{ name: "ASVspoof 2019 logical access, train", licence: "ODC-By 1.0", clips: 25_380 }]
      : [],
    sample_rate: sincFilters.rate,
    window_samples: aasistWindow,
    hop_samples: sincFilters.rate,
    pad: "tile",
    input: { name: "audio" },
    // The published code scores with the second logit, and labels bona fide 1.
    output: { name: "logits", form: "logits", spoof_index: 0 },
    calibration: null,
    detection: defaultDetection,
    // A second window costs as long as the first, and 190 MB more.
    batch_sizes: [1],
  };
}
