import { create } from "@bufbuild/protobuf";
import { NodeProtoSchema, type NodeProto } from "../../gen/onnx/onnx_pb.ts";
import { Graph, type Constant } from "../onnx/graph.ts";
import { byteLengthOf, sizeOf, type TensorData } from "../onnx/tensor.ts";

/** Products with smaller matrices are not worth it. */
const worthwhileBytes = 1 << 16;
/**
 * Of an element: two products with 8-bit activations must fit into 16 bits, 2 · 255 · 64 ≤ 32767. Processors without VNNI
 * add them up there and would cut off what is more, so that scores would depend on the machine.
 */
const largest = 64;

/** A copy of `graph` whose LSTMs and large products with constant matrices are quantized, each column by its own scale. */
export function toBytes(graph: Graph): Graph {
  const out = new Graph(graph.name);
  const constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
  const added = new Map<string, Constant>();
  const quantize = (name: string, layout: Layout): QuantizedNames => {
    const source = constants.get(name);
    if (source === undefined) throw new Error(`${name} is no constant of ${graph.name}`);
    const made = quantized(source, layout);
    for (const constant of made) added.set(constant.name, constant);
    return [made[0].name, made[1].name, made[2].name];
  };
  out.inputs.push(...graph.inputs);
  out.outputs.push(...graph.outputs);
  for (const node of graph.nodes) out.nodes.push(convert(node, constants, quantize));
  const used = new Set(out.nodes.flatMap(({ input }) => input));
  for (const constant of [...graph.constants, ...added.values()]) {
    if (used.has(constant.name)) out.constants.push(constant);
  }
  return out;
}

/** Of the elements, the scales of their columns, and the columns' zeros, which are all 0. */
type QuantizedNames = readonly [string, string, string];
type Quantize = (name: string, layout: Layout) => QuantizedNames;

function convert(node: NodeProto, constants: ReadonlyMap<string, Constant>, quantize: Quantize): NodeProto {
  const [x = "", w = "", r = "", b = ""] = node.input;
  if (node.opType === "LSTM") {
    const [weights, weightScales, weightZeros] = quantize(w, "turned");
    const [recurrent, recurrentScales, recurrentZeros] = quantize(r, "turned");
    const [lengths, hidden, cell, peepholes] = ["", "", "", ""];
    return replaced(node, "DynamicQuantizeLSTM", [
      ...[x, weights, recurrent, b, lengths, hidden, cell, peepholes],
      ...[weightScales, weightZeros, recurrentScales, recurrentZeros],
    ]);
  }
  const matrix = constants.get(w);
  const worthwhile =
    node.opType === "MatMul" &&
    matrix?.shape.length === 2 &&
    byteLengthOf(matrix.type, matrix.shape) >= worthwhileBytes;
  return worthwhile ? replaced(node, "DynamicQuantizeMatMul", [x, ...quantize(w, "as it is")]) : node;
}

const replaced = (node: NodeProto, opType: string, input: readonly string[]): NodeProto =>
  create(NodeProtoSchema, { ...node, opType, input: [...input], domain: "com.microsoft" });

/** Whether a matrix has its columns in its last dimension, or an LSTM's rows must first become columns. */
type Layout = "as it is" | "turned";

/** The elements in 8 bits, with the scale and the zero of each column, computed when a model is written. */
function quantized(source: Constant, layout: Layout): readonly [Constant, Constant, Constant] {
  const { name, shape } = source;
  const [columns = 1, rows = 1] = layout === "turned" ? shape.slice(-2) : shape.slice(-2).reverse();
  const batch = shape.slice(0, -2);
  const at = layout === "turned" ? turnedIndex(rows, columns) : plainIndex;
  const elements = async () => floats(name, await source.load());
  return [
    {
      name: `${name}.int8`,
      type: "int8",
      shape: [...batch, rows, columns],
      load: async () => {
        const values = await elements();
        return toSteps(values, columnScales(values, rows, columns, at), { rows, columns, at });
      },
    },
    {
      name: `${name}.scales`,
      type: "float32",
      shape: [...batch, columns],
      load: async () => columnScales(await elements(), rows, columns, at),
    },
    {
      name: `${name}.zeros`,
      type: "int8",
      shape: [...batch, columns],
      load: () => new Int8Array(sizeOf(batch) * columns),
    },
  ];
}

/** Where the i-th element of matrices `[rows, columns]`, one after the other, is found. */
type Index = (i: number) => number;
const plainIndex: Index = (i) => i;

const turnedIndex =
  (rows: number, columns: number): Index =>
  (i) => {
    const inside = i % (rows * columns);
    return i - inside + (inside % columns) * rows + Math.floor(inside / columns);
  };

/** The largest magnitude of each column of each matrix becomes the largest step. */
function columnScales(values: Float32Array, rows: number, columns: number, at: Index): Float32Array {
  const size = rows * columns;
  const scales = new Float32Array(values.length / rows);
  for (let i = 0; i < values.length; i++) {
    const column = Math.floor(i / size) * columns + (i % columns);
    scales[column] = Math.max(scales[column] ?? 0, Math.abs(values[at(i)] ?? 0));
  }
  // A column of zeros may have any scale but zero.
  return scales.map((value) => (value === 0 ? 1 : value / largest));
}

function toSteps(
  values: Float32Array,
  scales: Float32Array,
  { rows, columns, at }: { readonly rows: number; readonly columns: number; readonly at: Index },
): Int8Array {
  const size = rows * columns;
  const out = new Int8Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const scale = scales[Math.floor(i / size) * columns + (i % columns)] ?? 1;
    out[i] = Math.max(-largest, Math.min(largest, Math.round((values[at(i)] ?? 0) / scale)));
  }
  return out;
}

function floats(name: string, data: TensorData): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new Error(`${name} is not float32`);
}
