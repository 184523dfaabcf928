import type { Resampler } from "./ports.ts";
import type { Hertz } from "./units.ts";

/** Length in zero crossings to either side, the Kaiser window's β, and the cutoff in parts of the lower Nyquist frequency. */
interface Design {
  readonly zeroCrossings: number;
  readonly kaiserBeta: number;
  readonly cutoff: number;
}

// Flat within 0.08 dB to 0.9 of the lower Nyquist frequency and 85 dB down from 1.1 of it. The three were
// searched for together: a cutoff a little below Nyquist spends the passband's allowance on the stopband.
const general: Design = { zeroCrossings: 24, kaiserBeta: 8.5, cutoff: 0.985 };

// With the cutoff at Nyquist itself, every tap of phase 0 but the middle one is a zero of the sinc: the input
// samples pass unchanged. Longer to hold the stopband, and cheaper for it: 8 → 16 kHz computes every second sample.
const wholeMultiple: Design = { zeroCrossings: 28, kaiserBeta: 8.3, cutoff: 1 };

/** Samples that are converted at a time: it bounds a resampler's memory, whatever the length of a block. */
const sliceLength = 1024;
/** Rates that are in use at once are few; anything beyond is rebuilt when it is next asked for. */
const maxCachedBanks = 16;

/** Every fractional delay of one low-pass filter, for a ratio in lowest terms. */
interface FilterBank {
  /** Rows of the bank: output samples per `decimation` input samples. */
  readonly phases: number;
  readonly decimation: number;
  /** Taps to either side of an output's place in the input. */
  readonly half: number;
  /** [phases, 2 · half], each row summing to 1. */
  readonly taps: Float64Array;
}

const banks = new Map<string, FilterBank>();

/**
 * A {@link Resampler} from one rate to another: a Kaiser-windowed sinc in polyphase form
 * (Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., §4.6 and §7.5.3).
 *
 * Output sample n lies at input time n · from / to exactly, so the filter adds no delay to the timeline: a sample
 * only comes out later, when the half filter after it has come in. N samples pushed and flushed give
 * ceil(N · to / from). The same output, bit for bit, for any split of the input. A ratio's filters are built once and
 * shared; they number `to` over the rates' greatest common divisor, so callers keep odd rates out.
 */
export function createResampler(from: Hertz, to: Hertz): Resampler {
  return from === to ? new Copy() : new Polyphase(bankFor(from, to));
}

class Copy implements Resampler {
  push(block: Float32Array): Float32Array {
    return block.slice();
  }

  flush(): Float32Array {
    return new Float32Array(0);
  }
}

class Polyphase implements Resampler {
  readonly #bank: FilterBank;
  /** What the next output still needs of the past, then the slice that is being converted. */
  readonly #line: Float64Array;
  #filled = 0;
  /** Index in the line of the sample at or before the next output. */
  #base = 0;
  #phase = 0;

  constructor(bank: FilterBank) {
    this.#bank = bank;
    this.#line = new Float64Array(2 * bank.half + bank.decimation + sliceLength);
    this.#reset();
  }

  push(block: Float32Array): Float32Array {
    const output = new Float32Array(this.#outputsAfter(block.length));
    let written = 0;
    for (let start = 0; start < block.length; start += sliceLength) {
      const end = Math.min(start + sliceLength, block.length);
      for (let i = start; i < end; i++) this.#line[this.#filled++] = block[i] ?? 0;
      written = this.#convert(output, written);
      this.#forget();
    }
    return output;
  }

  flush(): Float32Array {
    const tail = this.push(new Float32Array(this.#bank.half));
    this.#reset();
    return tail;
  }

  /** Before the first sample there is silence. */
  #reset(): void {
    this.#line.fill(0);
    this.#filled = this.#bank.half - 1;
    this.#base = this.#filled;
    this.#phase = 0;
  }

  /** How many outputs have their last tap within the line once `length` more samples are in it. */
  #outputsAfter(length: number): number {
    const { phases, decimation, half } = this.#bank;
    const ready = (this.#filled + length - half - this.#base) * phases - this.#phase;
    return Math.max(0, Math.ceil(ready / decimation));
  }

  #convert(output: Float32Array, start: number): number {
    const { phases, decimation, half, taps } = this.#bank;
    const line = this.#line;
    const length = 2 * half;
    const step = Math.floor(decimation / phases);
    const phaseStep = decimation % phases;
    const count = this.#outputsAfter(0);
    const passes = decimation === 1;
    for (let n = start; n < start + count; n++) {
      output[n] =
        passes && this.#phase === 0
          ? (line[this.#base] ?? 0)
          : dot(taps, this.#phase * length, line, this.#base - half + 1, length);
      this.#base += step;
      this.#phase += phaseStep;
      if (this.#phase >= phases) {
        this.#phase -= phases;
        this.#base++;
      }
    }
    return start + count;
  }

  /** Moves what later outputs need to the front; the base may lie past the end when decimating. */
  #forget(): void {
    const first = Math.min(this.#base - this.#bank.half + 1, this.#filled);
    this.#line.copyWithin(0, first, this.#filled);
    this.#filled -= first;
    this.#base -= first;
  }
}

/** Four sums at once, so that an addition need not wait for the one before it; `length` is a multiple of four. */
function dot(a: Float64Array, aStart: number, b: Float64Array, bStart: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let k = 0; k < length; k += 4) {
    const i = aStart + k;
    const j = bStart + k;
    s0 += (a[i] ?? 0) * (b[j] ?? 0);
    s1 += (a[i + 1] ?? 0) * (b[j + 1] ?? 0);
    s2 += (a[i + 2] ?? 0) * (b[j + 2] ?? 0);
    s3 += (a[i + 3] ?? 0) * (b[j + 3] ?? 0);
  }
  return s0 + s1 + (s2 + s3);
}

function bankFor(from: number, to: number): FilterBank {
  const divisor = greatestCommonDivisor(from, to);
  const key = `${from / divisor}:${to / divisor}`;
  const cached = banks.get(key);
  if (cached !== undefined) return cached;
  const bank = buildBank(from / divisor, to / divisor);
  const oldest = banks.keys().next();
  if (banks.size >= maxCachedBanks && oldest.done !== true) banks.delete(oldest.value);
  banks.set(key, bank);
  return bank;
}

/** Both in lowest terms: only their ratio shapes the filter. */
function buildBank(decimation: number, phases: number): FilterBank {
  const { zeroCrossings, kaiserBeta, cutoff } = decimation === 1 ? wholeMultiple : general;
  const bandwidth = Math.min(1, phases / decimation);
  const reach = zeroCrossings / bandwidth;
  const half = 2 * Math.ceil(reach / 2);
  const taps = new Float64Array(phases * 2 * half);
  for (let phase = 0; phase < phases; phase++) {
    const row = taps.subarray(phase * 2 * half, (phase + 1) * 2 * half);
    let sum = 0;
    for (let k = 0; k < row.length; k++) {
      const distance = k - half + 1 - phase / phases;
      const tap = sinc(cutoff * bandwidth * distance) * kaiser(distance / reach, kaiserBeta);
      row[k] = tap;
      sum += tap;
    }
    for (let k = 0; k < row.length; k++) row[k] = (row[k] ?? 0) / sum;
  }
  return { phases, decimation, half, taps };
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** The Kaiser window at x in (-1, 1); 0 outside, so that no response leans to one side. */
function kaiser(x: number, beta: number): number {
  return Math.abs(x) >= 1 ? 0 : besselI0(beta * Math.sqrt(1 - x * x)) / besselI0(beta);
}

/** The modified Bessel function of the first kind of order 0, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** Of positive integers. */
export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
