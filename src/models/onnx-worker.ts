/*
 * The entry of an inference process, and the only importer of ONNX Runtime: its `run()` holds the JavaScript
 * thread for the whole inference, and a thread cannot be stopped inside it. One session, one batch at a time.
 */
import { fstatSync, readSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { audioFd, parseToWorker, slotBytes, type FromWorker, type OpenModel } from "./messages.ts";

type Model = {
  readonly session: InferenceSession;
  readonly spec: OpenModel;
  /** The largest batch, reused by every run. */
  readonly audio: Float32Array;
};

const longestTimedMs = 500;

async function open(spec: OpenModel): Promise<Model> {
  const session = await InferenceSession.create(spec.modelPath, {
    executionProviders: [spec.provider],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableMemPattern: false,
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
  });
  checkInput(session, spec);
  checkOutput(session, spec);
  return { session, spec, audio: new Float32Array((spec.batchSizes.at(-1) ?? 1) * spec.window) };
}

function checkInput(session: InferenceSession, spec: OpenModel): void {
  const [input, ...others] = session.inputMetadata;
  if (input?.name !== spec.input || others.length > 0) {
    throw new Error(
      `the model's inputs are ${session.inputNames.join(", ")}, its manifest says ${spec.input}`,
    );
  }
  if (!input.isTensor || input.type !== "float32" || input.shape.length !== 2) {
    throw new Error(`the model's input ${spec.input} is not float32 of shape [batch, samples]`);
  }
  checkShape(input.shape, spec);
}

/** A dimension is a number where the graph fixes it and a name where it leaves it free. */
function checkShape([rows, window]: readonly (number | string)[], spec: OpenModel): void {
  if (typeof window === "number" && window !== spec.window) {
    throw new Error(`the model takes windows of ${window} samples, its manifest says ${spec.window}`);
  }
  if (typeof rows === "number" && spec.batchSizes.some((size) => size !== rows)) {
    throw new Error(`the model takes batches of ${rows}, its manifest says ${spec.batchSizes.join(", ")}`);
  }
}

function checkOutput(session: InferenceSession, spec: OpenModel): void {
  if (session.outputNames.includes(spec.output)) return;
  throw new Error(
    `the model's outputs are ${session.outputNames.join(", ")}, its manifest says ${spec.output}`,
  );
}

/** Runs the first `size` windows of `model.audio` and gives their output rows end to end. */
async function run({ session, spec, audio }: Model, size: number): Promise<Float32Array> {
  const feed = new Tensor("float32", audio.subarray(0, size * spec.window), [size, spec.window]);
  const output = (await session.run({ [spec.input]: feed }, [spec.output]))[spec.output];
  if (output?.type !== "float32" || !(output.data instanceof Float32Array)) {
    throw new Error(`the model's output ${spec.output} is not float32`);
  }
  const rows = output.dims[0];
  if (rows !== size || output.data.length !== size * spec.outputWidth) {
    const want = spec.outputWidth === 1 ? `[${size}] or [${size}, 1]` : `[${size}, ${spec.outputWidth}]`;
    throw new Error(`the model's output ${spec.output} has shape [${output.dims.join(", ")}], not ${want}`);
  }
  return output.data;
}

/** Milliseconds of one run per batch size: the best of the timed ones, after one that fills the arena. */
async function warmUp(model: Model): Promise<number[]> {
  fillWithNoise(model.audio);
  const { batchSizes, timedRuns } = model.spec;
  if (timedRuns === 0) return [await time(model, batchSizes[0] ?? 1)];
  const batchMs: number[] = [];
  for (const size of batchSizes) {
    let best = await time(model, size);
    let spent = best;
    for (let i = 0; i < timedRuns && spent < longestTimedMs; i++) {
      const ms = await time(model, size);
      spent += ms;
      best = Math.min(best, ms);
    }
    batchMs.push(best);
  }
  return batchMs;
}

async function time(model: Model, size: number): Promise<number> {
  const from = performance.now();
  await run(model, size);
  return performance.now() - from;
}

/** A linear congruential generator (Numerical Recipes' constants), quiet. */
function fillWithNoise(audio: Float32Array): void {
  let state = 1;
  for (let i = 0; i < audio.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    audio[i] = (state / 2 ** 32 - 0.5) * 0.1;
  }
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

async function score(model: Model, id: number, rows: number, slot: number): Promise<FromWorker> {
  const { window, outputWidth, batchSizes } = model.spec;
  const size = batchSizes.find((candidate) => candidate >= rows);
  if (size === undefined) throw new Error(`a batch of ${rows} is larger than ${batchSizes.at(-1) ?? 0}`);
  receive(model.audio, rows * window, slot);
  const bad = blankBadWindows(model.audio, rows, window);
  // What pads a batch must not be what a caller sent earlier.
  model.audio.fill(0, rows * window, size * window);
  const begun = performance.now();
  const values = await run(model, size);
  return {
    type: "scored",
    id,
    values: values.slice(0, rows * outputWidth),
    bad,
    ms: performance.now() - begun,
  };
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
      tell(await score(model, message.id, message.rows, message.slot));
      return;
    case "close":
      await model?.session.release();
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
