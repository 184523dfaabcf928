/** The parts that are timed, as our graphs and by the name that `pytorch.py` knows them by. */
import { join } from "node:path";
import { openCheckpoint } from "../../src/models/checkpoint/checkpoint.ts";
import { aasistGraph } from "../../src/models/import/aasist-graph.ts";
import { aasistShapes } from "../../src/models/import/aasist-sizes.ts";
import { hubertGraph } from "../../src/models/import/hubert-graph.ts";
import {
  backGraph,
  detectorGraph,
  frontGraph,
  tokenizerGraph,
} from "../../src/models/import/safeear-graphs.ts";
import { withSafeear, type SafeearSource } from "../../src/models/import/safeear-source.ts";
import { quantize } from "../../src/models/import/safeear-tokenizer.ts";
import { readTensors } from "../../src/models/import/weights.ts";
import { Graph } from "../../src/models/onnx/graph.ts";
import { writeModel } from "../../src/models/onnx/write-model.ts";
import { files } from "./checkpoints.ts";
import { bidirectional } from "./lstm.ts";
import { aasistSizes, hubertSizes, windowSamples } from "./published.ts";

const frames = Math.ceil(windowSamples / 320);

export type PartName = keyof typeof parts;

/** A part's one input of `batch` windows, and what it takes to compute one of them. */
export interface Part {
  readonly title: string;
  readonly input: string;
  readonly output: string;
  readonly type: "float32" | "int32";
  readonly shape: (batch: number) => readonly number[];
  /** 10⁹ multiplications and additions of the matrix products and convolutions. */
  readonly gflop: number;
  readonly checkpoint: keyof typeof files;
}

const audio = { input: "audio", type: "float32", shape: (batch: number) => [batch, windowSamples] } as const;

export const parts = {
  tokenizer: {
    ...audio,
    title: "SpeechTokenizer, whole",
    output: "codes",
    gflop: 50.8,
    checkpoint: "safeear",
  },
  front: { ...audio, title: "its convolutions", output: "convolved", gflop: 24.5, checkpoint: "safeear" },
  lstm: {
    title: "its BiLSTM",
    input: "x",
    output: "y",
    type: "float32",
    shape: (batch: number) => [frames, batch, 1024],
    gflop: 16.9,
    checkpoint: "safeear",
  },
  back: {
    title: "BiLSTM, last convolution, RVQ",
    input: "convolved",
    output: "codes",
    type: "float32",
    shape: (batch: number) => [batch, frames, 1024],
    gflop: 26.3,
    checkpoint: "safeear",
  },
  quantizer: {
    title: "RVQ",
    input: "features",
    output: "codes",
    type: "float32",
    shape: (batch: number) => [batch, 1024, frames],
    gflop: 3.4,
    checkpoint: "safeear",
  },
  detector: {
    title: "SafeEar's detector",
    input: "codes",
    output: "logits",
    type: "int32",
    shape: (batch: number) => [batch, 7, frames],
    gflop: 5.4,
    checkpoint: "safeear",
  },
  aasist: { ...audio, title: "AASIST", output: "logits", gflop: 19.1, checkpoint: "aasist" },
  "aasist-l": { ...audio, title: "AASIST-L", output: "logits", gflop: 13.2, checkpoint: "aasist-l" },
  hubert: { ...audio, title: "HuBERT base", output: "layer_12", gflop: 57.5, checkpoint: "hubert" },
} as const satisfies Record<string, Part>;

/** Writes the graph of `name` into a folder of its own and gives the model's path. */
export async function writePart(name: PartName, checkpoints: string, folder: string): Promise<string> {
  const target = join(folder, name);
  const write = (graph: Graph) =>
    writeModel(graph, target, { external: { file: "weights.bin", thresholdBytes: 1 << 16 } });
  switch (name) {
    case "aasist":
    case "aasist-l":
      await write(await aasist(join(checkpoints, files[name]), name));
      break;
    case "hubert":
      await withCheckpoint(join(checkpoints, files.hubert), async (weights) => {
        await write(hubertGraph({ weights, sizes: hubertSizes, heads: 12 }, { layers: [12] }));
      });
      break;
    case "tokenizer":
    case "front":
    case "lstm":
    case "back":
    case "quantizer":
    case "detector":
      await withSafeear(join(checkpoints, files.safeear), async (source) => {
        await write(safeearPart(name, source));
      });
  }
  return join(target, "model.onnx");
}

type Weights = ReturnType<Awaited<ReturnType<typeof openCheckpoint>>["stateDict"]>;

async function withCheckpoint<T>(path: string, use: (weights: Weights) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await use(checkpoint.stateDict());
  } finally {
    await checkpoint.close();
  }
}

const aasist = (path: string, name: "aasist" | "aasist-l"): Promise<Graph> =>
  withCheckpoint(path, async (weights) => {
    const sizes = aasistSizes[name];
    return aasistGraph(await readTensors(weights, aasistShapes(sizes)), sizes);
  });

type SafeearPart = "tokenizer" | "front" | "lstm" | "back" | "quantizer" | "detector";

function safeearPart(name: SafeearPart, { tokenizer: { weights, sizes }, detector }: SafeearSource): Graph {
  switch (name) {
    case "tokenizer":
      return tokenizerGraph(weights, sizes, windowSamples);
    case "front":
      return frontGraph(weights, sizes);
    case "lstm":
      return bidirectional(weights);
    case "back":
      return backGraph(weights, sizes);
    case "quantizer": {
      const graph = new Graph("quantizer");
      const value = graph.input("features", "float32", ["batch", sizes.width, "frames"]);
      const { codes } = quantize(graph, weights, { ...sizes, encoder: [] }, { value, steps: undefined });
      graph.output("codes", codes, "int32", ["batch", sizes.stages, "frames"]);
      return graph;
    }
    case "detector":
      if (detector === undefined) throw new Error("the checkpoints have a detector");
      return detectorGraph(detector.parts);
  }
}
