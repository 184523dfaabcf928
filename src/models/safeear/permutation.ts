import { Draws } from "./draws.ts";

/** In which order SafeEar's detector hears the frames: shuffled by a seed, as they are, or each segment backwards. */
export type FrameOrder =
  { readonly kind: "seed"; readonly seed: number } | { readonly kind: "identity" | "flip" };

/** Frames that are shuffled among themselves: one second of them. */
export const segmentFrames = 50;

/** The published code draws anew each time; this seed stands for it, so that a score can be had again. */
export const defaultOrder: FrameOrder = { kind: "seed", seed: 0 };

const largestSeed = 2 ** 32 - 1;

/** Reads `identity`, `flip` or a seed from 0 to 4294967295. Throws a RangeError on anything else. */
export function parseOrder(text: string): FrameOrder {
  if (text === "identity" || text === "flip") return { kind: text };
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (seed <= largestSeed) return { kind: "seed", seed };
  throw new RangeError(
    `a shuffle is identity, flip or a seed from 0 to ${largestSeed}, not ${JSON.stringify(text)}`,
  );
}

/** What {@link parseOrder} reads the same order from. */
export const formatOrder = (order: FrameOrder): string =>
  order.kind === "seed" ? String(order.seed) : order.kind;

/**
 * For each of `frames` places the frame that stands there afterwards; each stays in its segment of 50, the last of which
 * may be shorter. A seed shuffles each segment from its end (Fisher and Yates), all with one sequence of {@link Draws}.
 */
export function framePermutation(frames: number, order: FrameOrder): Int32Array {
  const permutation = Int32Array.from({ length: frames }, (_, frame) => frame);
  if (order.kind === "identity") return permutation;
  const draws = order.kind === "seed" ? new Draws(order.seed) : undefined;
  for (let start = 0; start < frames; start += segmentFrames) {
    const segment = permutation.subarray(start, start + segmentFrames);
    if (draws === undefined) segment.reverse();
    else shuffle(segment, draws);
  }
  return permutation;
}

function shuffle(segment: Int32Array, draws: Draws): void {
  for (let last = segment.length - 1; last > 0; last--) {
    const chosen = draws.below(last + 1);
    const kept = segment[last] ?? 0;
    segment[last] = segment[chosen] ?? 0;
    segment[chosen] = kept;
  }
}

/** Codes `[…, frames]`, row by row, with every row's frames put in the order of `permutation`. Throws where rows do not fit. */
export function permuteFrames(codes: Int32Array, permutation: Int32Array): Int32Array {
  const frames = permutation.length;
  if (frames === 0 || codes.length % frames !== 0) {
    throw new RangeError(`${codes.length} codes are not rows of ${frames} frames`);
  }
  const out = new Int32Array(codes.length);
  for (let row = 0; row < codes.length; row += frames) {
    for (let frame = 0; frame < frames; frame++)
      out[row + frame] = codes[row + (permutation[frame] ?? 0)] ?? 0;
  }
  return out;
}
