import { create, type JsonObject, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type AudioConfigSchema,
  type ChannelSummarySchema,
  type DetectionInForceSchema,
  type SessionEvent as WireEvent,
  SessionEventSchema,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import type {
  ChannelSummary,
  ErrorBody,
  EventBody,
  ReadyBody,
  ScoreBody,
  SessionEvent,
  WindowSpan,
} from "../../stream/events.ts";
import {
  alertNumbers,
  encodingNumbers,
  endedByNumbers,
  framingNumbers,
  gapCauseNumbers,
  reasonNumber,
  stateNumbers,
  verdictNumbers,
  warningNumbers,
} from "./names.ts";

type Arm = NonNullable<MessageInitShape<typeof SessionEventSchema>["event"]>;

/** The same event as a protobuf message; what JSON says with `null` is unset here. */
export function toWireEvent(event: SessionEvent): WireEvent {
  return create(SessionEventSchema, {
    seq: BigInt(event.seq),
    sessionId: event.sessionId,
    tMediaMs: BigInt(event.tMediaMs),
    event: toArm(event),
  });
}

function toArm(body: EventBody): Arm {
  switch (body.type) {
    case "ready":
      return { case: "ready", value: toReady(body) };
    case "score":
      return { case: "score", value: toScore(body) };
    case "state":
      return {
        case: "state",
        value: {
          channel: body.channel,
          from: stateNumbers[body.from],
          to: stateNumbers[body.to],
          reason: reasonNumber(body.reason),
          ...toInstant(body),
        },
      };
    case "alert":
      return {
        case: "alert",
        value: {
          channel: body.channel,
          status: alertNumbers[body.status],
          evidence: [...body.evidence],
          ...toInstant(body),
        },
      };
    case "gap":
      return {
        case: "gap",
        value: { channel: body.channel, cause: gapCauseNumbers[body.cause], ...toSpan(body) },
      };
    case "warning":
      return { case: "warning", value: { code: warningNumbers[body.code] } };
    case "summary":
      return {
        case: "summary",
        value: {
          endedBy: endedByNumbers[body.endedBy],
          channels: body.channels.map(toChannelSummary),
          ...given({ seed: body.seed, calibrationId: body.calibrationId }),
        },
      };
    case "error":
      return { case: "error", value: toError(body) };
  }
}

function toReady(body: ReadyBody) {
  return {
    startedAt: body.startedAt,
    ...given({ callId: body.callId }),
    metadata: toStruct(body.metadata),
    audio: toAudioConfig(body.audio),
    model: toModel(body.model),
    detection: toDetectionInForce(body.detection),
    limits: { ...body.limits },
    ...given({ seed: body.seed }),
  };
}

/** A session's audio as the server understood it. */
export function toAudioConfig(audio: ReadyBody["audio"]): MessageInitShape<typeof AudioConfigSchema> {
  return {
    encoding: encodingNumbers[audio.encoding],
    sampleRate: audio.rate,
    channels: audio.channels,
    channelLabels: [...audio.channelLabels],
    framing: framingNumbers[audio.framing],
  };
}

/** Which model judged. */
export function toModel({ id, version, digest, calibrationId }: ReadyBody["model"]) {
  return { id, version, digest, ...given({ calibrationId }) };
}

/** The windows and the tally as they are in force. */
export function toDetectionInForce(
  detection: ReadyBody["detection"],
): MessageInitShape<typeof DetectionInForceSchema> {
  const { windowMs, hopMs, minSpeechMs, prior, llrBound, halfLifeS, thresholds } = detection;
  return { windowMs, hopMs, minSpeechMs, prior, llrBound, halfLifeS, thresholds: { ...thresholds } };
}

function toScore(body: ScoreBody) {
  const { channel, index, provisional, quality, latencyMs, rolling } = body;
  return {
    channel,
    index,
    window: toSpan(body.window),
    speechMs: BigInt(body.speechMs),
    ...given({ llr: body.llr, pSpoof: body.pSpoof }),
    verdict: verdictNumbers[body.verdict],
    reason: reasonNumber(body.reason),
    provisional,
    rolling: {
      llr: rolling.llr,
      ...given({ pSpoof: rolling.pSpoof }),
      speechMs: BigInt(rolling.speechMs),
      windows: rolling.windows,
    },
    quality: { ...quality },
    latencyMs: { ...latencyMs },
  };
}

/** One channel of a summary. */
export function toChannelSummary(summary: ChannelSummary): MessageInitShape<typeof ChannelSummarySchema> {
  const { channel, llr, pSpoof, windows, scored, undecided, shed } = summary;
  return {
    channel,
    state: stateNumbers[summary.state],
    reason: reasonNumber(summary.reason),
    ...given({ llr, pSpoof }),
    audioMs: BigInt(summary.audioMs),
    speechMs: BigInt(summary.speechMs),
    windows,
    scored,
    undecided,
    shed,
    gapMs: BigInt(summary.gapMs),
  };
}

function toError(body: ErrorBody) {
  const { code, message, retryable, retryAfterMs, details, inReplyTo } = body;
  return {
    code,
    message,
    retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs: BigInt(Math.round(retryAfterMs)) }),
    ...(details && { details: { ...details } }),
    ...(inReplyTo !== undefined && { inReplyTo }),
  };
}

const toInstant = ({ atMs, atSample }: { atMs: number; atSample: number }) => ({
  atMs: BigInt(atMs),
  atSample: BigInt(atSample),
});

const toSpan = ({ startMs, endMs, startSample, endSample }: WindowSpan) => ({
  startMs: BigInt(startMs),
  endMs: BigInt(endMs),
  startSample: BigInt(startSample),
  endSample: BigInt(endSample),
});

/** Leaves out what is `null`: an optional field of protobuf has no other way to be absent. */
export function given<T extends Readonly<Record<string, unknown>>>(
  fields: T,
): { [Name in keyof T]?: NonNullable<T[Name]> } {
  const present: { [Name in keyof T]?: NonNullable<T[Name]> } = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== null && value !== undefined) present[name] = value;
  }
  return present;
}

/** Metadata came in as JSON or as a Struct, so all of it is JSON; anything else is left out. */
export function toStruct(value: Readonly<Record<string, unknown>>): JsonObject {
  const members = Object.entries(value).filter((member): member is [string, JsonValue] => isJson(member[1]));
  // Assigned one by one, a member called `__proto__` would become the prototype.
  return Object.fromEntries(members);
}

function isJson(value: unknown): value is JsonValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  return typeof value === "object" && Object.values(value).every(isJson);
}
