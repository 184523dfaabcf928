import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toConditions } from "./evaluate-conditions.ts";

describe("toConditions", () => {
  const tone = (rate: number, hz: number) => ({
    rate,
    samples: Float32Array.from({ length: rate }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / rate)),
  });
  const power = (samples: Float32Array): number =>
    samples.reduce((sum, x) => sum + x * x, 0) / samples.length;

  it("begins with the recordings as they are, and refuses what it does not know", () => {
    assert.deepEqual(
      toConditions("mulaw8k,opus16,mulaw8k").map(({ name }) => name),
      ["clean", "mulaw8k", "opus16"],
    );
    for (const name of [
      "mp3",
      "opus5",
      "opus300",
      "opus",
      "mulaw16k",
      "mulaw8k-loss5",
      "opus16-loss0",
      "opus16-loss51",
    ]) {
      assert.throws(() => toConditions(name), /--through knows/);
    }
  });

  it("keeps what a line carries, with its noise, and loses what it does not", async () => {
    for (const { name, pass } of toConditions("mulaw8k,alaw8k,opus16").slice(1)) {
      const low = await pass(tone(16_000, 440));
      assert.ok(Math.abs(power(low.samples) / 0.125 - 1) < 0.1, `${name} ${power(low.samples)}`);
      assert.equal(low.rate, name === "opus16" ? 16_000 : 8000);
      assert.ok(Math.abs(low.samples.length / low.rate - 1) < 0.03);
      assert.notDeepEqual(low.samples, tone(low.rate, 440).samples);
      if (name !== "opus16") assert.ok(power((await pass(tone(16_000, 6000))).samples) < 1e-4);
      assert.deepEqual(await pass(tone(16_000, 440)), low, "nothing is kept between recordings");
    }
  });

  it("loses packets in the same places again, in others of another recording, and leaves holes there", async () => {
    const [, whole, lossy] = toConditions("opus16,opus16-loss20");
    assert.ok(whole && lossy);
    const long = (hz: number) => {
      const { rate, samples } = tone(16_000, hz);
      return { rate, samples: Float32Array.from({ length: 20 * rate }, (_, i) => samples[i % rate] ?? 0) };
    };
    const holesOf = async (hz: number): Promise<number[]> => {
      const { samples } = await lossy.pass(long(hz));
      return Array.from({ length: samples.length / 320 }, (_, i) => i).filter((i) => {
        const packet = samples.subarray(320 * i, 320 * (i + 1));
        const lost = packet.reduce((sum, x) => sum + Number(Number.isNaN(x)), 0);
        assert.ok(lost === 0 || lost === 320, "a packet is lost as a whole");
        return lost > 0;
      });
    };
    const holes = await holesOf(440);
    assert.ok(holes.length > 150 && holes.length < 250, `${holes.length} of 1001 packets`);
    assert.deepEqual(await holesOf(440), holes);
    assert.notDeepEqual(await holesOf(330), holes);
    const { samples } = await whole.pass(long(440));
    assert.ok(samples.every((x) => !Number.isNaN(x)));
  });
});
