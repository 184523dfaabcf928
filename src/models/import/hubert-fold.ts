import { Malformed } from "../checkpoint/errors.ts";

/**
 * Weights `[…, taps]` along `direction`, those of one tap together of the length in `gain`: PyTorch's weight norm over the
 * last dimension, W[…, k] = g[k]·v[…, k] / ‖v[…, k]‖.
 */
export function weightNormPerTap(gain: Float32Array, direction: Float32Array): Float32Array {
  const taps = gain.length;
  const squares = new Float64Array(taps);
  direction.forEach((value, i) => {
    const tap = i % taps;
    squares[tap] = (squares[tap] ?? 0) + value ** 2;
  });
  const empty = squares.indexOf(0);
  if (empty >= 0) throw new Malformed(`a weight norm's tap ${empty} is all zeros, which has no direction`);
  const scale = squares.map((sum, tap) => (gain[tap] ?? 0) / Math.sqrt(sum));
  return direction.map((value, i) => value * (scale[i % taps] ?? 0));
}

/** `first` times `scale` and then `others`, end to end, all as long as the first. */
export function joinScaled(
  scale: number,
  first: Float32Array,
  ...others: readonly Float32Array[]
): Float32Array {
  const out = new Float32Array(first.length * (1 + others.length));
  out.set(first.map((value) => value * scale));
  for (const [i, other] of others.entries()) out.set(other, (i + 1) * first.length);
  return out;
}
