import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type AudioConfigSchema,
  type ControlSchema,
  type DetectionConfigSchema,
  Encoding,
  EventKind as WireEventKind,
  Framing,
  Pace,
  type ResultsConfigSchema,
  type StreamingConfig,
  StreamingConfigSchema,
  type StreamingDetectRequest,
  StreamingDetectRequestSchema,
} from "../../src/gen/earwitness/v1/earwitness_pb.ts";
import type * as names from "./events.ts";
import type {
  AudioOptions,
  AudioPacket,
  Control,
  DetectionOptions,
  ResultsOptions,
  StartOptions,
} from "./options.ts";

const encodings = {
  pcm_s16le: Encoding.PCM_S16LE,
  pcm_f32le: Encoding.PCM_F32LE,
  pcm_mulaw: Encoding.PCM_MULAW,
  pcm_alaw: Encoding.PCM_ALAW,
  opus: Encoding.OPUS,
  safeear_codes: Encoding.SAFEEAR_CODES,
} as const satisfies Record<names.SourceEncoding, Encoding>;

const framings = {
  raw: Framing.RAW,
  packet: Framing.PACKET,
  sequenced: Framing.SEQUENCED,
} as const satisfies Record<names.Framing, Framing>;

const paces = { live: Pace.LIVE, file: Pace.FILE } as const satisfies Record<names.Pace, Pace>;

const kinds = {
  ready: WireEventKind.READY,
  score: WireEventKind.SCORE,
  state: WireEventKind.STATE,
  alert: WireEventKind.ALERT,
  gap: WireEventKind.GAP,
  warning: WireEventKind.WARNING,
  summary: WireEventKind.SUMMARY,
  error: WireEventKind.ERROR,
} as const satisfies Record<names.EventKind, WireEventKind>;

/** A session as a client asks for it, in protobuf. */
export function toConfig(options: StartOptions): StreamingConfig {
  const { sessionId, callId, pace, audio, detection, results, metadata } = options;
  return create(StreamingConfigSchema, {
    version: 1,
    ...defined({ sessionId, callId }),
    ...(pace && { pace: paces[pace] }),
    audio: toAudioConfig(audio),
    ...(detection && { detection: toDetectionConfig(detection) }),
    ...(results && { results: toResultsConfig(results) }),
    ...(metadata && { metadata: toJsonObject(metadata) }),
  });
}

export const request = (
  content: MessageInitShape<typeof StreamingDetectRequestSchema>["request"] & {},
): StreamingDetectRequest => create(StreamingDetectRequestSchema, { request: content });

export function toAudioConfig(audio: AudioOptions): MessageInitShape<typeof AudioConfigSchema> {
  const { sampleRate, channels, channelLabels, framing } = audio;
  return {
    encoding: encodings[audio.encoding],
    channels,
    ...defined({ sampleRate }),
    ...(channelLabels && { channelLabels: [...channelLabels] }),
    ...(framing && { framing: framings[framing] }),
  };
}

export function toDetectionConfig(
  detection: DetectionOptions & { readonly model?: string },
): MessageInitShape<typeof DetectionConfigSchema> {
  const { thresholds, ...rest } = detection;
  return { ...rest, ...(thresholds && { thresholds: { ...thresholds } }) };
}

function toResultsConfig(results: ResultsOptions): MessageInitShape<typeof ResultsConfigSchema> {
  return {
    ...(results.kinds && { kinds: results.kinds.map((kind) => kinds[kind]) }),
    ...defined({ minIntervalMs: results.minIntervalMs }),
  };
}

export const toPacket = ({ channel, seq, mediaTimestamp, payload }: AudioPacket): StreamingDetectRequest =>
  request({ case: "packet", value: { channel, seq, mediaTimestamp, payload } });

export const toControl = (control: Control): StreamingDetectRequest =>
  request({ case: "control", value: { control: toControlArm(control) } });

function toControlArm(control: Control): MessageInitShape<typeof ControlSchema>["control"] & {} {
  switch (control.type) {
    case "keep_alive":
      return { case: "keepAlive", value: {} };
    case "pause":
      return { case: "pause", value: {} };
    case "finalize":
      return { case: "finalize", value: {} };
    case "close":
      return { case: "close", value: {} };
    case "resume":
      return { case: "resume", value: defined({ gapMs: control.gapMs }) };
    case "update":
      return {
        case: "update",
        value: {
          ...(control.detection && { detection: toDetectionConfig(control.detection) }),
          ...(control.results && { results: toResultsConfig(control.results) }),
        },
      };
    case "annotate":
      return {
        case: "annotate",
        value: { kind: control.kind, ...defined({ channel: control.channel, gapMs: control.gapMs }) },
      };
  }
}

/** Only what is JSON can be sent, on either transport, and an object stays one. */
const toJsonObject = (value: object): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;

/** Leaves out what is undefined: an optional field of protobuf has no other way to be absent. */
function defined<T extends Readonly<Record<string, unknown>>>(
  fields: T,
): { [Name in keyof T]?: NonNullable<T[Name]> } {
  const present: { [Name in keyof T]?: NonNullable<T[Name]> } = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined && value !== null) present[name] = value;
  }
  return present;
}
