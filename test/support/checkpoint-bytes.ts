import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pickle, PyCall, PyName, PyPersistent, PyTuple } from "./pickle-bytes.ts";
import { zipBytes, type ZipShape } from "./zip-bytes.ts";

/** The two containers. */
export const forms = ["zip", "legacy"] as const;
export type Form = (typeof forms)[number];

/** A storage to be written: its class in `torch`, element count and raw little-endian bytes. */
export interface Storage {
  readonly key: string;
  readonly type: PyName;
  readonly elements: number;
  readonly bytes: Uint8Array;
}

/** A storage over the memory of `values`; `type` is a class of `torch`, such as `FloatStorage`. */
export function storage(
  key: string,
  type: string,
  values: ArrayBufferView & { readonly length: number },
): Storage {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { key, type: new PyName("torch", type), elements: values.length, bytes };
}

const orderedDict = new PyName("collections", "OrderedDict");
const hooks = () => new PyCall(orderedDict, new PyTuple());

/** A call of `collections.OrderedDict`, filled, as a state dict is written. */
export const ordered = (entries: ReadonlyMap<unknown, unknown>): PyCall =>
  new PyCall(orderedDict, new PyTuple(), { entries, state: new Map([["_metadata", hooks()]]) });

/** What a container writes for trees and storages. */
export class CheckpointWriter {
  readonly form: Form;
  readonly #storages = new Map<string, Storage>();

  constructor(form: Form) {
    this.form = form;
  }

  /** A persistent id of `of`; `view` is what only old files have. */
  reference(of: Storage, view: unknown = null): PyPersistent {
    this.#storages.set(of.key, of);
    const id = ["storage", of.type, of.key, "cuda:0", of.elements];
    return new PyPersistent(new PyTuple(...id, ...(this.form === "legacy" ? [view] : [])));
  }

  /** A tensor in `of`: the whole of it unless a shape is given, row by row unless strides are. */
  tensor(
    of: Storage,
    shape: readonly number[] = [of.elements],
    strides = rowMajor(shape),
    offset = 0,
  ): PyCall {
    const args = [this.reference(of), offset, new PyTuple(...shape), new PyTuple(...strides), false, hooks()];
    return new PyCall(new PyName("torch._utils", "_rebuild_tensor_v2"), new PyTuple(...args));
  }

  /** The file, with the storages met so far. */
  file(tree: unknown, shape: ZipShape = {}): Buffer {
    return this.wrap(pickle(tree), shape);
  }

  /** The file around a pickle that is given as bytes. */
  wrap(tree: Uint8Array, shape: ZipShape = {}): Buffer {
    const storages = [...this.#storages.values()];
    if (this.form === "legacy") return legacyBytes(tree, storages);
    const data = storages.map(({ key, bytes }) => [`any/data/${key}`, bytes] as const);
    return zipBytes([["any/data.pkl", tree], ...data, ["any/version", Buffer.from("3\n")]], shape);
  }
}

/** The strides, in elements, of a tensor whose last axis is the fastest. */
export function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
}

/** The older container; `counts` stand for the true element counts. */
export function legacyBytes(
  tree: Uint8Array,
  storages: readonly Storage[],
  order: "little" | "big" = "little",
): Buffer {
  const sizes = new Map([
    ["short", 2],
    ["int", 4],
    ["long", 4],
  ]);
  const system = new Map<string, unknown>([
    ["protocol_version", 1001],
    ["little_endian", order === "little"],
    ["type_sizes", sizes],
  ]);
  const magic = Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex");
  const data = storages.flatMap(({ elements, bytes }) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(elements));
    return [count, bytes];
  });
  return Buffer.concat([
    magic,
    pickle(1001),
    pickle(system),
    tree,
    pickle(storages.map(({ key }) => key)),
    ...data,
  ]);
}

/** Writes `bytes` to a file of its own that goes when the test ends; gives its path. */
export function fileOf(t: TestContext, bytes: Uint8Array, name = `${randomUUID()}.pt`): string {
  const folder = mkdtempSync(join(tmpdir(), "checkpoint-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
