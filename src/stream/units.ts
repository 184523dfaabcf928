declare const unit: unique symbol;
type Unit<Name extends string> = number & { readonly [unit]: Name };

/** Samples per second. */
export type Hertz = Unit<"Hertz">;
/** A count of samples of one channel, or an index on a channel's timeline; the rate is the holder's. */
export type Samples = Unit<"Samples">;
/** A duration or a time on a timeline, in whole milliseconds. */
export type Millis = Unit<"Millis">;
/** A number known to lie in [0, 1]. */
export type Probability = Unit<"Probability">;

/** Throws RangeError unless `n` is a positive integer: resampling ratios must be rational. */
export function hertz(n: number): Hertz {
  if (!Number.isInteger(n) || n <= 0) throw new RangeError(`sample rate must be a positive integer: ${n}`);
  return n as Hertz;
}

export const samples = (n: number): Samples => n as Samples;
export const millis = (n: number): Millis => n as Millis;

/** Throws RangeError outside [0, 1]. */
export function probability(p: number): Probability {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`probability out of [0, 1]: ${p}`);
  return p as Probability;
}

/** Whole milliseconds, rounded down: 64,600 samples at 16 kHz are 4,037. */
export const toMillis = (n: Samples, rate: Hertz): Millis => Math.floor((n * 1000) / rate) as Millis;

/** Samples in a duration, rounded down. */
export const toSamples = (ms: Millis | number, rate: Hertz): Samples =>
  Math.floor((ms * rate) / 1000) as Samples;

/** The same instant on a clock of another rate, rounded down. */
export const convert = (n: Samples, from: Hertz, to: Hertz): Samples =>
  Math.floor((n * to) / from) as Samples;

/** The logistic function σ(x) = 1 / (1 + e⁻ˣ). */
export const sigmoid = (x: number): Probability => (1 / (1 + Math.exp(-x))) as Probability;

/** The inverse of {@link sigmoid}: ln(p / (1 − p)). */
export const logit = (p: number): number => Math.log(p / (1 - p));
