import type { Weights } from "./weights.ts";

/** Those of `weights` whose keys start with `prefix`, by what follows it. */
export const under = (weights: Weights, prefix: string): Weights => ({
  *keys() {
    for (const key of weights.keys()) if (key.startsWith(prefix)) yield key.slice(prefix.length);
  },
  has: (key) => weights.has(prefix + key),
  shape: (key) => weights.shape(prefix + key),
  float32: (key) => weights.float32(prefix + key),
});
