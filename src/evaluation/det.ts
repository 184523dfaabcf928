import type { OperatingPoints } from "./operating-points.ts";

/** A point of a detection error trade-off curve, both axes in deviates of the normal distribution. */
export interface DetPoint {
  /** Of the share of machines accepted. */
  readonly x: number;
  /** Of the share of humans rejected. */
  readonly y: number;
}

/** No error rate is shown below this or above its complement. */
export const leastShown = 0.0005;
const leastMove = 0.005;

/**
 * The curve of Martin et al. (1997) through the operating points, within {@link leastShown}; points that lie too close
 * to the one before to be seen apart are left out, so that its length does not grow with the trials.
 */
export function detCurve({ rejected, accepted }: OperatingPoints): readonly DetPoint[] {
  const curve: DetPoint[] = [];
  for (const [i, share] of accepted.entries()) {
    const point = { x: deviate(shown(share)), y: deviate(shown(rejected[i] ?? NaN)) };
    const last = curve.at(-1);
    const isFar = last === undefined || Math.hypot(point.x - last.x, point.y - last.y) >= leastMove;
    if (isFar || i === accepted.length - 1) curve.push(point);
  }
  return curve;
}

const shown = (share: number): number => Math.min(1 - leastShown, Math.max(leastShown, share));

/**
 * The inverse of the normal distribution function for p in (0, 1), by Acklam's rational approximations (2003): relative
 * error below 1.2e-9.
 */
export function deviate(p: number): number {
  if (p > 0.5) return -deviate(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(tailAbove, q) / polynomial(tailBelow, q);
  }
  const q = p - 0.5;
  return (q * polynomial(middleAbove, q * q)) / polynomial(middleBelow, q * q);
}

/** By Horner's rule, the highest power first. */
const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);

const middleAbove = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
  2.506628277459239,
];
const middleBelow = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1,
];
const tailAbove = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const tailBelow = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];
