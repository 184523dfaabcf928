import { createHash } from "node:crypto";
import { copyFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fitCalibration, type Calibration } from "../evaluation/calibration-fit.ts";
import { weightedCllr, type WeightedScore } from "../evaluation/cllr.ts";
import { writePack } from "../models/import/write-pack.ts";
import { parseManifest, type Manifest } from "../models/manifest.ts";
import { openPack, type Pack } from "../models/store.ts";
import { readConfig } from "../server/config.ts";
import { openPool } from "./detect.ts";
import { toConditions } from "./evaluate-conditions.ts";
import { readProtocol, type Trial } from "./evaluate-protocol.ts";
import { createTrialScorer } from "./evaluate-trial.ts";
import { InOrder } from "./in-order.ts";
import { isShipped, packFolders } from "./package-root.ts";
import { Progress } from "./progress.ts";
import { Refusal } from "./refusal.ts";
import { count } from "./table.ts";

/** What `earwitness calibrate` takes. */
export interface CalibrateOptions {
  readonly model: string;
  readonly list: string;
  readonly audio: string;
  readonly out?: string;
  readonly prior?: number;
  readonly subset?: string;
}

const filesPerWorker = 3;
const fewRecordings = 100;

/**
 * Fits a pack's calibration on a labelled list and writes it into the pack's manifest, or into a copy of the pack;
 * resolves to the exit status, 1 when a recording could not be scored. Throws {@link Refusal} for what cannot be used.
 */
export async function calibrate(options: CalibrateOptions): Promise<number> {
  const trials = await readProtocol(options.list, options.subset);
  const name = options.out === undefined ? options.model : basename(resolve(options.out));
  if (isShipped(name)) {
    const remedy = options.out === undefined ? "--out FOLDER makes a copy" : "a copy needs another name";
    throw new Refusal(`${name} ships with the package and stays as it is: ${remedy}`);
  }
  const pack = await open(options.model);
  const { windows, recordings, unscored } = await rawScores(pack, trials, options);
  const raw = uncalibrated(windows, pack.manifest.calibration);
  const fitted = fit(raw, { prior: options.prior ?? 0.5, ...recordings });
  const list = basename(options.list);
  const calibration = toCalibration(fitted, `${toCounts(recordings, windows.length)} of ${list}`);
  const folder = await write(pack, calibration, options.out);
  console.log(
    [
      `${basename(folder)}: LLR = ${calibration.a} · x + ${calibration.b}, fitted on ${calibration.data}`,
      `  Cllr before ${weightedCllr(windows).toFixed(4)}, after ${weightedCllr(applied(raw, calibration)).toFixed(4)}`,
      `  calibration ${calibration.id} in ${join(folder, "model.json")}`,
    ].join("\n"),
  );
  warn(recordings, unscored);
  return unscored.length > 0 ? 1 : 0;
}

interface Recordings {
  readonly spoofs: number;
  readonly bonafides: number;
}

type Stored = NonNullable<Manifest["calibration"]>;

async function open(name: string): Promise<Pack> {
  try {
    return await openPack(name, packFolders(readConfig().modelsDir));
  } catch (cause) {
    throw new Refusal(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** The calibrated LLR of every window that was scored; a recording's windows weigh one together. */
async function rawScores(pack: Pack, trials: readonly Trial[], options: CalibrateOptions) {
  const windows: WeightedScore[] = [];
  const unscored: string[] = [];
  const recordings = { spoofs: 0, bonafides: 0 };
  const pool = await openPool(pack.manifest.id, readConfig());
  let done = 0;
  const progress = new Progress(() => `${done} of ${count(trials.length, "recording")}`);
  try {
    const [clean] = toConditions(undefined);
    if (clean === undefined) throw new Error("there is no clean condition");
    const score = createTrialScorer(options.audio, pool, pool.spec.detection);
    const atOnce = Math.max(1, pool.workerPids.length) * filesPerWorker;
    await new InOrder<{ trial: Trial } & Awaited<ReturnType<typeof score>>>(
      atOnce,
      ({ trial, ...judged }) => {
        done++;
        const llrs = "problem" in judged ? [] : judged.result.windows.flatMap(({ llr }) => llr ?? []);
        if ("problem" in judged) unscored.push(`${trial.id}: ${judged.problem}`);
        if (llrs.length > 0) recordings[trial.isSpoof ? "spoofs" : "bonafides"]++;
        for (const llr of llrs) windows.push({ score: llr, isSpoof: trial.isSpoof, weight: 1 / llrs.length });
      },
    ).run(trials.map((trial) => async () => ({ trial, ...(await score(trial.id, clean)) })));
  } finally {
    progress.close();
    await pool.close();
  }
  return { windows, recordings, unscored };
}

/** What the graph said before the pack's present calibration. */
function uncalibrated(scores: readonly WeightedScore[], present: Stored | null): readonly WeightedScore[] {
  if (present === null) return scores;
  return scores.map((one) => ({ ...one, score: (one.score - present.b) / present.a }));
}

const applied = (scores: readonly WeightedScore[], { a, b }: Calibration): readonly WeightedScore[] =>
  scores.map((one) => ({ ...one, score: a * one.score + b }));

function fit(
  scores: readonly WeightedScore[],
  options: Recordings & { readonly prior: number },
): Calibration {
  let fitted: Calibration;
  try {
    fitted = fitCalibration(scores, options);
  } catch (cause) {
    if (cause instanceof RangeError) throw new Refusal(`no calibration: ${cause.message}`, { cause });
    throw cause;
  }
  if (fitted.a > 0) return fitted;
  throw new Refusal("no calibration: on this list the model's scores do not rise from human to machine");
}

const toCounts = ({ spoofs, bonafides }: Recordings, windows: number): string =>
  `${count(windows, "window")} from ${count(spoofs, "machine recording")} and ${count(bonafides, "human recording")}`;

/** The name follows from the numbers: scores of two calibrations are never taken for each other. */
function toCalibration({ a, b }: Calibration, data: string): Stored {
  const [roundA, roundB] = [Number(a.toPrecision(8)), Number(b.toPrecision(8))];
  const hash = createHash("sha256").update(`${roundA} ${roundB} ${data}`).digest("hex");
  return { id: `fit-${hash.slice(0, 12)}`, a: roundA, b: roundB, data };
}

/** Into the pack itself, or into a copy whose name is the folder's. The files, and so the digest, stay what they are. */
async function write(pack: Pack, calibration: Stored, out: string | undefined): Promise<string> {
  const { manifest, folder } = pack;
  if (out === undefined) {
    const changed = parseManifest({ ...manifest, calibration });
    const draft = join(folder, "model.json.new");
    await writeFile(draft, `${JSON.stringify(changed, undefined, 2)}\n`);
    await rename(draft, join(folder, "model.json"));
    return folder;
  }
  const target = { folder: dirname(resolve(out)), name: basename(resolve(out)) };
  const description = { ...manifest, id: target.name, calibration };
  return await writePack(target, description, async (draft) => {
    const names = Object.keys(manifest.files);
    for (const name of names) await copyFile(join(folder, name), join(draft, name));
    return names;
  });
}

function warn(recordings: Recordings, unscored: readonly string[]): void {
  const least = Math.min(recordings.spoofs, recordings.bonafides);
  if (least < fewRecordings)
    console.error(`earwitness: ${count(least, "recording")} of a class is few to calibrate on`);
  for (const line of unscored) console.error(`earwitness: not scored: ${line}`);
}
