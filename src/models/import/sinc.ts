/** AASIST's front end: band-pass filters on a mel scale that no training touches, so no checkpoint has them. */
export const sincFilters = { count: 70, taps: 129, rate: 16_000 } as const;

const mel = (hz: number): number => 2595 * Math.log10(1 + hz / 700);
const fromMel = (value: number): number => 700 * (10 ** (value / 2595) - 1);
const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Filter `i` at `[i·taps, (i+1)·taps)`: a Hamming-windowed difference of the ideal low passes at its two band edges. */
export function sincBank(): Float32Array {
  const { count, taps, rate } = sincFilters;
  const top = mel(rate / 2);
  const edges = Array.from({ length: count + 1 }, (_, i) => fromMel((top * i) / count));
  const half = (taps - 1) / 2;
  const lowPass = (hz: number, n: number): number => ((2 * hz) / rate) * sinc((2 * hz * n) / rate);
  return Float32Array.from({ length: count * taps }, (_, at) => {
    const band = Math.floor(at / taps);
    const k = at % taps;
    const hamming = 0.54 - 0.46 * Math.cos((2 * Math.PI * k) / (taps - 1));
    return (lowPass(edges[band + 1] ?? 0, k - half) - lowPass(edges[band] ?? 0, k - half)) * hamming;
  });
}
