import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { weightsOf, type TensorMap } from "../../../test/support/aasist-weights.ts";
import { referenceHubert, smallHubert } from "../../../test/support/hubert-reference.ts";
import { readFloats, readIntegers, readNumbers } from "../../../test/support/npy.ts";
import { referenceTokens } from "../../../test/support/safeear-reference.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import {
  taughtSizes,
  taughtTensors,
  teacherHeads,
  teacherTensors,
} from "../../../test/support/taught-models.ts";
import { packsFolder } from "../../../test/support/tiny-pack.ts";
import { voice } from "../../../test/support/voice.ts";
import { createListener, longestPiece, type Listener } from "./listener.ts";
import { withTaughtTokenizer, type TaughtTokenizer } from "./taught-tokenizer.ts";

const { width } = smallHubert;
const tensor = (key: string): Float32Array => taughtTensors.get(key)?.data ?? new Float32Array(0);
const taught: TaughtTokenizer = {
  tokenizer: { weights: weightsOf(taughtTensors), sizes: taughtSizes, digest: "" },
  teacher: { weights: weightsOf(teacherTensors), sizes: smallHubert, heads: teacherHeads },
  teacherFile: "teacher.pt",
  layers: [0, 3],
  transform: { weight: tensor("transform.weight"), bias: tensor("transform.bias") },
};

async function listen(t: TestContext, to: TaughtTokenizer): Promise<Listener> {
  const listener = await createListener(to, await packsFolder(t));
  t.after(() => listener.close());
  return listener;
}

/** Both models and the projection as they are defined, over the frames that both have. */
function reference(samples: Float32Array) {
  const states = referenceHubert(teacherTensors, smallHubert, teacherHeads, samples);
  const features = (states[0] ?? []).map((row, t) =>
    row.map((_, k) => states.reduce((sum, state) => sum + (state[t]?.[k] ?? NaN), 0) / states.length),
  );
  const { codes } = referenceTokens(taughtTensors, taughtSizes, samples);
  const byFrame = features.map((_, t) => codes.map((stage) => stage[t] ?? NaN));
  const weight = tensor("transform.weight");
  const projected = byFrame.map((row) =>
    row.map((code, stage) => {
      const vectors = tensor(`quantizer.vq.layers.${stage}._codebook.embed`);
      return Array.from({ length: width }, (_, k) => {
        let sum = 0;
        for (let i = 0; i < taughtSizes.width; i++) {
          sum += (weight[k * taughtSizes.width + i] ?? NaN) * (vectors[code * taughtSizes.width + i] ?? NaN);
        }
        return sum;
      });
    }),
  );
  return { features: features.flat(), codes: byFrame.flat(), projected: projected.flat(2) };
}

function areNear(actual: Float32Array, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  const most = actual.reduce((max, x, i) => Math.max(max, Math.abs(x - (expected[i] ?? NaN))), 0);
  assert.ok(most < 1e-4, `differs by ${most}`);
}

describe("a listener", () => {
  const missing = withoutFixture("hubert-tiny") || withoutFixture("safeear-small/SpeechTokenizer.pt");
  it("hears in published layouts what the original code does", { skip: missing }, async (t) => {
    const fixture = (folder: string, name: string): string => sharedFixture(join(folder, name));
    const floats = async (folder: string, name: string): Promise<Float32Array> =>
      (await readFloats(fixture(folder, name))).data;
    const hubert = fixture("hubert-tiny", "hubert_tiny.pt");
    await withTaughtTokenizer(sharedFixture("safeear-small"), { hubert }, async (models) => {
      const listener = await listen(t, models);
      const taughtBy = await listener.hear(await floats("hubert-tiny", "input.npy"));
      areNear(taughtBy.features, [...(await floats("hubert-tiny", "expected_hf_avg_0to4.npy"))]);

      const heard = await listener.hear(await floats("safeear-small", "input.npy"));
      const { data } = await readIntegers(fixture("safeear-small", "expected_codes.npy"));
      const codes = Array.from({ length: 201 * 8 }, (_, i) =>
        Number(data[(i % 8) * 202 + Math.floor(i / 8)]),
      );
      assert.deepEqual([...heard.codes], codes);

      // [1, 64, 202]: the first quantizer's code vectors.
      const { data: vectors } = await readNumbers(fixture("safeear-small", "expected_quantized_0.npy"));
      const { weight } = models.transform;
      const projected = Array.from({ length: 201 * 48 }, (_, i) => {
        const [frame, k] = [Math.floor(i / 48), i % 48];
        let sum = 0;
        for (let j = 0; j < 64; j++) sum += (weight[k * 64 + j] ?? NaN) * (vectors[j * 202 + frame] ?? NaN);
        return sum;
      });
      const first = Array.from({ length: 201 }, (_, frame) => [
        ...heard.projected.subarray(frame * 8 * 48, (frame * 8 + 1) * 48),
      ]);
      areNear(Float32Array.from(first.flat()), projected);
      await listener.close();
    });
  });

  it("hears with both models what they are defined to, of pieces of any length from a second", async (t) => {
    const listener = await listen(t, taught);
    for (const [samples, frames] of [
      [16_000, 49],
      [23_333, 72],
      [16_001, 49],
    ] as const) {
      const audio = voice(samples / 16_000, 16_000, 140).subarray(0, samples);
      const heard = await listener.hear(audio);
      assert.deepEqual([heard.frames, heard.width, heard.stages], [frames, width, 3]);
      const expected = reference(audio);
      areNear(heard.features, expected.features);
      assert.deepEqual([...heard.codes], expected.codes);
      areNear(heard.projected, expected.projected);
      assert.ok(new Set(heard.codes).size > 3, "the codes differ");
    }
    assert.equal((await listener.hear(voice(longestPiece / 16_000, 16_000))).frames, 201);
  });

  it("hears one layer of the teacher where it is asked to", async (t) => {
    const listener = await listen(t, { ...taught, layers: [2, 2] });
    const audio = voice(1, 16_000);
    const states = referenceHubert(teacherTensors, smallHubert, teacherHeads, audio);
    areNear((await listener.hear(audio)).features, (states[2] ?? []).flat());
  });

  it("names the file and the tensor where a teacher's weight is not finite, and starts nothing", async (t) => {
    const key = "encoder.layers.1.fc1.weight";
    const { shape = [] } = teacherTensors.get(key) ?? {};
    const broken: TensorMap = new Map(teacherTensors).set(key, {
      shape,
      data: new Float32Array(120).fill(NaN),
    });
    const teacher = { ...taught.teacher, weights: weightsOf(broken) };
    await assert.rejects(createListener({ ...taught, teacher }, await packsFolder(t)), {
      name: "CheckpointError",
      message: `teacher.pt: ${key} holds a value that is not finite`,
    });
  });

  it("keeps what it wrote to one folder", async (t) => {
    const folder = await packsFolder(t);
    const listener = await createListener(taught, folder);
    await listener.close();
    assert.deepEqual(await readdir(folder), ["model.onnx"]);
  });
});
