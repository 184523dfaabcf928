import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toFloat16 } from "./float16.ts";

const bitsOf = (...values: number[]): number[] => [...toFloat16(Float32Array.from(values))];

/** The value that 16 bits stand for, by the format's definition. */
function valueOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

describe("float16", () => {
  it("gives back every finite half, subnormals and both zeros among them", () => {
    let compared = 0;
    for (let half = 0; half < 0x10000; half++) {
      const value = valueOf(half);
      if (Number.isNaN(value)) continue;
      assert.deepEqual(bitsOf(value), [half]);
      compared++;
    }
    assert.equal(compared, 65536 - 2 * 1023);
  });

  it("rounds to the nearest half and ties to the even one", () => {
    for (const half of [0x0000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x3c01, 0x57ff, 0x7bfe]) {
      const low = valueOf(half);
      const high = valueOf(half + 1);
      const middle = (low + high) / 2;
      const [below, tie, above] = bitsOf(middle - (high - low) / 8, middle, middle + (high - low) / 8);
      assert.equal(below, half);
      assert.equal(tie, half % 2 === 0 ? half : half + 1);
      assert.equal(above, half + 1);
    }
  });

  it("overflows to infinity, underflows to zero and keeps what is not a number", () => {
    assert.deepEqual(bitsOf(65519, 65520, 1e30, -Infinity), [0x7bff, 0x7c00, 0x7c00, 0xfc00]);
    assert.deepEqual(bitsOf(2 ** -25, 2 ** -25 * 1.001, -1e-30, 1e-45), [0, 1, 0x8000, 0]);
    assert.deepEqual(bitsOf(NaN), [0x7e00]);
  });
});
