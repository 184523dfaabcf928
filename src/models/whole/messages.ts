import { z } from "zod";

/** What a process needs to open the two graphs that take any length. */
const open = z.strictObject({
  type: z.literal("open"),
  tokenizerPath: z.string(),
  detectorPath: z.string(),
  /** As `formatOrder` writes it. */
  order: z.string(),
  /** Cores that one recording is spread over. */
  threads: z.int().positive(),
});

/** Announces a recording, which lies as float32 in the first slot of the audio lane. */
const hear = z.strictObject({ type: z.literal("hear"), samples: z.int().positive() });

const toProcess = z.discriminatedUnion("type", [open, hear, z.strictObject({ type: z.literal("close") })]);

const rssBytes = z.int().min(0);

const fromProcess = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready"), rssBytes }),
  /** The detector's row of two, and what the process holds after it. */
  z.strictObject({ type: z.literal("heard"), logits: z.tuple([z.number(), z.number()]), rssBytes }),
  /** The graphs cannot be opened, or a run threw: the process is of no more use. */
  z.strictObject({ type: z.literal("failed"), reason: z.string() }),
]);

export type OpenGraphs = z.infer<typeof open>;
export type ToProcess = z.infer<typeof toProcess>;
export type FromProcess = z.infer<typeof fromProcess>;
/** What a process answers a request that it could fulfil with. */
export type Answer = Exclude<FromProcess, { type: "failed" }>;

export const parseToProcess = (message: unknown): ToProcess => toProcess.parse(message);
export const parseFromProcess = (message: unknown): FromProcess => fromProcess.parse(message);
