import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readNumbers } from "../../../test/support/npy.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { Draws } from "./draws.ts";
import { formatOrder, framePermutation, parseOrder, permuteFrames, segmentFrames } from "./permutation.ts";

const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
const countTo = (length: number): number[] => Array.from({ length }, (_, i) => i);
const bySeed = (frames: number, seed: number): Int32Array => framePermutation(frames, { kind: "seed", seed });

describe("the order of SafeEar's frames", () => {
  it("keeps every frame, and each in its own second", () => {
    for (const frames of [1, 49, 50, 51, 202]) {
      const permutation = bySeed(frames, 7);
      assert.equal(permutation.length, frames);
      for (let start = 0; start < frames; start += segmentFrames) {
        const segment = permutation.subarray(start, start + segmentFrames);
        assert.deepEqual(
          sorted(segment),
          countTo(segment.length).map((i) => start + i),
        );
      }
    }
  });

  it("is the same for a seed every time, another for another, and not the same in each second", () => {
    assert.deepEqual(bySeed(202, 5), bySeed(202, 5));
    assert.notDeepEqual(bySeed(202, 5), bySeed(202, 6));
    const permutation = bySeed(100, 5);
    assert.notDeepEqual(
      permutation.subarray(50).map((frame) => frame - 50),
      permutation.subarray(0, 50),
    );
  });

  it("does not change from one version to the next", () => {
    assert.deepEqual([...bySeed(8, 1)], [7, 3, 6, 0, 4, 5, 1, 2]);
  });

  it("gives all 24 orders of four frames about as often", () => {
    const seen = new Map<string, number>();
    const seeds = 24_000;
    for (let seed = 0; seed < seeds; seed++) {
      const order = bySeed(4, seed).join();
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    assert.equal(seen.size, 24);
    // Chi-squared with 23 degrees of freedom exceeds 50 once in a thousand times.
    const chi = [...seen.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    assert.ok(chi < 50, `chi-squared is ${chi}`);
  });

  it("turns each second round, the short one at the end too, or leaves all as it is", () => {
    const flipped = framePermutation(53, { kind: "flip" });
    assert.deepEqual([flipped[0], flipped[49], flipped[50], flipped[51], flipped[52]], [49, 0, 52, 51, 50]);
    assert.deepEqual([...framePermutation(53, { kind: "identity" })], countTo(53));
  });

  it("is applied to every stage's codes alike", () => {
    const codes = Int32Array.of(10, 11, 12, 20, 21, 22);
    assert.deepEqual([...permuteFrames(codes, Int32Array.of(2, 0, 1))], [12, 10, 11, 22, 20, 21]);
    assert.throws(() => permuteFrames(codes, Int32Array.of(0, 1, 2, 3)), /6 codes are not rows of 4 frames/);
  });

  it("is written as identity, flip or a seed, and as nothing else", () => {
    for (const text of ["identity", "flip", "0", "4294967295"])
      assert.equal(formatOrder(parseOrder(text)), text);
    for (const text of ["", "-1", "1.5", "4294967296", "Flip", "0x10", " 1"]) {
      assert.throws(() => parseOrder(text), /identity, flip or a seed/);
    }
  });

  it("draws what the documented formula gives", () => {
    const draws = new Draws(0);
    assert.deepEqual([draws.bits(), draws.bits()], formula([0x9e3779b9n, (2n * 0x9e3779b9n) % 2n ** 32n]));
  });

  const skip = withoutFixture("safeear-small/permutation.npy");
  it("keeps frames in their seconds as the published code does", { skip }, async () => {
    const { data } = await readNumbers(sharedFixture("safeear-small/permutation.npy"));
    for (const [place, frame] of data.entries()) {
      assert.equal(Math.floor(place / segmentFrames), Math.floor(frame / segmentFrames));
    }
    assert.equal(data.length, 202);
  });
});

/** The mixing of each state, in whole numbers. */
const formula = (states: readonly bigint[]): number[] =>
  states.map((state) => {
    let z = state;
    z = ((z ^ (z >> 16n)) * 0x21f0aaadn) % 2n ** 32n;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) % 2n ** 32n;
    return Number(z ^ (z >> 15n));
  });
