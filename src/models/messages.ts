import { z } from "zod";
import { providers } from "./providers.ts";

/** What a worker needs to open its model. */
const open = z.strictObject({
  type: z.literal("open"),
  modelPath: z.string(),
  provider: z.enum(providers),
  input: z.string(),
  output: z.string(),
  /** Samples in a window. */
  window: z.int().positive(),
  /** Numbers in the output for one window. */
  outputWidth: z.int().positive(),
  /** Rising. */
  batchSizes: z.array(z.int().positive()).min(1),
  /** Timed runs of each batch size; 0 only warms up the smallest. */
  timedRuns: z.int().min(0),
});

/** Announces `rows` windows, which lie end to end as float32 in a slot of the audio lane. */
const score = z.strictObject({
  type: z.literal("score"),
  id: z.int(),
  rows: z.int().positive(),
  slot: z.int().min(0),
});

const toWorker = z.discriminatedUnion("type", [open, score, z.strictObject({ type: z.literal("close") })]);

const fromWorker = z.discriminatedUnion("type", [
  /** `batchMs`: milliseconds of one run for each batch size, in their order. */
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
export const slotBytes = 2 ** 28;
