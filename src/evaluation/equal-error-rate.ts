import type { OperatingPoints } from "./operating-points.ts";

/** Where as many humans are called machines as machines human. */
export interface EqualErrorRate {
  /** 0 … 1. */
  readonly rate: number;
  /** The lowest score at which at least as many machines are accepted as humans are rejected. */
  readonly threshold: number;
}

/**
 * The equal error rate, by linear interpolation of the error rates between the two neighbouring operating points that
 * lie on either side of equality: not on the convex hull, which never gives more.
 */
export function equalErrorRate({ thresholds, rejected, accepted }: OperatingPoints): EqualErrorRate {
  const at = accepted.findIndex((rate, i) => rate >= (rejected[i] ?? 0));
  const gap = (i: number): number => (accepted[i] ?? 0) - (rejected[i] ?? 0);
  // Everything is rejected at index 0, so the crossing has a point before it.
  const share = gap(at - 1) / (gap(at - 1) - gap(at));
  const before = accepted[at - 1] ?? 0;
  return { rate: before + share * ((accepted[at] ?? 0) - before), threshold: thresholds[at] ?? NaN };
}
