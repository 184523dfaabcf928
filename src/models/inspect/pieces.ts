/** Samples at 16 kHz below which a recording says too little. */
export const fewestSamples = 16_000;

/** `samples` in as few pieces as none is longer than `longest`, all as long as each other but for a sample. */
export function cutPieces(samples: Float32Array, longest: number): readonly Float32Array[] {
  const count = Math.ceil(samples.length / longest);
  const bound = (i: number): number => Math.round((i * samples.length) / count);
  return Array.from({ length: count }, (_, i) => samples.subarray(bound(i), bound(i + 1)));
}
