import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hann, powerSpectrum } from "./fft.ts";

function direct(samples: Float32Array, offset: number, size: number, k: number): number {
  const window = hann(size);
  let re = 0;
  let im = 0;
  for (let i = 0; i < size; i++) {
    const x = (samples[offset + i] ?? 0) * (window[i] ?? 0);
    re += x * Math.cos((2 * Math.PI * k * i) / size);
    im -= x * Math.sin((2 * Math.PI * k * i) / size);
  }
  return re * re + im * im;
}

describe("power spectrum", () => {
  for (const size of [8, 32, 128, 512]) {
    it(`agrees with the definition for frames of ${size}`, () => {
      const samples = Float32Array.from({ length: size + 7 }, (_, i) => Math.sin(i * i * 0.37) + 0.2);
      const power = new Float64Array(size / 2);
      powerSpectrum(size).compute(samples, 7, power);
      for (let k = 0; k < power.length; k++) {
        const expected = direct(samples, 7, size, k);
        assert.ok(Math.abs((power[k] ?? 0) - expected) < 1e-9 * (1 + expected), `bin ${k}`);
      }
    });
  }

  it("computes only as many bins as asked for", () => {
    const samples = Float32Array.from({ length: 128 }, (_, i) => Math.cos(i));
    const few = new Float64Array(10);
    const all = new Float64Array(64);
    const spectrum = powerSpectrum(128);
    spectrum.compute(samples, 0, few);
    spectrum.compute(samples, 0, all);
    assert.deepEqual(few, all.slice(0, 10));
  });

  it("refuses lengths it has no plan for", () => {
    for (const size of [0, 2, 6, 100, 256, 512.5]) assert.throws(() => powerSpectrum(size), RangeError);
  });
});
