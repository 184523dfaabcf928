import { operatingPoints, type OperatingPoints } from "./operating-points.ts";

/** Priors and costs of the tandem detection cost function (Kinnunen et al., Odyssey 2018). */
export interface TandemCosts {
  readonly priorTarget: number;
  readonly priorNontarget: number;
  readonly priorSpoof: number;
  /** Of speaker verification: a target rejected, a non-target accepted. */
  readonly asvMiss: number;
  readonly asvFalseAlarm: number;
  /** Of the countermeasure: bona fide speech rejected, spoofed speech accepted. */
  readonly cmMiss: number;
  readonly cmFalseAlarm: number;
}

/** Those of the ASVspoof 2019 evaluation plan: 5 % spoof, and of the rest 99 % targets. */
export const asvspoof2019Costs: TandemCosts = {
  priorTarget: 0.9405,
  priorNontarget: 0.0095,
  priorSpoof: 0.05,
  asvMiss: 1,
  asvFalseAlarm: 10,
  cmMiss: 1,
  cmFalseAlarm: 10,
};

/** Scores of a speaker verification system, the higher the more it accepts. */
export interface AsvScores {
  readonly target: Float64Array;
  readonly nontarget: Float64Array;
  readonly spoof: Float64Array;
}

/** Error rates of a speaker verification system at one threshold, 0 … 1. */
export interface AsvErrors {
  readonly missTarget: number;
  readonly acceptNontarget: number;
  readonly acceptSpoof: number;
  readonly threshold: number;
}

/** A minimal tandem cost, with what it is made of. */
export interface TandemCost {
  /** Normalised as in ASVspoof 2019: (C1·P_miss + C2·P_fa) / min(C1, C2). */
  readonly min: number;
  /** As revised in 2020: (C0 + C1·P_miss + C2·P_fa) / (C0 + min(C1, C2)). */
  readonly revised: number;
  /** Score up to which a trial counts as bona fide there. */
  readonly threshold: number;
  /** What speaker verification costs by itself, and the weights of the countermeasure's two errors. */
  readonly c0: number;
  readonly c1: number;
  readonly c2: number;
}

/**
 * The verification system's errors at its own equal error rate: the threshold where misses and false alarms of targets
 * and non-targets differ least, the lowest of several. A trial is accepted above it. Throws RangeError for an empty class.
 */
export function asvErrors({ target, nontarget, spoof }: AsvScores): AsvErrors {
  if (spoof.length === 0) throw new RangeError("there is no spoof trial of speaker verification");
  // The same shape with other names: what should be accepted scores high.
  const {
    thresholds,
    accepted: miss,
    rejected: alarm,
  } = operatingPoints({ spoof: target, bonafide: nontarget });
  let at = 0;
  for (let i = 1; i < thresholds.length; i++) {
    if (difference(miss, alarm, i) < difference(miss, alarm, at)) at = i;
  }
  const threshold = thresholds[at] ?? NaN;
  let above = 0;
  for (const score of spoof) if (score > threshold) above++;
  return {
    missTarget: miss[at] ?? NaN,
    acceptNontarget: alarm[at] ?? NaN,
    acceptSpoof: above / spoof.length,
    threshold,
  };
}

const difference = (a: Float64Array, b: Float64Array, i: number): number =>
  Math.abs((a[i] ?? 0) - (b[i] ?? 0));

/**
 * The least tandem cost over the countermeasure's thresholds, with a verification system of fixed errors: by the
 * ASVspoof 2019 evaluation plan, and as Kinnunen et al. revised it (IEEE/ACM TASLP, 2020). With these costs both have
 * the same C1 and C2. Throws RangeError when speaker verification is so bad that C1 or C2 is not positive.
 */
export function minTandemCost(
  { thresholds, rejected, accepted }: OperatingPoints,
  asv: AsvErrors,
  costs: TandemCosts = asvspoof2019Costs,
): TandemCost {
  const asvTarget = costs.priorTarget * costs.asvMiss * asv.missTarget;
  const asvNontarget = costs.priorNontarget * costs.asvFalseAlarm * asv.acceptNontarget;
  const c0 = asvTarget + asvNontarget;
  const c1 = costs.priorTarget * costs.cmMiss - c0;
  const c2 = costs.priorSpoof * costs.cmFalseAlarm * asv.acceptSpoof;
  if (!(c1 > 0 && c2 > 0)) throw new RangeError("speaker verification errs too often for a tandem cost");
  let least = Infinity;
  let at = 0;
  for (let i = 0; i < thresholds.length; i++) {
    const cost = c1 * (rejected[i] ?? NaN) + c2 * (accepted[i] ?? NaN);
    if (cost >= least) continue;
    least = cost;
    at = i;
  }
  const naive = Math.min(c1, c2);
  return {
    min: least / naive,
    revised: (c0 + least) / (c0 + naive),
    threshold: thresholds[at] ?? NaN,
    c0,
    c1,
    c2,
  };
}
