import {
  detectorShapes,
  tokenizerShapes,
  type DetectorSizes,
  type TokenizerSizes,
} from "../../src/models/import/safeear-sizes.ts";
import { Draws } from "../../src/models/safeear/draws.ts";
import type { TensorMap } from "./aasist-weights.ts";

/** A tokenizer of six samples per frame. */
export const smallTokenizer: TokenizerSizes = {
  encoder: [
    { kind: "convolution", at: 0, from: 1, to: 2, kernel: 7, stride: 1 },
    { kind: "residual", at: 1, width: 2, hidden: 1 },
    { kind: "convolution", at: 3, from: 2, to: 4, kernel: 4, stride: 2 },
    { kind: "residual", at: 4, width: 4, hidden: 2 },
    { kind: "convolution", at: 6, from: 4, to: 5, kernel: 6, stride: 3 },
    { kind: "lstm", at: 7, from: 5, hidden: 5, layers: 2 },
    { kind: "convolution", at: 9, from: 10, to: 6, kernel: 7, stride: 1 },
  ],
  hop: 6,
  width: 6,
  stages: 3,
  codes: 7,
};

/** A detector of its codes. */
export const smallDetector: DetectorSizes = { width: 8, blocks: 2, longest: 70, inner: 6 };

/** Random tensors for a tokenizer. */
export const randomTokenizer = (sizes: TokenizerSizes, seed: number): TensorMap =>
  random(tokenizerShapes(sizes), seed);

/** Random tensors for a detector of that tokenizer's codes. */
export const randomDetector = (
  sizes: DetectorSizes,
  { stages, width }: TokenizerSizes,
  seed: number,
): TensorMap => random(detectorShapes(sizes, { stages: stages - 1, codeWidth: width }), seed);

function random(shapes: ReadonlyMap<string, readonly number[]>, seed: number): TensorMap {
  const draws = new Draws(seed);
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, shape] of shapes) {
    const [low, high] = rangeOf(key, shape);
    const length = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length }, () => low + ((high - low) * draws.bits()) / 2 ** 32);
    tensors.set(key, { shape, data });
  }
  return tensors;
}

/** Of a size that keeps what every layer gives near 1. */
function rangeOf(key: string, shape: readonly number[]): readonly [number, number] {
  if (key.endsWith(".inited")) return [1, 1];
  if (/running_var$|weight_g$/.test(key)) return [0.5, 1.5];
  if (/norm\d?\.weight$|bottleneck\.1\.weight$/.test(key)) return [0.6, 1.4];
  if (shape.length < 2 || key.endsWith("embed") || key.endsWith("positional_emb")) return [-0.5, 0.5];
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
  const reach = 2 * Math.sqrt(3 / fanIn);
  return [-reach, reach];
}
