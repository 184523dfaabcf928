import type { Container } from "./container.ts";
import { toFloat32, toInt64, type Dtype } from "./dtypes.ts";
import { CheckpointError, naming, quoted } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";
import type { RangedFile } from "./ranged-file.ts";
import { checkTensor, readTensorBytes } from "./tensor-bytes.ts";
import { describeValue, globalOf, TensorRef } from "./values.ts";

/** The tensors of a model by name. Whatever fails is a CheckpointError with the file and the name asked for. */
export interface StateDict {
  /** The names of its tensors, in the file's order. */
  keys(): readonly string[];
  /** Whether there is a tensor of this name. */
  has(key: string): boolean;
  shape(key: string): readonly number[];
  dtype(key: string): Dtype;
  /** A row-major copy as float32, whatever the file has. */
  float32(key: string): Promise<Float32Array<ArrayBuffer>>;
  /** A row-major copy of integers or booleans; fails on floats. */
  int64(key: string): Promise<BigInt64Array<ArrayBuffer>>;
}

/** What a state dict reads from. */
export interface StateSource {
  readonly name: string;
  readonly file: RangedFile;
  readonly container: Container;
  readonly limits: CheckpointLimits;
}

const usualKeys = ["state_dict", "model_state_dict", "model", "generator", "net"];

/** The dictionary at `path`, or without one the tree itself or what stands in it under a usual name. */
export function findStateDict(source: StateSource, path: readonly string[]): StateDict {
  const found = path.length > 0 ? follow(source, path) : usual(source.container.root);
  if (!isState(found)) {
    const where = path.length > 0 ? `has at ${quoted(path.join("."))}` : "holds";
    const global = globalOf(found);
    const named = global === undefined ? {} : { global };
    throw new CheckpointError(source.name, `${where} ${describeValue(found)}, not a model's tensors`, named);
  }
  return new TensorMap(source, found);
}

function usual(root: unknown): unknown {
  if (!(root instanceof Map)) return root;
  const candidates: unknown[] = usualKeys.map((key): unknown => root.get(key));
  return candidates.find(isState) ?? root;
}

function follow(source: StateSource, path: readonly string[]): unknown {
  let value = source.container.root;
  for (const key of path) {
    if (!(value instanceof Map) || !value.has(key)) {
      throw new CheckpointError(source.name, `is missing: the file has ${describeValue(value)} there`, {
        key,
      });
    }
    value = value.get(key);
  }
  return value;
}

const isState = (value: unknown): value is ReadonlyMap<unknown, unknown> =>
  value instanceof Map && [...value.values()].some((entry) => entry instanceof TensorRef);

type Convert<T> = (bytes: Uint8Array<ArrayBuffer>, dtype: Dtype) => T;

/** Reads one tensor of the tree and converts its row-major bytes. Throws Malformed where they are not sound. */
export async function readTensor<T>(source: StateSource, tensor: TensorRef, convert: Convert<T>): Promise<T> {
  const { file, container, limits } = source;
  checkTensor(tensor, limits);
  return convert(await readTensorBytes(file, tensor, await container.place(tensor.storage)), tensor.dtype);
}

class TensorMap implements StateDict {
  readonly #source: StateSource;
  readonly #entries: ReadonlyMap<unknown, unknown>;
  readonly #keys: readonly string[];

  constructor(source: StateSource, entries: ReadonlyMap<unknown, unknown>) {
    this.#source = source;
    this.#entries = entries;
    this.#keys = [...entries.keys()].filter((key) => typeof key === "string").filter((key) => this.has(key));
    const bytes = this.#keys.reduce((sum, key) => sum + 4 * this.#tensor(key).elements, 0);
    if (bytes > source.limits.stateBytes) {
      throw new CheckpointError(
        source.name,
        `holds ${bytes} bytes of tensors, over ${source.limits.stateBytes}`,
      );
    }
  }

  keys(): readonly string[] {
    return this.#keys;
  }

  has(key: string): boolean {
    return this.#entries.get(key) instanceof TensorRef;
  }

  shape(key: string): readonly number[] {
    return this.#tensor(key).shape;
  }

  dtype(key: string): Dtype {
    return this.#tensor(key).dtype;
  }

  float32(key: string): Promise<Float32Array<ArrayBuffer>> {
    return this.#read(key, toFloat32);
  }

  int64(key: string): Promise<BigInt64Array<ArrayBuffer>> {
    return this.#read(key, toInt64);
  }

  #read<T>(key: string, convert: Convert<T>): Promise<T> {
    return naming(this.#source.name, key, () => readTensor(this.#source, this.#tensor(key), convert));
  }

  #tensor(key: string): TensorRef {
    const value = this.#entries.get(key);
    if (value instanceof TensorRef) return value;
    const { name } = this.#source;
    if (!this.#entries.has(key)) {
      throw new CheckpointError(name, `is missing among the ${this.#keys.length} tensors there`, { key });
    }
    const global = globalOf(value);
    const trouble = global === undefined ? { key } : { key, global };
    throw new CheckpointError(name, `is ${describeValue(value)}, not a tensor`, trouble);
  }
}
