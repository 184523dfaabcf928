import type { Tensors } from "./weights.ts";

/** A batch norm in inference, y = scale·x + shift for each feature. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** PyTorch's default. */
const epsilon = 1e-5;

/** The suffixes of a batch norm's tensors that inference uses. */
export const batchNormKeys = ["weight", "bias", "running_mean", "running_var"] as const;

/** What the batch norm under `prefix` does with the statistics it has learned. */
export function batchNorm(tensors: Tensors, prefix: string): Affine {
  const [weight, bias, mean, variance] = batchNormKeys.map((key) => tensors.get(`${prefix}.${key}`));
  const scale = Float64Array.from(
    weight ?? [],
    (value, i) => value / Math.sqrt((variance?.[i] ?? 0) + epsilon),
  );
  const shift = Float64Array.from(bias ?? [], (value, i) => value - (mean?.[i] ?? 0) * (scale[i] ?? 0));
  return { scale, shift };
}

/** Weights `[out, …]` whose outputs are scaled by `scale`. */
export function scaleRows(weights: Float32Array, scale: Float64Array): Float32Array {
  const length = weights.length / scale.length;
  return weights.map((value, i) => value * (scale[Math.floor(i / length)] ?? 0));
}

/** A bias `[out]`, or a sum of several, after `affine`. */
export function foldBias({ scale, shift }: Affine, ...biases: readonly Float32Array[]): Float32Array {
  return Float32Array.from(shift, (value, i) => {
    let sum = 0;
    for (const bias of biases) sum += bias[i] ?? 0;
    return value + sum * (scale[i] ?? 0);
  });
}

/** `[rows, columns]` → `[columns, rows]`. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = matrix[row * columns + column] ?? 0;
    }
  }
  return out;
}
