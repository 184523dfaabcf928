/** Rows of weights along `direction`, each of the length in `gain`: PyTorch's weight norm over the first dimension. */
export function weightNorm(gain: Float32Array, direction: Float32Array): Float32Array {
  const length = direction.length / gain.length;
  const out = new Float32Array(direction.length);
  for (const [row, wanted] of gain.entries()) {
    const start = row * length;
    let squares = 0;
    for (let i = start; i < start + length; i++) squares += (direction[i] ?? 0) ** 2;
    const scale = wanted / Math.sqrt(squares);
    for (let i = start; i < start + length; i++) out[i] = (direction[i] ?? 0) * scale;
  }
  return out;
}

/** Where ONNX's gates (input, output, forget, cell) stand among PyTorch's (input, forget, cell, output). */
const gateOrder = [0, 3, 1, 2] as const;

/** An LSTM's rows, stacked gate by gate, in ONNX's order. */
export function reorderGates(rows: Float32Array): Float32Array {
  const length = rows.length / gateOrder.length;
  const out = new Float32Array(rows.length);
  for (const [to, from] of gateOrder.entries())
    out.set(rows.subarray(from * length, (from + 1) * length), to * length);
  return out;
}

/** All of `parts`, end to end. */
export function join(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** −‖e‖² of each of `codes` rows of `embed`: what is left of a squared distance, turned round, without what all codes share. */
export function negativeNorms(embed: Float32Array, codes: number): Float32Array {
  const width = embed.length / codes;
  return Float32Array.from({ length: codes }, (_, code) => {
    let squares = 0;
    for (let i = code * width; i < (code + 1) * width; i++) squares += (embed[i] ?? 0) ** 2;
    return -squares;
  });
}

/** A matrix `[to, columns]` of which `width` columns from `first` are used, and what its rows are scaled by. */
export interface Projection {
  readonly weight: Float32Array;
  readonly columns: number;
  readonly first: number;
  readonly width: number;
  readonly scale: Float64Array;
}

/** Rows of code vectors that are multiplied at once: a processor does not wait for one sum to go on with the next. */
const together = 4;

/** For each row of `embed` what `projection` makes of it: `[codes, to]`. Sums in double precision. */
export function lookupTable(
  embed: Float32Array,
  { weight, columns, first, width, scale }: Projection,
): Float32Array {
  const codes = embed.length / width;
  const to = scale.length;
  const vectors = new Float64Array(Math.ceil(codes / together) * together * width);
  vectors.set(embed);
  const table = new Float32Array((vectors.length / width) * to);
  const row = new Float64Array(width);
  for (let k = 0; k < to; k++) {
    const factor = scale[k] ?? 0;
    for (let i = 0; i < width; i++) row[i] = (weight[k * columns + first + i] ?? 0) * factor;
    for (let code = 0; code * width < vectors.length; code += together) {
      fourDots(row, vectors, code * width, { out: table, at: code * to + k, step: to });
    }
  }
  return table.slice(0, codes * to);
}

/** Products of `row` with the four vectors from `start`. */
function fourDots(
  row: Float64Array,
  vectors: Float64Array,
  start: number,
  { out, at, step }: { readonly out: Float32Array; readonly at: number; readonly step: number },
): void {
  const { length } = row;
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0, j = start; i < length; i++, j++) {
    const value = row[i] ?? 0;
    a += value * (vectors[j] ?? 0);
    b += value * (vectors[j + length] ?? 0);
    c += value * (vectors[j + 2 * length] ?? 0);
    d += value * (vectors[j + 3 * length] ?? 0);
  }
  out[at] = a;
  out[at + step] = b;
  out[at + 2 * step] = c;
  out[at + 3 * step] = d;
}
