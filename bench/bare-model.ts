/** A bare ONNX Runtime loop on the shipped pack: what the machine can do when nothing else is in the way. */
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { median } from "./figures.ts";

export interface BareFigures {
  readonly batch: number;
  /** CPU milliseconds for one window, one thread. */
  readonly cpuMsPerWindow: number;
}

const model = join(import.meta.dirname, "../models/default/model.onnx");
const windowSamples = 64_000;
const secondsEach = 4;

export async function measureBareModel(batches: readonly number[] = [1, 8]): Promise<BareFigures[]> {
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableMemPattern: false,
    graphOptimizationLevel: "all",
  });
  const figures: BareFigures[] = [];
  for (const batch of batches) figures.push({ batch, cpuMsPerWindow: await time(session, batch) });
  await session.release();
  return figures;
}

async function time(session: InferenceSession, batch: number): Promise<number> {
  const noise = Float32Array.from({ length: batch * windowSamples }, () => 0.1 * (Math.random() - 0.5));
  const [input = "audio"] = session.inputNames;
  const feed = { [input]: new Tensor("float32", noise, [batch, windowSamples]) };
  await session.run(feed);
  const costs: number[] = [];
  const until = performance.now() + secondsEach * 1000;
  while (performance.now() < until) {
    const before = process.cpuUsage();
    for (let i = 0; i < 8; i++) await session.run(feed);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / 1000 / 8 / batch);
  }
  return median(costs);
}
