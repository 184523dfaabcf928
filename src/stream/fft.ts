/** Computes power spectra of real frames of one length. Holds scratch space: synchronous use only, but any number of streams. */
export interface PowerSpectrum {
  /** Frame length in samples, N. */
  readonly size: number;
  /** Fills `power` with |X_k|² for k = 0 … power.length − 1 (at most N / 2) of the N samples from `offset`, times the window. */
  compute(samples: Float32Array, offset: number, power: Float64Array): void;
}

/**
 * A Hann-windowed real FFT: the even and odd samples are the two halves of one complex transform (Stockham
 * order, radix 4). The frame length must be 2·4^k with k ≥ 1; throws RangeError otherwise.
 */
export function powerSpectrum(size: number): PowerSpectrum {
  const half = size / 2;
  const radices = Math.log2(half) / 2;
  if (!Number.isInteger(radices) || radices < 1) throw new RangeError(`frame length must be 2·4^k: ${size}`);
  const window = hann(size);
  const cos = new Float64Array(half);
  const sin = new Float64Array(half);
  for (let k = 0; k < half; k++) {
    cos[k] = Math.cos((-2 * Math.PI * k) / size);
    sin[k] = Math.sin((-2 * Math.PI * k) / size);
  }
  let from = new Float64Array(size);
  let to = new Float64Array(size);

  return {
    size,
    compute(samples, offset, power) {
      for (let i = 0; i < size; i++) from[i] = (samples[offset + i] ?? 0) * (window[i] ?? 0);
      for (let length = half, stride = 1; length > 1; length /= 4, stride *= 4) {
        radix4(from, to, length, stride, cos, sin);
        const done = to;
        to = from;
        from = done;
      }
      untangle(from, half, cos, sin, power);
    },
  };
}

/** The periodic Hann window: sin²(πi / N). */
export function hann(size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => Math.sin((Math.PI * i) / size) ** 2);
}

/** One pass of the transform over interleaved complex numbers; the tables hold e^(−2πik / 2·half). */
function radix4(
  x: Float64Array,
  y: Float64Array,
  length: number,
  stride: number,
  cos: Float64Array,
  sin: Float64Array,
): void {
  const quarter = length / 4;
  const turn = 2 * stride;
  for (let p = 0; p < quarter; p++) {
    butterflies(x, y, p * turn, turn, turn * quarter, cos[p * turn] ?? 0, sin[p * turn] ?? 0);
  }
}

/** The `turn` / 2 butterflies that share the twiddle factors w, w² and w³; their inputs lie `leap` numbers apart. */
function butterflies(
  x: Float64Array,
  y: Float64Array,
  first: number,
  turn: number,
  leap: number,
  w1r: number,
  w1i: number,
): void {
  const w2r = w1r * w1r - w1i * w1i;
  const w2i = 2 * w1r * w1i;
  const w3r = w1r * w2r - w1i * w2i;
  const w3i = w1r * w2i + w1i * w2r;
  for (let i = first, o = 4 * first; i < first + turn; i += 2, o += 2) {
    const ar = x[i] ?? 0;
    const ai = x[i + 1] ?? 0;
    const br = x[i + leap] ?? 0;
    const bi = x[i + leap + 1] ?? 0;
    const cr = x[i + 2 * leap] ?? 0;
    const ci = x[i + 2 * leap + 1] ?? 0;
    const dr = x[i + 3 * leap] ?? 0;
    const di = x[i + 3 * leap + 1] ?? 0;
    const sr = ar + cr;
    const si = ai + ci;
    const tr = ar - cr;
    const ti = ai - ci;
    const ur = br + dr;
    const ui = bi + di;
    const vr = br - dr;
    const vi = bi - di;
    y[o] = sr + ur;
    y[o + 1] = si + ui;
    y[o + turn] = w1r * (tr + vi) - w1i * (ti - vr);
    y[o + turn + 1] = w1r * (ti - vr) + w1i * (tr + vi);
    y[o + 2 * turn] = w2r * (sr - ur) - w2i * (si - ui);
    y[o + 2 * turn + 1] = w2r * (si - ui) + w2i * (sr - ur);
    y[o + 3 * turn] = w3r * (tr - vi) - w3i * (ti + vr);
    y[o + 3 * turn + 1] = w3r * (ti + vr) + w3i * (tr - vi);
  }
}

/** From the half-length complex transform z to the powers of the real one. */
function untangle(
  z: Float64Array,
  half: number,
  cos: Float64Array,
  sin: Float64Array,
  power: Float64Array,
): void {
  const sum = (z[0] ?? 0) + (z[1] ?? 0);
  power[0] = sum * sum;
  for (let k = 1; k < power.length; k++) {
    const zr = z[2 * k] ?? 0;
    const zi = z[2 * k + 1] ?? 0;
    const mr = z[2 * (half - k)] ?? 0;
    const mi = -(z[2 * (half - k) + 1] ?? 0);
    const dr = 0.5 * (zr - mr);
    const di = 0.5 * (zi - mi);
    const c = cos[k] ?? 0;
    const s = sin[k] ?? 0;
    const re = 0.5 * (zr + mr) + s * dr + c * di;
    const im = 0.5 * (zi + mi) + s * di - c * dr;
    power[k] = re * re + im * im;
  }
}
