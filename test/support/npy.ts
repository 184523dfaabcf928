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

async function readNpy(path: string): Promise<{ type: string; shape: number[]; bytes: ArrayBuffer }> {
  const file = await readFile(path);
  if (file.toString("latin1", 0, 6) !== "\x93NUMPY") throw new Error(`${path} is not a .npy file`);
  const wide = file.readUInt8(6) > 1;
  const start = wide ? 12 : 10;
  const end = start + (wide ? file.readUInt32LE(8) : file.readUInt16LE(8));
  const header = file.toString("latin1", start, end);
  const type = /'descr': '([^']+)'/.exec(header)?.[1];
  const sizes = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (type === undefined || sizes === undefined || !header.includes("'fortran_order': False")) {
    throw new Error(`${path} has a header that is not understood: ${header}`);
  }
  const shape = sizes
    .split(",")
    .filter((size) => size.trim() !== "")
    .map(Number);
  return { type, shape, bytes: new Uint8Array(file.subarray(end)).buffer };
}
