import { FLACDecoder } from "@wasm-audio-decoders/flac";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { collect, soundFile } from "../../test/support/recordings.ts";
import { Fault } from "../stream/errors.ts";
import { FlacReader } from "./flac.ts";

const fixtures = ["mono-16k.flac", "stereo-44k1-24bit.flac", "stereo-8k.flac"];
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(soundFile(name)));
const isDamage = (reason: unknown): boolean => reason instanceof Fault && reason.code === "undecodable_audio";

async function decodedByLibFlac(bytes: Uint8Array): Promise<readonly Float32Array[]> {
  const decoder = new FLACDecoder();
  await decoder.ready;
  const { channelData, bitDepth } = await decoder.decodeFile(bytes);
  // Its full scale is the largest positive integer, ours the power of two that every other decoder has.
  return channelData.map((channel) =>
    channel.map((x) => (x * (2 ** (bitDepth - 1) - 1)) / 2 ** (bitDepth - 1)),
  );
}

describe("FlacReader", () => {
  for (const name of fixtures) {
    it(`gives the samples that libFLAC gives for ${name}`, async () => {
      const reference = await decodedByLibFlac(bytesOf(name));
      const { channels } = collect(new FlacReader(), bytesOf(name));
      assert.ok((reference[0]?.length ?? 0) >= 4000);
      assert.equal(channels.length, reference.length);
      for (const [i, channel] of channels.entries()) assert.deepEqual(channel, reference[i]);
    });

    it(`gives the same for ${name} at any split of the bytes`, () => {
      const whole = collect(new FlacReader(), bytesOf(name));
      for (const step of [1, 1000]) assert.deepEqual(collect(new FlacReader(), bytesOf(name), step), whole);
    });
  }

  it("gives the whole frames of a truncated file", () => {
    const bytes = bytesOf("mono-16k.flac");
    const whole = collect(new FlacReader(), bytes).channels[0] ?? new Float32Array(0);
    const [half] = collect(new FlacReader(), bytes.subarray(0, -2000)).channels;
    assert.equal(half?.length, 4096);
    assert.deepEqual(half, whole.subarray(0, half.length));
  });

  it("refuses a file with one damaged byte in its audio", () => {
    const bytes = bytesOf("mono-16k.flac");
    bytes[bytes.length - 2000] = (bytes[bytes.length - 2000] ?? 0) ^ 0x10;
    assert.throws(() => collect(new FlacReader(), bytes), isDamage);
  });

  it("refuses a file that ends before its audio", () => {
    assert.throws(() => collect(new FlacReader(), bytesOf("mono-16k.flac").subarray(0, 100)), isDamage);
  });

  it("passes over what follows the last sample", () => {
    const bytes = bytesOf("stereo-8k.flac");
    const tagged = Buffer.concat([bytes, Buffer.from("TAG an older kind of tag")]);
    assert.deepEqual(collect(new FlacReader(), tagged), collect(new FlacReader(), bytes));
  });
});
