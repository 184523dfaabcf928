import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fault } from "./errors.ts";
import { assertWholeFrames, FrameCutter, readSequenced } from "./framing.ts";

const isBadMessage = (text: RegExp) => (error: unknown) =>
  error instanceof Fault && error.code === "bad_message" && text.test(error.message);

describe("FrameCutter", () => {
  it("gives whole frames for any split, and the same bytes in all", () => {
    const bytes = Uint8Array.from({ length: 50 }, (_, i) => i);
    for (let split = 1; split <= 17; split++) {
      const cutter = new FrameCutter(4);
      const given: number[] = [];
      for (let at = 0; at < bytes.length; at += split) {
        const frames = cutter.take(bytes.subarray(at, at + split));
        assert.equal(frames.length % 4, 0);
        given.push(...frames);
      }
      assert.deepEqual(given, [...bytes.subarray(0, 48)], `split ${split}`);
      assert.equal(cutter.drop(), 2);
      assert.equal(cutter.drop(), 0);
    }
  });

  it("keeps a copy of a partial frame, not the chunk", () => {
    const cutter = new FrameCutter(4);
    const chunk = Uint8Array.of(1, 2, 3);
    cutter.take(chunk);
    chunk.fill(9);
    assert.deepEqual([...cutter.take(Uint8Array.of(4))], [1, 2, 3, 4]);
  });
});

describe("assertWholeFrames", () => {
  it("names both sizes when a packet ends within a frame", () => {
    assertWholeFrames(new Uint8Array(640), 4);
    assert.throws(
      () => {
        assertWholeFrames(new Uint8Array(641), 4);
      },
      isBadMessage(/641 bytes.* 4-byte/),
    );
  });
});

describe("readSequenced", () => {
  const packet = Uint8Array.of(1, 1, 0, 0, 0xff, 0xfe, 0xfd, 0xfc, 0x80, 0, 0, 1, 42, 43);

  it("reads the header big-endian and unsigned", () => {
    const pool = new Uint8Array(30);
    pool.set(packet, 5);
    const { channel, seq, mediaTimestamp, payload } = readSequenced(pool.subarray(5, 19), 2);
    assert.equal(channel, 1);
    assert.equal(seq, 0xfffefdfc);
    assert.equal(mediaTimestamp, 0x80000001);
    assert.deepEqual([...payload], [42, 43]);
  });

  it("takes a header without a payload", () => {
    assert.equal(readSequenced(packet.subarray(0, 12), 2).payload.length, 0);
  });

  it("refuses a short header, another version, flags, and a channel that is not there", () => {
    const changed = (at: number, value: number) => packet.map((byte, i) => (i === at ? value : byte));
    assert.throws(() => readSequenced(packet.subarray(0, 11), 2), isBadMessage(/11 bytes/));
    assert.throws(() => readSequenced(changed(0, 2), 2), isBadMessage(/version 2/));
    assert.throws(() => readSequenced(changed(2, 1), 2), isBadMessage(/flags 256/));
    assert.throws(() => readSequenced(changed(3, 1), 2), isBadMessage(/flags 1/));
    assert.throws(() => readSequenced(packet, 1), isBadMessage(/channel 1 of 1/));
  });
});
