import { z } from "zod";
import {
  annotationKinds,
  type Command,
  type DetectionOverrides,
  type ResultsFilter,
} from "../stream/commands.ts";
import { checkSource, codesRate } from "../stream/decode-format.ts";
import { Fault } from "../stream/errors.ts";
import { eventKinds } from "../stream/events.ts";
import { codesEncoding, type SourceFormat } from "../stream/ports.ts";
import type { StartRequest } from "./connection.ts";
import { defaultLimits } from "./limits.ts";

/*
 * What clients say beside audio, as snake_case objects of unknown content. JSON arrives so; a dialect of another
 * encoding turns its messages into the same objects, so that every wire has the same rules. Unknown fields are ignored.
 */

/** Longest media time that one message may declare as not sent: that of the longest session. */
const maxGapMs = defaultLimits.sessionMs;

const name = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, "must be 1 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'");
const label = z.string().min(1).max(64);
const openProbability = z.number().gt(0).lt(1);
const gapMs = z.int().min(0).max(maxGapMs);

const detection = z.object({
  model: z.string().min(1).max(64).optional(),
  hop_ms: z.int().min(250).max(5000).multipleOf(20).optional(),
  min_speech_ms: z.int().min(0).max(60_000).optional(),
  prior: openProbability.optional(),
  thresholds: z
    .object({
      suspect: openProbability.optional(),
      spoof: openProbability.optional(),
      bonafide: openProbability.optional(),
      suspect_exit: openProbability.optional(),
      spoof_exit: openProbability.optional(),
    })
    .optional(),
});

const results = z.object({
  kinds: z.array(z.enum(eventKinds)).max(32).optional(),
  min_interval_ms: z.int().min(0).max(3_600_000).optional(),
});

const audio = z.object({
  encoding: z.string().max(64),
  /** Opus has one clock, and so have codes: it need not be said. */
  sample_rate: z.number().optional(),
  channels: z.number(),
  channel_labels: z.array(label).max(2).optional(),
  framing: z.string().max(64).optional(),
});

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const start = z.object({
  version: z.literal(1).default(1),
  session_id: name.optional(),
  call_id: name.optional(),
  pace: z.enum(["live", "file"]).default("live"),
  audio,
  detection: detection.default({}),
  results: results.default({}),
  metadata: z.custom<Record<string, unknown>>(isObject, "must be an object").default({}),
});

/** Throws a `bad_message`, `unsupported_audio` or `unimplemented` Fault, which names the field. */
export function parseStart(message: unknown, maxMetadataBytes = defaultLimits.metadataBytes): StartRequest {
  if (isObject(message) && message["resume"] !== undefined) {
    throw new Fault("unimplemented", "a session cannot be resumed", inReplyTo("start", "resume"));
  }
  const said = parse("start", start, message);
  assertMetadata(said.metadata, maxMetadataBytes);
  const format = toFormat(said.audio);
  return {
    ...(said.session_id === undefined ? {} : { sessionId: said.session_id }),
    ...(said.call_id === undefined ? {} : { callId: said.call_id }),
    ...(said.detection.model === undefined ? {} : { model: said.detection.model }),
    pace: said.pace,
    audio: format,
    channelLabels: toLabels(format.channels, said.audio.channel_labels),
    detection: toOverrides(said.detection),
    results: toFilter(said.results),
    metadata: said.metadata,
  };
}

const resume = z.object({ gap_ms: gapMs.optional() });
const update = z.object({ detection: detection.optional(), results: results.optional() });
const annotate = z.object({
  kind: z.enum(annotationKinds),
  channel: z.int().min(0).max(1).optional(),
  gap_ms: gapMs.optional(),
});

/** Throws a `bad_message` Fault. */
export function parseResume(message: unknown): Command {
  const said = parse("resume", resume, message);
  return { type: "resume", ...(said.gap_ms === undefined ? {} : { gapMs: said.gap_ms }) };
}

/** Throws a `bad_message` Fault; a running session's model cannot change. */
export function parseUpdate(message: unknown): Command {
  const said = parse("update", update, message);
  if (said.detection?.model !== undefined) {
    throw new Fault(
      "bad_message",
      "detection.model: cannot change while a session runs",
      inReplyTo("update", "detection.model"),
    );
  }
  return {
    type: "update",
    ...(said.detection === undefined ? {} : { detection: toOverrides(said.detection) }),
    ...(said.results === undefined ? {} : { results: toFilter(said.results) }),
  };
}

/** Throws a `bad_message` Fault; a `gap` needs its length. */
export function parseAnnotate(message: unknown): Command {
  const said = parse("annotate", annotate, message);
  if (said.kind === "gap" && said.gap_ms === undefined) {
    throw new Fault("bad_message", "gap_ms: a gap needs its length", inReplyTo("annotate", "gap_ms"));
  }
  return {
    type: "annotate",
    kind: said.kind,
    ...(said.channel === undefined ? {} : { channel: said.channel }),
    ...(said.gap_ms === undefined ? {} : { gapMs: said.gap_ms }),
  };
}

/** The `detection` of a request for one recording. Throws a `bad_message` Fault. */
export function parseDetection(said: unknown): DetectionOverrides & { readonly model?: string } {
  const { model, ...rest } = parse("detect", detection, said);
  return { ...(model === undefined ? {} : { model }), ...toOverrides(rest) };
}

/** Of encodings that have but one clock. */
const onlyRates: ReadonlyMap<string, number> = new Map([
  ["opus", 48_000],
  [codesEncoding, codesRate],
]);

function toFormat({ encoding, framing, sample_rate, channels }: z.infer<typeof audio>): SourceFormat {
  const rate = sample_rate ?? onlyRates.get(encoding);
  if (rate === undefined) {
    throw new Fault("bad_message", "audio.sample_rate: is missing", inReplyTo("start", "audio.sample_rate"));
  }
  try {
    return checkSource({ encoding, framing, rate, channels });
  } catch (reason) {
    const { code, message, details } = Fault.from(reason);
    const field = `audio.${String(details?.["field"] ?? "encoding")}`;
    throw new Fault(code, `audio.${message}`, { ...inReplyTo("start", field), cause: reason });
  }
}

function toLabels(channels: number, labels: readonly string[] | undefined): readonly string[] {
  if (labels === undefined) return Array.from({ length: channels }, (_, channel) => `channel ${channel}`);
  if (labels.length === channels) return labels;
  throw new Fault(
    "bad_message",
    "audio.channel_labels: needs one label for each channel",
    inReplyTo("start", "audio.channel_labels"),
  );
}

function toOverrides(said: z.infer<typeof detection>): DetectionOverrides {
  const at = said.thresholds;
  return {
    ...(said.hop_ms === undefined ? {} : { hopMs: said.hop_ms }),
    ...(said.min_speech_ms === undefined ? {} : { minSpeechMs: said.min_speech_ms }),
    ...(said.prior === undefined ? {} : { prior: said.prior }),
    ...(at === undefined ? {} : { thresholds: toThresholds(at) }),
  };
}

function toThresholds(
  at: NonNullable<z.infer<typeof detection>["thresholds"]>,
): NonNullable<DetectionOverrides["thresholds"]> {
  return {
    ...(at.suspect === undefined ? {} : { suspect: at.suspect }),
    ...(at.spoof === undefined ? {} : { spoof: at.spoof }),
    ...(at.bonafide === undefined ? {} : { bonafide: at.bonafide }),
    ...(at.suspect_exit === undefined ? {} : { suspectExit: at.suspect_exit }),
    ...(at.spoof_exit === undefined ? {} : { spoofExit: at.spoof_exit }),
  };
}

function toFilter(said: z.infer<typeof results>): ResultsFilter {
  return {
    ...(said.kinds === undefined ? {} : { kinds: said.kinds }),
    ...(said.min_interval_ms === undefined ? {} : { minIntervalMs: said.min_interval_ms }),
  };
}

function assertMetadata(metadata: Record<string, unknown>, maxBytes: number): void {
  if (jsonBytes(metadata) <= maxBytes) return;
  const { inReplyTo: type, details } = inReplyTo("start", "metadata");
  throw new Fault("bad_message", `metadata: must not exceed ${maxBytes} bytes as JSON`, {
    inReplyTo: type,
    details: { ...details, limit: maxBytes },
  });
}

/** Infinite for what cannot be written: JSON nested deeper than the stack. */
function jsonBytes(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function parse<T>(type: string, schema: z.ZodType<T>, message: unknown): T {
  const parsed = schema.safeParse(message);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  const text = issue?.message ?? "is not valid";
  throw new Fault("bad_message", field === "" ? text : `${field}: ${text}`, inReplyTo(type, field));
}

const inReplyTo = (type: string, field: string) => ({ inReplyTo: type, details: { field } });
