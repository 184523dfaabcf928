import { createHash } from "node:crypto";
import { Malformed } from "../checkpoint/errors.ts";
import {
  initedKey,
  tokenizerShapes,
  tokenizerSizes,
  type Shapes,
  type TokenizerSizes,
} from "./safeear-sizes.ts";
import { readTensors, type Weights } from "./weights.ts";

/** A tokenizer whose tensors were all looked at: present, of fitting shapes, finite. They stay in the file. */
export interface SurveyedTokenizer {
  readonly weights: Weights;
  readonly sizes: TokenizerSizes;
  /** SHA-256, hexadecimal, over keys and elements. */
  readonly digest: string;
}

/** Those of `weights` whose keys start with `prefix`, by what follows it. */
export const under = (weights: Weights, prefix: string): Weights => ({
  *keys() {
    for (const key of weights.keys()) if (key.startsWith(prefix)) yield key.slice(prefix.length);
  },
  has: (key) => weights.has(prefix + key),
  shape: (key) => weights.shape(prefix + key),
  float32: (key) => weights.float32(prefix + key),
});

/** Runs `work`, and says of what is wrong with tensors that they are the ones whose keys start with `prefix`. */
export async function namingPrefix<T>(prefix: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Malformed) || prefix === "") throw cause;
    throw new Malformed(`${cause.message} (its keys start with ${prefix})`);
  }
}

/** Reads a tokenizer's tensors once, one at a time. Throws Malformed, which names the first that is missing or unfit. */
export async function surveyTokenizer(weights: Weights): Promise<SurveyedTokenizer> {
  const sizes = tokenizerSizes(weights);
  const digest = await survey(weights, tokenizerShapes(sizes));
  for (let stage = 0; stage < sizes.stages; stage++) {
    const [inited] = await weights.float32(initedKey(stage));
    if (inited !== 1) throw new Malformed(`${initedKey(stage)} is not 1: its code vectors were never set`);
  }
  return { weights, sizes, digest };
}

/** Weight norm divides by a row's length. */
function assertDirections(key: string, rows: Float32Array, count: number): void {
  const length = rows.length / count;
  for (let row = 0; row < count; row++) {
    if (rows.subarray(row * length, (row + 1) * length).some((value) => value !== 0)) continue;
    throw new Malformed(`${key}: row ${row} is all zeros, which has no direction`);
  }
}

async function survey(weights: Weights, shapes: Shapes): Promise<string> {
  const hash = createHash("sha256");
  for (const [key, shape] of shapes) {
    const one = await readTensors(weights, new Map([[key, shape]]));
    if (key.endsWith(".weight_v")) assertDirections(key, one.get(key), shape[0] ?? 1);
    hash.update(`${key}\n`).update(one.get(key));
  }
  return hash.digest("hex");
}
