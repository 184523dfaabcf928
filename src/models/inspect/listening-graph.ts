import { Graph, type Value } from "../onnx/graph.ts";
import { hubertAverage } from "../import/hubert-graph.ts";
import { hubertFrames } from "../import/hubert-sizes.ts";
import { transpose } from "../import/fold.ts";
import { join } from "../import/safeear-fold.ts";
import { embedKey } from "../import/safeear-sizes.ts";
import { fewestSamples, tokenize } from "../import/safeear-tokenizer.ts";
import type { TaughtTokenizer } from "./taught-tokenizer.ts";

/** Names that the graph's reader needs. */
export const listeningInput = "audio";
export const listeningOutput = "heard";

/** How what the graph gives of a frame is laid out: the teacher's features, a code per stage, each code's vector projected. */
export interface FrameLayout {
  /** The teacher's features. */
  readonly width: number;
  readonly stages: number;
  /** Numbers in a frame. */
  readonly columns: number;
}

export function frameLayout({ tokenizer, teacher }: TaughtTokenizer): FrameLayout {
  const [width, stages] = [teacher.sizes.width, tokenizer.sizes.stages];
  return { width, stages, columns: width + stages + stages * width };
}

/**
 * Both models on the same audio. `audio` [1, 1 + longest]: how many samples follow, the samples, and whatever fills up,
 * since neither model may hear silence that was not recorded. `heard` [1, frames, columns]: for each frame that both
 * have, as {@link FrameLayout} says, with zeros for the frames that a shorter piece has not. Projected is what `transform`
 * makes of a code vector without its bias, so that sums of code vectors are sums of these.
 */
export function listeningGraph(taught: TaughtTokenizer, longest: number): Graph {
  const { tokenizer, teacher, layers } = taught;
  const { columns } = frameLayout(taught);
  const g = new Graph("listening");
  const row = g.input(listeningInput, "float32", [1, 1 + longest]);
  const audio = samplesOf(g, row, fewestSamples(tokenizer.sizes), longest);
  const features = hubertAverage(g, teacher, audio, layers);
  const { codes } = tokenize(g, tokenizer.weights, tokenizer.sizes, audio);
  const frames = g.op("Shape", [features], { start: 1, end: 2 });
  // The tokenizer begins a frame wherever there is a sample, HuBERT ends one only where 400 have come.
  const common = g.op("Slice", [codes, g.ints([0]), frames, g.ints([2])]);
  const byFrame = g.op("Transpose", [common], { perm: [0, 2, 1] });
  const heard = g.op(
    "Concat",
    // ONNX's type 1 is float32.
    [features, g.op("Cast", [byFrame], { to: 1 }), project(g, taught, byFrame)],
    { axis: 2 },
  );
  const most = hubertFrames(longest);
  const pads = [g.ints([0, 0, 0, 0]), g.op("Sub", [g.ints([most]), frames]), g.ints([0])];
  g.output(listeningOutput, g.op("Pad", [heard, g.op("Concat", pads, { axis: 0 })]), "float32", [
    1,
    most,
    columns,
  ]);
  return g;
}

/** `[1, 1 + longest]` → `[1, samples]`, at least as many as both models need. */
function samplesOf(g: Graph, row: Value, fewest: number, longest: number): Value {
  const first = g.op("Reshape", [g.op("Slice", [row, g.ints([0]), g.ints([1]), g.ints([1])]), g.ints([1])]);
  // ONNX's type 7 is int64.
  const said = g.op("Cast", [first], { to: 7 });
  const least = g.ints([Math.max(400, fewest)]);
  const count = g.op("Min", [g.op("Max", [said, least]), g.ints([longest])]);
  return g.op("Slice", [row, g.ints([1]), g.op("Add", [count, g.ints([1])]), g.ints([1])]);
}

/** Codes `[1, frames, stages]` → `[1, frames, stages · width]`. */
function project(g: Graph, { tokenizer, transform, teacher }: TaughtTokenizer, codes: Value): Value {
  const { stages, codes: size, width: from } = tokenizer.sizes;
  const { width } = teacher.sizes;
  const numbers = Array.from({ length: stages }, (_, stage) => stage);
  const load = async () =>
    join(await Promise.all(numbers.map((stage) => tokenizer.weights.float32(embedKey(stage)))));
  const vectors = g.constant("code_vectors", { type: "float32", load }, [stages * size, from]);
  const matrix = g.constant("transform", transpose(transform.weight, width, from), [from, width]);
  const starts = g.constant(
    "code_starts",
    Int32Array.from(numbers, (stage) => stage * size),
    [stages],
  );
  const looked = g.op("Gather", [vectors, g.op("Add", [codes, starts])]);
  return g.op("Reshape", [g.op("MatMul", [looked, matrix]), g.ints([0, 0, -1])]);
}
