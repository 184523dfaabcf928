import type { EventBody, EventKind, SessionEvent } from "../../src/stream/events.ts";
import { hertz, millis, samples } from "../../src/stream/units.ts";

const span = (startMs: number, endMs: number) => ({
  startMs: millis(startMs),
  endMs: millis(endMs),
  startSample: samples(startMs * 8),
  endSample: samples(endMs * 8),
});

/** One event body of every kind, every field of it filled with a value of its own; `score` twice, decided and not. */
export const sampleBodies: readonly EventBody[] = [
  {
    type: "ready",
    startedAt: "2026-11-24T01:02:03.004Z",
    callId: "call-7",
    metadata: { agent: "Ada", queue: { name: "sales", depth: 3 }, tags: ["a", null, true] },
    audio: {
      encoding: "pcm_mulaw",
      framing: "raw",
      rate: hertz(8000),
      channels: 2,
      channelLabels: ["caller", "agent"],
    },
    model: { id: "default", version: "1.2.3", digest: "ab12", calibrationId: "cal-1" },
    detection: {
      windowMs: 4037,
      hopMs: 1000,
      minSpeechMs: 2000,
      prior: 0.25,
      llrBound: 4,
      halfLifeS: 20,
      thresholds: { suspect: 0.8, spoof: 0.95, bonafide: 0.2, suspectExit: 0.5, spoofExit: 0.75 },
    },
    limits: { max_ahead_ms: 5000, max_message_bytes: 65536 },
    seed: 4_294_967_295,
  },
  {
    type: "score",
    channel: 1,
    index: 12,
    window: span(1000, 5037),
    speechMs: millis(3210),
    llr: -1.25,
    pSpoof: 0.125,
    verdict: "bonafide",
    reason: null,
    provisional: true,
    rolling: { llr: -3.5, pSpoof: 0.0625, speechMs: millis(9870), windows: 6 },
    quality: { bandwidthHz: 3400, clipping: 0.0078125, lossRatio: 0.03125, codec: "pcm_mulaw" },
    latencyMs: { queue: 1.5, infer: 2.25, total: 4.75 },
  },
  {
    type: "score",
    channel: 0,
    index: 0,
    window: span(0, 4037),
    speechMs: millis(0),
    llr: null,
    pSpoof: null,
    verdict: "undecided",
    reason: "no_speech",
    provisional: false,
    rolling: { llr: 0, pSpoof: null, speechMs: millis(0), windows: 0 },
    quality: { bandwidthHz: 0, clipping: 0, lossRatio: 0, codec: "pcm_mulaw" },
    latencyMs: { queue: 0, infer: 0, total: 0 },
  },
  {
    type: "state",
    channel: 1,
    from: "suspect",
    to: "undecided",
    reason: "inconclusive",
    atMs: millis(7037),
    atSample: samples(56296),
  },
  {
    type: "alert",
    channel: 1,
    status: "raised",
    atMs: millis(8037),
    atSample: samples(64296),
    evidence: [3, 4, 5],
  },
  { type: "gap", channel: 1, cause: "worker_lost", ...span(9000, 9250) },
  { type: "warning", code: "near_max_session" },
  {
    type: "summary",
    endedBy: "drain",
    calibrationId: "calls-1",
    seed: 0,
    channels: [
      {
        channel: 0,
        state: "spoof",
        reason: null,
        llr: 6.5,
        pSpoof: 0.9985,
        audioMs: millis(60_000),
        speechMs: millis(41_000),
        windows: 57,
        scored: 50,
        undecided: 4,
        shed: 3,
        gapMs: millis(250),
      },
      {
        channel: 1,
        state: "undecided",
        reason: "too_little_speech",
        llr: null,
        pSpoof: null,
        audioMs: millis(60_000),
        speechMs: millis(900),
        windows: 57,
        scored: 0,
        undecided: 57,
        shed: 0,
        gapMs: millis(0),
      },
    ],
  },
  {
    type: "error",
    code: "at_capacity",
    message: "no session is free",
    retryable: true,
    retryAfterMs: 1500,
    details: { limit: 1000, field: "sessions", soft: false },
    inReplyTo: "start",
  },
];

/** The first sample of a kind as it leaves a session. */
export function sampleEvent(kind: EventKind, seq = 0, sessionId = "s-1"): SessionEvent {
  const body = sampleBodies.find(({ type }) => type === kind);
  if (body === undefined) throw new RangeError(`no sample of ${kind}`);
  return toEvent(body, seq, sessionId);
}

export const toEvent = (body: EventBody, seq = 0, sessionId = "s-1"): SessionEvent => ({
  ...body,
  seq,
  sessionId,
  tMediaMs: millis(10_000 + seq),
});
