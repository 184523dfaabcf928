import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeSpec, nonZeroMeter, passThrough } from "../../test/support/fakes.ts";
import { Channel, type Found } from "./channel.ts";
import { Fault } from "./errors.ts";
import type { GapCause, Window } from "./ports.ts";
import { hertz, samples } from "./units.ts";

const rate = hertz(16_000);
const second = 16_000;

function channel(hopMs = 1000, minSpeechMs = 2000, spec = fakeSpec()): Channel {
  return new Channel({
    channel: 0,
    spec,
    rate,
    clock: rate,
    resampler: passThrough(),
    meter: nonZeroMeter(),
    hopMs,
    minSpeechMs,
  });
}

/** Sample i of the sound is i + 1, scaled: never zero, and every position recognisable. */
const at = (i: number): number => (i + 1) / 2 ** 20;
const sound = (from: number, to: number): Float32Array =>
  Float32Array.from({ length: to - from }, (_, i) => at(from + i));
const audio = (from: number, to: number) =>
  ({ kind: "audio", channel: 0, samples: sound(from, to) }) as const;
const gap = (length: number, cause: GapCause) =>
  ({ kind: "gap", channel: 0, length: samples(length), cause }) as const;

const ofAnyTrack = (found: Found): Found =>
  found.kind === "window" ? { ...found, window: { ...found.window, track: 0 } } : found;

const windowsOf = (found: readonly Found[]): Window[] =>
  found.flatMap((item) => (item.kind === "window" ? [item.window] : []));
const gapsOf = (found: readonly Found[]) => found.flatMap((item) => (item.kind === "gap" ? [item.gap] : []));
const span = (window: Window): [number, number] => [window.start, window.end];

describe("Channel", () => {
  it("gives a provisional window when enough speech is in, then one each hop, then the last stretch", () => {
    const track = channel();
    const windows = windowsOf([...track.push(audio(0, 6.5 * second)), ...track.flush()]);
    assert.deepEqual(windows.map(span), [
      [0, 2 * second],
      [0, 3 * second],
      [0, 4 * second],
      [second, 5 * second],
      [2 * second, 6 * second],
      [2.5 * second, 6.5 * second],
    ]);
    assert.deepEqual(
      windows.map((w) => w.provisional),
      [true, true, false, false, false, false],
    );
    assert.deepEqual(
      windows.map((w) => w.fresh / second),
      [2, 1, 1, 1, 1, 0.5],
    );
    assert.deepEqual(
      windows.map((w) => w.index),
      [0, 1, 2, 3, 4, 5],
    );
  });

  it("finds the same windows in any split of the input", () => {
    const run = (step: number): Found[] => {
      const track = channel(500, 1000);
      const found: Found[] = [];
      for (let i = 0; i < 5 * second; i += step)
        found.push(...track.push(audio(i, Math.min(5 * second, i + step))));
      found.push(...track.push(gap(1600, "loss")));
      for (let i = 0; i < 2 * second; i += step)
        found.push(...track.push(audio(i, Math.min(2 * second, i + step))));
      return [...found, ...track.flush()].map(ofAnyTrack);
    };
    const whole = run(5 * second);
    assert.ok(windowsOf(whole).length > 8);
    for (const step of [1, 7, 160, 4001]) assert.deepEqual(run(step), whole, `in steps of ${step}`);
  });

  it("numbers its timeline, as no other is numbered", () => {
    const tracksOf = (one: Channel) =>
      windowsOf([...one.push(audio(0, 6 * second)), ...one.flush()]).map((window) => window.track);
    const [first, ...others] = tracksOf(channel());
    assert.ok(others.length > 1);
    assert.deepEqual(new Set(others), new Set([first]));
    assert.notEqual(tracksOf(channel())[0], first);
  });

  it("hands over the samples of its span, and pads a short window by the pack's rule", () => {
    for (const pad of ["zeros", "tile"] as const) {
      const track = channel(1000, 2000, fakeSpec({ pad }));
      const [first] = windowsOf([...track.push(audio(0, 1.5 * second)), ...track.flush()]);
      assert.ok(first);
      assert.equal(first.samples.length, 64_000);
      assert.equal(first.samples[1.5 * second - 1], at(1.5 * second - 1));
      assert.equal(first.samples[1.5 * second], pad === "tile" ? at(0) : 0);
      assert.equal(first.samples[63_999], pad === "tile" ? at(63_999 % (1.5 * second)) : 0);
    }
  });

  it("never lets a window reach over a long loss, a pause or a declared gap", () => {
    for (const cause of ["loss", "undecodable", "paused", "client_declared", "dtx"] as const) {
      const track = channel();
      const found = [
        ...track.push(audio(0, 5 * second)),
        ...track.push(gap(2 * second, cause)),
        ...track.push(audio(0, 5 * second)),
        ...track.flush(),
      ];
      const windows = windowsOf(found);
      assert.ok(windows.length >= 4);
      for (const { start, end } of windows)
        assert.ok(end <= 5 * second || start >= 7 * second, `${start} … ${end}`);
      assert.deepEqual(gapsOf(found), [{ channel: 0, start: 5 * second, end: 7 * second, cause }]);
      assert.equal(windows.at(-1)?.end, 12 * second);
    }
  });

  it("separates at a pause however short, but holds a short loss as a silent, counted hole", () => {
    const around = (cause: GapCause): Window[] => {
      const track = channel();
      return windowsOf([
        ...track.push(audio(0, 2 * second)),
        ...track.push(gap(1600, cause)),
        ...track.push(audio(0, 3 * second)),
        ...track.flush(),
      ]);
    };
    assert.ok(around("paused").every(({ start, end }) => end <= 2 * second || start >= 2.1 * second));
    const held = around("loss").find(({ start, end }) => start === 0 && end === 4 * second);
    assert.ok(held);
    assert.equal(held.samples[2 * second + 800], 0);
    assert.equal(held.samples[2.1 * second], at(0));
    assert.equal(held.quality.lossRatio, 1600 / 64_000);
    assert.equal(held.speech, 3.9 * second);
  });

  it("does not count a pause between words as a loss", () => {
    const track = channel();
    const found = [
      ...track.push(audio(0, 2 * second)),
      ...track.push(gap(0.5 * second, "dtx")),
      ...track.push(audio(0, 2 * second)),
    ];
    const full = windowsOf(found).find((w) => !w.provisional);
    assert.equal(full?.quality.lossRatio, 0);
    assert.equal(full.start, 0);
  });

  it("reports a gap that goes on in parts, and one of another cause by itself", () => {
    const track = channel();
    const found = [...track.push(audio(0, 100))];
    for (let i = 0; i < 600; i++) found.push(...track.push(gap(320, "dtx")));
    found.push(...track.push(gap(320, "loss")), ...track.push(audio(0, 320)));
    assert.deepEqual(
      gapsOf(found).map((g) => [g.start, g.end, g.cause]),
      [
        [100, 80_100, "dtx"],
        [80_100, 160_100, "dtx"],
        [160_100, 192_100, "dtx"],
        [192_100, 192_420, "loss"],
      ],
    );
    assert.equal(track.clock, 192_740);
    assert.equal(track.gapTotal, 192_320);
  });

  it("reports a gap of hours in few parts, the same however it was declared", () => {
    const track = channel();
    const whole = gapsOf([...track.push(gap(4 * 3600 * second, "paused")), ...track.flush()]);
    assert.deepEqual(
      whole.slice(0, 4).map((g) => [g.start / second, g.end / second]),
      [
        [0, 5],
        [5, 10],
        [10, 20],
        [20, 40],
      ],
    );
    assert.ok(whole.length < 40, `${whole.length} parts`);
    for (const [i, part] of whole.entries()) {
      assert.equal(part.start, whole[i - 1]?.end ?? 0);
      assert.ok(part.end - part.start <= 600 * second);
    }
    const bit = channel();
    const found = Array.from({ length: 4 * 360 }, () => bit.push(gap(10 * second, "paused"))).flat();
    assert.deepEqual(gapsOf([...found, ...bit.flush()]), whole);
    assert.equal(whole.at(-1)?.end, 4 * 3600 * second);
  });

  it("scores the stretch that is in no window yet when told to finalize, once, and goes on", () => {
    const track = channel();
    track.push(audio(0, 4.5 * second));
    assert.deepEqual(windowsOf(track.finalize()).map(span), [[0.5 * second, 4.5 * second]]);
    assert.deepEqual(track.finalize(), []);
    assert.deepEqual(windowsOf(track.push(audio(0, second))).map(span), [[second, 5 * second]]);
  });

  it("keeps speakers apart when separated without a gap", () => {
    const track = channel();
    track.push(audio(0, 4.5 * second));
    assert.deepEqual(windowsOf(track.separate()).map(span), [[0.5 * second, 4.5 * second]]);
    const after = windowsOf([...track.push(audio(0, 5 * second)), ...track.flush()]);
    assert.ok(after.length > 0 && after.every((w) => w.start >= 4.5 * second));
  });

  it("ends a timeline of countless tiny gaps, and bears an unlucky one", () => {
    const torn = (length: number) => () => {
      const track = channel();
      for (let i = 0; i < 300; i++) {
        track.push(audio(0, length));
        track.push(gap(length, "undecodable"));
      }
    };
    assert.throws(torn(1), (reason) => reason instanceof Fault && reason.code === "undecodable_audio");
    assert.doesNotThrow(torn(160));
  });

  it("survives a much shorter hop asked for on the way", () => {
    const track = channel(5000);
    track.push(audio(0, 8.9 * second));
    track.retune(250, undefined);
    const windows = windowsOf(track.push(audio(0, second)));
    assert.ok(windows.length >= 3);
    assert.ok(windows.every((w) => w.end - w.start === 64_000));
  });
});
