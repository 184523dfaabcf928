import { TensorProto_DataType as DataType } from "../../gen/onnx/onnx_pb.ts";

/** What a tensor's elements are, by ONNX Runtime's names. */
export type ElementType = "float32" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** A size that is fixed, or the name of one that is known only when the model runs. */
export type Dimension = number | string;

/** Elements in row-major order; a `Uint16Array` holds the bits of float16 values, as `toFloat16` gives them. */
export type TensorData = Float32Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

/** A tensor whose elements are fetched when the model is written, so that only one large one is in memory at a time. */
export interface DeferredTensor {
  readonly type: ElementType;
  readonly load: () => TensorData | Promise<TensorData>;
}

/** ONNX's number for each element type. */
export const dataTypes: Readonly<Record<ElementType, number>> = {
  float32: DataType.FLOAT,
  float16: DataType.FLOAT16,
  int64: DataType.INT64,
  int32: DataType.INT32,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
};

const elementBytes: Readonly<Record<ElementType, number>> = {
  float32: 4,
  float16: 2,
  int64: 8,
  int32: 4,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** The element type that `data` stands for. */
export function elementTypeOf(data: TensorData): ElementType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Uint16Array) return "float16";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Int8Array) return "int8";
  return "uint8";
}

/** The product of `shape`; 1 for a scalar's empty one. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** The bytes that a tensor takes in a model. */
export const byteLengthOf = (type: ElementType, shape: readonly number[]): number =>
  sizeOf(shape) * elementBytes[type];

/** The bytes of `data` as they stand in memory, without a copy: ONNX wants little-endian, as every platform of ONNX Runtime is. */
export const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
