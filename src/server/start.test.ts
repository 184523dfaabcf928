import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAnnotate, parseDetection, parseResume, parseStart, parseUpdate } from "./start.ts";

const audio = { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1 };

describe("a start", () => {
  it("is filled in with the defaults", () => {
    assert.deepEqual(parseStart({ audio }), {
      pace: "live",
      audio: { encoding: "pcm_s16le", framing: "raw", rate: 16_000, channels: 1 },
      channelLabels: ["channel 0"],
      detection: {},
      results: {},
      metadata: {},
    });
  });

  it("is understood whole", () => {
    const request = parseStart({
      ...{
        version: 1,
        session_id: "a-1",
        call_id: "b:2",
        pace: "file",
        metadata: { any: ["thing"] },
        extra: 1,
      },
      audio: {
        encoding: "opus",
        sample_rate: 16_000,
        channels: 2,
        channel_labels: ["caller", "agent"],
        framing: "sequenced",
      },
      detection: {
        ...{ model: "default", hop_ms: 500, min_speech_ms: 0, prior: 0.1 },
        thresholds: { suspect: 0.7, suspect_exit: 0.4 },
      },
      results: { kinds: ["score", "alert"], min_interval_ms: 2000 },
    });
    assert.deepEqual(request, {
      ...{ sessionId: "a-1", callId: "b:2", pace: "file", metadata: { any: ["thing"] }, model: "default" },
      audio: { encoding: "opus", framing: "sequenced", rate: 48_000, channels: 2 },
      channelLabels: ["caller", "agent"],
      detection: { hopMs: 500, minSpeechMs: 0, prior: 0.1, thresholds: { suspect: 0.7, suspectExit: 0.4 } },
      results: { kinds: ["score", "alert"], minIntervalMs: 2000 },
    });
  });

  it("frames Opus by packet, at its own clock, without a rate", () => {
    const { audio: format } = parseStart({ audio: { encoding: "opus", channels: 1 } });
    assert.deepEqual(format, { encoding: "opus", framing: "packet", rate: 48_000, channels: 1 });
  });

  it("frames codes by packet, at the clock of the model's audio, without a rate", () => {
    for (const said of [{}, { sample_rate: 16_000, framing: "packet" }]) {
      const { audio: format } = parseStart({ audio: { encoding: "safeear_codes", channels: 1, ...said } });
      assert.deepEqual(format, { encoding: "safeear_codes", framing: "packet", rate: 16_000, channels: 1 });
    }
  });

  const codes = { encoding: "safeear_codes", channels: 1 };
  const refused: readonly (readonly [string, unknown, string, string?])[] = [
    ["codes of two channels", { audio: { ...codes, channels: 2 } }, "unsupported_audio", "audio.channels"],
    [
      "codes at another rate",
      { audio: { ...codes, sample_rate: 8000 } },
      "unsupported_audio",
      "audio.sample_rate",
    ],
    ["codes in a byte stream", { audio: { ...codes, framing: "raw" } }, "unsupported_audio", "audio.framing"],
    ["sequenced codes", { audio: { ...codes, framing: "sequenced" } }, "unsupported_audio", "audio.framing"],
    ["nothing", undefined, "bad_message"],
    ["a list", [], "bad_message"],
    ["version 2", { audio, version: 2 }, "bad_message", "version"],
    ["an empty id", { audio, session_id: "" }, "bad_message", "session_id"],
    ["an id with a slash", { audio, session_id: "a/b" }, "bad_message", "session_id"],
    ["an id of 129 characters", { audio, call_id: "a".repeat(129) }, "bad_message", "call_id"],
    ["another pace", { audio, pace: "fast" }, "bad_message", "pace"],
    ["a rate in words", { audio: { ...audio, sample_rate: "16000" } }, "bad_message", "audio.sample_rate"],
    ["no rate", { audio: { ...audio, sample_rate: undefined } }, "bad_message", "audio.sample_rate"],
    ["no channels", { audio: { ...audio, channels: 0 } }, "unsupported_audio", "audio.channels"],
    ["a rate of 3 GHz", { audio: { ...audio, sample_rate: 3e9 } }, "unsupported_audio", "audio.sample_rate"],
    [
      "a broken rate",
      { audio: { ...audio, sample_rate: 16_000.5 } },
      "unsupported_audio",
      "audio.sample_rate",
    ],
    ["an unknown encoding", { audio: { ...audio, encoding: "mp3" } }, "unsupported_audio", "audio.encoding"],
    ["WebM", { audio: { ...audio, encoding: "webm_opus" } }, "unsupported_audio", "audio.encoding"],
    ["Ogg", { audio: { ...audio, encoding: "ogg_opus" } }, "unsupported_audio", "audio.encoding"],
    [
      "raw Opus",
      { audio: { ...audio, encoding: "opus", framing: "raw" } },
      "unsupported_audio",
      "audio.framing",
    ],
    [
      "a label too few",
      { audio: { ...audio, channels: 2, channel_labels: ["a"] } },
      "bad_message",
      "audio.channel_labels",
    ],
    ["a hop of 249 ms", { audio, detection: { hop_ms: 249 } }, "bad_message", "detection.hop_ms"],
    ["a hop of 5020 ms", { audio, detection: { hop_ms: 5020 } }, "bad_message", "detection.hop_ms"],
    ["a hop of 510 ms", { audio, detection: { hop_ms: 510 } }, "bad_message", "detection.hop_ms"],
    ["a prior of 1", { audio, detection: { prior: 1 } }, "bad_message", "detection.prior"],
    [
      "a threshold of 0",
      { audio, detection: { thresholds: { spoof: 0 } } },
      "bad_message",
      "detection.thresholds.spoof",
    ],
    ["an unknown kind", { audio, results: { kinds: ["all"] } }, "bad_message", "results.kinds.0"],
    ["metadata that is a list", { audio, metadata: [] }, "bad_message", "metadata"],
    ["metadata above 4 KiB", { audio, metadata: { a: "x".repeat(4096) } }, "bad_message", "metadata"],
    ["resumption", { audio, resume: {} }, "unimplemented", "resume"],
  ];
  for (const [what, said, code, field] of refused) {
    it(`is refused with ${what}, naming the field`, () => {
      assert.throws(
        () => parseStart(said),
        (fault: { code: string; inReplyTo: string; details: { field: string } }) => {
          assert.equal(fault.code, code);
          assert.equal(fault.inReplyTo, "start");
          if (field !== undefined) assert.equal(fault.details.field, field);
          return true;
        },
      );
    });
  }

  it("takes metadata of exactly the limit, and nothing nested beyond the stack", () => {
    const fits = { a: "x".repeat(4096 - '{"a":""}'.length) };
    assert.equal(parseStart({ audio, metadata: fits }).metadata, fits);
    let deep: unknown = [];
    for (let i = 0; i < 200_000; i++) deep = [deep];
    assert.throws(() => parseStart({ audio, metadata: { deep } }), { code: "bad_message" });
  });

  it("takes both ends of a hop", () => {
    for (const hopMs of [260, 5000]) {
      assert.equal(parseStart({ audio, detection: { hop_ms: hopMs } }).detection.hopMs, hopMs);
    }
  });
});

describe("a client's other messages", () => {
  it("are understood", () => {
    assert.deepEqual(parseResume({ gap_ms: 20 }), { type: "resume", gapMs: 20 });
    assert.deepEqual(parseResume({}), { type: "resume" });
    assert.deepEqual(parseAnnotate({ kind: "gap", gap_ms: 40, channel: 1 }), {
      ...{ type: "annotate", kind: "gap", gapMs: 40, channel: 1 },
    });
    assert.deepEqual(parseUpdate({ detection: { prior: 0.2 }, results: { kinds: [] } }), {
      ...{ type: "update", detection: { prior: 0.2 }, results: { kinds: [] } },
    });
    assert.deepEqual(parseDetection({ model: "m", hop_ms: 1000, thresholds: {} }), {
      ...{ model: "m", hopMs: 1000, thresholds: {} },
    });
  });

  it("are refused when they are wrong", () => {
    const wrong = [
      () => parseResume({ gap_ms: -1 }),
      () => parseResume({ gap_ms: 14_400_001 }),
      () => parseAnnotate({ kind: "gap" }),
      () => parseAnnotate({ kind: "laughter" }),
      () => parseAnnotate({ kind: "hold", channel: 2 }),
      () => parseUpdate({ detection: { model: "m" } }),
      () => parseDetection({ hop_ms: 1 }),
    ];
    for (const parse of wrong) assert.throws(parse, { code: "bad_message" });
  });
});
