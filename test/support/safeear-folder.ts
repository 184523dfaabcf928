import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DetectorSizes, TokenizerSizes } from "../../src/models/import/safeear-sizes.ts";
import { checkpointOf, type TensorMap } from "./aasist-weights.ts";
import { randomDetector, randomTokenizer } from "./safeear-weights.ts";

/** The published strides, 320 samples per frame, and hardly any width. */
const tokenizer: TokenizerSizes = {
  encoder: [
    { kind: "convolution", at: 0, from: 1, to: 2, kernel: 7, stride: 1 },
    { kind: "residual", at: 1, width: 2, hidden: 1 },
    { kind: "convolution", at: 3, from: 2, to: 3, kernel: 4, stride: 2 },
    { kind: "residual", at: 4, width: 3, hidden: 2 },
    { kind: "convolution", at: 6, from: 3, to: 3, kernel: 8, stride: 4 },
    { kind: "residual", at: 7, width: 3, hidden: 2 },
    { kind: "convolution", at: 9, from: 3, to: 4, kernel: 10, stride: 5 },
    { kind: "residual", at: 10, width: 4, hidden: 2 },
    { kind: "convolution", at: 12, from: 4, to: 5, kernel: 16, stride: 8 },
    { kind: "lstm", at: 13, from: 5, hidden: 5, layers: 2 },
    { kind: "convolution", at: 15, from: 10, to: 6, kernel: 7, stride: 1 },
  ],
  hop: 320,
  width: 6,
  stages: 3,
  codes: 16,
};

/** Twenty seconds of positions. */
const detector: DetectorSizes = { width: 8, blocks: 2, longest: 1000, inner: 6 };

/** Writes a SafeEar of random weights as it is published: `SpeechTokenizer.pt`, and `model.ckpt` unless `alone`. */
export function writeSafeear(folder: string, alone?: "tokenizer"): void {
  mkdirSync(folder, { recursive: true });
  const own = randomTokenizer(tokenizer, 3);
  writeFileSync(join(folder, "SpeechTokenizer.pt"), checkpointOf(own));
  if (alone !== undefined) return;
  const trained = new Map([
    ...prefixed("decouple_model.", own),
    ...prefixed("detect_model.", randomDetector(detector, tokenizer, 4)),
  ]);
  writeFileSync(join(folder, "model.ckpt"), checkpointOf(trained));
}

const prefixed = (prefix: string, tensors: TensorMap): TensorMap =>
  new Map([...tensors].map(([key, tensor]) => [`${prefix}${key}`, tensor]));
