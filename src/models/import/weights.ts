import { createHash } from "node:crypto";
import { Malformed } from "../checkpoint/errors.ts";

/** The tensors of a checkpoint by their keys, as `src/models/checkpoint` reads them. */
export interface Weights {
  keys(): Iterable<string>;
  has(key: string): boolean;
  /** Throws where there is no such tensor. */
  shape(key: string): readonly number[];
  /** The elements in row-major order, whatever type the checkpoint keeps them in. */
  float32(key: string): Promise<Float32Array>;
}

/** A checkpoint's tensors that a graph is made of, read and of the shapes it expects. */
export interface Tensors {
  /** Throws where `key` was not asked for. */
  get(key: string): Float32Array;
  shape(key: string): readonly number[];
}

/** SHA-256, hexadecimal, over each tensor's key and elements in the order of `keys`: the same however a file keeps them. */
export function digestOf(tensors: Tensors, keys: Iterable<string>): string {
  const hash = createHash("sha256");
  for (const key of keys) hash.update(`${key}\n`).update(tensors.get(key));
  return hash.digest("hex");
}

/** The shape of `key`, which must have `rank` dimensions. Throws Malformed, which names what is missing or differs. */
export function shapeOf(weights: Weights, key: string, rank: number): readonly number[] {
  if (!weights.has(key)) throw new Malformed(`the checkpoint has no tensor ${key}`);
  const shape = weights.shape(key);
  if (shape.length === rank) return shape;
  throw new Malformed(`${key} has ${shape.length} dimensions, not ${rank}`);
}

/** Reads every tensor of `shapes`. Throws Malformed, which names the first one that is missing, misshapen or not finite. */
export async function readTensors(
  weights: Weights,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<Tensors> {
  for (const [key, shape] of shapes) checkShape(weights, key, shape);
  const tensors = new Map<string, Float32Array>();
  for (const key of shapes.keys()) tensors.set(key, await readFinite(weights, key));
  return {
    get: (key) => tensors.get(key) ?? unknown(key),
    shape: (key) => shapes.get(key) ?? unknown(key),
  };
}

function checkShape(weights: Weights, key: string, expected: readonly number[]): void {
  const actual = shapeOf(weights, key, expected.length);
  if (expected.every((size, i) => size === actual[i])) return;
  throw new Malformed(`${key} has shape [${actual.join(", ")}], not [${expected.join(", ")}]`);
}

async function readFinite(weights: Weights, key: string): Promise<Float32Array> {
  const data = await weights.float32(key);
  let sum = 0;
  for (const value of data) sum += value * 0;
  if (sum === 0) return data;
  throw new Malformed(`${key} holds a value that is not finite`);
}

function unknown(key: string): never {
  throw new Error(`${key} was not read`);
}
