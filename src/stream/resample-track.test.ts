import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resampleTrack } from "./resample-track.ts";
import { hertz } from "./units.ts";

describe("resampleTrack", () => {
  it("gives a whole track at another rate, its end too", () => {
    const track = new Float32Array(4001).fill(0.5);
    const wide = resampleTrack(track, hertz(8000), hertz(16_000));
    assert.equal(wide.length, 8002);
    assert.ok(wide.subarray(100, -100).every((x) => Math.abs(x - 0.5) < 1e-3));
  });

  it("makes silence of holes, and leaves what it was given as it is", () => {
    const track = Float32Array.of(0.25, NaN, -0.5);
    assert.deepEqual([...resampleTrack(track, hertz(16_000), hertz(16_000))], [0.25, 0, -0.5]);
    assert.deepEqual([...track], [0.25, NaN, -0.5]);
    assert.ok(resampleTrack(track, hertz(48_000), hertz(16_000)).every(Number.isFinite));
  });
});
