/** Seeded weights of a size that keeps activations near 1 through every layer, so that codes vary and nothing overflows. */
import { Draws } from "../../src/models/safeear/draws.ts";

/** The elements of the tensor `key`; the same for the same seed, on every machine. */
export function randomTensor(key: string, shape: readonly number[], seed: number): Float32Array {
  const length = shape.reduce((product, size) => product * size, 1);
  if (key.endsWith("positional_emb")) return sinusoids(length, shape.at(-1) ?? 1);
  const [low, high] = rangeOf(key, shape);
  const draws = new Draws(seedOf(key, seed));
  const out = new Float32Array(length);
  const scale = (high - low) / 2 ** 32;
  for (let i = 0; i < length; i++) out[i] = low + scale * draws.bits();
  return out;
}

/** A tensor's own sequence, so that it does not matter which others are made (FNV-1a over its key). */
function seedOf(key: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

const around = (reach: number): readonly [number, number] => [-reach, reach];

/** By what a key ends in, the first that fits; a matrix that none fits keeps the variance of what it hears. */
const ranges: readonly (readonly [RegExp, readonly [number, number]])[] = [
  [/\.inited$/, [1, 1]],
  [/\.cluster_size$/, [1, 100]],
  // Speech is quiet: its first layer brings it to the size that all others work at.
  [/^encoder\.model\.0\.conv\.conv\.weight_g$/, [10, 14]],
  [/block\.3\.conv\.conv\.weight_g$|shortcut\.conv\.conv\.weight_g$/, [0.7, 1]],
  [/pos_conv\.0\.weight_g$/, [0.3, 0.6]],
  [/weight_g$/, [1.2, 1.6]],
  [/running_var$/, [0.5, 1.5]],
  [/lstm\.(weight|bias)_[ih]h_l\d(_reverse)?$/, around(1 / 32)],
  [/embed(_avg)?$/, around(0.6)],
  [/(norm\d?|conv_layers\.0\.2|bottleneck\.1)\.weight$/, [0.6, 1.4]],
];

function rangeOf(key: string, shape: readonly number[]): readonly [number, number] {
  const known = ranges.find(([pattern]) => pattern.test(key));
  if (known !== undefined) return known[1];
  if (shape.length < 2) return around(0.1);
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
  // A GELU leaves about a third of the variance.
  return around(Math.sqrt((key.startsWith("feature_extractor") ? 9 : 3) / fanIn));
}

/** The published table of positions: sines in even columns, cosines in odd ones. */
function sinusoids(length: number, width: number): Float32Array {
  const out = new Float32Array(length);
  for (let column = 0; column < width; column++) {
    const rate = 1 / 10_000 ** ((2 * Math.floor(column / 2)) / width);
    const wave = column % 2 === 0 ? Math.sin : Math.cos;
    for (let row = 0; row * width < length; row++) out[row * width + column] = wave(row * rate);
  }
  return out;
}
