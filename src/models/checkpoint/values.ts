import { type Dtype } from "./dtypes.ts";
import { Malformed, quoted } from "./errors.ts";

const pythonName = /^[\p{L}\p{N}_.<>]{1,256}$/u;

/** A Python name that a pickle refers to: compared with known ones, never imported. */
export class Global {
  /** `module.name`. */
  readonly text: string;

  constructor(module: string, name: string) {
    if (!pythonName.test(module) || !pythonName.test(name)) {
      throw new Malformed(`is damaged: ${quoted(`${module}.${name}`)} is not a name`);
    }
    this.text = `${module}.${name}`;
  }
}

/** What would be an object of some Python class, or a call's result: the name and what was stored, and no behaviour. */
export class Inert {
  readonly global: Global;
  readonly args: unknown;
  /** Attributes, as the file has them. */
  state: unknown = undefined;
  /** What the file would set by `object[key] = value`. */
  readonly entries = new Map<unknown, unknown>();
  /** What the file would append. */
  readonly items: unknown[] = [];

  constructor(global: Global, args: unknown) {
    this.global = global;
    this.args = args;
  }
}

/** A stretch of a storage: `elements` elements from `start` of the `whole` that the file holds under `key`. */
export class StorageRef {
  readonly key: string;
  readonly dtype: Dtype;
  readonly whole: number;
  readonly start: number;
  readonly elements: number;

  constructor(key: string, dtype: Dtype, whole: number, view?: { start: number; elements: number }) {
    this.key = key;
    this.dtype = dtype;
    this.whole = whole;
    this.start = view?.start ?? 0;
    this.elements = view?.elements ?? whole;
  }
}

/** A tensor that has not been read: where its elements lie. Offset and strides count elements of the storage. */
export class TensorRef {
  readonly storage: StorageRef;
  readonly dtype: Dtype;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: StorageRef, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.dtype = storage.dtype;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  /** Elements of the tensor, 1 for a scalar. */
  get elements(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }
}

/** A few words for what stands where something else was wanted. */
export function describeValue(value: unknown): string {
  if (value instanceof Inert) return `an object of ${value.global.text}, which is not loaded`;
  if (value instanceof Global) return `the name ${value.text}`;
  if (value instanceof TensorRef) return `a tensor [${value.shape.join(", ")}] of ${value.dtype}`;
  if (value instanceof StorageRef) return "a storage without a shape";
  if (value instanceof Map) return `a dictionary of ${value.size}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value === undefined) return "nothing";
  return value === null ? "None" : `a ${typeof value}`;
}

/** The name to blame for a value that is no tensor, if it has one. */
export function globalOf(value: unknown): string | undefined {
  if (value instanceof Inert) return value.global.text;
  return value instanceof Global ? value.text : undefined;
}
