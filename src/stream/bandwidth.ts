import { powerSpectrum } from "./fft.ts";

const spectrum = powerSpectrum(512);
const frames = 24;
/** A band this far below the strongest one carries no speech. */
const floorDb = -50;

/** The highest frequency that carries speech energy in a window, from the mean spectrum of frames spread over it. */
export function estimateBandwidthHz(samples: Float32Array, rate: number): number {
  const { size } = spectrum;
  if (samples.length < size) return 0;
  const mean = new Float64Array(size / 2);
  const frame = new Float64Array(size / 2);
  const step = Math.max(1, Math.floor((samples.length - size) / frames));
  for (let at = 0; at + size <= samples.length; at += step) {
    spectrum.compute(samples, at, frame);
    for (let k = 0; k < mean.length; k++) mean[k] = (mean[k] ?? 0) + (frame[k] ?? 0);
  }
  let most = 0;
  for (let k = 2; k < mean.length; k++) most = Math.max(most, mean[k] ?? 0);
  const least = most * 10 ** (floorDb / 10);
  for (let k = mean.length - 1; k > 1; k--) if ((mean[k] ?? 0) > least) return ((k + 1) * rate) / size;
  return 0;
}
