/** SafeEar as it is served, in each precision: what a window costs, by itself and where it continues another, and what changes. */
import { join } from "node:path";
import { Tensor, type InferenceSession } from "onnxruntime-node";
import { importSafeear } from "../../src/models/import/safeear.ts";
import { precisions } from "../../src/models/import/precision.ts";
import { modelOf } from "../../src/models/pack-model.ts";
import { openSafeear } from "../../src/models/safeear/window-scorer.ts";
import type { Scorer } from "../../src/models/scorer.ts";
import { openPack, type Pack } from "../../src/models/store.ts";
import { median } from "../figures.ts";
import { files } from "./checkpoints.ts";
import { openSession, toValues } from "./measure.ts";
import { tokenizerSizes, windowSamples } from "./published.ts";
import { processorMs } from "./spent.ts";

const hop = 16_000;
const { stages } = tokenizerSizes;

export interface PackPlan {
  readonly checkpoints: string;
  readonly scratch: string;
  readonly rounds: number;
  readonly speech: Float32Array;
}

export async function measurePacks({ checkpoints, scratch, rounds, speech }: PackPlan): Promise<void> {
  console.log(
    "\nSafeEar as it is served, 1 thread, ms of the processor for one window in batches of 1 / 2 / 4 (int8: 1)",
  );
  let published: readonly Heard[] | undefined;
  for (const precision of precisions) {
    const target = { folder: join(scratch, "packs"), name: precision, precision };
    await importSafeear(join(checkpoints, files.safeear), target);
    const pack = await openPack(precision, [target.folder]);
    const megabytes = Object.values(pack.manifest.files).reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
    console.log(`${precision}, ${megabytes.toFixed(0)} MB`);
    // Processors compute float16 in float32, with casts: its time says nothing of a GPU's.
    if (precision !== "fp16") await printCosts(pack, rounds, speech);
    const heard = await hear(pack, speech, published);
    if (published !== undefined) printShift(heard, published);
    published ??= heard;
  }
}

async function printCosts(pack: Pack, rounds: number, speech: Float32Array): Promise<void> {
  const model = modelOf(pack, 1000);
  if (model.graphs.kind !== "safeear") throw new Error("this is no SafeEar");
  const scorer = await openSafeear(model.graphs, { ...model, type: "open", provider: "cpu", timedRuns: 0 });
  for (const how of ["alone", "continued"] as const) {
    const costs: string[] = [];
    for (const batch of pack.manifest.batch_sizes)
      costs.push((await timeWindows(scorer, { how, batch, rounds, speech })).toFixed(0));
    const title = how === "alone" ? "a window by itself" : "a window 1 s after another";
    console.log(`  ${title.padEnd(28)} ${costs.join(" / ")}`);
  }
  await scorer.release();
}

interface Windows {
  readonly how: "alone" | "continued";
  readonly batch: number;
  readonly rounds: number;
  readonly speech: Float32Array;
}

/** Median milliseconds of the processor for one window of as many calls as a batch has windows. */
async function timeWindows(scorer: Scorer, { how, batch, rounds, speech }: Windows): Promise<number> {
  const costs: number[] = [];
  const samples = new Float32Array(batch * windowSamples);
  for (let round = 0; round <= rounds; round++) {
    const start = (round * hop) % (speech.length - windowSamples);
    for (let row = 0; row < batch; row++)
      samples.set(speech.subarray(start, start + windowSamples), row * windowSamples);
    const places = Array.from({ length: batch }, (_, track) =>
      how === "alone" ? undefined : { track, start },
    );
    const begun = processorMs();
    await scorer.score({ kind: "audio", samples, places }, batch);
    if (round > 0) costs.push((processorMs() - begun) / batch);
  }
  scorer.forget();
  return median(costs);
}

/** Of each window: its codes, the score of these, and the score of the codes that the published precision finds. */
interface Heard {
  readonly codes: Int32Array;
  readonly own: number;
  readonly published: number;
}

async function hear(pack: Pack, speech: Float32Array, published?: readonly Heard[]): Promise<Heard[]> {
  const tokenizer = await openSession(join(pack.folder, "tokenizer.onnx"), 1);
  const detector = await openSession(join(pack.folder, "detector.onnx"), 1);
  const heard: Heard[] = [];
  for (let i = 0; i < 5; i++) {
    const window = speech.subarray(i * 43_000, i * 43_000 + windowSamples);
    const audio = new Tensor("float32", window, [1, windowSamples]);
    const codes = toValues((await tokenizer.run({ audio }, ["codes"]))["codes"]);
    if (!(codes instanceof Int32Array)) throw new Error("codes are int32");
    const own = await scoreOf(detector, codes);
    heard.push({ codes, own, published: await scoreOf(detector, published?.[i]?.codes ?? codes) });
  }
  await tokenizer.release();
  await detector.release();
  return heard;
}

/** Log-odds of spoof, frames in their own order. */
async function scoreOf(detector: InferenceSession, codes: Int32Array): Promise<number> {
  const frames = codes.length / stages;
  const acoustic = new Tensor("int32", codes.slice(frames), [1, stages - 1, frames]);
  const [bonafide = NaN, spoof = NaN] = toValues((await detector.run({ codes: acoustic }))["logits"]);
  return spoof - bonafide;
}

function printShift(heard: readonly Heard[], published: readonly Heard[]): void {
  const equal = Array.from({ length: stages }, (_, stage) => {
    let [same, all] = [0, 0];
    for (const [i, { codes }] of heard.entries()) {
      const frames = codes.length / stages;
      for (let at = stage * frames; at < (stage + 1) * frames; at++, all++) {
        if (codes[at] === published[i]?.codes[at]) same++;
      }
    }
    return ((100 * same) / all).toFixed(1);
  });
  const shift = (of: "own" | "published"): string =>
    Math.max(...heard.map((one, i) => Math.abs(one[of] - (published[i]?.own ?? NaN)))).toFixed(4);
  console.log(`  codes equal, by stage        ${equal.join(" ")} %`);
  console.log(`  the score moves by up to     ${shift("own")}, of the same codes ${shift("published")}`);
}
