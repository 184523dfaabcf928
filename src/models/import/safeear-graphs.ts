import { framePermutation, type FrameOrder } from "../safeear/permutation.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { detect, type DetectorParts } from "./safeear-detector.ts";
import type { TokenizerSizes } from "./safeear-sizes.ts";
import { tokenize } from "./safeear-tokenizer.ts";
import type { Weights } from "./weights.ts";

/** Samples at 16 kHz that the published detector was trained on at once. */
export const safeearWindow = 64_600;

/**
 * `audio` [batch, samples] → `codes` int32 [batch, stages, frames], and `features` [batch, width, frames], what the codes
 * stand for. Of any number of samples where `samples` is undefined.
 */
export function tokenizerGraph(weights: Weights, sizes: TokenizerSizes, samples?: number): Graph {
  const graph = new Graph("safeear-tokenizer");
  const audio = graph.input("audio", "float32", ["batch", samples ?? "samples"]);
  const { codes, features, frames = "frames" } = tokenize(graph, weights, sizes, audio, samples);
  graph.output("codes", codes, "int32", ["batch", sizes.stages, frames]);
  graph.output("features", features, "float32", ["batch", sizes.width, frames]);
  return graph;
}

/** `codes` int32 [batch, stages − 1, frames], all but the first stage's → `logits` [batch, 2]. Of any number of frames without `frames`. */
export function detectorGraph(parts: DetectorParts, frames?: number): Graph {
  const graph = new Graph("safeear-detector");
  const codes = graph.input("codes", "int32", ["batch", parts.tokenizerSizes.stages - 1, frames ?? "frames"]);
  graph.output("logits", detect(graph, parts, codes, frames), "float32", ["batch", 2]);
  return graph;
}

/** `audio` [batch, samples] → `logits` [batch, 2]: both graphs as one, the frames between them put in `order`. */
export function safeearGraph(parts: DetectorParts, samples: number, order: FrameOrder): Graph {
  const graph = new Graph("safeear");
  const audio = graph.input("audio", "float32", ["batch", samples]);
  const { codes, frames } = tokenize(graph, parts.tokenizer, parts.tokenizerSizes, audio, samples);
  if (frames === undefined) throw new Error("a window has a fixed number of frames");
  const acoustic = graph.op("Slice", [
    codes,
    graph.ints([1]),
    graph.ints([parts.tokenizerSizes.stages]),
    graph.ints([1]),
  ]);
  graph.output("logits", detect(graph, parts, ordered(graph, acoustic, frames, order), frames), "float32", [
    "batch",
    2,
  ]);
  return graph;
}

function ordered(graph: Graph, codes: Value, frames: number, order: FrameOrder): Value {
  if (order.kind === "identity") return codes;
  const permutation = BigInt64Array.from(framePermutation(frames, order), BigInt);
  return graph.op("Gather", [codes, graph.constant("permutation", permutation, [frames])], { axis: 2 });
}
