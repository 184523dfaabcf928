import { create } from "@bufbuild/protobuf";
import {
  NodeProtoSchema,
  ValueInfoProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from "../../gen/onnx/onnx_pb.ts";
import { toAttributes, type Attributes } from "./attributes.ts";
import {
  dataTypes,
  elementTypeOf,
  sizeOf,
  type DeferredTensor,
  type Dimension,
  type ElementType,
  type TensorData,
} from "./tensor.ts";

/** A tensor of one graph: an input, a constant or what an operator gives. */
export interface Value {
  readonly name: string;
}

/** A constant tensor of a graph. */
export interface Constant {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly load: () => TensorData | Promise<TensorData>;
}

/**
 * An ONNX graph under construction. Operators can only take values that exist already, so the order of calls is a
 * valid order of execution; the same calls give the same bytes. ONNX Runtime judges types and shapes when it opens
 * the written model; what is caught here is what it would report under a name that nobody chose.
 */
export class Graph {
  readonly name: string;
  readonly inputs: ValueInfoProto[] = [];
  readonly outputs: ValueInfoProto[] = [];
  readonly nodes: NodeProto[] = [];
  readonly constants: Constant[] = [];
  readonly #values = new Map<string, Value>();
  readonly #shared = new Map<string, Value>();

  constructor(name: string) {
    this.name = name;
  }

  /** Declares an input; a string in `shape` names a size that is free, `batch` say. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    const value = this.#declare(name);
    this.inputs.push(valueInfo(name, type, shape));
    return value;
  }

  /** A tensor that is part of the model. Throws where `data` has not as many elements as `shape`. */
  constant(name: string, data: TensorData | DeferredTensor, shape: readonly number[]): Value {
    if (!("load" in data)) checkSize(name, data, shape);
    const value = this.#declare(name);
    const type = "load" in data ? data.type : elementTypeOf(data);
    const load = "load" in data ? data.load : () => data;
    this.constants.push({ name, type, shape: [...shape], load });
    return value;
  }

  /** A constant of one dimension, int64: axes, shapes, indices. Equal ones are shared. */
  ints(values: readonly number[]): Value {
    return this.#share(`ints_${values.join("_")}`, BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** An int64 constant without dimensions. Equal ones are shared. */
  int(value: number): Value {
    return this.#share(`int_${value}`, BigInt64Array.of(BigInt(value)), []);
  }

  /** A float32 constant without dimensions. Equal ones are shared. */
  scalar(value: number): Value {
    return this.#share(`scalar_${value}`, Float32Array.of(value), []);
  }

  /**
   * Adds an operator and gives its first output. `undefined` leaves an optional input out. An operator of another
   * domain is written `com.microsoft.FusedMatMul`.
   */
  op(type: string, inputs: readonly (Value | undefined)[], attributes: Attributes = {}): Value {
    return this.#add(type, inputs, attributes, [""])[0] ?? missing(type);
  }

  /** As {@link op} for operators with several outputs: they are named by `outputs`, in the operator's own order. */
  ops<const Names extends readonly string[]>(
    type: string,
    inputs: readonly (Value | undefined)[],
    outputs: Names,
    attributes: Attributes = {},
  ): Readonly<Record<Names[number], Value>> {
    const values = this.#add(type, inputs, attributes, outputs);
    const entries = outputs.map((output, i) => [output, values[i] ?? missing(type)]);
    // `fromEntries` forgets which keys it was given.
    return Object.fromEntries(entries) as Record<Names[number], Value>;
  }

  /** Makes `value` an output of the model, under `name` and with the given type and shape. */
  output(name: string, value: Value, type: ElementType, shape: readonly Dimension[]): void {
    this.#check(value);
    const declared = this.#declare(name);
    this.nodes.push(
      create(NodeProtoSchema, { input: [value.name], output: [declared.name], name, opType: "Identity" }),
    );
    this.outputs.push(valueInfo(name, type, shape));
  }

  #add(
    fullType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputs: readonly string[],
  ): readonly Value[] {
    for (const input of inputs) if (input !== undefined) this.#check(input);
    const dot = fullType.lastIndexOf(".");
    const opType = fullType.slice(dot + 1);
    const name = `${opType}_${this.nodes.length}`;
    const values = outputs.map((output) => this.#declare(output === "" ? name : `${name}_${output}`));
    this.nodes.push(
      create(NodeProtoSchema, {
        input: inputs.map((input) => input?.name ?? ""),
        output: values.map((value) => value.name),
        name,
        opType,
        attribute: toAttributes(attributes),
        ...(dot < 0 ? {} : { domain: fullType.slice(0, dot) }),
      }),
    );
    return values;
  }

  #declare(name: string): Value {
    if (name === "") throw new Error(`graph ${this.name}: a value needs a name`);
    if (this.#values.has(name)) throw new Error(`graph ${this.name}: two values are called ${name}`);
    const value = { name };
    this.#values.set(name, value);
    return value;
  }

  #check(value: Value): void {
    if (this.#values.get(value.name) === value) return;
    throw new Error(`graph ${this.name}: ${value.name} is another graph's value`);
  }

  #share(name: string, data: TensorData, shape: readonly number[]): Value {
    const known = this.#shared.get(name);
    if (known !== undefined) return known;
    const value = this.constant(name, data, shape);
    this.#shared.set(name, value);
    return value;
  }
}

function checkSize(name: string, data: TensorData, shape: readonly number[]): void {
  if (data.length === sizeOf(shape)) return;
  throw new Error(
    `constant ${name} has ${data.length} elements, its shape [${shape.join(", ")}] ${sizeOf(shape)}`,
  );
}

function missing(type: string): never {
  throw new Error(`${type} has no output`);
}

const valueInfo = (name: string, type: ElementType, shape: readonly Dimension[]): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: "tensorType",
        value: {
          elemType: dataTypes[type],
          shape: { dim: shape.map((size) => ({ value: dimension(size) })) },
        },
      },
    },
  });

const dimension = (size: Dimension) =>
  typeof size === "string"
    ? { case: "dimParam" as const, value: size }
    : { case: "dimValue" as const, value: BigInt(size) };
