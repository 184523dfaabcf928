import { readFile } from "node:fs/promises";

/** A NumPy array on disk, row-major. */
export interface NpyArray<Data> {
  readonly shape: readonly number[];
  readonly data: Data;
}

/** Reads a little-endian float32 or float64 `.npy` as float32. Throws where it is anything else. */
export async function readFloats(path: string): Promise<NpyArray<Float32Array>> {
  const { type, shape, bytes } = await readNpy(path);
  if (type === "<f4") return { shape, data: new Float32Array(bytes) };
  if (type === "<f8") return { shape, data: Float32Array.from(new Float64Array(bytes)) };
  throw new Error(`${path} holds ${type}, not floats`);
}

/** Reads a little-endian int64 or int32 `.npy`. Throws where it is anything else. */
export async function readIntegers(path: string): Promise<NpyArray<BigInt64Array>> {
  const { type, shape, bytes } = await readNpy(path);
  if (type === "<i8") return { shape, data: new BigInt64Array(bytes) };
  if (type === "<i4") return { shape, data: BigInt64Array.from([...new Int32Array(bytes)].map(BigInt)) };
  throw new Error(`${path} holds ${type}, not integers`);
}

/** Reads any array as numbers, row by row; wide integers must lie below 2^53. */
export async function readNumbers(path: string): Promise<NpyArray<readonly number[]>> {
  const { type, shape, bytes, columns } = await readNpy(path, "any");
  const reader = numbers[type];
  if (reader === undefined) throw new Error(`${path} holds ${type}`);
  const view = new DataView(bytes);
  const count = bytes.byteLength / reader.bytes;
  const stored = Array.from({ length: count }, (_, i) => reader.at(view, i * reader.bytes));
  return { shape, data: columns ? byRows(stored, shape) : stored };
}

/** Elements stored first axis fastest, in the order of rows. */
function byRows(stored: readonly number[], shape: readonly number[]): number[] {
  return stored.map((_, row) => {
    let [rest, at, stride] = [row, 0, stored.length];
    for (const size of [...shape].reverse()) {
      stride /= size;
      at += (rest % size) * stride;
      rest = Math.floor(rest / size);
    }
    return stored[at] ?? NaN;
  });
}

const numbers: Readonly<Record<string, { bytes: number; at: (view: DataView, offset: number) => number }>> = {
  "|b1": { bytes: 1, at: (view, offset) => view.getUint8(offset) },
  "|u1": { bytes: 1, at: (view, offset) => view.getUint8(offset) },
  "|i1": { bytes: 1, at: (view, offset) => view.getInt8(offset) },
  "<i2": { bytes: 2, at: (view, offset) => view.getInt16(offset, true) },
  "<i4": { bytes: 4, at: (view, offset) => view.getInt32(offset, true) },
  "<i8": { bytes: 8, at: (view, offset) => Number(view.getBigInt64(offset, true)) },
  "<f2": { bytes: 2, at: (view, offset) => half(view.getUint16(offset, true)) },
  "<f4": { bytes: 4, at: (view, offset) => view.getFloat32(offset, true) },
  "<f8": { bytes: 8, at: (view, offset) => view.getFloat64(offset, true) },
};

/** IEEE 754 binary16 by its definition. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

interface NpyFile {
  readonly type: string;
  readonly shape: number[];
  readonly bytes: ArrayBuffer;
  readonly columns: boolean;
}

async function readNpy(path: string, order: "rows" | "any" = "rows"): Promise<NpyFile> {
  const file = await readFile(path);
  if (file.toString("latin1", 0, 6) !== "\x93NUMPY") throw new Error(`${path} is not a .npy file`);
  const { start, end } = headerPlace(file);
  const header = file.toString("latin1", start, end);
  const type = /'descr': '([^']+)'/.exec(header)?.[1];
  const sizes = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  const columns = !header.includes("'fortran_order': False");
  if (type === undefined || sizes === undefined || (columns && order === "rows")) {
    throw new Error(`${path} has a header that is not understood: ${header}`);
  }
  const shape = sizes
    .split(",")
    .filter((size) => size.trim() !== "")
    .map(Number);
  return { type, shape, bytes: new Uint8Array(file.subarray(end)).buffer, columns };
}

function headerPlace(file: Buffer): { start: number; end: number } {
  const wide = file.readUInt8(6) > 1;
  const start = wide ? 12 : 10;
  return { start, end: start + (wide ? file.readUInt32LE(8) : file.readUInt16LE(8)) };
}
