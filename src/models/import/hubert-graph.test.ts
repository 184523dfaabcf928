import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { weightsOf } from "../../../test/support/aasist-weights.ts";
import { randomHubert, referenceHubert, smallHubert } from "../../../test/support/hubert-reference.ts";
import { readFloats } from "../../../test/support/npy.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { voice } from "../../../test/support/voice.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { Malformed } from "../checkpoint/errors.ts";
import { Global, Inert } from "../checkpoint/values.ts";
import type { Graph } from "../onnx/graph.ts";
import { writeModel } from "../onnx/write-model.ts";
import { weightNormPerTap } from "./hubert-fold.ts";
import { hubertGraph, type HubertParts } from "./hubert-graph.ts";
import { hubertHeads } from "./hubert-settings.ts";
import { hubertFrames, hubertSizes } from "./hubert-sizes.ts";

async function open(t: TestContext, graph: Graph): Promise<InferenceSession> {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-hubert-"));
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

const audioOf = (...rows: readonly Float32Array[]): Tensor => {
  const length = rows[0]?.length ?? 0;
  const audio = new Float32Array(rows.length * length);
  rows.forEach((row, i) => audio.set(row, i * length));
  return new Tensor("float32", audio, [rows.length, length]);
};

function floats(value: Tensor | undefined): Float32Array {
  assert.ok(value?.data instanceof Float32Array);
  return value.data;
}

function greatestDifference(actual: Float32Array, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length);
  assert.ok(actual.length > 0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? NaN))), 0);
}

const heads = 3;
const tensors = randomHubert(smallHubert, 5);
const small: HubertParts = { weights: weightsOf(tensors), sizes: smallHubert, heads };
const sound = (samples: number, pitch: number): Float32Array => voice(samples / 16_000, 16_000, pitch);

describe("HuBERT's graph", () => {
  const layers = [0, 1, 2, 3];

  for (const samples of [2600, 400]) {
    it(`computes what the definition does, each of a batch by itself, of ${samples} samples`, async (t) => {
      const session = await open(t, hubertGraph(small, { layers, averages: [[1, 2]] }));
      const rows = [sound(samples, 110), sound(samples, 190)];
      const outputs = await session.run({ audio: audioOf(...rows) });
      const states = rows.map((row) =>
        referenceHubert(tensors, smallHubert, heads, row).map((state) => state.flat()),
      );
      for (const layer of layers) {
        const actual = outputs[`layer_${layer}`];
        assert.deepEqual(actual?.dims, [2, hubertFrames(samples), smallHubert.width]);
        const expected = states.flatMap((state) => state[layer] ?? []);
        assert.ok(greatestDifference(floats(actual), expected) < 1e-5, `layer ${layer}`);
      }
      const mean = states.flatMap((s) => (s[1] ?? []).map((value, i) => (value + (s[2]?.[i] ?? 0)) / 2));
      assert.ok(greatestDifference(floats(outputs["average_1_2"]), mean) < 1e-5);
    });
  }

  it("makes one frame of 400 samples and none of fewer", () => {
    assert.deepEqual([0, 399, 400, 16_000, 64_600].map(hubertFrames), [0, 0, 1, 49, 201]);
  });

  it("leaves out the blocks that no output needs", () => {
    const { constants } = hubertGraph(small, { layers: [1] });
    assert.ok(constants.some(({ name }) => name.startsWith("encoder.layers.0.")));
    assert.ok(!constants.some(({ name }) => name.startsWith("encoder.layers.1.")));
  });

  for (const wanted of [{}, { layers: [4] }, { layers: [0.5] }, { averages: [[-1, 2]] as const }]) {
    it(`refuses to give ${JSON.stringify(wanted)} of three blocks`, () => {
      assert.throws(() => hubertGraph(small, wanted), RangeError);
    });
  }

  it("refuses an average over no layer", () => {
    assert.throws(() => hubertGraph(small, { averages: [[2, 1]] }), RangeError);
  });

  it("does not write a weight that is not finite", async (t) => {
    const key = "encoder.layers.1.self_attn.k_proj.weight";
    const shape = tensors.get(key)?.shape ?? [];
    const broken = new Map(tensors).set(key, { shape, data: new Float32Array(144).fill(NaN) });
    const graph = hubertGraph({ ...small, weights: weightsOf(broken) }, { layers: [2] });
    await assert.rejects(open(t, graph), /encoder\.layers\.1\.self_attn\.k_proj\.weight .*not finite/);
  });
});

describe("a HuBERT's sizes", () => {
  it("are read off the shapes of its tensors", () => {
    assert.deepEqual(hubertSizes(small.weights), smallHubert);
  });

  it("are refused where a tensor is missing, by its name", () => {
    const fewer = new Map(tensors);
    fewer.delete("encoder.pos_conv.0.weight_v");
    assert.throws(() => hubertSizes(weightsOf(fewer)), /encoder\.pos_conv\.0\.weight_v/);
  });

  for (const key of ["feature_extractor.conv_layers.3.0.bias", "encoder.layers.7.fc1.weight"]) {
    it(`are refused where there is a ${key}`, () => {
      const more = new Map(tensors).set(key, { shape: [1, 1], data: new Float32Array(1) });
      assert.throws(() => hubertSizes(weightsOf(more)), {
        name: "Malformed",
        message: new RegExp(key.replaceAll(".", "\\.")),
      });
    });
  }
});

describe("the heads of a HuBERT", () => {
  const settings = (model: object, task: object = {}): unknown =>
    new Map([
      [
        "cfg",
        new Map([
          ["model", new Map(Object.entries(model))],
          ["task", new Map(Object.entries(task))],
        ]),
      ],
    ]);

  it("are those of its settings, else one for 64 features", () => {
    assert.equal(hubertHeads(settings({ encoder_attention_heads: 4 }), 48), 4);
    assert.equal(hubertHeads(settings({}), 768), 12);
    assert.equal(hubertHeads(new Map([["cfg", null]]), 768), 12);
  });

  /** As omegaconf's objects stand in a checkpoint. */
  const object = (name: string, state: readonly (readonly [string, unknown])[]): Inert => {
    const inert = new Inert(new Global("omegaconf", name), []);
    inert.state = new Map([["_metadata", new Map()], ["_parent", inert], ...state]);
    return inert;
  };
  const node = (value: unknown): Inert => object("nodes.AnyNode", [["_val", value]]);
  const container = (entries: object): Inert =>
    object("dictconfig.DictConfig", [["_content", new Map(Object.entries(entries))]]);

  it("are found in settings that are objects of omegaconf, as wholes and in parts", () => {
    const rootOf = (model: unknown, task: unknown): unknown =>
      new Map<unknown, unknown>([
        ["args", null],
        ["cfg", container({ model, task })],
      ]);
    const eight = container({ encoder_attention_heads: node(8), layer_norm_first: node(false) });
    assert.equal(hubertHeads(rootOf(eight, container({})), 768), 8);
    assert.equal(hubertHeads(rootOf(new Map([["encoder_attention_heads", 6]]), null), 768), 6);
    // What omegaconf has yet to work out is no number.
    assert.equal(hubertHeads(rootOf(container({ encoder_attention_heads: node("???") }), null), 768), 12);
    const other = container({ normalize: node(true) });
    assert.throws(() => hubertHeads(rootOf(eight, other), 768), /normalize/);
  });

  it("are refused where they do not divide its width, or are not known", () => {
    assert.throws(() => hubertHeads(settings({ encoder_attention_heads: 5 }), 48), Malformed);
    assert.throws(() => hubertHeads(settings({}), 48), Malformed);
  });

  it("are refused to a model of another design", () => {
    assert.throws(() => hubertHeads(settings({ layer_norm_first: true }), 768), /layer_norm_first/);
    assert.throws(() => hubertHeads(settings({}, { normalize: true }), 768), /normalize/);
  });
});

describe("a HuBERT that fairseq wrote", () => {
  const fixture = (name: string): string => sharedFixture(join("hubert-tiny", name));
  const expected: Readonly<Record<string, string>> = {
    convolutions: "expected_conv.npy",
    layer_0: "expected_hidden0.npy",
    layer_1: "expected_layer1.npy",
    layer_2: "expected_layer2.npy",
    layer_3: "expected_layer3.npy",
    layer_4: "expected_layer4.npy",
    average_1_1: "expected_safeear_avg_1to1.npy",
    average_1_2: "expected_safeear_avg_1to2.npy",
    average_1_3: "expected_safeear_avg_1to3.npy",
    average_1_4: "expected_safeear_avg_1to4.npy",
    average_0_4: "expected_hf_avg_0to4.npy",
  };
  const wanted = {
    layers: [0, 1, 2, 3, 4],
    averages: [1, 2, 3, 4, 0].map((n) => (n === 0 ? [0, 4] : [1, n]) as readonly [number, number]),
    convolutions: true,
  };

  for (const name of ["hubert_tiny.pt", "hubert_tiny.legacy.pt"]) {
    it(`gives the original's features from ${name}`, { skip: withoutFixture("hubert-tiny") }, async (t) => {
      const checkpoint = await openCheckpoint(fixture(name));
      t.after(() => checkpoint.close());
      const weights = checkpoint.stateDict("model");
      const sizes = hubertSizes(weights);
      assert.equal(sizes.blocks, 4);
      // The older form's settings do not name the heads.
      const found = name.includes("legacy") ? 4 : hubertHeads(checkpoint.root, sizes.width);
      const session = await open(t, hubertGraph({ weights, sizes, heads: found }, wanted));
      const whole = await session.run({ audio: audioOf((await readFloats(fixture("input.npy"))).data) });
      let most = 0;
      for (const [output, file] of Object.entries(expected)) {
        const { shape, data } = await readFloats(fixture(file));
        assert.deepEqual(whole[output]?.dims, shape, output);
        const difference = greatestDifference(floats(whole[output]), data);
        assert.ok(difference < 1e-4, `${output} differs by ${difference}`);
        most = Math.max(most, difference);
      }
      const second = audioOf((await readFloats(fixture("input_16000.npy"))).data);
      const { layer_4: short } = await session.run({ audio: second }, ["layer_4"]);
      const { shape, data } = await readFloats(fixture("expected_16000_layer4.npy"));
      assert.deepEqual(short?.dims, shape);
      most = Math.max(most, greatestDifference(floats(short), data));
      assert.ok(most < 1e-4, `differs by ${most}`);
      t.diagnostic(`largest difference ${most.toExponential(1)}`);
    });
  }
});

describe("HuBERT's weight norm", () => {
  it("is refused a tap without direction, and else gives each the length that it should have", () => {
    const gain = Float32Array.of(2, 3);
    assert.deepEqual([...weightNormPerTap(gain, Float32Array.of(3, 0, 4, -1))].map(Math.fround), [
      ...Float32Array.of(1.2, 0, 1.6, -3),
    ]);
    assert.throws(() => weightNormPerTap(gain, Float32Array.of(3, 0, 4, 0)), /tap 1 is all zeros/);
  });
});
