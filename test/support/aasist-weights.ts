import { aasistShapes, type AasistSizes } from "../../src/models/import/aasist-sizes.ts";
import type { Weights } from "../../src/models/import/weights.ts";
import { CheckpointWriter, ordered, storage } from "./checkpoint-bytes.ts";

/** A checkpoint's tensors by key. */
export type TensorMap = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

/** AASIST-L's published sizes. */
export const lightSizes: AasistSizes = {
  widths: [1, 32, 32, 24, 24, 24, 24],
  nodeWidth: 24,
  hiddenWidth: 32,
  keep: [0.4, 0.5, 0.7],
};

/** Weights from a generator (Numerical Recipes' constants), of a size that keeps every layer's output near 1. */
export function randomAasist(sizes: AasistSizes, seed: number): TensorMap {
  let state = seed;
  const uniform = (low: number, high: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + ((high - low) * state) / 2 ** 32;
  };
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, shape] of aasistShapes(sizes)) {
    const [low, high] = rangeOf(key, shape);
    const length = shape.reduce((product, size) => product * size, 1);
    tensors.set(key, { shape, data: Float32Array.from({ length }, () => uniform(low, high)) });
  }
  return tensors;
}

/**
 * The bands' magnitudes are small, and attention is read strongly: else who hears whom, and what, would hardly show in
 * what comes out.
 */
function rangeOf(key: string, shape: readonly number[]): readonly [number, number] {
  if (key === "first_bn.running_var") return [1e-3, 1.5e-3];
  if (key.endsWith("running_var")) return [0.5, 1.5];
  if (/bn\d?\.weight$/.test(key)) return [0.6, 1.4];
  if (key.includes("att_weight")) return key.startsWith("Htrg") ? [-300, 300] : [-6, 6];
  if (shape.length < 2) return [-0.2, 0.2];
  if (key.startsWith("master") || key.startsWith("pos")) return [-1, 1];
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
  const reach = 0.9 * Math.sqrt(3 / fanIn);
  return [-reach, reach];
}

/** Weights as an import sees them. */
export function weightsOf(tensors: TensorMap): Weights {
  const find = (key: string) => {
    const tensor = tensors.get(key);
    if (tensor === undefined) throw new Error(`there is no ${key}`);
    return tensor;
  };
  return {
    keys: () => tensors.keys(),
    has: (key) => tensors.has(key),
    shape: (key) => find(key).shape,
    float32: (key) => Promise.resolve(find(key).data),
  };
}

/** A `.pth` file of weights. */
export function checkpointOf(tensors: TensorMap): Buffer {
  const writer = new CheckpointWriter("zip");
  const entries = [...tensors].map(
    ([key, { shape, data }], i) =>
      [key, writer.tensor(storage(String(i), "FloatStorage", data), shape)] as const,
  );
  return writer.file(ordered(new Map(entries)));
}
