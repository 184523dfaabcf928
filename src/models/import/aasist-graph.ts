import { Graph, type Value } from "../onnx/graph.ts";
import { attend, meet, pool, type Meeting, type Nodes } from "./aasist-attention.ts";
import { encode, temporalNodes } from "./aasist-encoder.ts";
import { spectralNodes, type AasistSizes } from "./aasist-sizes.ts";
import { Layers } from "./layers.ts";
import type { Tensors } from "./weights.ts";

/** Samples at 16 kHz that the published models hear at once. */
export const aasistWindow = 64_600;

/**
 * AASIST as a graph: `audio` [batch, window] → `logits` [batch, 2], spoof and then bona fide, and `hidden`
 * [batch, 160], what they are read from. `tensors` are those of `aasistShapes`. Throws on a window that is too short.
 */
export function aasistGraph(tensors: Tensors, sizes: AasistSizes, window = aasistWindow): Graph {
  const graph = new Graph("aasist");
  const layers = new Layers(graph, tensors);
  const features = encode(layers, graph.input("audio", "float32", ["batch", window]));
  const [keepSpectral, keepTemporal, keepMet] = sizes.keep;
  const spectral = pool(
    layers,
    attend(layers, spectralOf(layers, features, sizes), "GAT_layer_S"),
    keepSpectral,
    "pool_S",
  );
  const time = temporalNodes(window);
  const temporal = pool(
    layers,
    attend(layers, temporalOf(layers, features, sizes, time), "GAT_layer_T"),
    keepTemporal,
    "pool_T",
  );
  const [one, two] = (["1", "2"] as const).map((name) =>
    branch(layers, { temporal, spectral, master: layers.tensor(`master${name}`) }, keepMet, name),
  );
  if (one === undefined || two === undefined) throw new Error("there are two branches");
  const hidden = readOut(layers, one, two);
  graph.output("logits", layers.linear(hidden, "out_layer"), "float32", ["batch", 2]);
  graph.output("hidden", hidden, "float32", ["batch", 5 * sizes.hiddenWidth]);
  return graph;
}

/** One node for each row, with its position. */
function spectralOf(layers: Layers, features: Value, { widths }: AasistSizes): Nodes {
  const value = layers.graph.op("Add", [loudest(layers, features, 3), layers.tensor("pos_S")]);
  return { value, count: spectralNodes, width: widths.at(-1) ?? 0 };
}

/** One node for each step of time. */
const temporalOf = (layers: Layers, features: Value, { widths }: AasistSizes, count: number): Nodes => ({
  value: loudest(layers, features, 2),
  count,
  width: widths.at(-1) ?? 0,
});

/** The largest magnitude over `axis`: `[batch, channels, rows, time]` → `[batch, what is left, channels]`. */
function loudest({ graph }: Layers, features: Value, axis: number): Value {
  const peaks = graph.op("ReduceMax", [graph.op("Abs", [features])], { axes: [axis], keepdims: 0 });
  return graph.op("Transpose", [peaks], { perm: [0, 2, 1] });
}

/** Two meetings, the second over the nodes that the first found worth keeping; what both say is added. */
function branch(layers: Layers, start: Meeting, keep: number, name: "1" | "2"): Meeting {
  const first = meet(layers, start, `HtrgGAT_layer_ST${name}1`);
  const spectral = pool(layers, first.spectral, keep, `pool_hS${name}`);
  const temporal = pool(layers, first.temporal, keep, `pool_hT${name}`);
  const second = meet(layers, { temporal, spectral, master: first.master }, `HtrgGAT_layer_ST${name}2`);
  const sum = (a: Value, b: Value): Value => layers.graph.op("Add", [a, b]);
  return {
    temporal: { ...temporal, value: sum(temporal.value, second.temporal.value) },
    spectral: { ...spectral, value: sum(spectral.value, second.spectral.value) },
    master: sum(first.master, second.master),
  };
}

/** Peaks and means over the nodes of what is larger in either branch, and its master. */
function readOut({ graph }: Layers, one: Meeting, two: Meeting): Value {
  const larger = (a: Value, b: Value): Value => graph.op("Max", [a, b]);
  const summary = (nodes: Value): Value[] => [
    graph.op("ReduceMax", [graph.op("Abs", [nodes])], { axes: [1], keepdims: 0 }),
    graph.op("ReduceMean", [nodes], { axes: [1], keepdims: 0 }),
  ];
  const master = graph.op("Squeeze", [larger(one.master, two.master), graph.ints([1])]);
  return graph.op(
    "Concat",
    [
      ...summary(larger(one.temporal.value, two.temporal.value)),
      ...summary(larger(one.spectral.value, two.spectral.value)),
      master,
    ],
    { axis: 1 },
  );
}
