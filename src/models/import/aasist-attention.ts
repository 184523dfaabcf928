import type { Value } from "../onnx/graph.ts";
import { foldBias, scaleRows } from "./fold.ts";
import type { Layers } from "./layers.ts";

/** Nodes of a graph, `[batch, count, width]`. */
export interface Nodes {
  readonly value: Value;
  readonly count: number;
  readonly width: number;
}

/** The temporal and the spectral graph, and the node `[batch or 1, 1, width]` that listens to both. */
export interface Meeting {
  readonly temporal: Nodes;
  readonly spectral: Nodes;
  readonly master: Value;
}

/** Every node hears every node as much as their product says it should. */
export function attend(layers: Layers, nodes: Nodes, prefix: string): Nodes {
  const key = `${prefix}.att_weight`;
  const scores = layers.graph.op("MatMul", [
    pairs(layers, nodes.value, prefix),
    layers.graph.constant(key, divided(layers.tensors.get(key), 2), layers.tensors.shape(key)),
  ]);
  const weights = layers.graph.op("Squeeze", [scores, layers.graph.ints([3])]);
  return {
    ...nodes,
    value: mix(layers, weights, nodes.value, prefix),
    width: layers.tensors.shape(key)[0] ?? 0,
  };
}

/** Keeps the `share` of the nodes with the highest gates, the highest first, each times its gate. */
export function pool(layers: Layers, { value, count, width }: Nodes, share: number, prefix: string): Nodes {
  const { graph } = layers;
  const kept = Math.max(1, Math.floor(count * share));
  const gates = graph.op("Sigmoid", [layers.linear(value, `${prefix}.proj`)]);
  const gated = graph.op("Mul", [value, gates]);
  const { indices } = graph.ops("TopK", [gates, graph.ints([kept])], ["values", "indices"], { axis: 1 });
  const rows = graph.op("Expand", [indices, graph.ints([1, 1, width])]);
  return { value: graph.op("GatherElements", [gated, rows], { axis: 1 }), count: kept, width };
}

/** As {@link attend}, of two kinds of nodes: which pair of kinds two nodes are decides how their product is read. */
export function meet(layers: Layers, { temporal, spectral, master }: Meeting, prefix: string): Meeting {
  const { graph } = layers;
  const x = graph.op(
    "Concat",
    [
      layers.linear(temporal.value, `${prefix}.proj_type1`),
      layers.linear(spectral.value, `${prefix}.proj_type2`),
    ],
    { axis: 1 },
  );
  const weights = pairScores(layers, x, temporal.count, spectral.count, prefix);
  const mixed = mix(layers, weights, x, prefix);
  const sizes = graph.ints([temporal.count, spectral.count]);
  const halves = graph.ops("Split", [mixed, sizes], ["temporal", "spectral"], { axis: 1 });
  const [width = 0] = layers.tensors.shape(`${prefix}.att_weight11`);
  return {
    temporal: { value: halves.temporal, count: temporal.count, width },
    spectral: { value: halves.spectral, count: spectral.count, width },
    master: listen(layers, x, master, prefix),
  };
}

/** The temperature of the layers where two kinds meet. */
const meetingTemperature = 100;

/** `[batch, n, n]`: all three readings of every pair, of which a mask keeps the pair's own. */
function pairScores(layers: Layers, x: Value, temporal: number, spectral: number, prefix: string): Value {
  const { graph } = layers;
  const readings = graph.op("MatMul", [pairs(layers, x, prefix), pairReaders(layers, prefix)]);
  const count = temporal + spectral;
  const mask = new Float32Array(count * count * 3);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) mask[(i * count + j) * 3 + kindOf(i < temporal, j < temporal)] = 1;
  }
  const own = graph.op("Mul", [readings, graph.constant(`${prefix}.mask`, mask, [count, count, 3])]);
  return graph.op("ReduceSum", [own, graph.ints([3])], { keepdims: 0 });
}

/** The column of {@link pairReaders} for a pair, by whether each of the two is temporal. */
const kindOf = (i: boolean, j: boolean): number => (i !== j ? 2 : i ? 0 : 1);

/** `[width, 3]`: both temporal, both spectral, one of each. */
function pairReaders(layers: Layers, prefix: string): Value {
  const readers = ["11", "22", "12"].map((pair) => layers.tensors.get(`${prefix}.att_weight${pair}`));
  const width = readers[0]?.length ?? 0;
  const columns = Float32Array.from(
    { length: width * 3 },
    (_, i) => readers[i % 3]?.[Math.floor(i / 3)] ?? 0,
  );
  return layers.graph.constant(`${prefix}.att_weights`, divided(columns, meetingTemperature), [width, 3]);
}

/** The master hears every node as much as its product with it says, without norm or activation. */
function listen(layers: Layers, x: Value, master: Value, prefix: string): Value {
  const { graph } = layers;
  const key = `${prefix}.att_weightM`;
  const products = graph.op("Tanh", [layers.linear(graph.op("Mul", [x, master]), `${prefix}.att_projM`)]);
  const reader = divided(layers.tensors.get(key), meetingTemperature);
  const scores = graph.op("MatMul", [products, graph.constant(key, reader, layers.tensors.shape(key))]);
  const weights = graph.op("Softmax", [graph.op("Transpose", [scores], { perm: [0, 2, 1] })], { axis: 2 });
  return graph.op("Add", [
    layers.linear(graph.op("MatMul", [weights, x]), `${prefix}.proj_with_attM`),
    layers.linear(master, `${prefix}.proj_without_attM`),
  ]);
}

/** tanh(W·(x_i ⊙ x_j) + b) for every pair: `[batch, n, width]` → `[batch, n, n, width]`. */
function pairs(layers: Layers, x: Value, prefix: string): Value {
  const { graph } = layers;
  const rows = graph.op("Unsqueeze", [x, graph.ints([2])]);
  const columns = graph.op("Unsqueeze", [x, graph.ints([1])]);
  return graph.op("Tanh", [layers.linear(graph.op("Mul", [rows, columns]), `${prefix}.att_proj`)]);
}

/** What the nodes make of what they heard and of themselves; the norm is folded into both projections. */
function mix(layers: Layers, scores: Value, x: Value, prefix: string): Value {
  const { graph, tensors } = layers;
  const heard = graph.op("MatMul", [graph.op("Softmax", [scores], { axis: 2 }), x]);
  const norm = layers.norm(`${prefix}.bn`);
  const folded = (name: string) => scaleRows(tensors.get(`${prefix}.${name}.weight`), norm.scale);
  const bias = foldBias(
    norm,
    tensors.get(`${prefix}.proj_with_att.bias`),
    tensors.get(`${prefix}.proj_without_att.bias`),
  );
  const sum = graph.op("Add", [
    layers.affine(heard, `${prefix}.proj_with_att`, folded("proj_with_att"), bias),
    layers.product(x, `${prefix}.proj_without_att`, folded("proj_without_att")),
  ]);
  return graph.op("Selu", [sum]);
}

const divided = (values: Float32Array, by: number): Float32Array => values.map((value) => value / by);
