/** Scores of labelled trials, in any order; finite, and the higher the more they speak for spoof, as an LLR does. */
export interface LabelledScores {
  readonly spoof: Float64Array;
  readonly bonafide: Float64Array;
}

/**
 * Every pair of error rates that a threshold can give. At index i a trial is called bona fide when its score is at most
 * `thresholds[i]`. Index 0 calls everything spoof (its threshold is −∞), the last one calls everything bona fide.
 * Trials of equal score change sides together, so a tie is one step.
 */
export interface OperatingPoints {
  readonly thresholds: Float64Array;
  /** Share of bona fide trials that are called spoof: `P_miss` of a countermeasure in ASVspoof. Never rises. */
  readonly rejected: Float64Array;
  /** Share of spoof trials that are called bona fide: `P_fa` of a countermeasure in ASVspoof. Never falls. */
  readonly accepted: Float64Array;
}

/** The distinct scores, rising, and how many trials of each class have each. */
export interface ScoreSteps {
  readonly values: Float64Array;
  readonly spoof: Uint32Array;
  readonly bonafide: Uint32Array;
}

/** Groups trials by score. Throws RangeError when a class is empty or a score is not finite. */
export function toSteps({ spoof, bonafide }: LabelledScores): ScoreSteps {
  const machines = sorted(spoof, "spoof");
  const humans = sorted(bonafide, "bona fide");
  const size = machines.length + humans.length;
  const steps = {
    values: new Float64Array(size),
    spoof: new Uint32Array(size),
    bonafide: new Uint32Array(size),
  };
  let count = 0;
  for (let s = 0, b = 0; s < machines.length || b < humans.length; count++) {
    const value = Math.min(machines[s] ?? Infinity, humans[b] ?? Infinity);
    const [fromS, fromB] = [s, b];
    while (machines[s] === value) s++;
    while (humans[b] === value) b++;
    steps.values[count] = value;
    steps.spoof[count] = s - fromS;
    steps.bonafide[count] = b - fromB;
  }
  return {
    values: steps.values.subarray(0, count),
    spoof: steps.spoof.subarray(0, count),
    bonafide: steps.bonafide.subarray(0, count),
  };
}

/** The error rates at every threshold that makes a difference. Throws as {@link toSteps} does. */
export function operatingPoints(scores: LabelledScores): OperatingPoints {
  return pointsOf(toSteps(scores));
}

/** {@link operatingPoints} of scores that are grouped already. */
export function pointsOf({ values, spoof, bonafide }: ScoreSteps): OperatingPoints {
  const size = values.length + 1;
  const thresholds = new Float64Array(size).fill(-Infinity);
  const rejected = new Float64Array(size).fill(1);
  const accepted = new Float64Array(size);
  const [allSpoof, allBonafide] = [total(spoof), total(bonafide)];
  let [spoofBelow, bonafideBelow] = [0, 0];
  for (let i = 1; i < size; i++) {
    spoofBelow += spoof[i - 1] ?? 0;
    bonafideBelow += bonafide[i - 1] ?? 0;
    thresholds[i] = values[i - 1] ?? NaN;
    rejected[i] = (allBonafide - bonafideBelow) / allBonafide;
    accepted[i] = spoofBelow / allSpoof;
  }
  return { thresholds, rejected, accepted };
}

function total(counts: Uint32Array): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

function sorted(scores: Float64Array, what: string): Float64Array {
  if (scores.length === 0) throw new RangeError(`there is no ${what} trial`);
  if (!scores.every(Number.isFinite)) throw new RangeError(`a ${what} score is not a finite number`);
  return scores.toSorted();
}
