import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ring } from "./ring.ts";

const ramp = (from: number, to: number): Float32Array =>
  Float32Array.from({ length: to - from }, (_, i) => from + i);

function read(ring: Ring, start: number, end: number): Float32Array {
  const out = new Float32Array(end - start);
  ring.copy(start, end, out);
  return out;
}

describe("Ring", () => {
  it("gives back what was written, across its own seam, in any split", () => {
    for (const step of [1, 3, 7, 10]) {
      const ring = new Ring(10);
      for (let at = 0; at < 43; at += step) ring.write(ramp(at, Math.min(43, at + step)));
      assert.deepEqual(read(ring, 33, 43), ramp(33, 43));
      assert.deepEqual(read(ring, 38, 41), ramp(38, 41));
    }
  });

  it("keeps the tail of a block longer than itself", () => {
    const ring = new Ring(4);
    ring.write(ramp(0, 2));
    ring.write(ramp(2, 13));
    assert.equal(ring.end, 13);
    assert.deepEqual(read(ring, 9, 13), ramp(9, 13));
  });

  it("refuses samples that it no longer holds or does not hold yet", () => {
    const ring = new Ring(4);
    ring.write(ramp(0, 9));
    assert.throws(() => read(ring, 4, 6), RangeError);
    assert.throws(() => read(ring, 7, 10), RangeError);
  });
});
