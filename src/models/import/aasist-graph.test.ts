import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { aasistReference } from "../../../test/support/aasist-reference.ts";
import { randomAasist, weightsOf, type TensorMap } from "../../../test/support/aasist-weights.ts";
import { readFloats } from "../../../test/support/npy.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { voice } from "../../../test/support/voice.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { writeModel } from "../onnx/write-model.ts";
import { aasistGraph, aasistWindow } from "./aasist-graph.ts";
import { aasistShapes, sizesOf, variantOf, type AasistSizes } from "./aasist-sizes.ts";
import { sincBank } from "./sinc.ts";
import { readTensors, type Weights } from "./weights.ts";

const small: AasistSizes = {
  widths: [1, 6, 6, 5, 5, 5, 5],
  nodeWidth: 6,
  hiddenWidth: 4,
  keep: [0.4, 0.7, 0.5],
};
/** Eleven steps of time. */
const smallWindow = 25_000;

async function open(t: TestContext, weights: Weights, sizes: AasistSizes, window: number) {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-aasist-"));
  t.after(() => rm(folder, { recursive: true }));
  const graph = aasistGraph(await readTensors(weights, aasistShapes(sizes)), sizes, window);
  const [file = ""] = await writeModel(graph, folder);
  const session = await InferenceSession.create(join(folder, file), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  t.after(() => session.release());
  return session;
}

function greatestDifference(actual: unknown, expected: ArrayLike<number>): number {
  assert.ok(actual instanceof Float32Array);
  assert.equal(actual.length, expected.length);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? NaN))), 0);
}

const without = (tensors: TensorMap, key: string): TensorMap =>
  new Map([...tensors].filter(([name]) => name !== key));

describe("the AASIST graph", () => {
  it("computes what the model is described to, for any weights and each window of a batch", async (t) => {
    const tensors = randomAasist(small, 8);
    const session = await open(t, weightsOf(tensors), small, smallWindow);
    const windows = [80, 190].map((pitch) => voice(smallWindow / 16_000, 16_000, pitch));
    const audio = new Float32Array(2 * smallWindow);
    windows.forEach((window, i) => audio.set(window, i * smallWindow));
    const { logits, hidden } = await session.run({ audio: new Tensor("float32", audio, [2, smallWindow]) });
    const expected = windows.map((window) => aasistReference(tensors, small, window));
    assert.deepEqual(logits?.dims, [2, 2]);
    assert.deepEqual(hidden?.dims, [2, 20]);
    const differences = [
      greatestDifference(
        hidden.data,
        expected.flatMap((one) => one.hidden),
      ),
      greatestDifference(
        logits.data,
        expected.flatMap((one) => one.logits),
      ),
    ];
    t.diagnostic(`greatest differences: hidden ${String(differences[0])}, logits ${String(differences[1])}`);
    for (const difference of differences) assert.ok(difference < 1e-4, String(difference));
    // Two windows that made no difference would compare nothing.
    const [one, other] = expected;
    assert.ok(Math.abs((one?.hidden[0] ?? 0) - (other?.hidden[0] ?? 0)) > 0.1);
  });

  it("filters with bands that neither overlap much nor leave anything out", () => {
    const bank = sincBank();
    const gain = (band: number, hz: number): number => {
      let [re, im] = [0, 0];
      for (let k = 0; k < 129; k++) {
        re += (bank[band * 129 + k] ?? 0) * Math.cos((2 * Math.PI * hz * k) / 16_000);
        im += (bank[band * 129 + k] ?? 0) * Math.sin((2 * Math.PI * hz * k) / 16_000);
      }
      return Math.hypot(re, im);
    };
    // The bands' differences add up to a low pass at the top of the scale.
    for (const hz of [500, 1000, 3000, 6000]) {
      const gains = Array.from({ length: 70 }, (_, band) => gain(band, hz));
      const loudest = gains.indexOf(Math.max(...gains));
      const centre = 700 * (10 ** (((loudest + 0.5) * 2595 * Math.log10(1 + 8000 / 700)) / 70 / 2595) - 1);
      assert.ok(
        Math.abs(centre - hz) < 0.04 * hz + 40,
        `${hz} Hz is loudest in band ${loudest}, around ${centre} Hz`,
      );
    }
  });

  it("names the tensor that is missing, misshapen or not finite", async () => {
    const tensors = randomAasist(small, 1);
    const shapes = aasistShapes(small);
    const key = "HtrgGAT_layer_ST21.proj_type2.weight";
    await assert.rejects(readTensors(weightsOf(without(tensors, key)), shapes), {
      message: `the checkpoint has no tensor ${key}`,
    });
    const bent = new Map(tensors).set(key, { shape: [6, 7], data: new Float32Array(42) });
    await assert.rejects(readTensors(weightsOf(bent), shapes), {
      message: `${key} has shape [6, 7], not [6, 6]`,
    });
    const wild = new Map(tensors).set(key, { shape: [6, 6], data: new Float32Array(36).fill(NaN) });
    await assert.rejects(readTensors(weightsOf(wild), shapes), {
      message: `${key} holds a value that is not finite`,
    });
  });

  it("takes its sizes from the tensors, and refuses those of neither published model", () => {
    const weights = weightsOf(randomAasist(small, 1));
    assert.deepEqual(sizesOf(weights, small.keep), small);
    assert.throws(() => variantOf(weights), /the last block has 5 channels: AASIST has 64, AASIST-L 24/);
  });

  it("refuses a window of which the encoder would leave nothing", async () => {
    const tensors = await readTensors(weightsOf(randomAasist(small, 1)), aasistShapes(small));
    assert.throws(() => aasistGraph(tensors, small, 2000), /2000 samples is too short/);
  });

  for (const name of ["AASIST", "AASIST-L"]) {
    it(
      `gives the published code's outputs with the published weights of ${name}`,
      { skip: withoutFixture("aasist") },
      async (t) => {
        const from = (file: string): string => join(sharedFixture("aasist"), file);
        const checkpoint = await openCheckpoint(from(`${name}.pth`));
        t.after(() => checkpoint.close());
        const weights = checkpoint.stateDict();
        const session = await open(t, weights, sizesOf(weights, variantOf(weights).keep), aasistWindow);
        const clips = await readFloats(from("clips.npy"));
        const expected = await readFloats(from(`${name}.expected_logits.npy`));
        const expectedHidden = await readFloats(from(`${name}.expected_last_hidden.npy`));
        assert.deepEqual(
          [clips.shape, expected.shape],
          [
            [10, aasistWindow],
            [10, 2],
          ],
        );
        const { logits, hidden } = await session.run({
          audio: new Tensor("float32", clips.data, [...clips.shape]),
        });
        const differences = [
          greatestDifference(logits?.data, expected.data),
          greatestDifference(hidden?.data, expectedHidden.data),
        ];
        t.diagnostic(
          `greatest differences: logits ${String(differences[0])}, hidden ${String(differences[1])}`,
        );
        for (const difference of differences) assert.ok(difference < 1e-4, String(difference));
      },
    );
  }
});
