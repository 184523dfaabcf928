/** One part, ours and PyTorch's, timed in turns: what slows the machine for a while slows both. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { Draws } from "../../src/models/safeear/draws.ts";
import { median } from "../figures.ts";
import type { Part } from "./parts.ts";
import { windowSamples } from "./published.ts";
import type { PyTorch } from "./pytorch.ts";
import { spentMs } from "./spent.ts";

export const threadCounts = [1, 2] as const;
export type Threads = (typeof threadCounts)[number];

/** Who computes, with how many threads, how many windows at once. */
export interface Setting {
  readonly by: "ours" | "torch";
  readonly threads: Threads;
  readonly batch: number;
}

export interface Timing extends Setting {
  /** Median milliseconds for one window: of the processor with one thread, by the clock with two. */
  readonly ms: number;
}

export interface Measured {
  readonly timings: readonly Timing[];
  /** Our output beside PyTorch's, for the same window. */
  readonly agreement: string | undefined;
}

export interface Plan {
  readonly batches: readonly number[];
  readonly rounds: number;
  readonly speech: Float32Array;
}

/** As a worker of the server opens a model, but for the threads. */
export const openSession = (path: string, threads: number, more: object = {}): Promise<InferenceSession> =>
  InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableMemPattern: false,
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    ...more,
  });

type Values = Float32Array | Int32Array;

/** One way to compute a part. */
interface Runner {
  readonly by: Setting["by"];
  readonly threads: Threads;
  run(values: Values, batch: number): Promise<{ readonly ms: number; readonly output: Values }>;
  close(): Promise<void>;
}

/** `torch` must have opened the part already. */
export async function measure(part: Part, path: string, plan: Plan, torch?: PyTorch): Promise<Measured> {
  const runners: Runner[] = [];
  for (const threads of threadCounts) {
    runners.push(await ourRunner(part, path, threads));
    if (torch !== undefined) runners.push(torchRunner(part, threads, torch));
  }
  const timings: Timing[] = [];
  let agreement: string | undefined;
  for (const batch of plan.batches) {
    const values = inputOf(part, batch, plan.speech);
    await torch?.input(values);
    const { costs, outputs } = await inTurns(runners, values, { batch, rounds: plan.rounds });
    for (const [{ by, threads }, ms] of costs) timings.push({ by, threads, batch, ms });
    agreement ??= agreementOf(outputs);
  }
  for (const runner of runners) await runner.close();
  return { timings, agreement };
}

type Outputs = ReadonlyMap<Setting["by"], Values>;

/** Median milliseconds for one window of each runner. The first round fills arenas and caches, and is not counted. */
async function inTurns(
  runners: readonly Runner[],
  values: Values,
  { batch, rounds }: { readonly batch: number; readonly rounds: number },
): Promise<{ readonly costs: ReadonlyMap<Runner, number>; readonly outputs: Outputs }> {
  const spent = new Map<Runner, number[]>(runners.map((runner) => [runner, []]));
  const outputs = new Map<Setting["by"], Values>();
  for (let round = 0; round <= rounds; round++) {
    for (const [runner, costs] of spent) {
      const { ms, output } = await runner.run(values, batch);
      outputs.set(runner.by, output);
      if (round > 0) costs.push(ms / batch);
    }
  }
  return { costs: new Map([...spent].map(([runner, costs]) => [runner, median(costs)])), outputs };
}

function agreementOf(outputs: Outputs): string | undefined {
  const [ours, theirs] = [outputs.get("ours"), outputs.get("torch")];
  return ours && theirs && agree(ours, theirs);
}

async function ourRunner(part: Part, path: string, threads: Threads): Promise<Runner> {
  const session = await openSession(path, threads);
  return {
    by: "ours",
    threads,
    close: () => session.release(),
    async run(values, batch) {
      const feed = { [part.input]: toTensor(values, part.shape(batch)) };
      const begun = spentMs(threads);
      const result = (await session.run(feed, [part.output]))[part.output];
      return { ms: spentMs(threads) - begun, output: toValues(result) };
    },
  };
}

/** What `values` are was told before. */
function torchRunner(part: Part, threads: Threads, torch: PyTorch): Runner {
  return {
    by: "torch",
    threads,
    close: () => Promise.resolve(),
    async run(_, batch) {
      const { ms, output } = await torch.run(part.shape(batch), part.type, { threads, rounds: 1 });
      const { buffer, byteOffset, byteLength } = output;
      const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
      const values = part.output === "codes" ? new Int32Array(bytes) : new Float32Array(bytes);
      return { ms: ms[0] ?? NaN, output: values };
    },
  };
}

const toTensor = (values: Values, shape: readonly number[]): Tensor =>
  values instanceof Int32Array ? new Tensor("int32", values, shape) : new Tensor("float32", values, shape);

export function toValues(tensor: Tensor | undefined): Values {
  const output = tensor?.data;
  if (output instanceof Float32Array || output instanceof Int32Array) return output;
  throw new Error(`an output is ${tensor?.type ?? "missing"}`);
}

/** Windows of speech for what hears audio, noise for what hears features, any codes for what hears codes. */
export function inputOf(part: Part, batch: number, speech: Float32Array): Values {
  const length = part.shape(batch).reduce((product, size) => product * size, 1);
  const draws = new Draws(1);
  if (part.type === "int32") return Int32Array.from({ length }, () => draws.below(1024));
  if (part.input !== "audio") return Float32Array.from({ length }, () => draws.bits() / 2 ** 31 - 1);
  const out = new Float32Array(length);
  for (let row = 0; row < batch; row++) {
    out.set(speech.subarray(row * 50_000, row * 50_000 + windowSamples), row * windowSamples);
  }
  return out;
}

/** How far two outputs agree: the share of equal codes, or the largest difference. */
export function agree(ours: Values, theirs: Values): string {
  if (ours.length !== theirs.length) return `${ours.length} values against ${theirs.length}`;
  let [same, apart, largest] = [0, 0, 0];
  for (let i = 0; i < ours.length; i++) {
    const [a, b] = [ours[i] ?? NaN, theirs[i] ?? NaN];
    if (a === b) same++;
    apart = Math.max(apart, Math.abs(a - b));
    largest = Math.max(largest, Math.abs(b));
  }
  if (ours instanceof Int32Array) return `${((100 * same) / ours.length).toFixed(2)} % of codes equal`;
  return `max |Δ| ${apart.toExponential(1)} of ${largest.toPrecision(2)}`;
}
