import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { alawSamples, mulawSamples } from "./g711.ts";

const pcm = (table: Float32Array, byte: number): number => (table[byte] ?? NaN) * 32768;

describe("mulawSamples", () => {
  it("has the values of G.711 at the ends and in the middle", () => {
    assert.equal(pcm(mulawSamples, 0x00), -32124);
    assert.equal(pcm(mulawSamples, 0x80), 32124);
    assert.equal(pcm(mulawSamples, 0x8f), 16764);
    assert.equal(pcm(mulawSamples, 0xef), 132);
    assert.equal(pcm(mulawSamples, 0xfe), 8);
    assert.ok(Object.is(mulawSamples[0xff], 0));
    assert.ok(Object.is(mulawSamples[0x7f], 0));
  });

  it("is odd about zero and falls with the byte within a sign", () => {
    for (let byte = 0; byte < 128; byte++) {
      assert.equal(pcm(mulawSamples, byte) + pcm(mulawSamples, byte + 128), 0);
      if (byte > 0) assert.ok(pcm(mulawSamples, byte) > pcm(mulawSamples, byte - 1));
    }
  });
});

describe("alawSamples", () => {
  it("has the values of G.711 at the ends and in the middle", () => {
    assert.equal(pcm(alawSamples, 0x2a), -32256);
    assert.equal(pcm(alawSamples, 0xaa), 32256);
    assert.equal(pcm(alawSamples, 0x55), -8);
    assert.equal(pcm(alawSamples, 0xd5), 8);
    assert.equal(pcm(alawSamples, 0xc5), 264);
    assert.equal(pcm(alawSamples, 0x80), 5504);
  });

  it("is odd about zero and rises with the uninverted byte", () => {
    for (let code = 0; code < 128; code++) {
      assert.equal(pcm(alawSamples, code ^ 0x55) + pcm(alawSamples, (code + 128) ^ 0x55), 0);
      if (code > 0) assert.ok(pcm(alawSamples, code ^ 0xd5) > pcm(alawSamples, (code - 1) ^ 0xd5));
    }
  });
});
