import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat, from, NEVER, Subject } from "rxjs";
import { detection, fakeDetector } from "../../test/support/fakes.ts";
import { voice } from "../../test/support/voice.ts";
import type { Command, Pace } from "./commands.ts";
import { createDecoder } from "./decode.ts";
import { Fault } from "./errors.ts";
import type { EventBody } from "./events.ts";
import type { AudioFormat, Detector } from "./ports.ts";
import { detectRecording } from "./recording.ts";
import { createSession, type Session } from "./session.ts";
import { hertz } from "./units.ts";

const s16: AudioFormat = { encoding: "pcm_s16le", framing: "raw", rate: hertz(16_000), channels: 1 };

function open(
  commands: Parameters<typeof createSession>[1],
  detector: Detector,
  { pace = "file", format = s16 }: { pace?: Pace; format?: AudioFormat } = {},
): Session {
  const decoder = createDecoder(format, undefined);
  const valve = { pause: () => undefined, resume: () => undefined };
  return createSession({ format, pace, decoder, detector, detection, valve, now: () => 0 }, commands);
}

function run(commands: Parameters<typeof createSession>[1], detector: Detector, format = s16) {
  const session = open(commands, detector, { format });
  return new Promise<{ events: EventBody[]; session: Session }>((resolve, reject) => {
    const events: EventBody[] = [];
    session.events.subscribe({
      next: (event) => events.push(event),
      error: reject,
      complete: () => {
        resolve({ events, session });
      },
    });
  });
}

const bytesOf = (samples: Float32Array): Uint8Array =>
  new Uint8Array(Int16Array.from(samples, (x) => Math.round(x * 32_767)).buffer);

function* chunked(bytes: Uint8Array, step: number): Generator<Command> {
  for (let at = 0; at < bytes.length; at += step)
    yield { type: "audio", chunk: bytes.subarray(at, at + step) };
}

const meanSquare = (samples: Float32Array): number => {
  let sum = 0;
  for (const x of samples) sum += x * x;
  return sum / samples.length;
};

const ofType = <Kind extends EventBody["type"]>(events: readonly EventBody[], type: Kind) =>
  events.filter((event): event is Extract<EventBody, { type: Kind }> => event.type === type);

describe("createSession", () => {
  it("says the same whatever the split of the bytes", async () => {
    const bytes = bytesOf(voice(7, 16_000));
    const detector = (): Detector => fakeDetector((w) => 100 * meanSquare(w.samples));
    const { events: whole } = await run(from(chunked(bytes, bytes.length)), detector());
    assert.ok(ofType(whole, "score").length >= 5);
    for (const step of [1, 333, 4096]) {
      const { events } = await run(from(chunked(bytes, step)), detector());
      assert.deepEqual(events, whole, `in steps of ${step}`);
    }
  });

  it("follows strong evidence to suspect, spoof and an alert, and sums up", async () => {
    const { events, session } = await run(
      from(chunked(bytesOf(voice(14, 16_000)), 640)),
      fakeDetector(() => 5),
    );
    assert.deepEqual(
      ofType(events, "state").map((e) => `${e.from} → ${e.to}`),
      ["undecided → suspect", "suspect → spoof"],
    );
    const [alert] = ofType(events, "alert");
    assert.equal(alert?.status, "raised");
    assert.ok(alert.evidence.length >= 2);
    const [channel] = session.channels();
    assert.equal(channel?.state, "spoof");
    assert.equal(channel.audioMs, 14_000);
    assert.equal(channel.windows, ofType(events, "score").length);
    assert.ok(channel.pSpoof !== null && channel.pSpoof > 0.95);
  });

  it("scores the two channels of a stereo call apart", async () => {
    const [left, right] = [voice(8, 16_000), voice(8, 16_000)];
    const mixed = new Int16Array(left.length * 2);
    for (let i = 0; i < left.length; i++) {
      mixed[2 * i] = Math.round((left[i] ?? 0) * 32_767);
      mixed[2 * i + 1] = Math.round((right[i] ?? 0) * 8000);
    }
    const detector = fakeDetector((w) => (meanSquare(w.samples) > meanSquare(left) / 4 ? 3 : -3));
    const bytes = new Uint8Array(mixed.buffer);
    const { session } = await run(from(chunked(bytes, 1280)), detector, { ...s16, channels: 2 });
    const [a, b] = session.channels();
    assert.ok((a?.llr ?? 0) > 1 && (b?.llr ?? 0) < -1);
  });

  it("gives each time its sample twin at the source's clock", async () => {
    const format: AudioFormat = { ...s16, rate: hertz(8000) };
    const { events } = await run(
      from(chunked(bytesOf(voice(6, 8000)), 320)),
      fakeDetector(() => 0),
      format,
    );
    const full = ofType(events, "score").filter((e) => !e.provisional);
    assert.ok(full.length >= 2);
    for (const { window } of full) {
      assert.equal(window.startMs, Math.floor(window.startSample / 8));
      assert.equal(window.endSample - window.startSample, 32_000);
    }
  });

  it("does not score what comes during a pause, and says so", async () => {
    const second = bytesOf(voice(1, 16_000));
    const seconds = (n: number): Command[] =>
      Array.from({ length: n }, () => ({ type: "audio", chunk: second }));
    const commands: Command[] = [
      ...seconds(5),
      { type: "pause" },
      ...seconds(3),
      { type: "resume", gapMs: 500 },
      ...seconds(5),
    ];
    const { events, session } = await run(
      from(commands),
      fakeDetector(() => 0),
    );
    const gaps = ofType(events, "gap");
    assert.ok(gaps.every((gap) => gap.cause === "paused"));
    assert.equal(gaps[0]?.startMs, 5000);
    assert.equal(gaps.at(-1)?.endMs, 8500);
    for (const { window } of ofType(events, "score")) {
      assert.ok(window.endMs <= 5000 || window.startMs >= 8500, `${window.startMs} … ${window.endMs}`);
    }
    assert.equal(session.channels()[0]?.gapMs, 3500);
  });

  it("joins no window over a pause of which nobody said how long it was", async () => {
    const chunk = bytesOf(voice(3, 16_000));
    const { events } = await run(
      from<Command[]>([
        { type: "audio", chunk },
        { type: "pause" },
        { type: "resume" },
        { type: "audio", chunk },
      ]),
      fakeDetector(() => 0),
    );
    const scores = ofType(events, "score");
    assert.deepEqual([scores.at(0)?.window.startMs, scores.at(-1)?.window.endMs], [0, 6000]);
    for (const { window } of scores) {
      assert.ok(window.endMs <= 3000 || window.startMs >= 3000, `${window.startMs} … ${window.endMs}`);
    }
    assert.deepEqual(ofType(events, "gap"), []);
  });

  it("starts a channel's evidence anew at a transfer", async () => {
    const second = bytesOf(voice(1, 16_000));
    const seconds = (n: number): Command[] =>
      Array.from({ length: n }, () => ({ type: "audio", chunk: second }));
    const commands: Command[] = [...seconds(12), { type: "annotate", kind: "transfer" }, ...seconds(12)];
    const { events } = await run(
      from(commands),
      fakeDetector((w) => (w.start < 12 * 16_000 ? 5 : -5)),
    );
    assert.deepEqual(
      ofType(events, "state").map((e) => e.to),
      ["suspect", "spoof", "undecided", "bonafide"],
    );
    assert.deepEqual(
      ofType(events, "alert").map((e) => e.status),
      ["raised", "cleared"],
    );
  });

  it("applies an update from there on", async () => {
    const second = bytesOf(voice(1, 16_000));
    const seconds = (n: number): Command[] =>
      Array.from({ length: n }, () => ({ type: "audio", chunk: second }));
    const commands: Command[] = [
      ...seconds(8),
      { type: "update", detection: { hopMs: 2000, minSpeechMs: 3990 } },
      ...seconds(8),
    ];
    const { events } = await run(
      from(commands),
      fakeDetector(() => 0),
    );
    const full = ofType(events, "score").filter((e) => !e.provisional);
    assert.deepEqual(
      full.map((e) => e.window.startMs / 1000),
      [0, 1, 2, 3, 4, 6, 8, 10, 12],
    );
  });

  it("ends with the decoder's fault", async () => {
    const format: AudioFormat = {
      encoding: "pcm_s16le",
      framing: "sequenced",
      rate: hertz(16_000),
      channels: 1,
    };
    await assert.rejects(
      run(
        from<Command[]>([{ type: "audio", chunk: new Uint8Array(5) }]),
        fakeDetector(() => 0),
        format,
      ),
      (reason) => reason instanceof Fault && reason.code === "bad_message",
    );
  });

  it("stops everything when nobody listens any more", async () => {
    const commands = new Subject<Command>();
    let aborted = false;
    const detector: Detector = {
      ...fakeDetector(() => 0),
      score: (_window, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            reject(new Error("aborted"));
          });
        }),
    };
    const subscription = open(concat(commands, NEVER), detector, { pace: "live" }).events.subscribe();
    commands.next({ type: "audio", chunk: bytesOf(voice(5, 16_000)) });
    subscription.unsubscribe();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(aborted);
    assert.equal(commands.observed, false);
  });
});

describe("detectRecording", () => {
  it("gives what a session of pace file gives for the same samples", async () => {
    const samples = Float32Array.from(voice(9, 16_000), (x) => Math.round(x * 32_767) / 32_768);
    const bytes = new Uint8Array(Int16Array.from(samples, (x) => Math.round(x * 32_768)).buffer);
    const detector = (): Detector => fakeDetector((w) => 300 * meanSquare(w.samples) - 1);
    const { events, session } = await run(from(chunked(bytes, 640)), detector());
    const [channel] = await detectRecording({ rate: 16_000, channels: [samples] }, detector(), detection);
    assert.equal(channel?.windows.length, ofType(events, "score").length);
    assert.ok(channel.windows.length > 5);
    assert.equal(channel.llr, session.channels()[0]?.llr);
    assert.deepEqual(
      channel.windows.map((w) => w.llr),
      ofType(events, "score").map((e) => e.llr),
    );
  });

  it("says of silence that nobody spoke, with no number at all", async () => {
    const silence = { rate: 8000, channels: [new Float32Array(8000 * 6)] };
    const [channel] = await detectRecording(
      silence,
      fakeDetector(() => 9),
      detection,
    );
    assert.deepEqual(
      [channel?.state, channel?.reason, channel?.llr, channel?.pSpoof],
      ["undecided", "no_speech", null, null],
    );
  });

  it("holds no more than a few windows however long the recording", async () => {
    let running = 0;
    let most = 0;
    const detector = fakeDetector(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return 0;
    });
    await detectRecording({ rate: 16_000, channels: [voice(60, 16_000)] }, detector, detection);
    assert.ok(detector.seen.length > 50);
    assert.ok(most <= 20, `${most} at once`);
  });
});
