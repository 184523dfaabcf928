import { elementBytes, isDtype, type Dtype } from "./dtypes.ts";
import { Malformed, quoted } from "./errors.ts";
import { describeValue, Global, globalOf, Inert, StorageRef, TensorRef } from "./values.ts";

const storageDtypes: ReadonlyMap<string, Dtype> = new Map([
  ["torch.HalfStorage", "float16"],
  ["torch.BFloat16Storage", "bfloat16"],
  ["torch.FloatStorage", "float32"],
  ["torch.DoubleStorage", "float64"],
  ["torch.CharStorage", "int8"],
  ["torch.ShortStorage", "int16"],
  ["torch.IntStorage", "int32"],
  ["torch.LongStorage", "int64"],
  ["torch.ByteStorage", "uint8"],
  ["torch.BoolStorage", "bool"],
  // Bytes whose meaning stands with the tensor.
  ["torch.storage.UntypedStorage", "uint8"],
]);

const dimensions = 16;

/** The value of a call in a pickle: of the few names that carry weights, what they make; of all others, an Inert. */
export function callGlobal(callee: Global, args: unknown): unknown {
  const make = makers.get(callee.text);
  return make?.(listOf(args, callee)) ?? new Inert(callee, args);
}

type Maker = (args: readonly unknown[]) => unknown;

/** Each gives undefined for what it would have to load more of Python for. */
const makers: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ["collections.OrderedDict", (args) => (args.length === 0 ? new Map() : undefined)],
  ["collections.defaultdict", (args) => (args.length <= 1 ? new Map() : undefined)],
  ["torch.Size", ([sizes]) => (Array.isArray(sizes) ? sizes : undefined)],
  ["torch._utils._rebuild_tensor", tensor],
  ["torch._utils._rebuild_tensor_v2", tensor],
  ["torch._utils._rebuild_tensor_v3", typedTensor],
  ["torch._utils._rebuild_parameter", ([value]) => value],
  ["torch._utils._rebuild_parameter_with_state", ([value]) => value],
]);

function tensor([storage, offset, shape, strides]: readonly unknown[]): TensorRef | undefined {
  // A storage of an unknown class: the tensor cannot be read, the file can.
  if (storage instanceof Inert) return undefined;
  if (!(storage instanceof StorageRef)) throw new Malformed(`has a tensor in ${describeValue(storage)}`);
  const [sizes, steps] = [counts(shape), counts(strides)];
  if (sizes.length !== steps.length) {
    throw new Malformed(`has a tensor of ${sizes.length} dimensions and ${steps.length} strides`);
  }
  const ref = new TensorRef(storage, count(offset), sizes, steps);
  if (!Number.isSafeInteger(ref.elements)) throw new Malformed(`has a tensor [${sizes.join(", ")}]`);
  return ref;
}

/** The form that names the elements' type apart from the storage, which then counts bytes. */
function typedTensor(args: readonly unknown[]): TensorRef | undefined {
  const [storage, offset, shape, strides, , , dtype] = args;
  const name = dtype instanceof Global ? dtype.text.replace(/^torch\./, "") : "";
  if (!(storage instanceof StorageRef) || !isDtype(name)) return undefined;
  if (storage.dtype === name) return tensor(args);
  if (storage.dtype !== "uint8")
    throw new Malformed(`has a tensor of ${name} in a storage of ${storage.dtype}`);
  const size = elementBytes[name];
  if (storage.whole % size !== 0 || storage.start !== 0) {
    throw new Malformed(`has a tensor of ${name} in a storage of ${storage.whole} bytes`);
  }
  return tensor([new StorageRef(storage.key, name, storage.whole / size), offset, shape, strides]);
}

/** The storages that a pickle names, each with one type and size. */
export class StorageTable {
  readonly #known = new Map<string, StorageRef>();

  get(key: string): StorageRef | undefined {
    return this.#known.get(key);
  }

  /** The storage, or the stretch of one, that a persistent id names; an Inert for classes not known. */
  refer(id: unknown): StorageRef | Inert {
    const [tag, type, key, , elements, view] = Array.isArray(id) ? asUnknowns(id) : [];
    if (tag !== "storage" || !(type instanceof Global) || typeof key !== "string") {
      throw new Malformed(`refers to ${describeValue(id)} as a storage`, globalOf(id));
    }
    const dtype = storageDtypes.get(type.text);
    if (dtype === undefined) return new Inert(type, id);
    const whole = this.#only(new StorageRef(key, dtype, count(elements)));
    return view === undefined || view === null ? whole : stretch(whole, view);
  }

  #only(ref: StorageRef): StorageRef {
    const known = this.#known.get(ref.key);
    if (known === undefined) {
      this.#known.set(ref.key, ref);
      return ref;
    }
    if (known.dtype === ref.dtype && known.whole === ref.whole) return known;
    const [once, then] = [known, ref].map(({ dtype, whole }) => `${whole} of ${dtype}`);
    throw new Malformed(`calls storage ${quoted(ref.key)} ${once ?? ""} and then ${then ?? ""}`);
  }
}

/** Part of a storage, as files before PyTorch 0.4 share them: its own key, offset and size. */
function stretch(whole: StorageRef, view: unknown): StorageRef {
  const [, offset, size] = Array.isArray(view) ? asUnknowns(view) : [];
  const [start, elements] = [count(offset), count(size)];
  if (start + elements > whole.elements) {
    throw new Malformed(`has elements ${start} to ${start + elements} of the ${whole.elements} in a storage`);
  }
  return new StorageRef(whole.key, whole.dtype, whole.whole, { start, elements });
}

function listOf(args: unknown, callee: Global): readonly unknown[] {
  if (!Array.isArray(args))
    throw new Malformed(`calls ${callee.text} with ${describeValue(args)}`, callee.text);
  return asUnknowns(args);
}

const asUnknowns = (list: readonly unknown[]): readonly unknown[] => list;

function counts(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > dimensions) {
    throw new Malformed(`has a tensor whose shape is ${describeValue(value)}`);
  }
  return asUnknowns(value).map(count);
}

function count(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Malformed(
    `has ${typeof value === "number" ? value : describeValue(value)} where it must have a count`,
  );
}
