import type { Graph, Value } from "../onnx/graph.ts";
import { batchNorm, foldBias, type Affine } from "./fold.ts";
import { Layers } from "./layers.ts";
import { lookupTable } from "./safeear-fold.ts";
import { embedKey, type DetectorSizes, type TokenizerSizes } from "./safeear-sizes.ts";
import type { Tensors, Weights } from "./weights.ts";
import { float } from "../onnx/attributes.ts";

/** A detector, the tokenizer whose codes it hears, and how many heads its attention has, which no shape tells. */
export interface DetectorParts {
  readonly tensors: Tensors;
  readonly sizes: DetectorSizes;
  readonly heads: number;
  readonly tokenizer: Weights;
  readonly tokenizerSizes: TokenizerSizes;
  /** What each code of a stage, 1 and up, adds to a frame: `[codes, width]`. */
  readonly table: (stage: number) => Promise<Float32Array>;
}

/** Puts a detector together; each of its tables is computed once, when it is first asked for. */
export function detectorParts(parts: Omit<DetectorParts, "table">): DetectorParts {
  const tables = new Map<number, Promise<Float32Array>>();
  const table = (stage: number): Promise<Float32Array> => {
    const known = tables.get(stage) ?? computeTable(parts, stage);
    tables.set(stage, known);
    return known;
  };
  return { ...parts, table };
}

/** A 1×1 convolution over looked-up code vectors is a sum of looked-up rows; the batch norm after it goes into them too. */
async function computeTable(parts: Omit<DetectorParts, "table">, stage: number): Promise<Float32Array> {
  const { stages, width } = parts.tokenizerSizes;
  return lookupTable(await parts.tokenizer.float32(embedKey(stage)), {
    weight: parts.tensors.get("bottleneck.0.weight"),
    columns: (stages - 1) * width,
    first: (stage - 1) * width,
    width,
    scale: batchNorm(parts.tensors, "bottleneck.1").scale,
  });
}

/** PyTorch's default. */
const epsilon = 1e-5;

/**
 * SafeEar's detector over the acoustic `codes`, int32 `[batch, stages − 1, frames]` in the order that frames are heard in;
 * gives logits `[batch, 2]`, bona fide and then spoof. Of a fixed number of `frames`, or of any up to its table's length.
 */
export function detect(graph: Graph, parts: DetectorParts, codes: Value, frames?: number): Value {
  const layers = new Layers(graph, parts.tensors);
  const { blocks, width } = parts.sizes;
  let x = graph.op("Add", [heard(graph, parts, codes), positions(graph, parts, codes, frames)]);
  for (let i = 0; i < blocks; i++) x = block(layers, x, `classifier.blocks.${i}`, parts);
  const normed = layerNorm(layers, x, "classifier.norm");
  // A bias would be the same for every frame and so change no weight.
  const scores = layers.product(
    normed,
    "classifier.attention_pool",
    parts.tensors.get("classifier.attention_pool.weight"),
  );
  const weights = graph.op("Transpose", [graph.op("Softmax", [scores], { axis: 1 })], { perm: [0, 2, 1] });
  const feature = graph.op("Reshape", [graph.op("MatMul", [weights, normed]), graph.ints([-1, width])]);
  return layers.linear(feature, "classifier.fc");
}

/** The sum of what the codes of a frame add to it. */
function heard(
  g: Graph,
  { sizes, tokenizerSizes: { stages, codes: rows }, table }: DetectorParts,
  codes: Value,
): Value {
  const added = Array.from({ length: stages - 1 }, (_, i) => {
    const deferred = { type: "float32" as const, load: () => table(i + 1) };
    const constant = g.constant(`table.${i + 1}`, deferred, [rows, sizes.width]);
    return g.op("Gather", [constant, g.op("Gather", [codes, g.int(i)], { axis: 1 })]);
  });
  return g.op("Sum", added);
}

/** The rows of the position table for these frames, with what is left of convolution and norm added. */
function positions(
  g: Graph,
  { tensors, sizes }: DetectorParts,
  codes: Value,
  frames: number | undefined,
): Value {
  const norm = batchNorm(tensors, "bottleneck.1");
  const load = () =>
    shifted(tensors.get("classifier.positional_emb"), norm, tensors.get("bottleneck.0.bias"));
  const table = g.constant("positions", { type: "float32", load }, [sizes.longest, sizes.width]);
  const end = frames === undefined ? g.op("Shape", [codes], { start: 2 }) : g.ints([frames]);
  return g.op("Slice", [table, g.ints([0]), end]);
}

function shifted(table: Float32Array, norm: Affine, bias: Float32Array): Float32Array {
  const shift = foldBias(norm, bias);
  return table.map((value, i) => value + (shift[i % shift.length] ?? 0));
}

/** The norm after attention replaces the stream it comes from; nothing is normed after the feed-forward layers. */
function block(layers: Layers, x: Value, prefix: string, parts: DetectorParts): Value {
  const g = layers.graph;
  const attended = attention(
    layers,
    layerNorm(layers, x, `${prefix}.pre_norm`),
    `${prefix}.self_attn`,
    parts,
  );
  const normed = layerNorm(layers, g.op("Add", [x, attended]), `${prefix}.norm1`);
  const inner = gelu(g, layers.linear(normed, `${prefix}.linear1`));
  return g.op("Add", [normed, layers.linear(inner, `${prefix}.linear2`)]);
}

/**
 * One fused operator, which never holds the scores of all frames with all frames: of 200 s they would take 3 GB. Its scale
 * is that of the published code, one over the root of a head's width.
 */
function attention(layers: Layers, x: Value, prefix: string, { heads, tensors }: DetectorParts): Value {
  const all = layers.product(x, `${prefix}.qkv`, tensors.get(`${prefix}.qkv.weight`));
  const { query, key, value } = layers.graph.ops("Split", [all], ["query", "key", "value"], { axis: 2 });
  const mixed = layers.graph.op("com.microsoft.MultiHeadAttention", [query, key, value], {
    num_heads: heads,
  });
  return layers.linear(mixed, `${prefix}.proj`);
}

/** x·Φ(x), exactly. */
function gelu(g: Graph, x: Value): Value {
  const erf = g.op("Erf", [g.op("Div", [x, g.scalar(Math.SQRT2)])]);
  return g.op("Mul", [g.op("Mul", [x, g.op("Add", [erf, g.scalar(1)])]), g.scalar(0.5)]);
}

function layerNorm(layers: Layers, x: Value, prefix: string): Value {
  const [scale, bias] = [layers.tensor(`${prefix}.weight`), layers.tensor(`${prefix}.bias`)];
  return layers.graph.op("LayerNormalization", [x, scale, bias], { epsilon: float(epsilon) });
}
