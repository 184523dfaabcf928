/**
 * What the published networks cost, part by part, in this project's graphs and in PyTorch, with random weights of the
 * published sizes. The figures of one run go together, and with the machine it prints.
 *
 * npm run bench:models                            our side alone, about three minutes
 * npm run bench:models -- --python PATH           beside the PyTorch of that Python; also by TEST_TORCH_PYTHON
 * npm run bench:models -- --rounds 5              more of them; the default is 3
 * npm run bench:models -- --quick                 one round, one window at a time
 * npm run bench:models -- --parts lstm,detector   some of the parts
 * npm run bench:models -- --folder PATH           keeps the checkpoints (2.4 GB) there for the next run
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "./figures.ts";
import { makeCheckpoints } from "./models/checkpoints.ts";
import { measure } from "./models/measure.ts";
import { measurePacks } from "./models/packs.ts";
import { parts, writePart, type PartName } from "./models/parts.ts";
import { measurePeak } from "./models/peak.ts";
import { PyTorch } from "./models/pytorch.ts";
import { heading, printPart, type Peaks } from "./models/report.ts";
import { measureVariants } from "./models/variants.ts";
import { loopOfSpeech } from "./speech-loop.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    parts: { type: "string", default: Object.keys(parts).join() },
    python: { type: "string", default: process.env["TEST_TORCH_PYTHON"] ?? "" },
    folder: { type: "string" },
  },
});
const rounds = flags.quick ? 1 : Number(flags.rounds);
const wanted = flags.parts.split(",").map(toPart);
const scratch = await mkdtemp(join(tmpdir(), "earwitness-models-"));
const checkpoints = flags.folder ?? join(scratch, "checkpoints");
await mkdir(checkpoints, { recursive: true });
try {
  await main();
} finally {
  await rm(scratch, { recursive: true, force: true });
}

function toPart(name: string): PartName {
  if (Object.hasOwn(parts, name)) return name as PartName; // just looked up
  throw new Error(`there is no part ${name}; there are ${Object.keys(parts).join(", ")}`);
}

async function main(): Promise<void> {
  console.log(`# earwitness bench:models\n${machine()}`);
  await makeCheckpoints(checkpoints, [...new Set(wanted.map((name) => parts[name].checkpoint))]);
  const peaks: Peaks = { 1: await measurePeak(1, scratch), 2: await measurePeak(2, scratch) };
  console.log(
    `float32 matrix product: ${peaks[1].toFixed(0)} GFLOP/s with 1 thread, ${peaks[2].toFixed(0)} with 2`,
  );
  const speech = await loopOfSpeech();
  await printParts(peaks, speech);
  if (wanted.includes("lstm")) await measureVariants(checkpoints, scratch, rounds);
  if (wanted.includes("tokenizer")) await measurePacks({ checkpoints, scratch, rounds, speech });
}

async function printParts(peaks: Peaks, speech: Float32Array): Promise<void> {
  const torch = flags.python === "" ? undefined : startTorch();
  const [first] = wanted;
  const version = first && (await torch?.open(first, checkpoints));
  console.log(
    version === undefined ? "no PyTorch, its column is empty: --python PATH" : `PyTorch ${version}`,
  );
  const plan = { batches: flags.quick ? [1] : [1, 2, 4], rounds, speech };
  heading();
  for (const name of wanted) {
    const path = await writePart(name, checkpoints, scratch);
    await torch?.open(name, checkpoints);
    printPart(parts[name], await measure(parts[name], path, plan, torch), peaks);
    await rm(join(scratch, name), { recursive: true });
  }
  torch?.close();
}

function startTorch(): PyTorch {
  if (!existsSync(flags.python)) throw new Error(`there is no ${flags.python}`);
  return PyTorch.start(flags.python, scratch);
}
