import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOpusPacket } from "./opus-packet.ts";

const toc = (configuration: number, code = 0, stereo = false): number =>
  (configuration << 3) | (stereo ? 4 : 0) | code;
const packet = (first: number, ...rest: number[]): Uint8Array => Uint8Array.of(first, ...rest);
const sound = (bytes: number): number[] => new Array<number>(bytes).fill(7);
const silk20 = 1;
const celt2_5 = 28;
const celt20 = 31;

test("the configuration number tells mode, bandwidth and duration (RFC 6716, table 2)", () => {
  const seen = Array.from({ length: 32 }, (_, configuration) => {
    const info = parseOpusPacket(packet(toc(configuration), ...sound(20)));
    return `${info?.mode} ${info?.bandwidth} ${(info?.duration ?? 0) / 48}`;
  });
  const run = (name: string, durations: readonly number[]): string[] =>
    durations.map((ms) => `${name} ${ms}`);
  assert.deepEqual(seen, [
    ...run("silk narrowband", [10, 20, 40, 60]),
    ...run("silk mediumband", [10, 20, 40, 60]),
    ...run("silk wideband", [10, 20, 40, 60]),
    ...run("hybrid superwideband", [10, 20]),
    ...run("hybrid fullband", [10, 20]),
    ...run("celt narrowband", [2.5, 5, 10, 20]),
    ...run("celt wideband", [2.5, 5, 10, 20]),
    ...run("celt superwideband", [2.5, 5, 10, 20]),
    ...run("celt fullband", [2.5, 5, 10, 20]),
  ]);
});

test("the stereo flag is read", () => {
  assert.equal(parseOpusPacket(packet(toc(celt20, 0, true), ...sound(9)))?.stereo, true);
  assert.equal(parseOpusPacket(packet(toc(celt20, 0, false), ...sound(9)))?.stereo, false);
});

test("codes 1 to 3 hold several frames", () => {
  const shape = (...bytes: number[]): unknown => {
    const info = parseOpusPacket(Uint8Array.from(bytes));
    return info && [info.frames, info.duration];
  };
  assert.deepEqual(shape(toc(silk20, 1), ...sound(40)), [2, 1920]);
  assert.deepEqual(shape(toc(silk20, 2), 10, ...sound(10), ...sound(3)), [2, 1920]);
  assert.deepEqual(shape(toc(silk20, 2), 252, 1, ...sound(256)), [2, 1920]);
  assert.deepEqual(shape(toc(silk20, 3), 3, ...sound(9)), [3, 2880]);
  assert.deepEqual(shape(toc(silk20, 3), 0x80 | 3, 2, 0, ...sound(7)), [3, 2880]);
  assert.deepEqual(shape(toc(silk20, 3), 0x40 | 3, 2, ...sound(9), 0, 0), [3, 2880]);
  assert.deepEqual(shape(toc(silk20, 3), 0x40 | 1, 255, 1, ...sound(9), ...sound(255)), [1, 960]);
  assert.deepEqual(shape(toc(celt2_5, 3), 48, ...sound(96)), [48, 5760]);
});

const malformed: readonly (readonly [string, readonly number[]])[] = [
  ["R1: no byte at all", []],
  ["R2: a frame above 1,275 bytes", [toc(celt20), ...sound(1276)]],
  ["R2: two equal frames above 1,275 bytes", [toc(silk20, 1), ...sound(2552)]],
  ["R2: a second frame above 1,275 bytes", [toc(silk20, 2), 1, ...sound(1277)]],
  ["R3: two equal frames of an odd number of bytes", [toc(silk20, 1), ...sound(7)]],
  ["R4: no length for the first of two frames", [toc(silk20, 2)]],
  ["R4: half a length for the first of two frames", [toc(silk20, 2), 252]],
  ["R4: a first frame longer than the packet", [toc(silk20, 2), 9, ...sound(8)]],
  ["R5: no count", [toc(silk20, 3)]],
  ["R5: no frames", [toc(silk20, 3), 0]],
  ["R5: above 120 ms", [toc(silk20, 3), 7, ...sound(14)]],
  ["R5: 49 frames of 2.5 ms", [toc(celt2_5, 3), 49, ...sound(98)]],
  ["R6: a remainder", [toc(silk20, 3), 2, ...sound(7)]],
  ["R6: more padding than bytes", [toc(silk20, 3), 0x40 | 1, 9, ...sound(8)]],
  ["R6: padding without its length", [toc(silk20, 3), 0x40 | 1]],
  ["R6: padding whose length never ends", [toc(silk20, 3), 0x40 | 1, 255, 255]],
  ["R7: no lengths", [toc(silk20, 3), 0x80 | 2]],
  ["R7: frames longer than the packet", [toc(silk20, 3), 0x80 | 3, 5, 5, ...sound(9)]],
  ["R7: frames that reach into the padding", [toc(silk20, 3), 0xc0 | 2, 4, 5, ...sound(4), 0, 0, 0, 0]],
];
for (const [name, bytes] of malformed) {
  test(`a packet is refused by ${name}`, () => {
    assert.equal(parseOpusPacket(Uint8Array.from(bytes)), undefined);
  });
}

test("the longest frames that the rules allow are accepted", () => {
  assert.equal(parseOpusPacket(packet(toc(celt20), ...sound(1275)))?.frames, 1);
  assert.equal(parseOpusPacket(packet(toc(celt20, 3), 6, ...sound(6 * 1275)))?.duration, 5760);
});

test("packets whose frames hold at most a byte are DTX", () => {
  const isDtx = (...bytes: number[]): boolean | undefined => parseOpusPacket(Uint8Array.from(bytes))?.dtx;
  assert.equal(isDtx(toc(silk20)), true);
  assert.equal(isDtx(toc(silk20), 1), true);
  assert.equal(isDtx(toc(silk20), 1, 2), false);
  assert.equal(isDtx(toc(celt20, 1)), true);
  assert.equal(isDtx(toc(celt20, 3), 3), true);
  assert.equal(isDtx(toc(celt20, 3), 0x40 | 3, 2, 0, 0), true);
  assert.equal(isDtx(toc(celt20, 2), 0, ...sound(5)), false);
});
