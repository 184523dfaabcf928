import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { float } from "./attributes.ts";
import { toFloat16 } from "./float16.ts";
import { Graph } from "./graph.ts";
import { writeModel, type WriteOptions } from "./write-model.ts";

const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i / length);

/** A convolution over [batch, 1, 8] with a leaky activation. */
function smallGraph(weights = Float32Array.of(1, 2, -1)): Graph {
  const g = new Graph("small");
  const x = g.input("x", "float32", ["batch", 1, 8]);
  const w = g.constant("w", weights, [1, 1, 3]);
  const y = g.op("Conv", [x, w, undefined], { strides: [2], pads: [1, 1] });
  g.output("y", g.op("LeakyRelu", [y], { alpha: float(0.5) }), "float32", ["batch", 1, 4]);
  return g;
}

describe("ONNX graphs", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "earwitness-onnx-"));
  });
  after(() => rm(folder, { recursive: true }));

  let written = 0;
  async function open(graph: Graph, options: WriteOptions = {}) {
    const target = join(folder, String(written++));
    const files = await writeModel(graph, target, options);
    const session = await InferenceSession.create(join(target, files[0] ?? ""), { logSeverityLevel: 3 });
    return { target, files, session };
  }

  it("run in ONNX Runtime as they were put together", async () => {
    const { session } = await open(smallGraph());
    const x = new Tensor("float32", Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [1, 1, 8]);
    const { y } = await session.run({ x });
    // With zeros at both ends, at every second place: x[i−1] + 2x[i] − x[i+1], of which the first is 0 + 2 − 2.
    assert.deepEqual([...(y?.data ?? [])], [0, 4, 8, 12]);
    const negative = await session.run({
      x: new Tensor("float32", Float32Array.of(-1, 0, 0, 0, 0, 0, 0, 0), [1, 1, 8]),
    });
    assert.deepEqual([...(negative["y"]?.data ?? [])], [-1, 0, 0, 0]);
    assert.deepEqual(session.inputMetadata[0], {
      name: "x",
      isTensor: true,
      type: "float32",
      shape: ["batch", 1, 8],
    });
  });

  it("name the outputs of operators that have several", async () => {
    const g = new Graph("top");
    const { indices } = g.ops("TopK", [g.input("x", "float32", [4]), g.ints([2])], ["values", "indices"], {
      axis: 0,
    });
    g.output("best", indices, "int64", [2]);
    const { session } = await open(g);
    const { best } = await session.run({ x: new Tensor("float32", Float32Array.of(3, 9, 1, 4), [4]) });
    assert.deepEqual([...(best?.data ?? [])], [1n, 3n]);
  });

  it("hold constants of every type", async () => {
    const g = new Graph("types");
    const sum = [
      g.op("Cast", [g.constant("i8", Int8Array.of(-1), [1])], { to: 1 }),
      g.op("Cast", [g.constant("i32", Int32Array.of(-20), [1])], { to: 1 }),
      g.op("Cast", [g.constant("u8", Uint8Array.of(200), [1])], { to: 1 }),
      g.op("Cast", [g.constant("f16", toFloat16(Float32Array.of(0.5)), [1])], { to: 1 }),
      g.op("Cast", [g.constant("bool", { type: "bool", load: () => Uint8Array.of(1) }, [1])], { to: 1 }),
      g.op("Cast", [g.int(1000)], { to: 1 }),
      g.scalar(0.25),
    ].reduce((a, b) => g.op("Add", [a, b]), g.input("x", "float32", [1]));
    g.output("y", sum, "float32", [1]);
    const { session } = await open(g);
    const { y } = await session.run({ x: new Tensor("float32", Float32Array.of(0), [1]) });
    assert.deepEqual([...(y?.data ?? [])], [1180.75]);
  });

  it("keep large weights in a file of their own, fetched one at a time", async () => {
    let inMemory = 0;
    const g = new Graph("external");
    let y = g.input("x", "float32", [1, 64]);
    for (let i = 0; i < 3; i++) {
      const load = async (): Promise<Float32Array> => {
        assert.equal(inMemory++, i, "the one before must be written by now");
        return Promise.resolve(Float32Array.from({ length: 64 * 64 }, (_, k) => (k % 65 === 0 ? i + 1 : 0)));
      };
      y = g.op("MatMul", [y, g.constant(`w${i}`, { type: "float32", load }, [64, 64])]);
    }
    g.output("y", g.op("Add", [y, g.constant("small", ramp(64), [64])]), "float32", [1, 64]);
    const { target, files, session } = await open(g, {
      external: { file: "weights.bin", thresholdBytes: 1024 },
    });
    assert.deepEqual(files, ["model.onnx", "weights.bin"]);
    assert.equal((await stat(join(target, "weights.bin"))).size, 3 * 64 * 64 * 4);
    assert.ok((await stat(join(target, "model.onnx"))).size < 2048);
    const result = await session.run({ x: new Tensor("float32", ramp(64), [1, 64]) });
    assert.deepEqual(
      result["y"]?.data,
      ramp(64).map((value) => 7 * value),
    );
  });

  it("make no file of weights that nothing goes into", async () => {
    const { files } = await open(smallGraph(), { external: { file: "weights.bin", thresholdBytes: 1024 } });
    assert.deepEqual(files, ["model.onnx"]);
  });

  it("are the same bytes every time, and other bytes for other weights", async () => {
    const digest = async (graph: Graph): Promise<string> => {
      const target = join(folder, String(written++));
      await writeModel(graph, target, { metadata: { b: "2", a: "1" } });
      return createHash("sha256")
        .update(await readFile(join(target, "model.onnx")))
        .digest("hex");
    };
    const first = await digest(smallGraph());
    assert.equal(await digest(smallGraph()), first);
    assert.notEqual(await digest(smallGraph(Float32Array.of(1, 2, 3))), first);
  });

  it("refuse names given twice, values of another graph, and weights that do not fit", async () => {
    const g = smallGraph();
    assert.throws(() => g.input("x", "float32", [1]), /two values are called x/);
    const other = new Graph("other").input("x", "float32", [1]);
    assert.throws(() => g.op("Relu", [other]), /another graph's value/);
    assert.throws(() => g.constant("v", ramp(5), [2, 3]), /5 elements, its shape \[2, 3\] 6/);
    g.constant("late", { type: "float32", load: () => ramp(5) }, [2, 3]);
    await assert.rejects(open(g), /late should be float32 \[2, 3\], but is float32 of 5 elements/);
  });

  it("refuse a fraction that is not marked as a float", () => {
    const g = new Graph("g");
    const x = g.input("x", "float32", [1]);
    assert.throws(() => g.op("LeakyRelu", [x], { alpha: 0.1 }), /write float\(0.1\)/);
  });
});
