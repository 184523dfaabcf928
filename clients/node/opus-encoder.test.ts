import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpusEncoder } from "./opus-encoder.ts";

const rates = [8000, 12_000, 16_000, 24_000, 48_000] as const;
const durations = [2.5, 5, 10, 20, 40, 60, 80, 100, 120] as const;

/** Frames × 48 kHz samples per frame, from the TOC of a packet of libopus's own making. */
function durationMs(packet: Uint8Array): number {
  const [toc = 0, counts = 0] = packet;
  const configuration = toc >> 3;
  const index = configuration & 3;
  const celt = [2.5, 5, 10, 20];
  const frame =
    configuration >= 16 ? celt[index] : configuration >= 12 ? [10, 20][index & 1] : [10, 20, 40, 60][index];
  const frames = [1, 2, 2, counts & 63][toc & 3];
  return (frame ?? 0) * (frames ?? 0);
}

function tone(length: number, channels: number): Int16Array {
  return Int16Array.from({ length }, (_, i) => 8000 * Math.sin(Math.floor(i / channels) * 0.1));
}

test("a packet lasts as long as the PCM it was made from, at every rate, channel count and duration", async () => {
  for (const rate of rates) {
    for (const channels of [1, 2] as const) {
      for (const frameMs of durations) {
        const encoder = await createOpusEncoder({ rate, channels, frameMs, bitrate: 24_000 });
        const packet = encoder.encode(tone(((rate * frameMs) / 1000) * channels, channels));
        assert.equal(durationMs(packet), frameMs, `${rate} Hz, ${channels} channels, ${frameMs} ms`);
        encoder.close();
      }
    }
  }
});

test("the bitrate is obeyed", async () => {
  const bytesAt = async (bitrate: number): Promise<number> => {
    const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: 20, bitrate });
    let bytes = 0;
    for (let i = 0; i < 50; i++) bytes += encoder.encode(noise(320)).length;
    return bytes;
  };
  const [low, high] = [await bytesAt(12_000), await bytesAt(48_000)];
  assert.ok(low > 1000 && low < 2200, `${low} bytes in a second at 12 kbit/s`);
  assert.ok(high > 4500 && high < 7500, `${high} bytes in a second at 48 kbit/s`);
});

function noise(length: number): Int16Array {
  return Int16Array.from({ length }, () => Math.round((Math.random() - 0.5) * 20_000));
}

test("silence shrinks to packets of at most two bytes with DTX, and only then", async () => {
  const shortest = async (dtx: boolean): Promise<number> => {
    const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: 20, bitrate: 16_000, dtx });
    for (let i = 0; i < 20; i++) encoder.encode(noise(320));
    const sizes = Array.from({ length: 100 }, () => encoder.encode(new Int16Array(320)).length);
    return Math.min(...sizes);
  };
  assert.ok((await shortest(true)) <= 2);
  assert.ok((await shortest(false)) > 2);
});

test("FEC spends bits on repeats", async () => {
  const packets = async (fec: boolean): Promise<string> => {
    const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: 20, bitrate: 24_000, fec });
    const made = Array.from({ length: 20 }, (_, i) => encoder.encode(tone(320 * (i + 1), 1).slice(-320)));
    return Buffer.concat(made).toString("hex");
  };
  assert.notEqual(await packets(true), await packets(false));
});

test("a frame of the wrong length is a RangeError, and a closed encoder encodes nothing", async () => {
  const encoder = await createOpusEncoder({ rate: 16_000, channels: 2, frameMs: 20 });
  assert.throws(() => encoder.encode(new Int16Array(639)), RangeError);
  assert.throws(() => encoder.encode(new Int16Array(320)), RangeError);
  encoder.close();
  encoder.close();
  assert.throws(() => encoder.encode(new Int16Array(640)), /closed/);
});
