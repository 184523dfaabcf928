import { Graph, type Value } from "../onnx/graph.ts";
import { HubertLayers } from "./hubert-layers.ts";
import { hubertBlock, hubertConvolutions, hubertShapes, type HubertSizes } from "./hubert-sizes.ts";
import type { Weights } from "./weights.ts";

/** A HuBERT of the base design, as `hubertSizes` and `hubertHeads` find it in a checkpoint. */
export interface HubertParts {
  readonly weights: Weights;
  readonly sizes: HubertSizes;
  readonly heads: number;
}

/** What a graph should give. Layer 0 is what the first block hears, layer L what the L-th one says. */
export interface HubertFeatures {
  /** Each becomes an output `layer_L`. */
  readonly layers?: readonly number[];
  /**
   * The means over layers `first` to `last`, both included; each becomes an output `average_FIRST_LAST`. SafeEar's own
   * average is [1, 9], the one that SpeechTokenizer learned from [0, 12].
   */
  readonly averages?: readonly (readonly [first: number, last: number])[];
  /** Whether `convolutions`, `[batch, channels, frames]`, what the layers that hear the audio make of it, is an output. */
  readonly convolutions?: boolean;
}

/**
 * A HuBERT as a graph: `audio` [batch, samples], 16 kHz, as it was recorded within ±1, to the outputs that `wanted` names,
 * each [batch, frames, width] with the frames of `hubertFrames`. Any number of samples from 400; a norm spans
 * them all, so that padding changes every frame. Blocks that no output needs are left out; weights are read when the graph is written, which
 * throws Malformed on those that are unfit. Throws RangeError on a layer that the model does not have.
 */
export function hubertGraph(parts: HubertParts, wanted: HubertFeatures): Graph {
  const { sizes } = parts;
  const { layers = [], averages = [] } = wanted;
  const deepest = checkWanted([...layers, ...averages.flat()], sizes.blocks);
  const graph = new Graph("hubert");
  const audio = graph.input("audio", "float32", ["batch", "samples"]);
  const { heard, states } = hear(graph, parts, audio, deepest);
  if (wanted.convolutions === true) {
    graph.output("convolutions", heard, "float32", ["batch", sizes.channels.at(-1) ?? 0, "frames"]);
  }
  const shape = ["batch", "frames", sizes.width];
  for (const layer of layers)
    graph.output(`layer_${layer}`, mean(graph, states, layer, layer), "float32", shape);
  for (const [first, last] of averages) {
    graph.output(`average_${first}_${last}`, mean(graph, states, first, last), "float32", shape);
  }
  return graph;
}

/** The mean over layers `first` to `last` as a value of a graph that does more with the same `audio`; see {@link hubertGraph}. */
export function hubertAverage(
  graph: Graph,
  parts: HubertParts,
  audio: Value,
  [first, last]: readonly [first: number, last: number],
): Value {
  const { states } = hear(graph, parts, audio, checkWanted([first, last], parts.sizes.blocks));
  return mean(graph, states, first, last);
}

/** What the layers that hear the audio make of it, and layer 0 and what each of `deepest` blocks says after it. */
function hear(graph: Graph, { weights, sizes, heads }: HubertParts, audio: Value, deepest: number) {
  const nodes = new HubertLayers(graph, weights, hubertShapes(sizes));
  const heard = convolve(nodes, audio);
  let x = place(nodes, heard, sizes);
  const states = [x];
  for (let i = 0; i < deepest; i++) {
    x = block(nodes, x, hubertBlock(i), heads);
    states.push(x);
  }
  return { heard, states };
}

/** The deepest of the layers. */
function checkWanted(layers: readonly number[], blocks: number): number {
  if (layers.length === 0) throw new RangeError("no layer of HuBERT is asked for");
  const strange = layers.find((layer) => !Number.isInteger(layer) || layer < 0 || layer > blocks);
  if (strange === undefined) return Math.max(...layers);
  throw new RangeError(`this HuBERT has layers 0 to ${blocks}, not ${strange}`);
}

/** `[batch, samples]` → `[batch, channels, frames]`. */
function convolve(nodes: HubertLayers, audio: Value): Value {
  const signal = nodes.graph.op("Unsqueeze", [audio, nodes.graph.ints([1])]);
  return hubertConvolutions.reduce((x, { stride }, i) => nodes.convolution(x, i, stride), signal);
}

/** Frames of the width that the blocks have, each with its place. */
function place(nodes: HubertLayers, heard: Value, { positions }: HubertSizes): Value {
  const frames = nodes.graph.op("Transpose", [heard], { perm: [0, 2, 1] });
  const x = nodes.linear(nodes.norm(frames, "layer_norm"), "post_extract_proj");
  return nodes.norm(nodes.graph.op("Add", [x, nodes.positions(x, positions)]), "encoder.layer_norm");
}

/** A norm comes after each sum, and none before. */
function block(nodes: HubertLayers, x: Value, prefix: string, heads: number): Value {
  const add = (a: Value, b: Value): Value => nodes.graph.op("Add", [a, b]);
  const attended = nodes.norm(
    add(x, nodes.attention(x, `${prefix}.self_attn`, heads)),
    `${prefix}.self_attn_layer_norm`,
  );
  return nodes.norm(add(attended, nodes.feedForward(attended, prefix)), `${prefix}.final_layer_norm`);
}

function mean(graph: Graph, states: readonly Value[], first: number, last: number): Value {
  const some = states.slice(first, last + 1);
  const [only] = some;
  if (only === undefined) throw new RangeError(`there is no layer from ${first} to ${last}`);
  if (some.length === 1) return only;
  return graph.op("Div", [graph.op("Sum", some), graph.scalar(some.length)]);
}
