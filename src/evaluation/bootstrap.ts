import { equalErrorRate } from "./equal-error-rate.ts";
import { pointsOf, toSteps, type LabelledScores, type ScoreSteps } from "./operating-points.ts";

/** The ends of a confidence interval. */
export type Interval = readonly [low: number, high: number];

const replicates = 400;
const seed = 20_190_613;

/**
 * The 95 % percentile interval of the equal error rate over 400 resamplings of the trials, each class by itself, from
 * a fixed seed. Trials of one speaker or one attack are not independent of each other, so it is rather too narrow.
 */
export function equalErrorInterval(scores: LabelledScores): Interval {
  const steps = toSteps(scores);
  const next = generator(seed);
  const spoof = stepOfEach(steps.spoof);
  const bonafide = stepOfEach(steps.bonafide);
  const drawn = {
    values: steps.values,
    spoof: new Uint32Array(steps.values.length),
    bonafide: new Uint32Array(steps.values.length),
  };
  const rates = Float64Array.from({ length: replicates }, () => {
    redraw(spoof, drawn.spoof, next);
    redraw(bonafide, drawn.bonafide, next);
    return equalErrorRate(pointsOf(drawn)).rate;
  }).sort();
  return [percentile(rates, 0.025), percentile(rates, 0.975)];
}

/** For each trial of a class, the index of its score. */
function stepOfEach(counts: ScoreSteps["spoof"]): Uint32Array {
  const owners: number[] = [];
  for (const [step, count] of counts.entries()) for (let i = 0; i < count; i++) owners.push(step);
  return Uint32Array.from(owners);
}

function redraw(trials: Uint32Array, counts: Uint32Array, next: () => number): void {
  counts.fill(0);
  for (let i = 0; i < trials.length; i++) {
    const step = trials[Math.floor(next() * trials.length)] ?? 0;
    counts[step] = (counts[step] ?? 0) + 1;
  }
}

function percentile(rising: Float64Array, share: number): number {
  const place = share * (rising.length - 1);
  const [low, high] = [rising[Math.floor(place)] ?? NaN, rising[Math.ceil(place)] ?? NaN];
  return low + (place - Math.floor(place)) * (high - low);
}

/** Numbers in [0, 1): Marsaglia's xorshift of 32 bits (2003), with shifts 13, 17 and 5. */
function generator(start: number): () => number {
  let state = start;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
