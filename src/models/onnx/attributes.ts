import { create } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  type AttributeProto,
} from "../../gen/onnx/onnx_pb.ts";

/** A float attribute; a bare number is an integer one, and ONNX keeps the two apart. */
export interface Float {
  readonly float: number | readonly number[];
}

/** What an operator's attribute may be. */
export type Attribute = number | readonly number[] | string | readonly string[] | Float;

/** Attributes by name; those that are undefined are left out. */
export type Attributes = Readonly<Record<string, Attribute | undefined>>;

/** Marks an attribute as a float, or a list of floats. */
export const float = (value: number | readonly number[]): Float => ({ float: value });

/** Sorted by name, so that the order of writing them down does not matter. Throws on a bare number that is not an integer. */
export function toAttributes(attributes: Attributes): AttributeProto[] {
  return Object.entries(attributes)
    .filter((entry): entry is [string, Attribute] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => create(AttributeProtoSchema, { name, ...valueOf(name, value) }));
}

type Fields = Partial<Pick<AttributeProto, "f" | "i" | "s" | "floats" | "ints" | "strings" | "type">>;

function valueOf(name: string, value: Attribute): Fields {
  if (typeof value === "number") return { i: integer(name, value), type: AttributeType.INT };
  if (typeof value === "string") return { s: utf8(value), type: AttributeType.STRING };
  if ("float" in value) return floats(value.float);
  if (isText(value)) return { strings: value.map(utf8), type: AttributeType.STRINGS };
  return { ints: value.map((item) => integer(name, item)), type: AttributeType.INTS };
}

const floats = (value: number | readonly number[]): Fields =>
  typeof value === "number"
    ? { f: value, type: AttributeType.FLOAT }
    : { floats: [...value], type: AttributeType.FLOATS };

const isText = (list: readonly number[] | readonly string[]): list is readonly string[] =>
  typeof list[0] === "string";

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

function integer(name: string, value: number): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new Error(`attribute ${name} is ${value}: write float(${value}) for a float`);
}
