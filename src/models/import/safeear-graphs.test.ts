import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { compareCodes } from "../../../test/support/safeear-agreement.ts";
import { readFloats, readIntegers } from "../../../test/support/npy.ts";
import { referenceLogits, referenceTokens } from "../../../test/support/safeear-reference.ts";
import {
  randomDetector,
  randomTokenizer,
  smallDetector,
  smallTokenizer,
} from "../../../test/support/safeear-weights.ts";
import { voice } from "../../../test/support/voice.ts";
import { weightsOf, type TensorMap } from "../../../test/support/aasist-weights.ts";
import { fewestSamples, reach } from "./safeear-tokenizer.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { Malformed } from "../checkpoint/errors.ts";
import type { Graph } from "../onnx/graph.ts";
import { writeModel } from "../onnx/write-model.ts";
import { framePermutation, parseOrder, permuteFrames } from "../safeear/permutation.ts";
import { detectorParts, type DetectorParts } from "./safeear-detector.ts";
import { backGraph, detectorGraph, frontGraph, safeearWindow, tokenizerGraph } from "./safeear-graphs.ts";
import { detectorShapes, detectorSizes, embedKey, tokenizerSizes } from "./safeear-sizes.ts";
import { readTensors } from "./weights.ts";
import { surveyTokenizer, under } from "./safeear-weights.ts";

async function open(t: TestContext, graph: Graph): Promise<InferenceSession> {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-safeear-"));
  t.after(() => rm(folder, { recursive: true }));
  const [file = ""] = await writeModel(graph, folder, {
    external: { file: "weights.bin", thresholdBytes: 4096 },
  });
  const session = await InferenceSession.create(join(folder, file), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  t.after(() => session.release());
  return session;
}

async function published(t: TestContext): Promise<DetectorParts> {
  const checkpoint = await openCheckpoint(fixture("model.ckpt"));
  t.after(() => checkpoint.close());
  const weights = checkpoint.stateDict();
  const tokenizer = under(weights, "decouple_model.");
  const detector = under(weights, "detect_model.");
  const from = tokenizerSizes(tokenizer);
  const sizes = detectorSizes(detector);
  const shapes = detectorShapes(sizes, { stages: from.stages - 1, codeWidth: from.width });
  const tensors = await readTensors(detector, shapes);
  return detectorParts({ tensors, sizes, heads: 8, tokenizer, tokenizerSizes: from });
}

const fixture = (name: string): string => sharedFixture(join("safeear-small", name));
const skip = withoutFixture("safeear-small/model.ckpt");

function floats(value: Tensor | undefined): Float32Array {
  assert.ok(value?.data instanceof Float32Array);
  return value.data;
}

function integers(value: Tensor | undefined): Int32Array {
  assert.ok(value?.data instanceof Int32Array);
  return value.data;
}

function greatestDifference(actual: Float32Array, expected: Float32Array): number {
  assert.equal(actual.length, expected.length);
  assert.ok(actual.length > 0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? NaN))), 0);
}

const audioOf = (...rows: readonly Float32Array[]): Tensor => {
  const length = rows[0]?.length ?? 0;
  const audio = new Float32Array(rows.length * length);
  rows.forEach((row, i) => audio.set(row, i * length));
  return new Tensor("float32", audio, [rows.length, length]);
};

/** A model of random weights. */
async function small(): Promise<
  DetectorParts & { readonly tokenizerTensors: TensorMap; readonly detectorTensors: TensorMap }
> {
  const tokenizerTensors = randomTokenizer(smallTokenizer, 3);
  const detectorTensors = randomDetector(smallDetector, smallTokenizer, 4);
  const shapes = new Map([...detectorTensors].map(([key, { shape }]) => [key, shape]));
  const tensors = await readTensors(weightsOf(detectorTensors), shapes);
  const tokenizer = weightsOf(tokenizerTensors);
  const parts = detectorParts({
    tensors,
    sizes: smallDetector,
    heads: 2,
    tokenizer,
    tokenizerSizes: smallTokenizer,
  });
  return { ...parts, tokenizerTensors, detectorTensors };
}

const sound = (samples: number, pitch: number): Float32Array =>
  voice(samples / 16_000, 16_000, pitch).map((value) => 8 * value);

describe("SafeEar's graphs", () => {
  /** 57 frames of six samples, the last one begun: more than one second's worth of 50, and no whole stride. */
  const samples = 338;

  for (const fixed of [samples, undefined]) {
    it(`compute the described features and codes for ${fixed ?? "any number of"} samples and each window of a batch`, async (t) => {
      const { tokenizer, tokenizerTensors } = await small();
      const session = await open(t, tokenizerGraph(tokenizer, smallTokenizer, fixed));
      const windows = [sound(samples, 700), sound(samples, 1900)];
      const { codes, features } = await session.run({ audio: audioOf(...windows) });
      const expected = windows.map((audio) => referenceTokens(tokenizerTensors, smallTokenizer, audio));
      assert.deepEqual(features?.dims, [2, 6, 57]);
      assert.deepEqual(codes?.dims, [2, 3, 57]);
      const wanted = Float32Array.from(expected.flatMap((tokens) => tokens.features.flat()));
      assert.ok(greatestDifference(floats(features), wanted) < 1e-5);
      assert.deepEqual(
        [...integers(codes)],
        expected.flatMap((tokens) => tokens.codes.flat()),
      );
      assert.ok(new Set(integers(codes)).size > 3, "codes differ");
    });
  }

  it("hear as little as can be mirrored, and say of less that it is too short", async (t) => {
    const { tokenizer, tokenizerTensors } = await small();
    const session = await open(t, tokenizerGraph(tokenizer, smallTokenizer));
    const fewest = fewestSamples(smallTokenizer);
    assert.equal(fewest, 19);
    const { features } = await session.run({ audio: audioOf(sound(fewest, 700)) });
    const expected = referenceTokens(tokenizerTensors, smallTokenizer, sound(fewest, 700));
    assert.ok(greatestDifference(floats(features), Float32Array.from(expected.features.flat())) < 1e-5);
    await assert.rejects(session.run({ audio: audioOf(sound(fewest - 1, 700)) }));
  });

  it("give the same codes in halves, one after the other", async (t) => {
    const { tokenizer } = await small();
    const audio = audioOf(sound(samples, 700), sound(samples, 1900));
    const [whole, front, back] = await Promise.all([
      open(t, tokenizerGraph(tokenizer, smallTokenizer)),
      open(t, frontGraph(tokenizer, smallTokenizer)),
      open(t, backGraph(tokenizer, smallTokenizer)),
    ]);
    const { convolved } = await front.run({ audio });
    assert.ok(convolved);
    assert.deepEqual(convolved.dims, [2, 57, 5]);
    const { codes } = await back.run({ convolved });
    const expected = await whole.run({ audio });
    assert.deepEqual(codes?.dims, [2, 3, 57]);
    assert.deepEqual([...integers(codes)], [...integers(expected["codes"])]);
  });

  it("reach as far as a frame hears", async (t) => {
    const { tokenizer } = await small();
    const front = await open(t, frontGraph(tokenizer, smallTokenizer));
    const { before, after } = reach(smallTokenizer);
    const frame = 30;
    const heardAt = async (at: number): Promise<boolean> => {
      const audio = sound(samples, 700);
      const row = async () => {
        const { convolved } = await front.run({ audio: audioOf(audio) });
        return floats(convolved).slice(frame * 5, (frame + 1) * 5);
      };
      const quiet = await row();
      audio[at] = (audio[at] ?? 0) + 1;
      return greatestDifference(await row(), quiet) > 0;
    };
    const first = frame * smallTokenizer.hop;
    assert.equal(await heardAt(first - before), true);
    assert.equal(await heardAt(first - before - 1), false);
    assert.equal(await heardAt(first + after), true);
    assert.equal(await heardAt(first + after + 1), false);
  });

  it("compute the described logits in any order of frames", async (t) => {
    const parts = await small();
    const { tokenizerTensors, detectorTensors } = parts;
    const audio = sound(samples, 700);
    const { codes } = referenceTokens(tokenizerTensors, smallTokenizer, audio);
    const detector = await open(t, detectorGraph(parts));
    const seen = new Set<string>();
    for (const order of ["identity", "flip", "5"].map(parseOrder)) {
      const permutation = framePermutation(57, order);
      const setting = { codes, permutation, heads: 2, blocks: 2 };
      const expected = Float32Array.from(referenceLogits(detectorTensors, tokenizerTensors, setting));
      const acoustic = permuteFrames(Int32Array.from(codes.slice(1).flat()), permutation);
      const apart = await detector.run({ codes: new Tensor("int32", acoustic, [1, 2, 57]) });
      assert.ok(greatestDifference(floats(apart["logits"]), expected) < 1e-5);
      seen.add(expected.map((value) => Math.round(value * 1e3)).join());
    }
    assert.equal(seen.size, 3, "the order matters");
  });

  it("are refused without any one of their tensors, which the error names", async () => {
    const { tokenizerTensors, detectorTensors } = await small();
    const without = (tensors: TensorMap, key: string) =>
      weightsOf(new Map([...tensors].filter(([name]) => name !== key)));
    const names = (key: string) => (reason: unknown) =>
      reason instanceof Malformed && reason.message.includes(`no tensor ${key}`);
    for (const key of tokenizerTensors.keys()) {
      await assert.rejects(surveyTokenizer(without(tokenizerTensors, key)), names(key), key);
    }
    for (const key of detectorTensors.keys()) {
      const read = async () => {
        const weights = without(detectorTensors, key);
        await readTensors(weights, detectorShapes(detectorSizes(weights), { stages: 2, codeWidth: 6 }));
      };
      await assert.rejects(read(), names(key), key);
    }
    assert.ok(tokenizerTensors.size > 40 && detectorTensors.size > 30);
  });

  it("are refused with code vectors that were never set, and where keys count too far", async () => {
    const { tokenizerTensors } = await small();
    const inited = "quantizer.vq.layers.2._codebook.inited";
    const unset = new Map([...tokenizerTensors, [inited, { shape: [1], data: Float32Array.of(0) }]]);
    await assert.rejects(surveyTokenizer(weightsOf(unset)), /layers\.2\._codebook\.inited is not 1/);
    const far = { shape: [1], data: Float32Array.of(0) };
    const counted = new Map([...tokenizerTensors, ["encoder.model.1000000000.lstm.weight_ih_l0", far]]);
    await assert.rejects(surveyTokenizer(weightsOf(counted)), /counts to 1000000000/);
  });

  it("are refused with a row of weights that has no direction, which weight norm asks for", async () => {
    const { tokenizerTensors } = await small();
    const key = "encoder.model.3.conv.conv.weight_v";
    const { shape = [], data = new Float32Array(0) } = tokenizerTensors.get(key) ?? {};
    const row = data.length / (shape[0] ?? 1);
    const spoilt = new Map([...tokenizerTensors, [key, { shape, data: data.slice().fill(0, row, 2 * row) }]]);
    await assert.rejects(
      surveyTokenizer(weightsOf(spoilt)),
      /model\.3\.conv\.conv\.weight_v: row 1 is all zeros/,
    );
  });

  it("have the sizes that their tensors have", async () => {
    const { tokenizer, detectorTensors } = await small();
    assert.deepEqual(tokenizerSizes(tokenizer), smallTokenizer);
    assert.deepEqual(detectorSizes(weightsOf(detectorTensors)), smallDetector);
  });
});

describe("SafeEar's graphs, against the published code", { skip }, () => {
  const read = async (name: string): Promise<Float32Array> => (await readFloats(fixture(name))).data;
  const readCodes = async (name: string) => (await readIntegers(fixture(name))).data;

  /** All equal but at ties, of which there may be 3 in 1,000. */
  async function assertAgree(
    parts: DetectorParts,
    features: Float32Array,
    actual: Int32Array,
    expected: BigInt64Array,
  ) {
    const { stages, width } = parts.tokenizerSizes;
    const codebooks = await Promise.all(
      Array.from({ length: stages }, (_, stage) => parts.tokenizer.float32(embedKey(stage))),
    );
    const frames = features.length / width;
    const { compared, equal, excluded } = compareCodes({ actual, expected, frames, features, codebooks });
    assert.equal(compared + excluded, stages * frames);
    assert.ok(equal >= 0.997 * compared, `${equal} of ${compared} codes are equal`);
  }

  for (const samples of [safeearWindow, undefined]) {
    it(`give its features and codes for ${samples ?? "any number of"} samples`, async (t) => {
      const parts = await published(t);
      const session = await open(t, tokenizerGraph(parts.tokenizer, parts.tokenizerSizes, samples));
      const { codes, features } = await session.run({ audio: audioOf(await read("input.npy")) });
      const expected = await read("expected_encoder.npy");
      assert.ok(greatestDifference(floats(features), expected) < 1e-4);
      assert.deepEqual(codes?.dims, [1, 8, 202]);
      await assertAgree(parts, expected, integers(codes), await readCodes("expected_codes.npy"));
    });
  }

  it("give its features and codes for a number of samples that no stride divides", async (t) => {
    const parts = await published(t);
    const session = await open(t, tokenizerGraph(parts.tokenizer, parts.tokenizerSizes));
    const audio = (await read("input.npy")).subarray(0, 16_001);
    const { codes, features } = await session.run({ audio: audioOf(audio) });
    const expected = await read("expected_encoder_16001.npy");
    assert.ok(greatestDifference(floats(features), expected) < 1e-4);
    assert.deepEqual(codes?.dims, [1, 8, 51]);
    await assertAgree(parts, expected, integers(codes), await readCodes("expected_codes_16001.npy"));
  });

  it("give each window of a batch its own codes", async (t) => {
    const parts = await published(t);
    const session = await open(t, tokenizerGraph(parts.tokenizer, parts.tokenizerSizes, safeearWindow));
    const short = new Float32Array(safeearWindow);
    short.set(await read("input_short_raw.npy"));
    const { codes, features } = await session.run({ audio: audioOf(await read("input.npy"), short) });
    assert.deepEqual(codes?.dims, [2, 8, 202]);
    const expected = await readCodes("expected_codes_batch2.npy");
    assert.equal(expected.length, 2 * 8 * 202);
    for (const row of [0, 1]) {
      const half = (length: number) => [(row * length) / 2, ((row + 1) * length) / 2] as const;
      const own = floats(features).subarray(...half(64 * 2 * 202));
      const actual = integers(codes).subarray(...half(2 * 8 * 202));
      await assertAgree(parts, own, actual, expected.subarray(...half(2 * 8 * 202)));
    }
  });

  const permutations = {
    identity: () => framePermutation(202, { kind: "identity" }),
    flip: () => framePermutation(202, { kind: "flip" }),
    shuffled: async () => Int32Array.from((await readIntegers(fixture("permutation.npy"))).data, Number),
  };
  for (const frames of [202, undefined]) {
    it(`give its logits for ${frames ?? "any number of"} frames in every order`, async (t) => {
      const session = await open(t, detectorGraph(await published(t), frames));
      const all = Int32Array.from(await readCodes("expected_codes.npy"), Number);
      for (const [order, permutation] of Object.entries(permutations)) {
        const codes = permuteFrames(all.subarray(202), await permutation());
        const { logits } = await session.run({ codes: new Tensor("int32", codes, [1, 7, 202]) });
        assert.deepEqual(logits?.dims, [1, 2]);
        const difference = greatestDifference(floats(logits), await read(`expected_logits_${order}.npy`));
        assert.ok(difference < 1e-4, `${order}: ${difference}`);
      }
    });
  }
});
