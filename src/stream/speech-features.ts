import { powerSpectrum } from "./fft.ts";

/** Samples between two frames: 20 ms at 16 kHz. */
export const frameHop = 320;
/** Samples under a frame's window: 32 ms. A frame ends where its hop ends, so it looks back, never ahead. */
export const frameSize = 512;
const firstBin = 4;
/** One past the last bin looked at: 3.5 kHz, so that telephone and wide-band sound give the same features. */
const endBin = 112;
const melBands = 18;
/** Edges of the regions whose peakiness and change are measured: 125, 1,000, 2,250 and 3,500 Hz. */
const regions: readonly number[] = [firstBin, 32, 72, endBin];
/** Numbers that describe a frame: log band powers, then peakiness and change of each region. All are 0 for silence. */
export const featureCount = melBands + 2 * (regions.length - 1);
/** Frames between the two spectra whose difference is the change: their windows do not overlap. */
const changeLag = 2;
const binCount = endBin - firstBin;

/** Power of one bin under which nothing counts: white noise at −75 dBFS (Σ hann² = 3N / 8). */
const floor = 10 ** -7.5 * (3 / 8) * frameSize;
const spectrum = powerSpectrum(frameSize);
const power = new Float64Array(endBin);
const bandEdges = melEdges();

/** Turns one channel's frames into features; remembers only the log spectra that the change is taken against. */
export class SpeechFeatures {
  readonly #past = new Float32Array(changeLag * binCount);
  #turn = 0;

  /** Writes the features of the {@link frameSize} samples from `offset` into `out` at `at`. */
  compute(samples: Float32Array, offset: number, out: Float32Array, at: number): void {
    spectrum.compute(samples, offset, power);
    bandPowers(out, at);
    this.#regions(out, at + melBands);
    this.#turn = (this.#turn + 1) % changeLag;
  }

  #regions(out: Float32Array, at: number): void {
    const past = this.#past;
    const base = this.#turn * binCount - firstBin;
    for (let region = 0; region + 1 < regions.length; region++) {
      const start = regions[region] ?? 0;
      const end = regions[region + 1] ?? 0;
      let mean = 0;
      let meanLog = 0;
      let change = 0;
      for (let bin = start; bin < end; bin++) {
        const relative = 1 + (power[bin] ?? 0) / floor;
        const log = Math.log(relative);
        mean += relative;
        meanLog += log;
        change += Math.abs(log - (past[base + bin] ?? 0));
        past[base + bin] = log;
      }
      const width = end - start;
      out[at + region] = Math.log(mean / width) - meanLog / width;
      out[at + regions.length - 1 + region] = change / width;
    }
  }
}

function bandPowers(out: Float32Array, at: number): void {
  for (let band = 0; band < melBands; band++) {
    const start = bandEdges[band] ?? 0;
    const end = bandEdges[band + 1] ?? 0;
    let sum = 0;
    for (let bin = start; bin < end; bin++) sum += power[bin] ?? 0;
    out[at + band] = Math.log(1 + sum / ((end - start) * floor)) / 4;
  }
}

/** Bins that part the bands: about equal steps on the mel scale, at least two bins each. */
function melEdges(): readonly number[] {
  const mel = (bin: number): number => Math.log(1 + (bin * 31.25) / 700);
  const edges = [firstBin];
  for (let band = 1; band <= melBands; band++) {
    const target = mel(firstBin) + ((mel(endBin) - mel(firstBin)) * band) / melBands;
    const bin = Math.round((700 * (Math.exp(target) - 1)) / 31.25);
    edges.push(Math.max(bin, (edges.at(-1) ?? 0) + 2));
  }
  return edges;
}
