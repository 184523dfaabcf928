import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ControlSchema,
  Encoding,
  EventKind,
  Framing,
  Pace,
  StreamingDetectRequestSchema,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import { sourceEncodings } from "../../stream/ports.ts";
import { parseStart } from "../start.ts";
import { createGrpcDialect } from "./dialect.ts";
import { encodingNumbers, nameOf } from "./names.ts";

type Request = MessageInitShape<typeof StreamingDetectRequestSchema>["request"];
type Config = Extract<Request, { case: "config" }>["value"];

const dialectAfter = (config?: Config) => {
  const dialect = createGrpcDialect();
  const read = (request?: Request) =>
    dialect.read(create(StreamingDetectRequestSchema, request === undefined ? {} : { request }));
  if (config) read({ case: "config", value: config });
  return read;
};

const mulaw = { audio: { encoding: Encoding.PCM_MULAW, sampleRate: 8000, channels: 1 } };
const sequenced = { audio: { ...mulaw.audio, framing: Framing.SEQUENCED } };

describe("the gRPC dialect", () => {
  it("reads config by the same rules as a WebSocket's start, whatever is set", () => {
    const read = dialectAfter();
    const message = read({
      case: "config",
      value: {
        version: 1,
        sessionId: "s-1",
        callId: "c-1",
        pace: Pace.FILE,
        audio: {
          encoding: Encoding.OPUS,
          sampleRate: 16_000,
          channels: 2,
          channelLabels: ["caller", "agent"],
          framing: Framing.SEQUENCED,
        },
        detection: {
          model: "default",
          hopMs: 500,
          minSpeechMs: 0,
          prior: 0.25,
          thresholds: { suspect: 0.7, spoof: 0.9, bonafide: 0.1, suspectExit: 0.4, spoofExit: 0.6 },
        },
        results: { kinds: [EventKind.SCORE, EventKind.STATE], minIntervalMs: 0 },
        metadata: { a: { b: [1, null] } },
      },
    });
    assert.deepEqual(message, {
      type: "start",
      request: parseStart({
        version: 1,
        session_id: "s-1",
        call_id: "c-1",
        pace: "file",
        audio: {
          encoding: "opus",
          sample_rate: 16_000,
          channels: 2,
          channel_labels: ["caller", "agent"],
          framing: "sequenced",
        },
        detection: {
          model: "default",
          hop_ms: 500,
          min_speech_ms: 0,
          prior: 0.25,
          thresholds: { suspect: 0.7, spoof: 0.9, bonafide: 0.1, suspect_exit: 0.4, spoof_exit: 0.6 },
        },
        results: { kinds: ["score", "state"], min_interval_ms: 0 },
        metadata: { a: { b: [1, null] } },
      }),
    });
  });

  it("takes what is unset for absent", () => {
    assert.deepEqual(dialectAfter()({ case: "config", value: mulaw }), {
      type: "start",
      request: parseStart({ audio: { encoding: "pcm_mulaw", sample_rate: 8000, channels: 1 } }),
    });
  });

  for (const encoding of sourceEncodings)
    it(`reads the encoding ${encoding}`, () => {
      const message = dialectAfter()({
        case: "config",
        value: { audio: { encoding: encodingNumbers[encoding], sampleRate: 16_000, channels: 1 } },
      });
      assert.ok(message.type === "start");
      assert.equal(message.request.audio.encoding, encoding);
    });

  it("refuses what has no name yet, naming the field", () => {
    const read = (value: Config) => () => dialectAfter()({ case: "config", value });
    // Numbers that a client built from a later .proto may send.
    const [encoding, pace, kind] = [77 as Encoding, 9 as Pace, 99 as EventKind];
    assert.throws(read({ audio: { ...mulaw.audio, encoding } }), {
      code: "unsupported_audio",
      message: /encoding/,
    });
    assert.throws(read({ ...mulaw, pace }), { code: "bad_message", message: /pace/ });
    assert.throws(read({ ...mulaw, results: { kinds: [0] } }), { code: "bad_message", message: /kinds/ });
    assert.throws(read({ ...mulaw, results: { kinds: [kind] } }), { code: "bad_message", message: /kinds/ });
    assert.throws(read({}), { code: "bad_message", message: /audio/ });
    assert.throws(read({ ...mulaw, version: 2 }), { code: "bad_message", message: /version/ });
    assert.equal(nameOf(encodingNumbers, 77), "77");
  });

  it("passes audio through untouched", () => {
    const chunk = Uint8Array.of(1, 2, 3);
    assert.deepEqual(dialectAfter(mulaw)({ case: "audio", value: chunk }), { type: "audio", chunk });
  });

  it("writes a packet as a sequenced header, big-endian, and its payload", () => {
    const message = dialectAfter(sequenced)({
      case: "packet",
      value: {
        payload: Uint8Array.of(0xaa, 0xbb),
        channel: 1,
        seq: 0xfffffffe,
        mediaTimestamp: 0x01020304,
      },
    });
    const chunk = Uint8Array.of(1, 1, 0, 0, 0xff, 0xff, 0xff, 0xfe, 1, 2, 3, 4, 0xaa, 0xbb);
    assert.deepEqual(message, { type: "audio", chunk });
  });

  it("refuses packets without sequenced framing, and bare audio with it", () => {
    const packet = { case: "packet", value: { payload: Uint8Array.of(1) } } as const;
    const audio = { case: "audio", value: Uint8Array.of(1) } as const;
    assert.throws(() => dialectAfter(mulaw)(packet), { code: "bad_message", inReplyTo: "packet" });
    assert.throws(() => dialectAfter(sequenced)(audio), { code: "bad_message", inReplyTo: "audio" });
    assert.throws(() => dialectAfter(sequenced)({ ...packet, value: { ...packet.value, channel: 256 } }), {
      code: "bad_message",
    });
  });

  it("leaves audio before config to the host, which has a fault of its own for it", () => {
    assert.equal(dialectAfter()({ case: "audio", value: Uint8Array.of(1) }).type, "audio");
    assert.equal(dialectAfter()({ case: "packet", value: { payload: Uint8Array.of(1) } }).type, "audio");
  });

  it("reads every control", () => {
    const control = (value: NonNullable<MessageInitShape<typeof ControlSchema>["control"]>) =>
      dialectAfter(mulaw)({ case: "control", value: { control: value } });
    assert.deepEqual(control({ case: "keepAlive", value: {} }), { type: "keep_alive" });
    assert.deepEqual(control({ case: "pause", value: {} }), { type: "pause" });
    assert.deepEqual(control({ case: "resume", value: {} }), { type: "resume" });
    assert.deepEqual(control({ case: "resume", value: { gapMs: 250 } }), { type: "resume", gapMs: 250 });
    assert.deepEqual(control({ case: "finalize", value: {} }), { type: "finalize" });
    assert.deepEqual(control({ case: "close", value: {} }), { type: "close" });
    assert.deepEqual(control({ case: "annotate", value: { kind: "transfer", channel: 1 } }), {
      type: "annotate",
      kind: "transfer",
      channel: 1,
    });
    assert.deepEqual(
      control({
        case: "update",
        value: { detection: { prior: 0.1, thresholds: { spoof: 0.9 } }, results: { minIntervalMs: 500 } },
      }),
      {
        type: "update",
        detection: { prior: 0.1, thresholds: { spoof: 0.9 } },
        results: { minIntervalMs: 500 },
      },
    );
  });

  it("refuses a control that says nothing or something unknown", () => {
    const read = dialectAfter(mulaw);
    assert.throws(() => read({ case: "control", value: {} }), { code: "bad_message" });
    assert.throws(
      () => read({ case: "control", value: { control: { case: "annotate", value: { kind: "sneeze" } } } }),
      { code: "bad_message", inReplyTo: "annotate" },
    );
  });

  it("refuses a message that says nothing", () => {
    assert.throws(() => dialectAfter(mulaw)(), { code: "bad_message" });
  });
});
