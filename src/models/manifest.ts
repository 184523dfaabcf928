import { createHash } from "node:crypto";
import { z } from "zod";
import type { CodeSpec, DetectorSpec } from "../stream/ports.ts";
import { hertz, samples } from "../stream/units.ts";
import { parseOrder } from "./safeear/permutation.ts";

/** What goes to a worker at once, at the most. */
export const mostBatchBytes = 2 ** 28;

const name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "must be 1 to 64 of a-z, 0-9, '.', '_' and '-', and start with a letter or digit",
  );
const fileName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "must be a plain file name without a folder");
const line = z.string().min(1).max(200);
const prose = z.string().max(4000);
const tensor = z.string().min(1).max(200);
const openProbability = z.number().gt(0).lt(1);

const thresholds = z
  .strictObject({
    suspect: openProbability,
    spoof: openProbability,
    bonafide: openProbability,
    suspect_exit: openProbability,
    spoof_exit: openProbability,
  })
  .refine((t) => t.bonafide < t.suspect && t.suspect <= t.spoof, "must rise: bonafide < suspect ≤ spoof")
  .refine(
    (t) => t.suspect_exit <= t.suspect && t.spoof_exit <= t.spoof,
    "an exit must not lie above its entry",
  );

const detection = z.strictObject({
  prior: openProbability,
  llr_bound: z.number().positive().max(100),
  half_life_s: z.number().positive().max(86_400),
  min_speech_ms: z.int().min(0).max(60_000),
  thresholds,
});

const output = z.discriminatedUnion("form", [
  z.strictObject({ name: tensor, form: z.literal("spoof_logit") }),
  z.strictObject({
    name: tensor,
    form: z.literal("logits"),
    spoof_index: z.union([z.literal(0), z.literal(1)]),
  }),
  // Beside the logit, how far the audio is from the speech that the model was trained on; beyond `farthest` it is not judged.
  z.strictObject({
    name: tensor,
    form: z.literal("logit_and_distance"),
    farthest: z.number().positive().max(1e9),
  }),
  // A tokenizer without its detector: nothing that a score can be had from. `lacks` is the file that it was imported without.
  z.strictObject({ name: tensor, form: z.literal("codes"), lacks: line }),
]);

/** Audio turned into codes and codes into logits, as graphs of their own that take any length. */
const codec = z.strictObject({
  tokenizer: fileName,
  /** Codes per frame, the first of which is semantic and no detector's business. */
  stages: z.int().min(2).max(64),
  /** Codes that a stage chooses from. */
  codes: z.int().min(2).max(65_536),
  frame_samples: z.int().min(1).max(48_000),
  /** Shorter audio must be lengthened. */
  fewest_samples: z.int().min(1).max(960_000),
  /** The tokenizer cut where windows that overlap stop sharing what is computed. */
  halves: z
    .strictObject({
      front: fileName,
      back: fileName,
      /** How far a frame of the front reaches before its first sample and after it. */
      before_samples: z.int().min(0).max(960_000),
      after_samples: z.int().min(0).max(960_000),
    })
    .optional(),
  detector: z
    .strictObject({
      file: fileName,
      longest_frames: z.int().min(1).max(1_000_000),
      /** In which the frames of a second are heard: `identity`, `flip` or a seed. */
      order: z.string().regex(/^(identity|flip|\d{1,10})$/, "must be identity, flip or a seed"),
    })
    .optional(),
});

/** LLR = a·x + b, with a positive: a calibration may stretch and shift a score, never turn it round. */
const calibration = z.strictObject({
  id: line,
  a: z.number().positive().max(1000),
  b: z.number().min(-1000).max(1000),
  data: prose,
});

const rising = (sizes: readonly number[]) => sizes.every((size, i) => i === 0 || size > (sizes[i - 1] ?? 0));

const manifest = z
  .strictObject({
    format: z.literal(1),
    id: name,
    version: line,
    family: line,
    description: prose,
    licence: line,
    training_data: z.array(z.strictObject({ name: line, licence: line, clips: z.int().min(0) })).max(1000),
    sample_rate: z.int().min(8000).max(48_000),
    window_samples: z.int().min(1600).max(960_000),
    hop_samples: z.int().min(160).max(960_000),
    pad: z.enum(["tile", "zeros"]),
    input: z.strictObject({ name: tensor }),
    output,
    codec: codec.optional(),
    calibration: calibration.nullable(),
    detection,
    batch_sizes: z
      .array(z.int().min(1).max(256))
      .min(1)
      .max(16)
      .refine((sizes) => sizes[0] === 1 && rising(sizes), "must start with 1 and rise"),
    files: z.record(
      fileName,
      z.strictObject({
        sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits"),
        bytes: z
          .int()
          .min(1)
          .max(8 * 2 ** 30),
      }),
    ),
  })
  .refine((m) => m.hop_samples <= m.window_samples, {
    path: ["hop_samples"],
    error: "must not exceed window_samples",
  })
  .refine((m) => modelFile in m.files || isCodecPack(m), { path: ["files"], error: "must list model.onnx" })
  .refine((m) => (m.codec?.detector === undefined) === (m.codec?.halves === undefined), {
    path: ["codec"],
    error: "must have a detector and the tokenizer's halves, or neither: import the model again",
  })
  .refine(({ codec, window_samples }) => windowFrames(codec, window_samples) <= longestFrames(codec), {
    path: ["codec"],
    error: "must have a detector that can hear a window",
  })
  .refine((m) => batchBytes(m) <= mostBatchBytes, {
    path: ["batch_sizes"],
    error: `must not make a batch of more than ${mostBatchBytes} bytes`,
  })
  .refine((m) => codecFiles(m.codec).every((file) => file in m.files), {
    path: ["codec"],
    error: "must name listed files",
  });

/** Of samples, or of codes where those are more. */
function batchBytes(m: {
  readonly batch_sizes: readonly number[];
  readonly window_samples: number;
  readonly codec?: Codec;
}): number {
  const codes = (m.codec?.stages ?? 0) * windowFrames(m.codec, m.window_samples);
  return 4 * (m.batch_sizes.at(-1) ?? 1) * Math.max(m.window_samples, codes);
}

type Codec = z.infer<typeof codec> | undefined;

function codecFiles(parts: Codec): string[] {
  if (parts === undefined) return [];
  const { tokenizer, halves, detector } = parts;
  return [
    tokenizer,
    ...(halves === undefined ? [] : [halves.front, halves.back]),
    ...(detector === undefined ? [] : [detector.file]),
  ];
}

const isCodecPack = (m: { readonly codec?: Codec }): boolean => m.codec?.detector !== undefined;

const windowFrames = (parts: Codec, window: number): number =>
  parts === undefined ? 0 : Math.ceil(window / parts.frame_samples);

const longestFrames = (parts: Codec): number => parts?.detector?.longest_frames ?? Infinity;

/** The graph of a pack that is one graph; other files (external weights) lie beside it. */
export const modelFile = "model.onnx";

/** A pack's `model.json`, checked. */
export type Manifest = z.infer<typeof manifest>;

/** How a pack's output tensor is to be read. */
export type OutputForm = Manifest["output"];

/** Throws an Error that lists every problem of a `model.json`, each with its path. */
export function parseManifest(json: unknown): Manifest {
  const parsed = manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "(root)"}: ${issue.message}`,
  );
  throw new Error(`model.json is not valid: ${problems.join("; ")}`);
}

/** SHA-256, hexadecimal, over one line `name sha256` for each file in the order of their names. */
export function digestOf(files: Manifest["files"]): string {
  const lines = Object.entries(files)
    .map(([file, { sha256 }]) => `${file} ${sha256}\n`)
    .sort();
  return createHash("sha256").update(lines.join("")).digest("hex");
}

/** What the rest of the program knows of a pack. */
export function toSpec(pack: Manifest): DetectorSpec {
  const { thresholds: at } = pack.detection;
  const order = pack.codec?.detector && parseOrder(pack.codec.detector.order);
  const codes = codeSpec(pack);
  return {
    id: pack.id,
    version: pack.version,
    digest: digestOf(pack.files),
    calibrationId: pack.calibration?.id,
    rate: hertz(pack.sample_rate),
    window: samples(pack.window_samples),
    pad: pack.pad,
    detection: {
      hopMs: Math.floor((pack.hop_samples * 1000) / pack.sample_rate),
      minSpeechMs: pack.detection.min_speech_ms,
      prior: pack.detection.prior,
      llrBound: pack.detection.llr_bound,
      halfLifeS: pack.detection.half_life_s,
      thresholds: {
        suspect: at.suspect,
        spoof: at.spoof,
        bonafide: at.bonafide,
        suspectExit: at.suspect_exit,
        spoofExit: at.spoof_exit,
      },
    },
    ...(order?.kind === "seed" ? { seed: order.seed } : {}),
    ...(codes === undefined ? {} : { codes }),
  };
}

function codeSpec({ codec, window_samples }: Manifest): CodeSpec | undefined {
  if (codec?.detector === undefined) return undefined;
  return {
    // The first stage is semantic.
    stages: codec.stages - 1,
    choices: codec.codes,
    frameSamples: codec.frame_samples,
    frames: windowFrames(codec, window_samples),
  };
}
