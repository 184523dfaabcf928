import { Malformed } from "./errors.ts";

/** What a tensor's elements are, by the names PyTorch gives them. */
export type Dtype =
  "float16" | "bfloat16" | "float32" | "float64" | "int8" | "int16" | "int32" | "int64" | "uint8" | "bool";

/** Bytes of one element. */
export const elementBytes: Readonly<Record<Dtype, number>> = {
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

/** Whether a name is one of {@link Dtype}. */
export const isDtype = (name: string): name is Dtype => Object.hasOwn(elementBytes, name);

/** Little-endian elements; they must start their buffer. */
type Elements = Uint8Array<ArrayBuffer>;

/** How each type's elements are taken for numbers, exactly. */
const numbers = {
  float16: ({ buffer }: Elements) => mapped(new Uint16Array(buffer), halfBits),
  bfloat16: ({ buffer }: Elements) => mapped(new Uint16Array(buffer), (bits) => bits << 16),
  float32: ({ buffer }: Elements) => new Float32Array(buffer),
  float64: ({ buffer }: Elements) => new Float64Array(buffer),
  int8: ({ buffer }: Elements) => new Int8Array(buffer),
  int16: ({ buffer }: Elements) => new Int16Array(buffer),
  int32: ({ buffer }: Elements) => new Int32Array(buffer),
  int64: ({ buffer }: Elements) => new BigInt64Array(buffer),
  uint8: (bytes: Elements) => bytes,
  bool: (bytes: Elements) => bytes.map((byte) => (byte === 0 ? 0 : 1)),
} as const satisfies Record<Dtype, unknown>;

/**
 * Little-endian elements as float32: halves exactly, doubles and integers rounded to the nearest, true as 1.
 * `bytes` must start its buffer; float32 is handed back in place.
 */
export function toFloat32(bytes: Elements, dtype: Dtype): Float32Array<ArrayBuffer> {
  const values = numbers[dtype](bytes);
  if (values instanceof Float32Array) return values;
  return values instanceof BigInt64Array ? Float32Array.from(values, Number) : new Float32Array(values);
}

/** Little-endian integers or booleans as 64-bit integers; `bytes` must start its buffer. Throws Malformed on floats. */
export function toInt64(bytes: Elements, dtype: Dtype): BigInt64Array<ArrayBuffer> {
  const values = numbers[dtype](bytes);
  if (values instanceof BigInt64Array) return values;
  if (values instanceof Float32Array || values instanceof Float64Array) {
    throw new Malformed(`is ${dtype}, not integers`);
  }
  return BigInt64Array.from(values, BigInt);
}

/** Sixteen bits each to the bits of a float32. */
function mapped(source: Uint16Array, bitsOf: (bits: number) => number): Float32Array<ArrayBuffer> {
  const target = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i += 1) target[i] = bitsOf(source[i] ?? 0);
  return new Float32Array(target.buffer);
}

/** IEEE 754 binary16 to binary32; a NaN keeps its payload. */
function halfBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half is a normal float: shift its leading one out.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
