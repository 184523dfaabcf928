import { join } from "node:path";
import { hubertFrames } from "../import/hubert-sizes.ts";
import { safeearWindow } from "../import/safeear-graphs.ts";
import { writeModel } from "../onnx/write-model.ts";
import { naming } from "../checkpoint/errors.ts";
import type { OpenModel } from "../messages.ts";
import { Worker } from "../worker.ts";
import {
  frameLayout,
  listeningGraph,
  listeningInput,
  listeningOutput,
  type FrameLayout,
} from "./listening-graph.ts";
import type { TaughtTokenizer } from "./taught-tokenizer.ts";

/** What both models hear in a piece of audio, frame by frame. */
export interface Heard {
  readonly frames: number;
  /** The teacher's features of a frame. */
  readonly width: number;
  readonly stages: number;
  /** The teacher's, `[frames, width]`. */
  readonly features: Float32Array;
  /** `[frames, stages]`. */
  readonly codes: Int32Array;
  /** What `transform` makes of each code's vector without its bias, `[frames, stages, width]`. */
  readonly projected: Float32Array;
}

/** A process that listens with both models. */
export interface Listener {
  /** Hears a second to {@link longestPiece}, at 16 kHz within ±1. Rejects when the process ends. One call at a time. */
  hear(samples: Float32Array): Promise<Heard>;
  close(): Promise<void>;
}

/** The most samples, at 16 kHz, that are heard at once: as the tokenizer does for SafeEar's detector. */
export const longestPiece = safeearWindow;

const withinMs = 120_000;
const graceMs = 5000;
const weights = { file: "weights.bin", thresholdBytes: 1 << 16 };

/**
 * Writes both models into `scratch`, where they must stay until `close`, and starts a process that listens with them.
 * Throws CheckpointError on weights that are unfit, and Error where the process cannot run them.
 */
export async function createListener(taught: TaughtTokenizer, scratch: string): Promise<Listener> {
  const graph = listeningGraph(taught, longestPiece);
  // The tokenizer's tensors were all looked at.
  const [file = ""] = await naming(taught.teacherFile, undefined, () =>
    writeModel(graph, scratch, { external: weights }),
  );
  const layout = frameLayout(taught);
  const worker = new Worker();
  const model: Omit<OpenModel, "type"> = {
    graphs: { kind: "one", path: join(scratch, file), input: listeningInput, output: listeningOutput },
    provider: "cpu",
    window: 1 + longestPiece,
    hop: 1 + longestPiece,
    outputWidth: hubertFrames(longestPiece) * layout.columns,
    batchSizes: [1],
    timedRuns: 0,
  };
  await worker.open(model, withinMs);
  return {
    hear: (samples) => hear(worker, samples, layout),
    close: () => worker.close(graceMs),
  };
}

async function hear(worker: Worker, samples: Float32Array, layout: FrameLayout): Promise<Heard> {
  const row = new Float32Array(1 + longestPiece);
  row[0] = samples.length;
  row.set(samples, 1);
  const { values, bad } = await worker.run([{ kind: "audio", data: row, place: undefined }], withinMs);
  if (bad.length > 0) throw new Error("the audio holds samples that are not finite");
  return toHeard(values, hubertFrames(samples.length), layout);
}

function toHeard(values: Float32Array, frames: number, { width, stages, columns }: FrameLayout): Heard {
  const features = new Float32Array(frames * width);
  const codes = new Int32Array(frames * stages);
  const projected = new Float32Array(frames * stages * width);
  for (let frame = 0; frame < frames; frame++) {
    const row = values.subarray(frame * columns, (frame + 1) * columns);
    features.set(row.subarray(0, width), frame * width);
    codes.set(row.subarray(width, width + stages), frame * stages);
    projected.set(row.subarray(width + stages), frame * stages * width);
  }
  return { frames, width, stages, features, codes, projected };
}
