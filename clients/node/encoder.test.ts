import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createDecoder } from "../../src/stream/decode.ts";
import { hertz } from "../../src/stream/units.ts";
import { createEncoder, type EncoderOptions } from "./encoder.ts";

const tone = (hz: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / 16_000));
const stereo = [tone(300, 5000), tone(700, 5000)];

async function encodeAll(options: EncoderOptions, parts: readonly (readonly Float32Array[])[]) {
  const encoder = await createEncoder(options);
  const chunks = [...parts.flatMap((channels) => encoder.encode(channels)), ...encoder.flush()];
  encoder.close();
  encoder.close();
  return chunks;
}

const split = (size: number) =>
  Array.from({ length: Math.ceil(5000 / size) }, (_, i) =>
    stereo.map((samples) => samples.subarray(i * size, (i + 1) * size)),
  );

describe("an encoder", () => {
  for (const [encoding, tolerance] of [
    ["pcm_s16le", 1 / 65_536],
    ["pcm_f32le", 0],
    ["pcm_mulaw", 0.02],
    ["pcm_alaw", 0.02],
  ] as const)
    it(`makes chunks of one frame that decode to what went in: ${encoding}`, async () => {
      const chunks = await encodeAll({ encoding, sampleRate: 16_000, channels: 2 }, [stereo]);
      const bytes = { pcm_s16le: 2, pcm_f32le: 4, pcm_mulaw: 1, pcm_alaw: 1 }[encoding];
      assert.equal(chunks.length, Math.ceil(5000 / 320));
      assert.ok(chunks.slice(0, -1).every((chunk) => chunk.length === 320 * 2 * bytes));
      const decoder = createDecoder(
        { encoding, framing: "raw", rate: hertz(16_000), channels: 2 },
        undefined,
      );
      const pieces = [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.flush()];
      for (const [channel, sent] of stereo.entries()) {
        const got = pieces.flatMap((piece) =>
          piece.kind === "audio" && piece.channel === channel ? [...piece.samples] : [],
        );
        assert.equal(got.length, sent.length);
        for (const [i, x] of got.entries()) assert.ok(Math.abs(x - (sent[i] ?? 0)) <= tolerance, `${i}`);
      }
    });

  for (const encoding of ["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw", "opus"] as const)
    it(`makes the same chunks of any split: ${encoding}`, async () => {
      const options = { encoding, sampleRate: 16_000, channels: 2, frameMs: 20 } as const;
      const whole = await encodeAll(options, split(5000));
      assert.ok(whole.length > 10);
      for (const size of [1, 7, 320, 333]) assert.deepEqual(await encodeAll(options, split(size)), whole);
    });

  it("keeps full scale within the range of 16 bits", async () => {
    const [chunk] = await encodeAll({ encoding: "pcm_s16le", sampleRate: 8000, channels: 1 }, [
      [Float32Array.of(1, -1, 2, -2, 0, Number.NaN)],
    ]);
    assert.ok(chunk);
    assert.deepEqual([...new Int16Array(chunk.slice().buffer)], [32_767, -32_768, 32_767, -32_768, 0, 0]);
  });

  it("fills up a last Opus frame and makes no empty chunks", async () => {
    const options = { encoding: "opus", sampleRate: 16_000, channels: 1 } as const;
    assert.equal((await encodeAll(options, [[new Float32Array(321)]])).length, 2);
    assert.equal((await encodeAll(options, [[new Float32Array(320)]])).length, 1);
    assert.equal((await encodeAll(options, [])).length, 0);
  });

  it("refuses what Opus does not have and channels that do not fit", async () => {
    const options = { encoding: "opus", sampleRate: 16_000, channels: 1 } as const;
    await assert.rejects(createEncoder({ ...options, sampleRate: 44_100 }), RangeError);
    await assert.rejects(createEncoder({ ...options, frameMs: 15 }), RangeError);
    const encoder = await createEncoder({ encoding: "pcm_s16le", sampleRate: 16_000, channels: 2 });
    assert.throws(() => encoder.encode([new Float32Array(2)]), RangeError);
    assert.throws(() => encoder.encode([new Float32Array(2), new Float32Array(3)]), RangeError);
  });
});
