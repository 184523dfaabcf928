import { crc32 } from "node:zlib";
import type { StoragePlace } from "./container.ts";
import { elementBytes } from "./dtypes.ts";
import { Malformed } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";
import type { RangedFile } from "./ranged-file.ts";
import type { TensorRef } from "./values.ts";

/** Throws Malformed for a tensor that leaves its storage, or is larger than any that a storage of this size needs. */
export function checkTensor(tensor: TensorRef, limits: CheckpointLimits): void {
  const { elements, storage } = tensor;
  if (elements === 0) return;
  const end = tensor.offset + reach(tensor) + 1;
  if (end > storage.elements)
    throw new Malformed(`needs ${end} elements of a storage that has ${storage.elements}`);
  if (elements > limits.elements) throw new Malformed(`has ${elements} elements, over ${limits.elements}`);
  if (elements > storage.elements && elements > limits.repeated) {
    throw new Malformed(`repeats ${storage.elements} elements to make ${elements}, over ${limits.repeated}`);
  }
  const size = elementBytes[tensor.dtype];
  const span = (reach(tensor) + 1) * size;
  if (span > Math.max(limits.span, 16 * elements * size)) {
    throw new Malformed(`is spread over ${span} bytes for ${elements} elements`);
  }
}

/**
 * Reads a tensor's elements, row by row, as little-endian bytes in a buffer of their own; of the file only the stretch
 * between its first and last. Where that is a whole storage with a checksum, the checksum must match.
 */
export async function readTensorBytes(
  file: RangedFile,
  tensor: TensorRef,
  place: StoragePlace,
): Promise<Uint8Array<ArrayBuffer>> {
  const { elements, storage, offset } = tensor;
  if (elements === 0) return new Uint8Array(0);
  const size = elementBytes[tensor.dtype];
  const bytes = await file.read(place.position + (storage.start + offset) * size, (reach(tensor) + 1) * size);
  if (place.crc !== undefined && bytes.length === place.bytes && crc32(bytes) !== place.crc) {
    throw new Malformed("is damaged: its bytes do not match their checksum");
  }
  return isContiguous(tensor) ? bytes : gather(bytes, tensor, size);
}

/** How many elements after its first a tensor's last stands. */
const reach = ({ shape, strides }: TensorRef): number =>
  shape.reduce((sum, length, i) => sum + (length - 1) * (strides[i] ?? 0), 0);

function isContiguous({ shape, strides }: TensorRef): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i -= 1) {
    const length = shape[i] ?? 0;
    if (length !== 1 && strides[i] !== expected) return false;
    expected *= length;
  }
  return true;
}

function gather(
  source: Uint8Array,
  { shape, strides, elements }: TensorRef,
  size: number,
): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(elements * size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < target.length; to += size) {
    for (let k = 0; k < size; k += 1) target[to + k] = source[from + k] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const stride = (strides[axis] ?? 0) * size;
      const next = (index[axis] ?? 0) + 1;
      from += stride;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      from -= next * stride;
    }
  }
  return target;
}
