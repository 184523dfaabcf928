import { powerSpectrum } from "./fft.ts";

const frameSize = 512;
const bins = frameSize / 2;
/** Frames looked at, spread evenly over the window. */
const frameCount = 36;
/** Frequencies this far under the strongest carry nothing: −45 dB. */
const relativeFloor = 10 ** -4.5;
/** Bins in a row that must stand out, so that no single one decides: about as wide as the window smears a tone. */
const neighbours = 5;

const spectrum = powerSpectrum(frameSize);
const power = new Float64Array(bins);
const total = new Float64Array(bins);

/**
 * The highest frequency in Hz at which a window has energy no more than 45 dB under its strongest, averaged over
 * the window, so the loud frames decide. Noise counts too: it came through the same channel as the speech.
 * 0 for silence, and for less than 512 samples.
 */
export function estimateBandwidthHz(samples: Float32Array, rate: number): number {
  const room = samples.length - frameSize;
  if (room < 0) return 0;
  total.fill(0);
  for (let i = 0; i < frameCount; i++) {
    spectrum.compute(samples, Math.floor((room * i) / (frameCount - 1)), power);
    for (let k = 0; k < bins; k++) total[k] = (total[k] ?? 0) + (power[k] ?? 0);
  }
  return ((highest(total) + 1) * rate) / frameSize;
}

/** The highest bin that stands out together with its neighbours, or -1. */
function highest(powers: Float64Array): number {
  const floor = powers.reduce((a, b) => Math.max(a, b), 0) * relativeFloor;
  let run = 0;
  for (let k = bins - 1; k >= 0; k--) {
    run = (powers[k] ?? 0) > floor ? run + 1 : 0;
    if (run === neighbours) return k + (neighbours - 1) / 2;
  }
  return -1;
}
