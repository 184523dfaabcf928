/*
 * The entry of a process that hears whole recordings: a tokenizer and a detector of any length, with their frames put
 * in order in between. Not the pool's: a long one holds it for minutes and needs memory of a size of its own, so this
 * process may well be ended over one, and is replaced now and then.
 */
import { fstatSync, readSync } from "node:fs";
import { openGraph, type OpenGraph } from "../inference.ts";
import { audioFd } from "../messages.ts";
import { framePermutation, parseOrder, permuteFrames, type FrameOrder } from "../safeear/permutation.ts";
import { parseToProcess, type FromProcess, type OpenGraphs } from "./messages.ts";

interface Graphs {
  readonly tokenizer: OpenGraph;
  readonly detector: OpenGraph;
  readonly order: FrameOrder;
}

async function open({ tokenizerPath, detectorPath, order, threads }: OpenGraphs): Promise<Graphs> {
  const settings = { threads, keepsMemory: false };
  const tokenizer = await openGraph(tokenizerPath, "cpu", settings);
  const detector = await openGraph(detectorPath, "cpu", settings);
  return { tokenizer, detector, order: parseOrder(order) };
}

/** `audio` → the detector's two logits. */
async function hear({ tokenizer, detector, order }: Graphs, audio: Float32Array): Promise<[number, number]> {
  const { acoustic, stages, frames } = await tokenize(tokenizer, audio);
  const data = permuteFrames(acoustic, framePermutation(frames, order));
  const logits = await detector.run({ codes: { data, dims: [1, stages, frames] } }, "logits");
  if (!(logits.data instanceof Float32Array) || logits.data.length !== 2) {
    throw new Error("the detector's logits are not float32 of shape [1, 2]");
  }
  const [first = NaN, second = NaN] = logits.data;
  if (Number.isFinite(first + second)) return [first, second];
  throw new Error("the detector's answer is not finite");
}

/** The codes `[stages, frames]` that a detector hears: all but the first stage's, which is semantic. */
async function tokenize(tokenizer: OpenGraph, samples: Float32Array) {
  const audio = { data: samples, dims: [1, samples.length] };
  const { data, dims } = await tokenizer.run({ audio }, "codes");
  const [, stages = 0, frames = 0] = dims;
  if (!(data instanceof Int32Array) || data.length !== stages * frames || stages < 2) {
    throw new Error("the tokenizer's codes are not int32 of shape [1, stages, frames]");
  }
  return { acoustic: data.subarray(frames), stages: stages - 1, frames };
}

/** Shared memory, or a pipe: see `audio-lane.ts`. */
const audioIsMemory = fstatSync(audioFd).isFile();

/** On a pipe the parent may still be writing, so waiting for it is short. */
function receive(length: number): Float32Array {
  const audio = new Float32Array(length);
  const bytes = new Uint8Array(audio.buffer);
  for (let at = 0; at < bytes.length;) {
    const read = readSync(audioFd, bytes, at, bytes.length - at, audioIsMemory ? at : null);
    if (read === 0) process.exit(0); // The parent is gone.
    at += read;
  }
  return audio;
}

const tell = (message: FromProcess): void => {
  process.send?.(message);
};

let graphs: Graphs | undefined;

async function obey(raw: unknown): Promise<void> {
  const message = parseToProcess(raw);
  switch (message.type) {
    case "open":
      graphs = await open(message);
      tell({ type: "ready", rssBytes: process.memoryUsage.rss() });
      return;
    case "hear": {
      if (graphs === undefined) throw new Error("asked to hear before the graphs were opened");
      const logits = await hear(graphs, receive(message.samples));
      tell({ type: "heard", logits, rssBytes: process.memoryUsage.rss() });
      return;
    }
    case "close":
      process.disconnect();
      return;
  }
}

/** The parent asks for one thing at a time, and to close while that one may still be on its way. */
let obeyed: Promise<void> = Promise.resolve();

process.on("message", (message) => {
  obeyed = obeyed
    .then(() => obey(message))
    .catch((reason: unknown) => {
      tell({ type: "failed", reason: reason instanceof Error ? reason.message : String(reason) });
    });
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C signals the whole group and ends this process as well, in the middle of a long run.
