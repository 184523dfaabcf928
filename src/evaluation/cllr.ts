import { toSteps, type LabelledScores } from "./operating-points.ts";

/** One score that counts as much as `weight` says, relative to others of its class. */
export interface WeightedScore {
  readonly score: number;
  readonly isSpoof: boolean;
  readonly weight: number;
}

/**
 * The log-likelihood-ratio cost in bits (Brümmer & du Preez, 2006): 0 for perfect evidence, 1 for none, more for
 * evidence that misleads. Each class counts half. NaN when a class is empty.
 */
export function cllr({ spoof, bonafide }: LabelledScores): number {
  return (mean(spoof, (llr) => bits(-llr)) + mean(bonafide, bits)) / 2;
}

/** {@link cllr} of natural LLRs that count unequally within their class. */
export function weightedCllr(scores: readonly WeightedScore[]): number {
  const sums = { spoof: 0, spoofWeight: 0, bonafide: 0, bonafideWeight: 0 };
  for (const { score, isSpoof, weight } of scores) {
    if (isSpoof) {
      sums.spoof += weight * bits(-score);
      sums.spoofWeight += weight;
    } else {
      sums.bonafide += weight * bits(score);
      sums.bonafideWeight += weight;
    }
  }
  return (sums.spoof / sums.spoofWeight + sums.bonafide / sums.bonafideWeight) / 2;
}

/**
 * The least {@link cllr} that any rising map of the scores could give: what is lost to discrimination, not calibration.
 * Found by pooling adjacent violators (Ayer et al., 1955). Throws RangeError when a class is empty.
 */
export function minCllr(scores: LabelledScores): number {
  const { spoof, bonafide } = toSteps(scores);
  const blocks: Block[] = [];
  for (const [i, machines] of spoof.entries()) {
    let block: Block = {
      spoof: machines / scores.spoof.length,
      bonafide: (bonafide[i] ?? 0) / scores.bonafide.length,
    };
    for (let last = blocks.at(-1); last !== undefined && !rises(last, block); last = blocks.at(-1)) {
      blocks.pop();
      block = { spoof: last.spoof + block.spoof, bonafide: last.bonafide + block.bonafide };
    }
    blocks.push(block);
  }
  let sum = 0;
  for (const block of blocks) sum += costOf(block);
  return sum / 2;
}

/** Shares of each class that lie in one step of the map; its best LLR is ln(spoof / bonafide). */
interface Block {
  readonly spoof: number;
  readonly bonafide: number;
}

const rises = (low: Block, high: Block): boolean => low.spoof * high.bonafide < high.spoof * low.bonafide;

function costOf({ spoof, bonafide }: Block): number {
  const all = spoof + bonafide;
  const part = (share: number): number => (share > 0 ? share * Math.log2(all / share) : 0);
  return part(spoof) + part(bonafide);
}

/** log2(1 + eˣ), without overflow. */
const bits = (x: number): number => (Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))) / Math.LN2;

function mean(values: Float64Array, of: (value: number) => number): number {
  let sum = 0;
  for (const value of values) sum += of(value);
  return sum / values.length;
}
