import type { WeightedScore } from "./cllr.ts";

/** LLR = a·x + b. */
export interface Calibration {
  readonly a: number;
  readonly b: number;
}

export interface FitOptions {
  /** Weight of the spoof class, in (0, 1); the bona fide class has the rest. 0.5 by default. */
  readonly prior?: number;
  /** Recordings of each class, for the targets. */
  readonly spoofs: number;
  readonly bonafides: number;
}

const maxSteps = 100;
const enough = 1e-12;

/**
 * Fits LLR = a·x + b by prior-weighted logistic regression: the log-odds are LLR + logit(prior), and each class counts
 * as its prior says, however many scores it has. Labels are (n + 1) / (n + 2) and 1 / (n + 2) instead of 1 and 0 (Platt,
 * 1999), so that scores which separate the classes do not make a infinite. Newton's method on standardised scores, a
 * step being halved while it does not help. Throws RangeError when a class is empty or all scores are equal.
 */
export function fitCalibration(scores: readonly WeightedScore[], options: FitOptions): Calibration {
  const { mean, deviation } = momentsOf(scores);
  if (!(deviation > 0)) throw new RangeError("the scores are all equal, or there are none");
  const rows = toRows(scores, options, mean, deviation);
  const { prior = 0.5 } = options;
  const offset = Math.log(prior / (1 - prior));
  let at: Line = { slope: 0, shift: 0 };
  let cost = costAt(rows, at, offset);
  for (let i = 0; i < maxSteps; i++) {
    const next = improved(rows, at, offset, cost);
    const gain = cost - next.cost;
    [at, cost] = [next.at, next.cost];
    if (gain <= enough) break;
  }
  const a = at.slope / deviation;
  return { a, b: at.shift - a * mean };
}

interface Row {
  /** Standardised. */
  readonly x: number;
  /** Between 0 and 1. */
  readonly target: number;
  readonly weight: number;
}

interface Line {
  readonly slope: number;
  readonly shift: number;
}

function momentsOf(scores: readonly WeightedScore[]): { mean: number; deviation: number } {
  const mean = scores.reduce((sum, { score }) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, { score }) => sum + (score - mean) ** 2, 0) / scores.length;
  return { mean, deviation: Math.sqrt(variance) };
}

function toRows(
  scores: readonly WeightedScore[],
  { prior = 0.5, spoofs, bonafides }: FitOptions,
  mean: number,
  deviation: number,
): readonly Row[] {
  const total = (isSpoof: boolean): number =>
    scores.reduce((sum, score) => sum + (score.isSpoof === isSpoof ? score.weight : 0), 0);
  const [spoofTotal, bonafideTotal] = [total(true), total(false)];
  if (!(spoofTotal > 0 && bonafideTotal > 0))
    throw new RangeError("both classes are needed for a calibration");
  return scores.map(({ score, isSpoof, weight }) => ({
    x: (score - mean) / deviation,
    target: isSpoof ? (spoofs + 1) / (spoofs + 2) : 1 / (bonafides + 2),
    weight: isSpoof ? (prior * weight) / spoofTotal : ((1 - prior) * weight) / bonafideTotal,
  }));
}

/** The weighted cross-entropy in nats. */
function costAt(rows: readonly Row[], { slope, shift }: Line, offset: number): number {
  let sum = 0;
  for (const { x, target, weight } of rows) {
    const z = slope * x + shift + offset;
    sum += weight * (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - target * z);
  }
  return sum;
}

function improved(rows: readonly Row[], at: Line, offset: number, cost: number): { at: Line; cost: number } {
  const step = newtonStep(rows, at, offset);
  for (let scale = 1; scale > 1e-10; scale /= 2) {
    const next = { slope: at.slope - scale * step.slope, shift: at.shift - scale * step.shift };
    const nextCost = costAt(rows, next, offset);
    if (nextCost < cost) return { at: next, cost: nextCost };
  }
  return { at, cost };
}

/** The inverse Hessian times the gradient, two by two. */
function newtonStep(rows: readonly Row[], { slope, shift }: Line, offset: number): Line {
  let [gradient1, gradient0, curve11, curve10, curve00] = [0, 0, 0, 0, 0];
  for (const { x, target, weight } of rows) {
    const p = 1 / (1 + Math.exp(-(slope * x + shift + offset)));
    const [pull, curve] = [weight * (p - target), weight * p * (1 - p)];
    gradient1 += pull * x;
    gradient0 += pull;
    curve11 += curve * x * x;
    curve10 += curve * x;
    curve00 += curve;
  }
  const determinant = curve11 * curve00 - curve10 * curve10;
  return {
    slope: (curve00 * gradient1 - curve10 * gradient0) / determinant,
    shift: (curve11 * gradient0 - curve10 * gradient1) / determinant,
  };
}
