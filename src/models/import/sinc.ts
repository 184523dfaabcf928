/** AASIST's front end: band-pass filters on a mel scale that no training touches, so no checkpoint has them. */
export const sincFilters = { count: 70, taps: 129, rate: 16_000 } as const;

const mel = (hz: number): number => 2595 * Math.log10(1 + hz / 700);
const fromMel = (value: number): number => 700 * (10 ** (value / 2595) - 1);

/**
 * Filter `i` at `[i·taps, (i+1)·taps)`: a Hamming-windowed difference of the ideal low passes at its two band edges.
 * Every step is rounded to float32, because the published models were trained with filters that were computed so.
 */
export function sincBank(): Float32Array {
  const { count, taps, rate } = sincFilters;
  const top = mel(rate / 2);
  const lowPasses = Array.from({ length: count + 1 }, (_, i) => lowPass(fromMel((top * i) / count)));
  const bank = new Float32Array(count * taps);
  for (let band = 0; band < count; band++) {
    for (let k = 0; k < taps; k++) {
      const ideal = f32((lowPasses[band + 1]?.[k] ?? 0) - (lowPasses[band]?.[k] ?? 0));
      bank[band * taps + k] = ideal * f32(0.54 - 0.46 * Math.cos((2 * Math.PI * k) / (taps - 1)));
    }
  }
  return bank;
}

const f32 = Math.fround;

/** 2f/rate · sinc(2f·n/rate) for n from −64 to 64. */
function lowPass(hz: number): Float32Array {
  const { taps, rate } = sincFilters;
  const gain = f32((2 * hz) / rate);
  return Float32Array.from({ length: taps }, (_, k) => {
    const x = f32(f32(f32(2 * hz) * (k - (taps - 1) / 2)) / rate);
    return f32(gain * sinc(x));
  });
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = f32(f32(Math.PI) * x);
  return f32(f32(Math.sin(angle)) / angle);
}
