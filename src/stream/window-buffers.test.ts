import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { giveBuffer, takeBuffer } from "./window-buffers.ts";

describe("window buffers", () => {
  it("hands a buffer on with nothing of its last use in it", () => {
    const first = takeBuffer(321);
    first.fill(0.5);
    giveBuffer(first);
    const second = takeBuffer(321);
    assert.equal(second, first);
    assert.ok(second.every((x) => x === 0));
    assert.notEqual(takeBuffer(321), first);
    assert.equal(takeBuffer(320).length, 320);
  });

  it("keeps none that holds nothing", () => {
    const none = new Float32Array(0);
    giveBuffer(none);
    assert.notEqual(takeBuffer(0), none);
  });

  it("keeps a bounded number", () => {
    const many: Float32Array[] = Array.from({ length: 200 }, () => new Float32Array(7));
    for (const buffer of many) giveBuffer(buffer);
    const reused = many.map(() => takeBuffer(7)).filter((buffer) => many.includes(buffer));
    assert.equal(reused.length, 64);
  });
});
