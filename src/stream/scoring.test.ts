import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Subject } from "rxjs";
import { fakeSpec } from "../../test/support/fakes.ts";
import type { Pace } from "./commands.ts";
import { type Detector, type Score, type Window, WindowLost } from "./ports.ts";
import { type Arrived, scoreInOrder, type Settled } from "./scoring.ts";
import { samples } from "./units.ts";
import { takeBuffer } from "./window-buffers.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function window(index: number, channel = 0, speech = 100): Window {
  return {
    channel,
    index,
    start: samples(index * 100),
    end: samples(index * 100 + 400),
    provisional: false,
    fresh: samples(100),
    speech: samples(speech),
    freshSpeech: samples(speech),
    quality: { bandwidthHz: 8000, clipping: 0, lossRatio: 0 },
    samples: new Float32Array(1),
    codes: new Int32Array(1),
  };
}

const arrived = (...windows: Window[]): Arrived[] =>
  windows.map((w) => ({ item: { kind: "window", window: w }, at: 0 }));

/** A detector that answers when told to, and everything that comes out of scoring by it. */
function bench(pace: Pace) {
  const asked: { window: Window; answer: (llr: number) => void; fail: (reason: Error) => void }[] = [];
  const valve: string[] = [];
  const out: Settled[] = [];
  const ended: unknown[] = [];
  const signals: AbortSignal[] = [];
  const source = new Subject<Arrived>();
  const detector: Detector = {
    spec: fakeSpec(),
    score: (w, signal) =>
      new Promise<Score>((resolve, reject) => {
        signals.push(signal);
        asked.push({
          window: w,
          answer: (llr) => {
            resolve({ llr, queueMs: 0, inferMs: 0 });
          },
          fail: reject,
        });
      }),
    close: () => Promise.resolve(),
  };
  const subscription = source
    .pipe(
      scoreInOrder({
        detector,
        pace,
        valve: { pause: () => valve.push("pause"), resume: () => valve.push("resume") },
      }),
    )
    .subscribe({
      next: (settled) => out.push(settled),
      error: (reason: unknown) => ended.push(reason),
      complete: () => ended.push("complete"),
    });
  const push = (...windows: Window[]): void => {
    for (const one of arrived(...windows)) source.next(one);
  };
  const said = (): string[] =>
    out.map((s) => (s.kind === "answered" || s.kind === "missed" ? `${s.kind} ${s.window.index}` : s.kind));
  return { asked, valve, out, said, ended, signals, source, subscription, push };
}

describe("scoreInOrder", () => {
  it("sheds the waiting window of a live channel when a newer one comes, and that channel only", async () => {
    const b = bench("live");
    b.push(window(0), window(1), window(2), window(0, 1));
    assert.deepEqual(
      b.asked.map((a) => [a.window.channel, a.window.index]),
      [
        [0, 0],
        [1, 0],
      ],
    );
    b.asked[0]?.answer(1);
    await turn();
    assert.deepEqual(b.said(), ["answered 0", "missed 1"]);
    b.asked[2]?.answer(1);
    b.asked[1]?.answer(1);
    await turn();
    assert.deepEqual(b.said().slice(2), ["answered 2", "answered 0"]);
    assert.deepEqual(b.valve, []);
  });

  it("pauses a file above its backlog, resumes it at half, and sheds nothing", async () => {
    const b = bench("file");
    b.push(...Array.from({ length: 17 }, (_, i) => window(i)));
    assert.deepEqual(b.valve, ["pause"]);
    for (let i = 0; i < 17; i++) {
      b.asked[i]?.answer(0);
      await turn();
      assert.equal(b.valve.length, i < 8 ? 1 : 2, `after ${i + 1} answers`);
    }
    assert.deepEqual(b.valve, ["pause", "resume"]);
    assert.deepEqual(
      b.said(),
      Array.from({ length: 17 }, (_, i) => `answered ${i}`),
    );
  });

  it("lets windows out in their order however the detector answers", async () => {
    const b = bench("file");
    b.push(window(0), window(1), window(2));
    for (const i of [2, 0, 1]) {
      b.asked[i]?.answer(0);
      await turn();
    }
    assert.deepEqual(b.said(), ["answered 0", "answered 1", "answered 2"]);
  });

  it("keeps gaps and resets in their place among the windows", async () => {
    const b = bench("file");
    const gap = { channel: 0, start: samples(0), end: samples(10), cause: "loss" as const };
    b.push(window(0));
    b.source.next({ item: { kind: "gap", gap }, at: 0 });
    b.push(window(1));
    b.asked[1]?.answer(0);
    await turn();
    assert.deepEqual(b.said(), []);
    b.asked[0]?.answer(0);
    await turn();
    assert.deepEqual(b.said(), ["answered 0", "gap", "answered 1"]);
  });

  it("lets go of a window's samples and codes as soon as it is settled, since its turn may be long in coming", async () => {
    for (const pace of ["live", "file"] as const) {
      const b = bench(pace);
      b.push(window(0), window(1), window(2), window(3, 0, 0));
      assert.deepEqual(b.said(), []);
      for (const { answer, window } of b.asked) if (window.index > 0) answer(0);
      b.asked[0]?.fail(new WindowLost("worker_lost", "gone"));
      await turn();
      b.asked.at(-1)?.answer(0);
      await turn();
      assert.equal(b.out.length, 4);
      for (const settled of b.out) {
        assert.ok(settled.kind === "answered" || settled.kind === "missed");
        assert.equal(settled.window.samples.length, 0);
        assert.ok(!("codes" in settled.window));
      }
      assert.ok(b.asked.every((one) => one.window.samples.length === 1));
    }
  });

  it("hands a window's buffer on once it is answered, and keeps none that a worker died with", async () => {
    const b = bench("file");
    const [answered, lost] = [window(0), window(1)].map((one) => ({ ...one, samples: new Float32Array(11) }));
    assert.ok(answered && lost);
    b.push(answered, lost);
    b.asked[0]?.answer(0);
    b.asked[1]?.fail(new WindowLost("worker_lost", "gone"));
    await turn();
    assert.equal(takeBuffer(11), answered.samples);
    assert.notEqual(takeBuffer(11), lost.samples);
  });

  it("never asks about a window in which nobody speaks", () => {
    const b = bench("live");
    b.push(window(0, 0, 0));
    assert.equal(b.asked.length, 0);
    assert.deepEqual(b.said(), ["answered 0"]);
  });

  it("turns a window whose worker died into a miss, and ends on any other failure", async () => {
    const b = bench("file");
    b.push(window(0), window(1));
    b.asked[0]?.fail(new WindowLost("worker_lost", "gone"));
    await turn();
    assert.deepEqual(b.said(), ["missed 0"]);
    b.asked[1]?.fail(new Error("a bug"));
    await turn();
    assert.deepEqual(b.ended, [new Error("a bug")]);
  });

  it("completes only when the last window is answered", async () => {
    const b = bench("live");
    b.push(window(0));
    b.source.complete();
    assert.deepEqual(b.ended, []);
    b.asked[0]?.answer(0);
    await turn();
    assert.deepEqual(b.ended, ["complete"]);
  });

  it("aborts what is in flight when nobody listens any more", () => {
    const b = bench("live");
    b.push(window(0));
    b.subscription.unsubscribe();
    assert.equal(b.signals[0]?.aborted, true);
    assert.equal(b.source.observed, false);
  });
});
