import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DetectorSizes, TokenizerSizes } from "../../src/models/import/safeear-sizes.ts";
import { checkpointOf, type TensorMap } from "./aasist-weights.ts";
import { randomDetector, randomTokenizer } from "./safeear-weights.ts";

/** As many samples per frame as the published one has; of 12 codes, which are not all that four bits can say. */
const tokenizer: TokenizerSizes = {
  encoder: [
    { kind: "convolution", at: 0, from: 1, to: 2, kernel: 7, stride: 1 },
    { kind: "residual", at: 1, width: 2, hidden: 1 },
    { kind: "convolution", at: 3, from: 2, to: 4, kernel: 4, stride: 2 },
    { kind: "residual", at: 4, width: 4, hidden: 2 },
    { kind: "convolution", at: 6, from: 4, to: 6, kernel: 8, stride: 4 },
    { kind: "residual", at: 7, width: 6, hidden: 3 },
    { kind: "convolution", at: 9, from: 6, to: 8, kernel: 10, stride: 5 },
    { kind: "residual", at: 10, width: 8, hidden: 4 },
    { kind: "convolution", at: 12, from: 8, to: 8, kernel: 16, stride: 8 },
    { kind: "lstm", at: 13, from: 8, hidden: 8, layers: 2 },
    { kind: "convolution", at: 15, from: 16, to: 8, kernel: 7, stride: 1 },
  ],
  ...{ hop: 320, width: 8, stages: 4, codes: 12 },
};
const detector: DetectorSizes = { width: 16, blocks: 2, longest: 1000, inner: 16 };

/** Writes a SafeEar of random weights as it is published: `SpeechTokenizer.pt`, and `model.ckpt` unless `alone`. */
export function writeSafeear(folder: string, alone?: "tokenizer"): void {
  mkdirSync(folder, { recursive: true });
  const own = livelyTokenizer();
  writeFileSync(join(folder, "SpeechTokenizer.pt"), checkpointOf(own));
  if (alone !== undefined) return;
  const trained = new Map([
    ...prefixed("decouple_model.", own),
    ...prefixed("detect_model.", randomDetector(detector, tokenizer, 12)),
  ]);
  writeFileSync(join(folder, "model.ckpt"), checkpointOf(trained));
}

const prefixed = (prefix: string, tensors: TensorMap): TensorMap =>
  new Map([...tensors].map(([key, tensor]) => [`${prefix}${key}`, tensor]));

/** One that hears what it is told: its codes would else hardly change from frame to frame. */
function livelyTokenizer(): TensorMap {
  const scaleOf = (key: string): number => (key.endsWith("weight_g") ? 3 : key.endsWith(".bias") ? 0.05 : 1);
  const tensors = [...randomTokenizer(tokenizer, 11)].map(
    ([key, { shape, data }]) => [key, { shape, data: data.map((x) => x * scaleOf(key)) }] as const,
  );
  return new Map(tensors);
}
