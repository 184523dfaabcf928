/*
 * The entry of an inference process: ONNX Runtime's `run()` holds the JavaScript thread for the whole inference, and a
 * thread cannot be stopped inside it. One model, one batch at a time.
 */
import { fstatSync, readSync } from "node:fs";
import {
  audioFd,
  parseToWorker,
  slotBytes,
  type FromWorker,
  type OpenModel,
  type ToWorker,
} from "./messages.ts";
import { openOneGraph } from "./one-graph.ts";
import { openSafeear } from "./safeear/window-scorer.ts";
import type { Batch, Place, Scorer } from "./scorer.ts";

type Model = {
  readonly scorer: Scorer;
  readonly spec: OpenModel;
  /** The largest batch, reused by every run. */
  readonly audio: Float32Array;
};

/** Runs of one batch size are timed until they have taken so long, and no further size after so long. */
const longestTimedMs = 500;
const longestWarmMs = 2000;

async function open(spec: OpenModel): Promise<Model> {
  const { graphs, batchSizes, window } = spec;
  const scorer = await (graphs.kind === "one" ? openOneGraph(graphs, spec) : openSafeear(graphs, spec));
  // Of a window's codes there are fewer than samples, but for models of very short frames.
  const codes = graphs.kind === "one" ? 0 : (graphs.stages - 1) * Math.ceil(window / graphs.frameSamples);
  return { scorer, spec, audio: new Float32Array((batchSizes.at(-1) ?? 1) * Math.max(window, codes)) };
}

/**
 * Milliseconds of one run per batch size: the best of the timed ones, after one that fills the arena. Windows follow each
 * other by a hop as those of a call do, so that a model that shares work among them is timed doing so.
 */
async function warmUp(model: Model): Promise<number[]> {
  const { batchSizes, timedRuns, window, hop } = model.spec;
  const tape = noise(window + timedRuns * hop);
  const batchMs: number[] = [];
  const sizes = timedRuns === 0 ? batchSizes.slice(0, 1) : batchSizes;
  const begun = performance.now();
  for (const size of sizes) {
    let spent = await time(model, size, tape, 0);
    let best = timedRuns === 0 ? spent : Infinity;
    for (let turn = 1; turn <= timedRuns && (turn === 1 || spent < longestTimedMs); turn++) {
      const ms = await time(model, size, tape, turn);
      spent += ms;
      best = Math.min(best, ms);
    }
    batchMs.push(best);
    model.scorer.forget();
    if (performance.now() - begun > longestWarmMs) break;
  }
  return batchMs;
}

async function time({ scorer, spec, audio }: Model, size: number, tape: Float32Array, turn: number) {
  const start = turn * spec.hop;
  const places = Array.from({ length: size }, (_, track): Place => ({ track, start }));
  for (let row = 0; row < size; row++) {
    audio.set(tape.subarray(start, start + spec.window), row * spec.window);
  }
  const from = performance.now();
  await scorer.score({ kind: "audio", samples: audio.subarray(0, size * spec.window), places }, size);
  return performance.now() - from;
}

/** A linear congruential generator (Numerical Recipes' constants), quiet. */
function noise(length: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 0.1;
  });
}

/** Shared memory, or a pipe: see `audio-lane.ts`. */
const audioIsMemory = fstatSync(audioFd).isFile();

/** Fills `audio` with the batch; on a pipe the parent may still be writing it, so waiting for it is short. */
function receive(audio: Float32Array, length: number, slot: number): void {
  const bytes = new Uint8Array(audio.buffer, audio.byteOffset, length * Float32Array.BYTES_PER_ELEMENT);
  let at = 0;
  while (at < bytes.length) {
    const n = readSync(audioFd, bytes, at, bytes.length - at, audioIsMemory ? slot * slotBytes + at : null);
    if (n === 0) process.exit(0); // The parent is gone.
    at += n;
  }
}

/** Blanks the windows that hold a non-finite sample and says which: a network may answer NaN with confidence. */
function blankBadWindows(audio: Float32Array, rows: number, window: number): number[] {
  const bad: number[] = [];
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = row * window; i < (row + 1) * window; i++) sum += (audio[i] ?? 0) * 0;
    if (sum === 0) continue;
    bad.push(row);
    audio.fill(0, row * window, (row + 1) * window);
  }
  return bad;
}

async function score(model: Model, announced: Extract<ToWorker, { type: "score" }>): Promise<FromWorker> {
  const { id, kind, length, places, slot } = announced;
  const { outputWidth, batchSizes } = model.spec;
  const rows = places.length;
  const size = batchSizes.find((candidate) => candidate >= rows);
  if (size === undefined) throw new Error(`a batch of ${rows} is larger than ${batchSizes.at(-1) ?? 0}`);
  const numbers = model.audio.subarray(0, size * length);
  receive(numbers, rows * length, slot);
  // What pads a batch must not be what a caller sent earlier.
  numbers.fill(0, rows * length);
  const bad = kind === "audio" ? blankBadWindows(numbers, rows, length) : [];
  const begun = performance.now();
  const values = await model.scorer.score(toBatch(kind, numbers, places), size);
  const ms = performance.now() - begun;
  return { type: "scored", id, values: values.slice(0, rows * outputWidth), bad, ms };
}

function toBatch(kind: Batch["kind"], numbers: Float32Array, places: readonly (Place | undefined)[]): Batch {
  if (kind === "audio") return { kind, samples: numbers, places };
  return { kind, codes: new Int32Array(numbers.buffer, numbers.byteOffset, numbers.length) };
}

function tell(message: FromWorker): void {
  process.send?.(message);
}

let model: Model | undefined;

async function obey(raw: unknown): Promise<void> {
  const message = parseToWorker(raw);
  switch (message.type) {
    case "open":
      model = await open(message);
      tell({ type: "ready", batchMs: await warmUp(model) });
      return;
    case "score":
      if (model === undefined) throw new Error("asked to score before a model was opened");
      tell(await score(model, message));
      return;
    case "close":
      await model?.scorer.release();
      process.disconnect();
      return;
  }
}

/** One thing at a time: the next batch may be announced while this one is computed. */
let obeyed: Promise<void> = Promise.resolve();

process.on("message", (message) => {
  obeyed = obeyed
    .then(() => obey(message))
    .catch((reason: unknown) => {
      tell({ type: "failed", reason: reason instanceof Error ? reason.message : String(reason) });
    });
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C and a service manager signal the whole group: the parent drains first, then ends its workers itself.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
