import { create } from "@bufbuild/protobuf";
import { NodeProtoSchema, type NodeProto } from "../../gen/onnx/onnx_pb.ts";
import { toAttributes } from "../onnx/attributes.ts";
import { toFloat16 } from "../onnx/float16.ts";
import { Graph, type Constant } from "../onnx/graph.ts";
import { dataTypes, type ElementType } from "../onnx/tensor.ts";

/** Operators that compare distances, or take one from another: what float16 rounds away there decides between codes. */
const kept: ReadonlySet<string> = new Set(["Gemm", "Sub", "ArgMax"]);

/** A copy of `graph` that computes in float16 and keeps its inputs, its outputs and what chooses codes in float32. */
export function toHalf(graph: Graph): Graph {
  return new Halving(graph).run();
}

type Float = "float32" | "float16";

class Halving {
  readonly #graph: Graph;
  readonly #out: Graph;
  readonly #constants: ReadonlyMap<string, Constant>;
  /** The type that each value has in the copy. */
  readonly #types = new Map<string, ElementType>();
  /** Values and constants that exist under another name in the other type. */
  readonly #cast = new Map<string, string>();
  readonly #keptConstants: ReadonlySet<string>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#out = new Graph(graph.name);
    this.#constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
    this.#keptConstants = new Set(
      graph.nodes.filter(({ opType }) => kept.has(opType ?? "")).flatMap(({ input }) => input),
    );
  }

  run(): Graph {
    const { inputs, outputs, nodes } = this.#graph;
    this.#out.inputs.push(...inputs);
    this.#out.outputs.push(...outputs);
    for (const input of inputs) this.#types.set(input.name ?? "", typeOf(input.type?.value.value));
    const ends = new Set(outputs.map(({ name }) => name));
    for (const node of nodes) this.#add(node, ends.has(node.output[0] ?? ""));
    return this.#out;
  }

  /** A node that gives an output, or chooses codes, stays in float32, and so does a lookup of what such a node hears. */
  #add(node: NodeProto, isEnd: boolean): void {
    const looksUpKept = node.opType === "Gather" && this.#keptConstants.has(node.input[0] ?? "");
    const float: Float = isEnd || looksUpKept || kept.has(node.opType ?? "") ? "float32" : "float16";
    const input = node.input.map((name) => (name === "" ? "" : this.#as(name, float)));
    this.#out.nodes.push(create(NodeProtoSchema, { ...node, input }));
    const types = typesOf(node, this.#typeOf(input[0] ?? ""));
    for (const [i, name] of node.output.entries()) this.#types.set(name, types[i] ?? types[0]);
  }

  /** What `name` is called in the type `float`; integers are what they are. */
  #as(name: string, float: Float): string {
    const constant = this.#constants.get(name);
    if (constant !== undefined) return this.#constant(constant, float);
    const type = this.#typeOf(name);
    if ((type !== "float32" && type !== "float16") || type === float) return name;
    const other = `${name}.${float}`;
    if (!this.#cast.has(other)) {
      this.#cast.set(other, name);
      this.#types.set(other, float);
      const attribute = toAttributes({ to: dataTypes[float] });
      this.#out.nodes.push(
        create(NodeProtoSchema, { opType: "Cast", name: other, input: [name], output: [other], attribute }),
      );
    }
    return other;
  }

  #constant(constant: Constant, float: Float): string {
    const half = constant.type === "float32" && float === "float16";
    const name = half ? `${constant.name}.float16` : constant.name;
    if (this.#types.has(name)) return name;
    this.#types.set(name, half ? "float16" : constant.type);
    this.#out.constants.push(half ? toHalfConstant(constant, name) : constant);
    return name;
  }

  #typeOf(name: string): ElementType {
    const type = this.#types.get(name);
    if (type === undefined) throw new Error(`${name} of ${this.#graph.name} has no type yet`);
    return type;
  }
}

const toHalfConstant = ({ shape, load }: Constant, name: string): Constant => ({
  name,
  type: "float16",
  shape,
  load: async () => {
    const data = await load();
    if (data instanceof Float32Array) return toFloat16(data);
    throw new Error(`${name} is not made of float32`);
  },
});

/** Of a node's outputs, the last for all that follow; `first` is what its first input is. */
function typesOf(
  { opType, attribute }: NodeProto,
  first: ElementType,
): readonly [ElementType, ...ElementType[]] {
  if (opType === "Shape" || opType === "ArgMax") return ["int64"];
  if (opType === "TopK") return [first, "int64"];
  if (opType !== "Cast") return [first];
  return [elementType(Number(attribute.find(({ name }) => name === "to")?.i))];
}

function typeOf(type: unknown): ElementType {
  if (typeof type === "object" && type !== null && "elemType" in type)
    return elementType(Number(type.elemType));
  throw new Error("an input is no tensor");
}

function elementType(number: number): ElementType {
  const found = Object.entries(dataTypes).find(([, value]) => value === number)?.[0];
  // The keys of a record of element types.
  if (found !== undefined) return found as ElementType;
  throw new Error(`there is no element type ${number}`);
}
