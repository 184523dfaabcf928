import { Graph } from "../onnx/graph.ts";
import { detect, type DetectorParts } from "./safeear-detector.ts";
import type { TokenizerSizes } from "./safeear-sizes.ts";
import { convolve, quantize, tokenize } from "./safeear-tokenizer.ts";
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

/** The first half of the tokenizer: `audio` [batch, samples] → `convolved` [batch, frames, channels]. Of any number of samples. */
export function frontGraph(weights: Weights, sizes: TokenizerSizes): Graph {
  const graph = new Graph("safeear-front");
  const audio = graph.input("audio", "float32", ["batch", "samples"]);
  const { value } = convolve(graph, weights, sizes, audio);
  const convolved = graph.op("Transpose", [value], { perm: [0, 2, 1] });
  graph.output("convolved", convolved, "float32", ["batch", "frames", convolvedWidth(sizes)]);
  return graph;
}

/** The second half: `convolved` [batch, frames, channels] → `codes` int32 [batch, stages, frames]. Of any number of frames. */
export function backGraph(weights: Weights, sizes: TokenizerSizes): Graph {
  const graph = new Graph("safeear-back");
  const convolved = graph.input("convolved", "float32", ["batch", "frames", convolvedWidth(sizes)]);
  const value = graph.op("Transpose", [convolved], { perm: [0, 2, 1] });
  const { codes } = quantize(graph, weights, sizes, { value, steps: undefined });
  graph.output("codes", codes, "int32", ["batch", sizes.stages, "frames"]);
  return graph;
}

const convolvedWidth = ({ encoder }: TokenizerSizes): number => {
  const lstm = encoder.find((layer) => layer.kind === "lstm");
  if (lstm === undefined) throw new Error("an encoder has a recurrent layer");
  return lstm.from;
};

/** `codes` int32 [batch, stages − 1, frames], all but the first stage's → `logits` [batch, 2]. Of any number of frames without `frames`. */
export function detectorGraph(parts: DetectorParts, frames?: number): Graph {
  const graph = new Graph("safeear-detector");
  const codes = graph.input("codes", "int32", ["batch", parts.tokenizerSizes.stages - 1, frames ?? "frames"]);
  graph.output("logits", detect(graph, parts, codes, frames), "float32", ["batch", 2]);
  return graph;
}
