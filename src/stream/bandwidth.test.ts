import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { FLACDecoder } from "@wasm-audio-decoders/flac";
import { atLevel, noisy, seeded, throughMulaw, tone, white } from "../../test/support/sounds.ts";
import { estimateBandwidthHz } from "./bandwidth.ts";

const seconds = 4;
const rate = 16_000;

/** Noise of many sines between two frequencies. */
function band(from: number, to: number, seed: number): Float32Array {
  const random = seeded(seed);
  const out = new Float32Array(seconds * rate);
  for (let f = from; f <= to; f += 17) {
    const phase = 2 * Math.PI * random();
    for (let i = 0; i < out.length; i++) {
      out[i] = (out[i] ?? 0) + 0.002 * Math.sin((2 * Math.PI * f * i) / rate + phase);
    }
  }
  return out;
}

async function clip(name: string): Promise<Float32Array> {
  const decoder = new FLACDecoder();
  await decoder.ready;
  const file = new URL(`../../test/fixtures/clips/${name}.flac`, import.meta.url);
  const { channelData } = await decoder.decodeFile(readFileSync(file));
  decoder.free();
  return channelData[0] ?? new Float32Array();
}

describe("bandwidth", () => {
  for (const edge of [1_000, 3_400, 5_500, 7_000]) {
    it(`finds where noise up to ${edge} Hz ends, within 150 Hz`, () => {
      const found = estimateBandwidthHz(band(100, edge, edge), rate);
      assert.ok(Math.abs(found - edge) <= 150, `${found}`);
    });
  }

  it("counts at the rate it is given", () => {
    const noise = band(100, 3_400, 3);
    assert.equal(estimateBandwidthHz(noise, 8_000), estimateBandwidthHz(noise, 16_000) / 2);
  });

  it("goes by the loud frames, not by the hiss between them", () => {
    const bursts = band(100, 3_000, 4).map((x, i) => x * Math.sin((Math.PI * i) / 4_000) ** 4);
    const found = estimateBandwidthHz(noisy(bursts, white(bursts.length, seeded(5)), 50), rate);
    assert.ok(Math.abs(found - 3_000) <= 150, `${found}`);
  });

  it("finds no speech bandwidth in silence, nor in less than a frame", () => {
    assert.equal(estimateBandwidthHz(new Float32Array(64_600), rate), 0);
    assert.equal(estimateBandwidthHz(tone(1, [440]).subarray(0, 511), rate), 0);
  });

  it("does not depend on the level", () => {
    const noise = band(100, 5_000, 6);
    assert.equal(
      estimateBandwidthHz(atLevel(noise, -45), rate),
      estimateBandwidthHz(atLevel(noise, -15), rate),
    );
  });

  for (const name of ["human_kerstin_1", "human_kathleen", "machine_espeak_en"]) {
    it(`tells wide-band ${name} from the same voice on the telephone`, async () => {
      const voice = await clip(name);
      const wide = estimateBandwidthHz(voice, rate);
      const narrow = estimateBandwidthHz(throughMulaw(voice, -25), rate);
      assert.ok(wide > 6_000, `wide-band ${wide}`);
      assert.ok(narrow > 2_500 && narrow < 4_300, `telephone ${narrow}`);
    });
  }
});
