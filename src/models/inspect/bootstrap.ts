import { Draws } from "../safeear/draws.ts";

/** The ends of a 95 % interval. */
export type Interval = readonly [low: number, high: number];

/** Fewer say too little of how much others would differ. */
export const fewestForInterval = 8;

const replicates = 1000;
const seed = 7;

/**
 * The 95 % percentile interval of `measure`, which takes indices of pieces, over resamplings of `count` pieces from a
 * fixed seed; null where there are fewer than {@link fewestForInterval}. Pieces of one recording are not independent of each other, so it
 * is rather too narrow.
 */
export function bootstrap(count: number, measure: (pieces: Uint32Array) => number): Interval | null {
  if (count < fewestForInterval) return null;
  const draws = new Draws(seed);
  const drawn = new Uint32Array(count);
  const values = Float64Array.from({ length: replicates }, () => {
    for (let i = 0; i < count; i++) drawn[i] = draws.below(count);
    return measure(drawn);
  }).sort();
  return [percentile(values, 0.025), percentile(values, 0.975)];
}

function percentile(rising: Float64Array, share: number): number {
  const place = share * (rising.length - 1);
  const [low, high] = [rising[Math.floor(place)] ?? NaN, rising[Math.ceil(place)] ?? NaN];
  return low + (place - Math.floor(place)) * (high - low);
}
