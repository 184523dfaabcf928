import { z } from "zod";
import { mostBatchBytes } from "./manifest.ts";
import { providers } from "./providers.ts";

/** The files of a model, and what it takes to run them. */
const graphs = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("one"), path: z.string(), input: z.string(), output: z.string() }),
  z.strictObject({
    kind: z.literal("safeear"),
    front: z.string(),
    back: z.string(),
    detector: z.string(),
    /** The semantic one too. */
    stages: z.int().min(2),
    frameSamples: z.int().positive(),
    /** Samples that a frame of the front reaches before its first and after it, and the fewest that it can hear. */
    before: z.int().min(0),
    after: z.int().min(0),
    fewest: z.int().positive(),
    /** As `formatOrder` writes it. */
    order: z.string(),
  }),
]);

/** What a worker needs to open its model. */
const open = z.strictObject({
  type: z.literal("open"),
  graphs,
  provider: z.enum(providers),
  /** Samples in a window, and from one to the next. */
  window: z.int().positive(),
  hop: z.int().positive(),
  /** Numbers in the output for one window. */
  outputWidth: z.int().positive(),
  /** Rising. */
  batchSizes: z.array(z.int().positive()).min(1),
  /** Timed runs of each batch size, as far as they do not take too long; 0 only warms up the smallest. */
  timedRuns: z.int().min(0),
});

const place = z.strictObject({ track: z.int(), start: z.int() });

/** Announces windows, which lie end to end in a slot of the audio lane: samples as float32, or codes as int32. */
const score = z.strictObject({
  type: z.literal("score"),
  id: z.int(),
  slot: z.int().min(0),
  kind: z.enum(["audio", "codes"]),
  /** Numbers in each. */
  length: z.int().positive(),
  /** Where each window lies, where that is known. */
  places: z.array(place.optional()).min(1),
});

const toWorker = z.discriminatedUnion("type", [open, score, z.strictObject({ type: z.literal("close") })]);

const fromWorker = z.discriminatedUnion("type", [
  /** `batchMs`: milliseconds of one run for each batch size that was timed, in their order. */
  z.strictObject({ type: z.literal("ready"), batchMs: z.array(z.number().min(0)) }),
  z.strictObject({
    type: z.literal("scored"),
    id: z.int(),
    values: z.instanceof(Float32Array),
    bad: z.array(z.int()),
    /** Of the inference alone. */
    ms: z.number().min(0),
  }),
  /** The model cannot be opened, or a run threw: the worker is of no more use. */
  z.strictObject({ type: z.literal("failed"), reason: z.string() }),
]);

export type OpenModel = z.infer<typeof open>;
/** What every worker of a pool is told alike. */
export type Model = Omit<OpenModel, "type" | "provider" | "timedRuns">;
export type ToWorker = z.infer<typeof toWorker>;
/** `values` holds each window's output row; `bad` lists windows that held non-finite samples and were not scored. */
export type FromWorker = z.infer<typeof fromWorker>;

export const parseToWorker = (message: unknown): ToWorker => toWorker.parse(message);
export const parseFromWorker = (message: unknown): FromWorker => fromWorker.parse(message);

/** The worker's file descriptor for audio; 0 to 2 are the standard ones, 3 is Node's message channel. */
export const audioFd = 4;

/** Batches that may be with a worker at once: it computes one while the next is handed over. */
export const slots = 2;
/** Bytes from one slot of shared memory to the next; what is never written takes no room. */
export const slotBytes = mostBatchBytes;
