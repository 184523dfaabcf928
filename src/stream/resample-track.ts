import { joinBlocks } from "./join.ts";
import { createResampler } from "./resample.ts";
import type { Hertz } from "./units.ts";

/** A copy of a whole track of one channel at another rate. Its holes, which are NaN, are silence in it. */
export function resampleTrack(track: Float32Array, from: Hertz, to: Hertz): Float32Array {
  const resampler = createResampler(from, to);
  return joinBlocks([resampler.push(track.map((x) => (Number.isNaN(x) ? 0 : x))), resampler.flush()]);
}
