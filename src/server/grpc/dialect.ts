import type { MessageShape } from "@bufbuild/protobuf";
import type {
  AudioConfig,
  AudioPacket,
  Control,
  DetectionConfig,
  ResultsConfig,
  SessionEvent as WireEvent,
  StreamingConfig,
  StreamingDetectRequestSchema,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import { Fault } from "../../stream/errors.ts";
import type { SourceFormat } from "../../stream/ports.ts";
import type { ClientMessage, Dialect } from "../connection.ts";
import { parseAnnotate, parseResume, parseStart, parseUpdate } from "../start.ts";
import { toWireEvent } from "./events.ts";
import { encodingNumbers, eventKindNumbers, framingNumbers, nameOf, paceNumbers } from "./names.ts";

type Incoming = MessageShape<typeof StreamingDetectRequestSchema>;

const headerBytes = 12;
const headerVersion = 1;

/**
 * The protobuf dialect of one call. It remembers what `config` declared, because a packet's header means something
 * only under `sequenced` framing.
 */
export function createGrpcDialect(maxMetadataBytes?: number): Dialect<Incoming, WireEvent> {
  let format: SourceFormat | undefined;
  return {
    read: ({ request }) => {
      switch (request.case) {
        case "config": {
          const start = parseStart(toStart(request.value), maxMetadataBytes);
          format ??= start.audio;
          return { type: "start", request: start };
        }
        case "audio":
          assertFraming(format, "audio");
          return { type: "audio", chunk: request.value };
        case "packet":
          assertFraming(format, "packet");
          return { type: "audio", chunk: toSequenced(request.value) };
        case "control":
          return readControl(request.value);
        case undefined:
          throw new Fault("bad_message", "the message says nothing");
      }
    },
    write: toWireEvent,
  };
}

/** Audio before `config` is the host's to refuse, so nothing is asked of it here. */
function assertFraming(format: SourceFormat | undefined, inReplyTo: "audio" | "packet"): void {
  if (format === undefined || (format.framing === "sequenced") === (inReplyTo === "packet")) return;
  const needed = format.framing === "sequenced" ? "takes packets" : "takes no packets";
  throw new Fault("bad_message", `${inReplyTo}: framing ${format.framing} ${needed}`, {
    inReplyTo,
    details: { field: "audio.framing" },
  });
}

function readControl({ control }: Control): ClientMessage {
  switch (control.case) {
    case "keepAlive":
      return { type: "keep_alive" };
    case "pause":
      return { type: "pause" };
    case "resume":
      return parseResume({ gap_ms: control.value.gapMs });
    case "finalize":
      return { type: "finalize" };
    case "update":
      return parseUpdate({
        detection: toDetection(control.value.detection),
        results: toResults(control.value.results),
      });
    case "annotate":
      return parseAnnotate({
        kind: control.value.kind,
        channel: control.value.channel,
        gap_ms: control.value.gapMs,
      });
    case "close":
      return { type: "close" };
    case undefined:
      throw new Fault("bad_message", "control: says nothing", { inReplyTo: "control" });
  }
}

/** `config` as the object that a WebSocket client's `start` is; what protobuf leaves at zero was not said. */
function toStart(config: StreamingConfig): Record<string, unknown> {
  return {
    version: said(config.version),
    session_id: said(config.sessionId),
    call_id: said(config.callId),
    pace: nameOf(paceNumbers, config.pace),
    audio: toAudio(config.audio),
    detection: toDetection(config.detection),
    results: toResults(config.results),
    metadata: config.metadata,
  };
}

function toAudio(audio: AudioConfig | undefined) {
  return (
    audio && {
      encoding: nameOf(encodingNumbers, audio.encoding),
      sample_rate: said(audio.sampleRate),
      channels: said(audio.channels),
      channel_labels: audio.channelLabels.length > 0 ? audio.channelLabels : undefined,
      framing: nameOf(framingNumbers, audio.framing),
    }
  );
}

/** `detection` as the object that it is in JSON; `undefined` when absent. */
export function toDetection(detection: DetectionConfig | undefined): Record<string, unknown> | undefined {
  const at = detection?.thresholds;
  return (
    detection && {
      model: detection.model,
      hop_ms: detection.hopMs,
      min_speech_ms: detection.minSpeechMs,
      prior: detection.prior,
      thresholds: at && {
        suspect: at.suspect,
        spoof: at.spoof,
        bonafide: at.bonafide,
        suspect_exit: at.suspectExit,
        spoof_exit: at.spoofExit,
      },
    }
  );
}

function toResults(results: ResultsConfig | undefined) {
  return (
    results && {
      kinds:
        results.kinds.length > 0 ? results.kinds.map((kind) => nameOf(eventKindNumbers, kind)) : undefined,
      min_interval_ms: results.minIntervalMs,
    }
  );
}

const said = <T extends string | number>(value: T): T | undefined =>
  value === "" || value === 0 ? undefined : value;

/** The 12-byte header that `sequenced` framing has on the other wire, then the payload. */
function toSequenced({ payload, channel, seq, mediaTimestamp }: AudioPacket): Uint8Array {
  if (channel > 0xff)
    throw new Fault("bad_message", "packet.channel: there is no such channel", { inReplyTo: "packet" });
  const chunk = new Uint8Array(headerBytes + payload.byteLength);
  const header = new DataView(chunk.buffer);
  header.setUint8(0, headerVersion);
  header.setUint8(1, channel);
  header.setUint32(4, seq);
  header.setUint32(8, mediaTimestamp);
  chunk.set(payload, headerBytes);
  return chunk;
}
