import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createResampler } from "./resample.ts";
import { hertz } from "./units.ts";

const usualRates = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];
const target = hertz(16000);

function concat(blocks: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

function resample(input: Float32Array, from: number, to: number, lengths: () => number): Float32Array {
  const resampler = createResampler(hertz(from), hertz(to));
  const blocks: Float32Array[] = [];
  for (let at = 0; at < input.length;) {
    const length = Math.max(1, lengths());
    blocks.push(resampler.push(input.subarray(at, at + length)));
    at += length;
  }
  blocks.push(resampler.flush());
  return concat(blocks);
}

const atOnce = () => Infinity;

const tone = (rate: number, frequency: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, n) => Math.sin((2 * Math.PI * frequency * n) / rate));

function noise(length: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (state * 48271) % 0x7fffffff;
    return state / 0x40000000 - 1;
  });
}

/** How much of a tone is in a signal, its phase, and what else there is; away from the ends. */
function analyse(signal: Float32Array, rate: number, frequency: number) {
  const margin = 400;
  const body = signal.subarray(margin, signal.length - margin);
  let [cc, ss, cs, xc, xs] = [0, 0, 0, 0, 0];
  body.forEach((x, i) => {
    const angle = (2 * Math.PI * frequency * (i + margin)) / rate;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    cc += c * c;
    ss += s * s;
    cs += c * s;
    xc += x * c;
    xs += x * s;
  });
  const determinant = cc * ss - cs * cs;
  const a = (xc * ss - xs * cs) / determinant;
  const b = (xs * cc - xc * cs) / determinant;
  let residual = 0;
  body.forEach((x, i) => {
    const angle = (2 * Math.PI * frequency * (i + margin)) / rate;
    residual += (x - a * Math.cos(angle) - b * Math.sin(angle)) ** 2;
  });
  const db = (ratio: number) => 20 * Math.log10(ratio);
  return {
    gainDb: db(Math.hypot(a, b)),
    phase: Math.atan2(a, b),
    residualDb: db(Math.sqrt((2 * residual) / body.length) + 1e-12),
  };
}

const levelDb = (signal: Float32Array): number =>
  20 * Math.log10(Math.sqrt((2 * signal.reduce((sum, x) => sum + x * x, 0)) / signal.length) + 1e-12);

describe("createResampler", () => {
  for (const rate of usualRates) {
    const nyquist = Math.min(rate, target) / 2;

    it(`keeps tones to 0.9 of Nyquist flat, in phase and without images, from ${rate} Hz`, () => {
      let compared = 0;
      for (let step = 1; step <= 30; step++) {
        const frequency = (0.9 * nyquist * step) / 30;
        const output = resample(tone(rate, frequency, rate / 4), rate, target, atOnce);
        const { gainDb, phase, residualDb } = analyse(output, target, frequency);
        assert.ok(Math.abs(gainDb) <= 0.1, `${frequency} Hz: ${gainDb} dB`);
        assert.ok(Math.abs(phase) < 1e-3, `${frequency} Hz is ${phase} rad late`);
        assert.ok(residualDb < -80, `${frequency} Hz leaves ${residualDb} dB elsewhere`);
        compared++;
      }
      assert.equal(compared, 30);
    });

    if (rate <= target) continue;
    it(`takes tones from 1.1 of Nyquist down by more than 80 dB, from ${rate} Hz`, () => {
      let compared = 0;
      const top = rate / 2;
      for (let frequency = 1.1 * nyquist; frequency < top; frequency += (top - 1.1 * nyquist) / 40) {
        const output = resample(tone(rate, frequency, rate / 4), rate, target, atOnce);
        const level = levelDb(output.subarray(400, output.length - 400));
        assert.ok(level < -80, `${frequency} Hz: ${level} dB`);
        compared++;
      }
      assert.ok(compared >= 40);
    });
  }

  const oddRatios = [
    [16000, 44100],
    [192000, 16000],
    [44056, 16000],
    [4000, 16000],
  ] as const;
  for (const [from, to] of [...usualRates.map((rate) => [rate, 16000] as const), ...oddRatios]) {
    it(`gives the same bits for any split, from ${from} to ${to} Hz`, () => {
      const input = noise(3001);
      const expected = resample(input, from, to, atOnce);
      let state = 7;
      const ragged = () => (state = (state * 73) % 1021);
      assert.deepEqual(
        resample(input, from, to, () => 1),
        expected,
      );
      assert.deepEqual(
        resample(input, from, to, () => Math.round(from / 50)),
        expected,
      );
      assert.deepEqual(resample(input, from, to, ragged), expected);
    });

    it(`gives ceil(N · to / from) samples, from ${from} to ${to} Hz`, () => {
      for (const length of [0, 1, 2, 3, 159, 160, 161, 1023, 1024, 1025, 5000]) {
        const output = resample(new Float32Array(length), from, to, atOnce);
        assert.equal(output.length, Math.ceil((length * to) / from), `${length} samples`);
      }
    });
  }

  it("puts an impulse where its time is", () => {
    for (const rate of usualRates) {
      const input = new Float32Array(rate / 5);
      const place = input.length / 2 - ((input.length / 2) % (rate / 25));
      input[place] = 1;
      const output = resample(input, rate, target, atOnce);
      const peak = output.reduce((best, x, i) => (Math.abs(x) > Math.abs(output[best] ?? 0) ? i : best), 0);
      assert.equal(peak, (place * target) / rate, `from ${rate} Hz`);
      for (let k = 1; k < 100; k++) {
        const [before, after] = [output[peak - k] ?? NaN, output[peak + k] ?? NaN];
        assert.ok(Math.abs(before - after) < 1e-7, `from ${rate} Hz the response leans at ±${k}`);
      }
    }
  });

  it("holds back no more than the half filter", () => {
    const resampler = createResampler(hertz(48000), target);
    const output = resampler.push(new Float32Array(48000));
    assert.ok(output.length > 16000 - 30, `${output.length}`);
    assert.equal(output.length + resampler.flush().length, 16000);
  });

  it("starts afresh after a flush", () => {
    const resampler = createResampler(hertz(44100), target);
    const input = noise(2000);
    const first = concat([resampler.push(input), resampler.flush()]);
    assert.deepEqual(concat([resampler.push(input), resampler.flush()]), first);
  });

  it("keeps a constant constant", () => {
    for (const rate of usualRates) {
      const output = resample(new Float32Array(rate).fill(0.5), rate, target, atOnce);
      for (const x of output.subarray(200, -200)) assert.ok(Math.abs(x - 0.5) < 1e-6, `${rate} Hz: ${x}`);
    }
  });

  it("copies when there is nothing to convert", () => {
    const input = noise(10);
    const output = createResampler(target, target).push(input);
    assert.deepEqual(output, input);
    assert.notEqual(output.buffer, input.buffer);
  });
});
