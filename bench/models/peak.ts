/** What the machine can do at most, by a product of large matrices in the same runtime. */
import { join } from "node:path";
import { Tensor } from "onnxruntime-node";
import { Graph } from "../../src/models/onnx/graph.ts";
import { writeModel } from "../../src/models/onnx/write-model.ts";
import { openSession } from "./measure.ts";
import { spentMs } from "./spent.ts";

const size = 2048;
const rounds = 5;

/** GFLOP/s of float32, the best of five. */
export async function measurePeak(threads: number, folder: string): Promise<number> {
  const graph = new Graph("product");
  const [a, b] = ["a", "b"].map((name) => graph.input(name, "float32", [size, size]));
  graph.output("y", graph.op("MatMul", [a, b]), "float32", [size, size]);
  await writeModel(graph, join(folder, "product"));
  const session = await openSession(join(folder, "product", "model.onnx"), threads);
  const matrix = new Tensor(
    "float32",
    Float32Array.from({ length: size * size }, (_, i) => Math.sin(i)),
    [size, size],
  );
  let best = Infinity;
  for (let i = 0; i <= rounds; i++) {
    const begun = spentMs(threads);
    await session.run({ a: matrix, b: matrix });
    best = Math.min(best, spentMs(threads) - begun);
  }
  await session.release();
  return (2 * size ** 3) / best / 1e6;
}
