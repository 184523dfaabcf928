import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { weightsOf } from "../../../test/support/aasist-weights.ts";
import { randomTokenizer, smallTokenizer } from "../../../test/support/safeear-weights.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { packsFolder } from "../../../test/support/tiny-pack.ts";
import { voice } from "../../../test/support/voice.ts";
import type { Manifest } from "../manifest.ts";
import { Graph } from "../onnx/graph.ts";
import { writeModel } from "../onnx/write-model.ts";
import { Draws } from "../safeear/draws.ts";
import { openPack } from "../store.ts";
import { withPrecision } from "./precision.ts";
import { tokenizerGraph } from "./safeear-graphs.ts";
import { importSafeear } from "./safeear.ts";

async function run(t: TestContext, graph: Graph, feeds: Record<string, Tensor>) {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-precision-"));
  t.after(() => rm(folder, { recursive: true }));
  const [file = ""] = await writeModel(graph, folder);
  const session = await InferenceSession.create(join(folder, file), { logSeverityLevel: 3 });
  t.after(() => session.release());
  return session.run(feeds);
}

function noise(length: number, seed: number, reach = 1): Float32Array {
  const draws = new Draws(seed);
  return Float32Array.from({ length }, () => reach * (draws.bits() / 2 ** 31 - 1));
}

/** The largest difference, as a share of the largest value. */
function apart(actual: Tensor | undefined, expected: Tensor | undefined): number {
  const [a, b] = [actual, expected].map((tensor) => [...(tensor?.data ?? [])].map(Number));
  assert.ok(a && b && a.length === b.length && a.length > 0);
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? NaN)))) / largest;
}

const operators = (graph: Graph): Set<string> => new Set(graph.nodes.map(({ opType }) => opType ?? ""));

/** [steps, batch, 8] → [steps, 2, batch, 16], in both directions. */
function recurrent(): Graph {
  const g = new Graph("recurrent");
  const x = g.input("x", "float32", ["steps", "batch", 8]);
  const w = g.constant("w", noise(2 * 64 * 8, 1, 0.5), [2, 64, 8]);
  const r = g.constant("r", noise(2 * 64 * 16, 2, 0.5), [2, 64, 16]);
  const b = g.constant("b", noise(2 * 128, 3, 0.2), [2, 128]);
  const y = g.op("LSTM", [x, w, r, b], { direction: "bidirectional", hidden_size: 16 });
  g.output("y", y, "float32", ["steps", 2, "batch", 16]);
  return g;
}

/** [batch, 128] → [batch, 256], where the first column's weights are a thousand times those of the others. */
function product(): Graph {
  const g = new Graph("product");
  const x = g.input("x", "float32", ["batch", 128]);
  const weights = noise(128 * 256, 4).map((value, i) => (i % 256 === 0 ? 1000 * value : value));
  const y = g.op("MatMul", [x, g.constant("w", weights, [128, 256])]);
  const others = g.op("Slice", [y, g.ints([1]), g.ints([256]), g.ints([1])]);
  g.output("y", others, "float32", ["batch", 255]);
  return g;
}

describe("int8", () => {
  it("computes a recurrent layer near the published one, in both directions", async (t) => {
    const graph = withPrecision(recurrent(), "int8");
    assert.ok(operators(graph).has("DynamicQuantizeLSTM"));
    assert.ok(!operators(graph).has("LSTM"));
    const x = new Tensor("float32", noise(20 * 8, 5), [20, 1, 8]);
    const [actual, expected] = [await run(t, graph, { x }), await run(t, recurrent(), { x })];
    const difference = apart(actual["y"], expected["y"]);
    assert.ok(difference > 0 && difference < 0.03, String(difference));
  });

  it("gives each column of a large product its own scale", async (t) => {
    const graph = withPrecision(product(), "int8");
    assert.deepEqual(operators(graph), new Set(["DynamicQuantizeMatMul", "Slice", "Identity"]));
    const x = new Tensor("float32", noise(3 * 128, 6), [3, 128]);
    const difference = apart((await run(t, graph, { x }))["y"], (await run(t, product(), { x }))["y"]);
    assert.ok(difference > 0 && difference < 0.02, String(difference));
  });

  it("adds up products of the largest elements on every processor, none of them cut off", async (t) => {
    const weights = new Float32Array(512 * 128).fill(1);
    const g = new Graph("largest");
    const x = g.input("x", "float32", ["batch", 512]);
    g.output("y", g.op("MatMul", [x, g.constant("w", weights, [512, 128])]), "float32", ["batch", 128]);
    const graph = withPrecision(g, "int8");
    const bytes = await graph.constants.find(({ type }) => type === "int8")?.load();
    assert.ok(bytes instanceof Int8Array);
    // In 16 bits there is room for two activations of 255 times this.
    assert.equal(Math.max(...bytes.map(Math.abs)), 64);
    const { y } = await run(t, graph, { x: new Tensor("float32", new Float32Array(512).fill(1), [1, 512]) });
    assert.ok([...(y?.data ?? [])].every((value) => Math.abs(Number(value) - 512) < 4));
  });

  it("leaves small products alone, and drops the weights that it has replaced", () => {
    const g = new Graph("small");
    const x = g.input("x", "float32", [1, 16]);
    g.output("y", g.op("MatMul", [x, g.constant("w", noise(256, 7), [16, 16])]), "float32", [1, 16]);
    assert.deepEqual(operators(withPrecision(g, "int8")), new Set(["MatMul", "Identity"]));
    assert.deepEqual(
      withPrecision(product(), "int8").constants.map(({ name, type }) => `${name} ${type}`),
      ["ints_1 int64", "ints_256 int64", "w.int8 int8", "w.scales float32", "w.zeros int8"],
    );
  });
});

describe("fp16", () => {
  const weights = weightsOf(randomTokenizer(smallTokenizer, 11));
  const whole = (): Graph => tokenizerGraph(weights, smallTokenizer);

  it("computes features near the published ones, and hardly another code", async (t) => {
    const samples = voice(0.2, 16_000);
    const audio = new Tensor("float32", samples, [1, samples.length]);
    const [half, full] = [
      await run(t, withPrecision(whole(), "fp16"), { audio }),
      await run(t, whole(), { audio }),
    ];
    const difference = apart(half["features"], full["features"]);
    assert.ok(difference > 0 && difference < 5e-3, String(difference));
    const [codes, expected] = [half["codes"], full["codes"]].map((tensor) => [...(tensor?.data ?? [])]);
    const same = codes?.filter((code, i) => code === expected?.[i]).length ?? 0;
    assert.ok((expected?.length ?? 0) > 1000 && same >= 0.98 * (expected?.length ?? 0), `${same}`);
  });

  it("keeps in float32 what chooses codes, and nothing else that is large", () => {
    const { constants } = withPrecision(whole(), "fp16");
    const full = constants.filter(({ type }) => type === "float32").map(({ name }) => name);
    assert.equal(full.length, 2 * smallTokenizer.stages);
    for (const name of full) assert.match(name, /embed(\.norms)?$/);
    assert.ok(constants.filter(({ type }) => type === "float16").length > 20);
  });
});

describe("a pack in another precision", { skip: withoutFixture("safeear-small/model.ckpt") }, () => {
  it("says so, and takes windows of any number but in int8, where those of a batch would meet", async (t) => {
    const packs = await packsFolder(t);
    const manifests: Manifest[] = [];
    for (const precision of ["fp32", "fp16", "int8"] as const) {
      await importSafeear(sharedFixture("safeear-small"), { folder: packs, name: precision, precision });
      manifests.push((await openPack(precision, [packs])).manifest);
    }
    const [version = ""] = manifests.map((manifest) => manifest.version);
    assert.match(version, /^weights-[0-9a-f]{12}$/);
    assert.deepEqual(
      manifests.map((manifest) => manifest.version),
      [version, `${version}-fp16`, `${version}-int8`],
    );
    assert.deepEqual(
      manifests.map(({ description }) => /float16|8-bit integers/.exec(description)?.[0]),
      [undefined, "float16", "8-bit integers"],
    );
    assert.deepEqual(
      manifests.map((manifest) => manifest.batch_sizes),
      [[1, 2, 4], [1, 2, 4], [1]],
    );
  });
});
